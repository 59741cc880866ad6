"""Tests of the study of accuracy on several data sets."""

import numpy as np
import pandas as pd
import pytest

from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from fer_xai.files import read_json
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model
from studies.engine.recognised_share import recognition, wilson_interval
from studies.engine.study import face_table
from studies.questions import accuracy
from studies.questions.accuracy import ALL, Accuracy


@pytest.fixture
def few(monkeypatch):
    """Only 60 of the built-in test faces."""
    spec = accuracy.DataSpec
    monkeypatch.setattr(
        spec, "load", lambda self, **kwargs: load_dataset(self.location, limit=60, **kwargs)
    )
    return load_dataset("synthetic", limit=60)


def test_shares_are_those_of_the_predictions_with_their_intervals(few, tmp_path):
    study = Accuracy(models=("gimefive=synthetic",), out=tmp_path, progress=False, device="cpu")
    folder = study.run()
    tables = {
        name: pd.read_csv(folder / "tables" / f"{name}.csv") for name in ("accuracy", "recall")
    }
    model = load_model("gimefive", weights="synthetic")
    logits = Predictor(model, device="cpu").logits(few)
    right = (logits.argmax(1) == model.columns(few.labels)).numpy()
    persons = list(face_table(few)["cluster"])
    low, high, scheme = wilson_interval(right, persons, unit="person")
    (row,) = tables["accuracy"].to_dict("records")
    assert (row["model"], row["data"]) == ("gimefive=synthetic", "synthetic")
    assert row["emotion"] == ALL
    assert row["recognised"] == pytest.approx(100 * right.mean())
    assert row["recognised low"] == pytest.approx(100 * low)
    assert row["recognised high"] == pytest.approx(100 * high)
    assert (row["faces"], row["units"], row["interval"]) == (60, len(set(persons)), scheme)
    by_emotion = tables["recall"].set_index("emotion")["recognised"]
    shown = few.table["emotion"].array == "fear"
    assert by_emotion["fear"] == pytest.approx(100 * right[shown].mean())
    assert len(by_emotion) == 6
    manifest = read_json(folder / "manifest.json", remedy="")
    assert manifest["status"] == "complete"
    assert list(manifest["inputs"]) == ["gimefive=synthetic on synthetic"]
    assert study.run() == folder


def test_each_emotion_tells_how_its_own_interval_was_made():
    """Persons repeat among the faces of one emotion only."""
    labels, persons = np.array([0, 0, 0, 0, 1, 1]), list("aabbcd")
    found = recognition("net", labels, labels, persons, emotions=["happiness"], unit="person")
    rows = accuracy._rows(found, "mine", pd.Series({"happiness": 2, "surprise": 2}), 4)
    by_person = "Wilson's interval over the effective number of faces, by person"
    told = {row["emotion"]: row["interval"] for row in rows}
    over_faces = "Wilson's interval over faces"
    assert told == {ALL: by_person, "happiness": by_person, "surprise": over_faces}
    assert found.table.frame.set_index("emotion")["interval"].to_dict() == {
        "happiness": by_person,
        "surprise": over_faces,
    }


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"models": ("gimefive", "gimefive")}, "each once, got gimefive, gimefive"),
        ({"models": ("gimefive=a/x.pt", "gimefive=b/x.pt")}, "each once, got gimefive=a/x.pt"),
        ({"models": ()}, "one or more of --models.* got none"),
        (
            {"models": ("gimefive", "gimefive=synthetic"), "data": ("synthetic",)},
            "--models once on synthetic, got gimefive and gimefive=synthetic, which are both",
        ),
        (
            {"models": ("gimefive=rafdb",), "data": ("rafdb:/a", "rafdb:/b")},
            "different names, got rafdb:/a and rafdb:/b, whose rows would both be named rafdb:",
        ),
        (
            {"models": ("gimefive=rafdb",), "data": ("gimefive:/a@rafdb", "gimefive:/a@RAF-DB")},
            "different names, got gimefive:/a@rafdb and gimefive:/a@RAF-DB",
        ),
        ({"data": ()}, "one or more of --data, each once, got none"),
        ({"models": ("gimefive=rafdb",), "data": ("synthetik",)}, "synthetic"),
    ],
)
def test_what_cannot_be_tabulated_is_one_sentence(given, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        Accuracy(**given, out=tmp_path, progress=False).run()
    assert not list(tmp_path.iterdir())
