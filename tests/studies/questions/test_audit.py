"""The audit of models that are not ours: its report, its thresholds and its gate."""

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from metrics.core.registry import METRICS
from studies import Audit, audit
from studies.scoreboard.thresholds import judged_means
from tests.helpers import tiny_model


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic", limit=6)


@pytest.fixture(scope="module")
def report(faces) -> Audit:
    return audit(
        tiny_model(),
        faces,
        methods=["gradcam", "saliency"],
        metrics=["average_drop", "deletion", "naopc"],
        thresholds={"average_drop": 1.0, "gradcam:deletion": 0.0},
        anyway=True,
    )


def _row(mean, low, high, metric="insertion", undefined=0.0):
    found = {"mean": mean, "mean low": low, "mean high": high, "undefined": undefined}
    return pd.DataFrame([{"method": "gradcam", "metric": metric, **found}])


@pytest.mark.parametrize(
    ("metric", "mean", "low", "high", "limit", "on_bound", "sentence"),
    [
        ("insertion", 0.5, 0.45, 0.55, 0.45, True, None),
        ("insertion", 0.5, 0.35, 0.65, 0.4, False, "0.500, lower bound 0.350, expected at least"),
        ("deletion", 0.3, 0.2, 0.4, 0.35, False, "0.300, upper bound 0.400, expected at most 0.35"),
        ("average_drop", 0.9, 0.5, 1.3, 1.0, True, None),  # no drop is larger than 1
        ("insertion", 0.5, np.nan, np.nan, 0.4, False, "0.500 has no interval, expected at least"),
    ],
)
def test_a_threshold_is_held_against_the_worse_bound_or_the_estimate_where_asked(
    *, metric, mean, low, high, limit, on_bound, sentence
):
    """Faces that were drawn luckily pass no threshold that other faces would not."""
    asked = (_row(mean, low, high, metric), {("gradcam", metric): limit}, {metric: METRICS[metric]})
    (found,) = judged_means(*asked)
    assert found.reached == on_bound
    assert sentence is None or sentence in str(found)
    (estimate,) = judged_means(*asked, on="estimate")
    assert estimate.reached
    assert str(estimate).startswith(f"gradcam: {metric} {mean:.3f}, expected")
    assert (estimate.on, found.on) == ("estimate", "bound")


def test_the_report_has_frame_tables_and_a_page(report, tmp_path):
    assert list(report.frame.columns) == [
        "id",
        "emotion",
        "target",
        "model",
        "method",
        "metric",
        "value",
        "blank",
        "undefined",
    ]
    assert set(report.frame["method"]) >= {"gradcam", "saliency", "centre", "random"}
    assert set(report.tables) == {
        "thresholds",
        "preflight",
        "recall",
        "maps",
        "in_words",
        "methods",
        "disagreement",
        "refused",
        "fills_shared",
    }
    words = report.tables["in_words"]
    assert set(words["method"]) == {"gradcam"}
    assert words["in words"].str.contains("the map for").all()
    page = report.to_html(tmp_path / "deep" / "report.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert "tiny" in page
    assert "gradcam" in page
    assert report.to_html(tmp_path / "again.html").stat().st_size > 10_000


def test_thresholds_fail_where_the_mean_is_worse(report):
    assert not report.passed
    (failure,) = report.failures
    assert (failure.method, failure.metric, failure.limit) == ("gradcam", "deletion", 0.0)
    mean = report.frame.query("method == 'gradcam' and metric == 'deletion'")["value"].mean()
    assert failure.value == pytest.approx(mean)
    assert "gradcam: deletion" in str(failure)
    assert str(failure).endswith(", expected at most 0")
    assert (
        "Each mean is judged by the worse bound of its 95 % interval. 1 of 3 thresholds were not "
        "reached."
    ) in report.answer
    assert failure.bound > failure.value
    assert report.manifest["on"] == "bound"
    table = report.tables["thresholds"].set_index(["method", "metric"])
    assert table["reached"].to_dict() == {
        ("gradcam", "average_drop"): True,
        ("saliency", "average_drop"): True,
        ("gradcam", "deletion"): False,
    }
    assert set(table["on"]) == {"bound"}
    assert set(table["expected"]) == {"at most 1", "at most 0"}


@pytest.mark.parametrize(
    ("undefined", "sentence"),
    [
        (0.5, None),
        (0.6, "gradcam: insertion is undefined for 60% of faces, expected a mean of at least 0.2"),
    ],
)
def test_a_mean_over_a_minority_of_faces_reaches_nothing(undefined, sentence):
    table = _row(0.9, 0.8, 1.0, undefined=undefined)
    (found,) = judged_means(
        table, {("gradcam", "insertion"): 0.2}, {"insertion": METRICS["insertion"]}
    )
    assert found.reached == (sentence is None)
    assert sentence is None or str(found).startswith(sentence)


def test_the_manifest_says_what_was_asked(report):
    assert report.manifest["methods"] == ["gradcam", "saliency"]
    assert report.manifest["metrics"] == ["average_drop", "deletion", "naopc"]
    assert report.manifest["targets"] == "predicted"
    assert "centre" in report.manifest["controls"]
    assert report.manifest["thresholds"] == {"average_drop": 1.0, "gradcam:deletion": 0.0}


def test_a_refused_method_fails_its_threshold(faces):
    report = audit(
        tiny_model(),
        faces,
        methods=["gradcam", "attention_rollout"],
        metrics=["average_drop"],
        thresholds={"average_drop": 1.0},
        anyway=True,
    )
    assert [failure.method for failure in report.failures] == ["attention_rollout"]
    assert str(report.failures[0]) == (
        "attention_rollout: average_drop has no score, expected at most 1"
    )


def test_the_gate_stops_what_does_not_look_at_the_model(faces):
    report = audit(
        tiny_model(), faces, methods=["gradcam"], metrics=["average_drop"], gate=True, anyway=True
    )
    assert "pass the randomisation gate" in report.answer
    gate = report.tables["gate"].set_index("method")
    assert gate.loc["edges", "likeness"] == pytest.approx(1, abs=1e-6)
    assert gate.loc["edges", "gate"] == "undecided"  # a few faces cannot stop it
    (verdict,) = report.thresholds
    assert verdict.expected == "at most 0.5"
    assert verdict.bound == gate.loc["gradcam", "likeness high"]
    assert report.passed == (gate.loc["gradcam", "gate"] == "passes")


def test_names_are_escaped(faces, tmp_path):
    model = tiny_model()
    model.name = "<b>net</b>"
    page = audit(model, faces, methods=["gradcam"], metrics=["average_drop"]).to_html(
        tmp_path / "r.html"
    )
    assert "<b>net</b>" not in page.read_text()


@pytest.mark.parametrize("name", ["../../../x", "n" * 300, "m[/b]|<script>", "=1+1"])
def test_a_model_may_be_called_anything(name, faces, tmp_path, monkeypatch):
    """Its name is no path, no markup, no formula and no tag."""
    model = tiny_model()
    model.name = name
    found = audit(
        model,
        faces,
        methods=["gradcam", "saliency", "layercam"],
        metrics=["average_drop", "average_gain", "gini"],
        controls=["centre"],
        shards=tmp_path / "a" / "b" / "c" / "shards",
    )
    found.write(tmp_path / "a" / "b" / "c")
    everything = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert all((tmp_path / "a" / "b" / "c") in file.parents for file in everything)
    pictures = [file.name for file in everything if file.suffix == ".png"]
    assert len(pictures) >= 2
    assert all(
        set(picture) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-+=@") for picture in pictures
    )
    page, rows = (
        next(f.read_text() for f in everything if f.name == n)
        for n in ("report.html", "methods.md")
    )
    assert "<script" not in page + rows
    assert len({line.replace("\\|", "").count("|") for line in rows.splitlines()}) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"thresholds": {"insertion": 1}}, "Expected thresholds of deletion, each for all methods"),
        ({"thresholds": {"lrp:deletion": 1}}, "Expected thresholds of deletion, each for all meth"),
        ({"metrics": ["delet"]}, "Unknown metric"),
        ({"metrics": []}, "Expected at least one metric"),
        ({"primary": "aopc"}, "Expected the primary metric among deletion"),
        ({"on": "mean"}, "Expected on as bound or estimate, got 'mean'"),
        ({"seed": -1}, "Expected seed from 0, got -1"),
        ({"seed": 1.5}, "Expected seed as a whole number"),
        ({"methods": "gradcam"}, r"Expected a list of methods, .* pass \['gradcam'\]"),
        ({"thresholds": {"deletion": "a"}}, "Expected a number as threshold of deletion, got 'a'"),
    ],
)
def test_bad_input_is_one_sentence(faces, options, sentence):
    with pytest.raises(InputError, match=sentence):
        audit(tiny_model(), faces, **({"metrics": ["deletion"]} | options))


def test_what_is_no_model_and_what_are_no_faces_is_one_sentence(faces):
    with pytest.raises(InputError, match="Expected faces to audit"):
        audit(tiny_model(), faces.subset([]), metrics=["deletion"])
    with pytest.raises(InputError, match="Expected a FERModel, got Linear: load one"):
        audit(torch.nn.Linear(3, 6), faces)
    with pytest.raises(InputError, match="Expected Faces, which are labelled, got Tensor"):
        audit(tiny_model(), faces.images)


def test_a_network_with_an_order_of_its_own_is_read_by_name(faces):
    """The columns of a network turned round, told so, give the same scores."""
    one = tiny_model()
    turned = tiny_model()
    with torch.no_grad():
        turned.net.fc.weight.copy_(one.net.fc.weight.flip(0))
        turned.net.fc.bias.copy_(one.net.fc.bias.flip(0))
    other = FERModel(turned.net, emotions=one.emotions[::-1], size=64, cam_layer="relu2").eval()
    scores = [
        audit(model, faces, methods=["gradcam"], metrics=["insertion"]).frame["value"]
        for model in (one, other)
    ]
    assert np.allclose(*scores, atol=1e-5, equal_nan=True)


def test_the_answer_speaks_of_a_metric_that_is_held_against_the_centre(faces):
    found = audit(tiny_model(), faces, methods=["gradcam"], metrics=["gini", "average_drop"])
    assert found.manifest["primary"] == "average_drop"


def test_a_name_that_is_no_text_is_written_with_replacements(faces, tmp_path):
    model = tiny_model()
    model.name = "a\udc80b"  # a file name that is not UTF-8, as Python reads it
    report = audit(model, faces, methods=["saliency"], metrics=["gini"], controls=["centre"])
    assert "a?b" in report.to_html(tmp_path / "report.html").read_text(encoding="utf-8")
    report.write(tmp_path / "run")
    assert "a?b" in (tmp_path / "run" / "answer.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def judged():
    """Two audits of one method, on a face a person, without a margin and with a wide one."""
    some = load_dataset("synthetic", limit=60)
    some = some.subset(np.unique(face_groups(some), return_index=True)[1])
    asked = {"methods": ["gradcam"], "metrics": ["insertion"], "controls": ["centre"]}
    return [audit(tiny_model(), some, **asked, margin=margin) for margin in (None, 5.0)]


def test_no_different_is_shown_where_a_margin_was_declared(judged, tmp_path):
    without, given = judged
    assert "no different" not in without.table
    assert "margin" not in without.manifest
    assert given.manifest["margin"] == 5.0
    row = given.table.set_index("method").loc["gradcam"]
    assert row["no different"]  # scores lie within 0 and 1
    assert (
        "No different: the gain is shown to lie within ±5, the margin"
        in given.to_html(tmp_path / "a.html").read_text()
    )
    assert (given.frame["value"] == without.frame["value"]).all()


@pytest.mark.parametrize("margin", [0, -0.1, float("nan"), float("inf"), "wide"])
def test_a_margin_is_a_number_above_zero(faces, margin):
    with pytest.raises(InputError, match="Expected margin above 0, got"):
        audit(tiny_model(), faces, margin=margin)


def test_progress_is_shown_where_it_is_asked_for(faces, capsys, monkeypatch):
    monkeypatch.setattr("studies.engine.progress.EVERY", 0.0)
    asked = {"methods": ["gradcam"], "metrics": ["average_drop"], "controls": []}
    audit(tiny_model(), faces, **asked)
    assert capsys.readouterr().err == ""
    audit(tiny_model(), faces, **asked, progress=True)
    assert "faces: 6 of 6" in capsys.readouterr().err
    counted = []
    audit(tiny_model(), faces, **asked, progress=counted.append)
    assert sum(counted) == 6
