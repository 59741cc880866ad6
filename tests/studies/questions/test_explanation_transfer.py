"""The transfer study: rows, tables, resuming, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.errors import InputError
from studies.questions.explanation_transfer.measured import alignment
from studies.questions.explanation_transfer.study import ExplanationTransfer
from studies.questions.explanation_transfer.tables import (
    GIVEN,
    TOGETHER,
    Domain,
    corrected,
    domain_row,
    told_of_errors,
    transfer_table,
)


def study(out, weights, **options):
    settings = {
        "models": (f"tiny={weights}",),
        "limit": 12,
        "data": ("synthetic:lab", "synthetic:web48"),
        "metrics": ("average_gain", "gini"),
        "batch_size": 8,
    } | options
    return ExplanationTransfer(device="cpu", progress=False, out=out, **settings)


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    return study(tmp_path_factory.mktemp("transfer"), weights).run()


def test_a_run_leaves_rows_tables_figures_and_a_report(run):
    rows = pd.read_parquet(run / "qualities.parquet")
    assert set(rows["quality"]) == {"average_gain", "gini", "consistency", "alignment"}
    assert rows.groupby(["data", "quality"]).size().eq(12).all()
    for _, own in rows.groupby("quality"):
        assert np.allclose(own["gain"].abs(), (own["value"] - own["floor"]).abs(), equal_nan=True)
    answers = pd.read_parquet(run / "answers.parquet")
    assert answers["confidence"].between(1 / 7, 1).all()
    assert (answers["right"] == (answers["named"] == answers["emotion"])).all()
    transfer = pd.read_csv(run / "tables" / "transfer.csv")
    assert transfer["reason"].str.contains("too few").all()  # 12 faces
    errors = pd.read_csv(run / "tables" / "errors.csv")
    assert errors["reason"].str.contains("80 or more errors").all()
    domains = pd.read_csv(run / "tables" / "domains.csv")
    assert domains["prior shift"].iloc[0] == 0
    assert np.isfinite(domains["distance"].iloc[1])
    assert len(list((run / "figures").glob("*.png"))) == 2
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert "endpoint" in manifest["config"]
    assert "cannot be judged" in (run / "report.html").read_text()


def test_a_run_is_continued_with_the_same_rows(run, weights):
    before = pd.read_parquet(run / "qualities.parquet")
    for path in (run / "shards").rglob("*.parquet"):
        if "web48" in str(path):
            path.unlink()
    assert study(run.parents[1], weights).run() == run
    pd.testing.assert_frame_equal(before, pd.read_parquet(run / "qualities.parquet"))


def test_options_that_cannot_be_used_are_refused(tmp_path, weights):
    for message, options in (
        ("two or more different data sets", {"data": ("synthetic:lab",)}),
        ("which are both synthetic:lab", {"data": ("synthetic:lab", "synthetic:lab")}),
        (
            "that gimefive was trained on, got synthetic, but it was trained on fer2013",
            {"models": ("gimefive=fer2013",), "data": ("synthetic", "synthetic:lab")},
        ),
        ("each metric once", {"metrics": ("gini", "gini")}),
        ("a map and the network alone, but shapley_agreement", {"metrics": ("shapley_agreement",)}),
        ("one direction is better, but total_variation", {"metrics": ("total_variation",)}),
    ):
        with pytest.raises(InputError, match=message):
            study(tmp_path, weights, **options).run()
    assert not list(tmp_path.iterdir())


def test_alignment_is_above_zero_on_the_own_area_alone():
    areas = torch.zeros(3, 6, 4, 4, dtype=torch.bool)
    areas[:2, torch.arange(6), torch.arange(6) % 4, torch.arange(6) // 4] = True
    maps = areas[0, :3].float()
    found = alignment(maps, areas, torch.tensor([0, 5, 2]))
    assert found[0] == pytest.approx(1)
    assert found[1] == pytest.approx(-0.2)
    assert np.isnan(found[2])  # a face without landmarks


def faces(n=400, *, effect, shift=0.0, seed=0):
    """A network's faces whose quality tells of errors, or does not."""
    rng = np.random.default_rng(seed)
    noise, confidence = rng.normal(size=(2, n)), rng.uniform(0.3, 0.99, n)
    odds = np.log(confidence / (1 - confidence)) + effect * noise[0]
    answers = pd.DataFrame({"id": range(n), "cluster": range(n), "emotion": "fear"})
    answers["right"] = rng.random(n) < 1 / (1 + np.exp(-odds))
    answers["confidence"], answers["named"] = confidence, "fear"
    parts = [
        answers[["id"]].assign(
            method="gradcam", quality=name, value=gain, gain=gain, influence=gain
        )
        for name, gain in (("road", noise[0] + confidence + shift), ("gini", noise[1]))
    ]
    return Domain(
        model="tiny",
        data=f"shifted by {shift}",
        answers=answers,
        qualities=pd.concat(parts),
        features=rng.normal(shift, 1.0, size=(n, 6)).astype(np.float32),
    )


def test_a_quality_that_tells_of_errors_is_found_and_another_is_not():
    told = told_of_errors(faces(effect=1.0), "gradcam", seed=0)
    rows = corrected(told.rows).set_index("quality")
    assert list(rows.index) == [TOGETHER, GIVEN, "road", "gini"]
    assert (rows.loc[[TOGETHER, "road"], "p"] < 0.001).all()
    assert rows.loc["gini", "p"] > 0.05
    assert rows.loc["road", "AUROC of quality"] > 0.6
    assert rows.loc[TOGETHER, "gain in area"] > 0
    assert told.together is not None


def test_undefined_qualities_stay_out_of_the_joint_test():
    domain = faces(effect=0.0)
    gini = domain.qualities["quality"] == "gini"
    domain.qualities.loc[gini & (domain.qualities["id"] < 150), "gain"] = np.nan
    rows = told_of_errors(domain, "gradcam", seed=0).rows.set_index("quality")
    assert list(rows.index) == ["road", "gini"]  # one is left, which is no joint test
    assert rows.loc["gini", "undefined"] == 150 / 400


def test_a_fall_of_quality_is_found_and_the_distance_told():
    home, away = faces(effect=0.0), faces(effect=0.0, shift=-0.5, seed=1)
    rows = corrected(transfer_table(home, away, comparisons=2)).set_index("quality")
    assert rows.loc["road", "difference high"] < 0
    assert rows.loc["road", "p"] < 0.001
    assert rows.loc["gini", "difference low"] < 0 < rows.loc["gini", "difference high"]
    assert rows["at equal shares"].to_numpy() == pytest.approx(rows["difference"].to_numpy())
    found = domain_row(home, away, dimensions=4, seed=0)
    assert found["distance"] > 5 * found["distance by chance"]
    assert found["p of distance"] == 0.01
    assert np.isnan(domain_row(home, home, dimensions=4, seed=0)["distance"])
