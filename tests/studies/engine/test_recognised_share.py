"""The first line of an audit: what the model recognises, beside what knows nothing of a face."""

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from torch import nn

from fer_xai.data import load_dataset
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from studies import audit
from studies.engine.recognised_share import recognition, wilson_interval
from studies.run import main
from tests.helpers import tiny_model


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic", limit=24)


class Knowing(nn.Module):
    """Tells the faces that it was shown apart by their pixels."""

    def __init__(self, faces) -> None:
        super().__init__()
        self.base = tiny_model().net
        self.register_buffer("known", faces.pixels(64).float().flatten(1) / 255)
        self.register_buffer("columns", faces.labels)

    def forward(self, x):
        near = torch.cdist(x.flatten(1), self.known).argmin(dim=1)
        right = nn.functional.one_hot(self.columns[near], 6).float()
        return self.base(x) + 100 * right


def knowing(faces) -> FERModel:
    net = Knowing(faces)
    return FERModel(
        net,
        emotions=SIX,
        size=64,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        cam_layer="base.relu2",
        name="knowing",
    ).eval()


def short(model, faces, **options):
    return audit(
        model, faces, methods=["saliency"], metrics=["average_drop"], controls=["centre"], **options
    )


@pytest.mark.parametrize("right", [0, 1, 5, 12, 24])
def test_single_faces_get_wilsons_interval(right):
    hits = np.arange(24) < right
    low, high, scheme = wilson_interval(hits, range(24))
    assert (low, high) == pytest.approx(proportion_confint(right, 24, method="wilson"))
    assert scheme == "Wilson's interval over faces"


def test_faces_of_one_person_are_no_more_than_that_person():
    hits = np.repeat([True, False, True, True, False, True, True, True], 10)
    people = np.repeat(np.arange(8), 10)
    low, high, scheme = wilson_interval(hits, people)
    alone = wilson_interval(hits[::10], range(8))
    assert "by cluster" in scheme
    assert low <= alone[0] + 0.02
    assert high >= alone[1] - 0.02
    wide = stats.t.interval(0.95, 7, hits[::10].mean(), stats.sem(hits[::10]))
    assert high - low == pytest.approx(min(wide[1], 1) - max(wide[0], 0), rel=0.25)
    assert wilson_interval(np.zeros(80, bool), people)[1] == pytest.approx(
        proportion_confint(0, 8, method="wilson")[1]
    )
    assert wilson_interval(hits, np.zeros(80))[1] - wilson_interval(hits, np.zeros(80))[0] > 0.7


def test_wilsons_interval_covers_faces_of_persons():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(40), 5)
    covered = 0
    for _ in range(400):
        low, high, _ = wilson_interval(rng.random(200) < np.repeat(rng.beta(1, 1, 40), 5), people)
        covered += low <= 0.5 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_recall_and_prior_are_counted():
    labels = np.array([0, 0, 0, 1, 2, 2])
    named = np.array([0, 1, 1, 1, 0, 0])
    found = recognition("net", labels, named, range(6), emotions=SIX)
    assert (found.right, found.prior, found.frequent) == (2, 0.5, "happiness")
    assert found.chance == pytest.approx(1 / 6)
    table = found.recall.set_index("emotion")
    assert table["recall"].to_dict() == pytest.approx(
        {"happiness": 1 / 3, "surprise": 1, "sadness": 0}
    )
    assert table.loc["sadness", "most often named"] == "happiness"
    assert not found.above_prior
    with pytest.raises(InputError, match="Expected faces to count, got none"):
        recognition("net", labels[:0], named[:0], [], emotions=SIX)


def test_a_model_that_recognises_is_judged(faces):
    report = short(knowing(faces), faces, thresholds={"average_drop": 1.0})
    wiring, first, *_ = report.answer.splitlines()
    assert wiring.startswith("Preflight: No check found knowing wired otherwise than declared")
    assert first.startswith("knowing recognises 100.0 % of 24 faces (95 % interval ")
    assert "every time would be right for" in first
    assert "guessing for 16.7 %" in first
    assert report.judged
    assert report.passed
    assert "Every threshold was reached." in report.answer
    assert report.tables["recall"]["recall"].eq(1).all()


def test_a_model_that_recognises_no_more_than_the_prior_passes_no_audit(faces):
    """One that is fed in the wrong range, or faces that stand upside down, say."""
    model = knowing(faces)
    model.mean.fill_(-300)  # each face looks like the same one
    report = short(model, faces, thresholds={"average_drop": 1.0})
    assert not report.passed
    assert not report.judged
    assert "Not judged: " in report.answer
    assert "the interval of the share recognised does not lie above" in report.answer
    assert "Every threshold" not in report.answer
    assert [str(one) for one in report.failures] == [
        "saliency: average_drop is not judged, expected at most 1"
    ]
    assert set(report.tables["thresholds"]["reached"]) == {"not judged"}
    assert not short(model, faces).passed  # without thresholds too
    anyway = short(model, faces, thresholds={"average_drop": 1.0}, anyway=True)
    assert anyway.passed
    assert "Judged anyway: the model is not wired as declared; the interval of" in anyway.answer
    assert anyway.answer.endswith("Every threshold was reached.")


def test_faces_of_one_emotion_tell_nothing(faces):
    one = faces.subset(np.flatnonzero(faces.labels.numpy() == 0))
    assert short(knowing(one), one).recognised.prior == 1
    assert not short(knowing(one), one).passed


class Blank(nn.Module):
    """Convolution, ReLU and a head of negative weights: every Grad-CAM map is zero."""

    def __init__(self, faces) -> None:
        super().__init__()
        self.known = Knowing(faces)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(3, 6)
        nn.init.constant_(self.fc.weight, -1)

    def forward(self, x):
        return self.fc(self.relu(x).mean(dim=(2, 3))) + self.known(x).detach()


def test_blank_maps_reach_no_threshold_and_enter_no_answer(faces):
    model = FERModel(
        Blank(faces),
        emotions=SIX,
        size=64,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        cam_layer="relu",
        name="blank",
    ).eval()
    report = audit(
        model,
        faces,
        methods=["gradcam"],
        metrics=["deletion"],
        controls=["centre"],
        thresholds={"deletion": 1.0},
    )
    assert report.frame.query("method == 'gradcam'")["blank"].all()
    assert not report.passed
    assert "1 of 1 threshold was not reached" in report.answer
    assert "Maps that explain nothing: gradcam 24 blank of 24" in report.answer
    assert "beat the centre control" not in report.answer
    table = report.tables["maps"].set_index("method")
    assert table.loc["gradcam", "blank maps"] == 24
    assert np.isnan(report.table.set_index("method").loc["gradcam", "mean"])


def test_maps_that_break_their_law_are_named_and_undefined(faces, monkeypatch):
    """A sum that misses half of what it should be makes a map undefined; one of 2 % is named."""
    from studies.engine import explained as targets_module

    explain = targets_module.explain

    def off(*args, **options):
        found = explain(*args, **options)
        gap = torch.zeros(len(found))
        gap[: len(found) // 2 + 1], gap[-1] = -0.5, 0.02
        object.__setattr__(found, "completeness_gap", gap)
        return found

    monkeypatch.setattr(targets_module, "explain", off)
    some = faces.subset(range(8))
    report = audit(
        tiny_model(),
        some,
        methods=["deeplift"],
        metrics=["average_drop"],
        controls=["centre"],
        thresholds={"average_drop": 1.0},
        anyway=True,
    )
    assert "deeplift 5 undefined of 8" in report.answer
    assert (
        "Completeness is broken, maps do not add up to what they should: deeplift, off by up to "
        "50 % (6 of 8 maps beyond 1 %)." in report.answer
    )
    (failure,) = report.failures
    assert str(failure).startswith("deeplift: average_drop is undefined for 62% of faces")


def test_the_command_says_first_what_is_recognised_and_which_weights_are_meant(tmp_path, capsys):
    from PIL import Image

    words = [
        "audit",
        "--limit",
        "6",
        "--methods",
        "gradcam",
        "--metrics",
        "average_drop",
        "--controls",
        "centre",
        "--batch-size",
        "8",
        "--no-progress",
        "--out",
        str(tmp_path / "out"),
    ]
    some = load_dataset("synthetic", limit=6)
    for index, emotion in enumerate(some.table["emotion"]):
        place = tmp_path / "faces" / "test" / emotion
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(some.read(index)).save(place / f"{index}.png")
    data = ["--data", f"folder:{tmp_path / 'faces'}"]
    assert main([*words, *data]) == 2  # whose weights, of these faces?
    assert capsys.readouterr().err == (
        "studies.run: Expected weights of gimefive for folder, but none are shipped (those for "
        "fer2013, rafdb, synthetic are: name one of them if you mean it): train them (python -m "
        "training.run --model gimefive …) and pass --weights PATH.\n"
    )
    main([*words, *data, "--weights", "synthetic"])
    said = capsys.readouterr().out
    assert said.startswith("Preflight: No check found gimefive wired otherwise than declared")
    assert "gimefive recognises " in said
    assert (
        "Weights: synthetic, shipped, trained on built-in faces, other data than these faces."
        in said
    )
    (run,) = (tmp_path / "out" / "audit").iterdir()
    page = (run / "report.html").read_text()
    assert page.index("gimefive recognises") < page.index("Weights: synthetic") < 6000
