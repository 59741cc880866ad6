"""Tests of the study across data sets with weights that are there."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.data import load_dataset
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.files import read_json
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model
from fer_xai.types import Faces
from metrics.statistics.intervals import mean_interval
from studies.engine.domains import IN, OUT, Training
from studies.engine.recognised_share import wilson_interval
from studies.engine.specs import DataSpec
from studies.engine.study import face_table
from studies.questions.cross_dataset.gaps import gaps
from studies.questions.cross_dataset.networks import Network
from studies.questions.cross_dataset.report import answer
from studies.questions.cross_dataset.scores import Cell
from studies.questions.cross_dataset.study import CrossDataset
from studies.questions.cross_dataset.tables import ALL
from studies.questions.cross_dataset.tested import DataColumn, common_emotions, left_out
from training.variants import TrainingOptions

LIMIT = 36


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    """Tiny weights whose card says that they know the style lab, on two styles."""
    place = tmp_path_factory.mktemp("cross")
    own = place / "tiny.safetensors"
    own.write_bytes(weights.read_bytes())
    (place / "card.json").write_text(json.dumps({"run": {"data": "synthetic:lab"}}))
    study = CrossDataset(
        models=(f"tiny={own}",),
        data=("synthetic", "synthetic:lab"),
        options=TrainingOptions(limit=LIMIT, device="cpu", records=place / "records"),
        out=place / "out",
        progress=False,
    )
    return study, study.run(), own


def tables(folder):
    return {path.stem: pd.read_csv(path) for path in (folder / "tables").glob("*.csv")}


def test_shares_are_those_of_the_predictions_with_their_intervals(run):
    study, folder, weights = run
    found = tables(folder)
    faces = load_dataset("synthetic", limit=LIMIT)
    model = load_model("tiny", weights=weights)
    logits = Predictor(model, device="cpu").logits(faces)
    right = (logits.argmax(1) == model.columns(faces.labels)).numpy()
    persons = list(face_table(faces)["cluster"])
    low, high, scheme = wilson_interval(right, persons, unit="person")
    row, other = found["accuracy"].to_dict("records")
    assert (row["model"], row["data"]) == ("tiny=tiny.safetensors", "synthetic")
    assert (row["emotion"], row["faces are"], other["faces are"]) == (ALL, OUT, IN)
    assert row["recognised"] == pytest.approx(100 * right.mean())
    assert row["recognised low"] == pytest.approx(100 * low)
    assert row["recognised high"] == pytest.approx(100 * high)
    assert (row["faces"], row["units"], row["interval"]) == (LIMIT, len(set(persons)), scheme)
    by_emotion = found["recall"].set_index(["data", "emotion"])["recognised"]
    shown = faces.table["emotion"].array == "fear"
    assert by_emotion["synthetic", "fear"] == pytest.approx(100 * right[shown].mean())
    assert len(by_emotion) == 12
    gap = found["gaps"].iloc[0]
    assert gap["gap"] == pytest.approx(other["recognised"] - row["recognised"])
    manifest = read_json(folder / "manifest.json", remedy="")
    assert manifest["status"] == "complete"
    assert study.run() == folder  # the outputs are kept, the tables made anew
    assert (folder / "figures" / "matrix.png").stat().st_size > 0
    assert len((folder / "answer.txt").read_text().split(". ")) <= 3


def cell(hits, labels, *, trained, tested, seed=None, outputs=SIX, extra=None, clusters=None):
    """A cell of which the network names the label where it hits, and the next emotion elsewhere."""
    hits, labels = np.array(hits), np.array(labels)
    named = np.where(hits, labels, (labels + 1) % 6)
    logits = torch.zeros(len(hits), len(outputs))
    logits[np.arange(len(hits)), named] = 2.0
    if extra is not None:
        logits[:, extra] = 3.0
    images = torch.zeros(len(hits), 3, 2, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(len(hits))
    subject = [""] * len(hits) if clusters is None else clusters
    faces = Faces.from_tensors(images, torch.tensor(labels), name=tested, subject=subject)
    one = DataColumn(
        spec=DataSpec(tested),
        name=tested,
        domain=tested,
        faces=faces,
        table=face_table(faces),
        counts=faces.table["emotion"].value_counts(),
    )
    network = Network(
        name=f"net on {trained}",
        row=f"net on {trained}",
        architecture="net",
        training=Training(domains=frozenset({trained})),
        load=lambda: None,
        seed=seed,
    )
    return Cell(network=network, tested=one, logits=logits, outputs=outputs, common=SIX)


def pair():
    """The same network at home, with much happiness, and abroad with none of it recognised."""
    home = cell(
        [True] * 60 + [False] * 40, [0] * 50 + [1, 2, 3, 4, 5] * 10, trained="a", tested="a"
    )
    away = cell(
        [False] * 20 + [True] * 30 + [False] * 30,
        [0] * 20 + [1, 2, 3, 4, 5] * 12,
        trained="a",
        tested="b",
    )
    return home, Cell(**{**vars_of(away), "network": home.network})


def vars_of(one):
    names = ("network", "tested", "logits", "outputs", "common", "copies")
    return {name: getattr(one, name) for name in names}


def test_the_gap_at_the_same_shares_is_a_sum_of_recalls():
    home, away = pair()
    (row,) = gaps([home, away]).to_dict("records")
    assert row["gap"] == pytest.approx(60.0 - 37.5)
    recalls = [away.hits[away.labels == label].mean() for label in range(6)]
    shares = [0.5] + [0.1] * 5
    assert row["gap at the same shares"] == pytest.approx(60 - 100 * np.dot(shares, recalls))
    for name in ("gap", "gap at the same shares"):
        assert row[f"{name} low"] < row[name] < row[f"{name} high"]
    assert np.isnan(row["less than trained there"])


def test_networks_trained_there_are_compared_on_the_same_faces():
    home, away = pair()
    there = cell([True] * 80, away.labels, trained="b", tested="b")
    there = Cell(**{**vars_of(there), "tested": away.tested})
    row = gaps([home, away, there]).iloc[0]
    found = mean_interval(there.hits.astype(float) - away.hits)
    assert row["less than trained there"] == pytest.approx(62.5)
    assert row["less than trained there low"] == pytest.approx(100 * found.low)


def test_only_common_emotions_can_be_named_and_all_outputs_are_told_too():
    outputs = (*SIX, "neutral")
    one = cell(
        [True] * 30, [0, 1, 2, 3, 4, 5] * 5, trained="a", tested="a", outputs=outputs, extra=6
    )
    assert one.hits.all()
    assert not one.hits_of_all.any()
    assert one.scores["accuracy"] == 1


def test_what_is_left_out_is_counted():
    one = cell([True] * 30, [0, 1, 2, 3, 4, 5] * 5, trained="a", tested="a").tested
    found = left_out([one], {"net": SIX[:5]}, SIX[:5])
    assert found.to_numpy().tolist() == [["a", "fear", 5, "not known to net"]]


def test_too_few_common_emotions_are_one_sentence():
    shown = {"one": SIX, "two": ("neutral", "contempt"), "three": SIX}
    with pytest.raises(InputError, match="got none: two has neutral, contempt; leave it out"):
        common_emotions({"net": EMOTIONS}, shown)
    with pytest.raises(InputError, match="got happiness: net has happiness"):
        common_emotions({"net": ("happiness",)}, {"one": SIX})


def test_the_answer_has_three_sentences():
    frame = gaps(list(pair()))
    matrix = pd.DataFrame({"faces are": [IN, OUT], "accuracy": [60.0, 37.5]})
    said = answer(matrix, frame)
    assert said.startswith(
        "60.0 % of the faces of the data set trained on and 37.5 % of the faces of data sets not "
        "trained on are recognised. The gap of net on a on b is +22.5 ["
    )
    assert said.count(". ") == 2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"data": ("synthetic",)}, "Expected --models whose weights are tested on --data"),
        (
            {"models": ("gimefive=synthetic", "gimefive=a/synthetic")},
            "each once, got gimefive=synthetic and gimefive=a/synthetic, which are both",
        ),
        (
            {"models": ("gimefive=rafdb",), "data": ("rafdb:/a", "rafdb:/b")},
            "different data sets, got rafdb:/a and rafdb:/b, which are both rafdb",
        ),
        (
            {"models": ("gimefive=rafdb",), "data": ("gimefive:/a@rafdb", "gimefive:/a@rafdb")},
            "different data sets, got gimefive:/a@rafdb and gimefive:/a@rafdb",
        ),
        (
            {"models": ("gimefive=rafdb",), "data": ("synthetic", "synthetic:wild")},
            "different data sets, got synthetic and synthetic:wild, which are both",
        ),
        (
            {"models": ("gimefive=rafdb",), "data": ("gimefive:/a@rafdb", "rafdb:/b")},
            "different data sets, got gimefive:/a@rafdb and rafdb:/b, which are both rafdb",
        ),
        ({"models": ("gimefive=rafdb",), "data": ("synthetik",)}, "synthetic"),
        ({"models": ("vgg",), "data": ("synthetic",)}, "weights of vgg, but none are shipped"),
    ],
)
def test_what_cannot_be_tabulated_is_one_sentence(given, sentence, tmp_path):
    options = TrainingOptions(records=tmp_path / "records", runs=tmp_path / "runs")
    with pytest.raises(InputError, match=sentence):
        CrossDataset(**given, options=options, out=tmp_path / "out", progress=False).run()
    assert not (tmp_path / "out").exists()
