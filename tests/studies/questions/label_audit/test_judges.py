"""Judges are asked out of sample alone; planted wrong labels are named."""

import json

import numpy as np
import pandas as pd
import pytest

from fer_xai.data.duplicates.groups import joined
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from studies.engine.options import Passes
from studies.engine.specs import DataSpec, ModelSpec
from studies.questions.label_audit.collected import collected
from studies.questions.label_audit.issues import judged_labels
from studies.questions.label_audit.judges import (
    Judge,
    in_sample,
    judged_by_file,
    judged_by_model,
    out_of_sample,
    specs,
    trained_on,
)


@pytest.fixture(scope="module")
def faces():
    return collected([DataSpec("synthetic")], splits=["train", "test"], limit=12)


def test_a_model_is_not_asked_about_its_training_faces(faces, tmp_path):
    spec = ModelSpec("gimefive", "synthetic")
    found = judged_by_model(spec, faces, Passes(device="cpu", batch_size=12), folder=tmp_path)
    assert found.refused == ("synthetic train",)
    assert (faces.table["split"].iloc[found.rows] == "test").all()
    again = judged_by_model(spec, faces, Passes(device="cpu", batch_size=12), folder=tmp_path)
    assert np.array_equal(again.logits, found.logits)
    assert len(list(tmp_path.iterdir())) == 1  # kept, and not made anew


def test_training_faces_alone_are_refused_by_name(tmp_path):
    faces = collected([DataSpec("synthetic")], splits=["train"], limit=3)
    with pytest.raises(InputError, match="only synthetic train, which its card names"):
        judged_by_model(
            ModelSpec("gimefive", "synthetic"), faces, Passes(device="cpu"), folder=tmp_path
        )


def test_the_benchmark_and_its_sources_share_images():
    table = pd.DataFrame({"set": ["rafdb", "gimefive@fer2013", "kdef"], "split": "train",
                          "source": ["rafdb", "fer2013", "kdef"]})  # fmt: off
    assert in_sample(table, "gimefive").tolist() == [True, True, False]
    assert in_sample(table, "ferplus").tolist() == [False, True, False]
    assert in_sample(table.assign(split="test"), "gimefive").tolist() == [False] * 3


def test_weights_without_a_card_are_refused(tmp_path):
    weights = tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match=r"a card\.json beside the weights"):
        trained_on(ModelSpec("gimefive", str(weights)))
    with pytest.raises(InputError, match="got none"):
        specs(["gimefive"])
    with pytest.raises(InputError, match="each model once"):
        specs(["gimefive=rafdb", "gimefive=rafdb"])
    (tmp_path / "card.json").write_text(json.dumps({"run": {"data": "RAF-DB", "source": None}}))
    assert trained_on(ModelSpec("gimefive", str(weights))) == "rafdb"


def _stored(path, faces, rows, **changes):
    own = faces.table.iloc[rows]
    arrays = {
        "ids": own["id"].to_numpy().astype(str),
        "labels": np.array([EMOTIONS.index(one) for one in own["emotion"]]),
        "logits": np.zeros((len(rows), 6)),
        "copy": np.arange(len(rows)) == 0,
    }
    np.savez(path, **(arrays | changes))
    return path


def test_stored_predictions_leave_out_what_was_seen(faces, tmp_path):
    rows = [3, 20, 14]
    found = judged_by_file(_stored(tmp_path / "a.npz", faces, rows), faces)
    assert sorted(found.rows) == sorted(rows)
    own = out_of_sample(found, faces.table, joined(len(faces)))
    assert sorted(own.rows) == [14, 20]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": np.full(2, 7)}, "Expected predictions for the same labels"),
        ({"ids": np.array(["x", "y"])}, "it names none of them, for instance x"),
        ({"ids": np.array(["x", "x"])}, "Expected each face once"),
        ({"logits": np.zeros((2, 5))}, r"Expected arrays ids \(N,\) and logits \(N, 6\)"),
    ],
)
def test_other_predictions_are_refused(faces, tmp_path, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        judged_by_file(_stored(tmp_path / "a.npz", faces, [0, 1], **changes), faces)


def test_planted_wrong_labels_are_named():
    rng = np.random.default_rng(0)
    n = 600
    truth = rng.integers(0, 6, n)
    wrong = np.sort(rng.choice(n, 30, replace=False))
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + 1) % 6
    table = pd.DataFrame({"face": [str(i) for i in range(n)], "set": "s", "split": "test",
                          "emotion": np.array(SIX)[labels]})  # fmt: off
    logits = 4 * np.eye(6)[truth] + rng.normal(size=(n, 6))
    judge = Judge(name="net", trained="", emotions=SIX, rows=np.arange(n), logits=logits,
                  copied=np.zeros(n, bool))  # fmt: off
    summary, rows = judged_labels(judge, table, seed=0)
    named = np.flatnonzero(rows["named"])
    assert len(set(named) & set(wrong)) >= 25
    assert len(set(named) - set(wrong)) <= 15
    row = summary.iloc[0]
    assert row["changed"] == 20
    assert row["changed named low"] <= row["changed named"] <= row["changed named high"]
    assert row["changed named"] > 80 > row["others named, %"]
    again, _ = judged_labels(judge, table, seed=0)
    assert again.equals(summary)


def test_few_faces_and_other_emotions_are_not_judged():
    table = pd.DataFrame({"face": ["a", "b"], "set": ["s", "t"], "split": "test",
                          "emotion": ["neutral", "fear"]})  # fmt: off
    judge = Judge(name="net", trained="", emotions=SIX, rows=np.arange(2), copied=np.zeros(2, bool),
                  logits=np.zeros((2, 6)))  # fmt: off
    summary, rows = judged_labels(judge, table, seed=0)
    assert summary["faces"].tolist() == [0, 0]
    assert summary["not judged because"].str.startswith("fewer than").all()
    assert not len(rows)
