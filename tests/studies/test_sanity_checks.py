"""The gate and the checks beside it, on a tiny net."""

import json

import pandas as pd
import pytest
from safetensors.torch import save_file

from fer_xai.errors import InputError
from studies.sanity_checks import SanityChecks
from tests.conftest import tiny_model
from tests.studies.run_study import study as _  # registers the tiny model  # noqa: F401


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(tiny_model().net.state_dict(), path)
    return path


def study(out, weights) -> SanityChecks:
    return SanityChecks(
        random_labels=(f"tiny={weights}",),
        models=(f"tiny={weights}",), methods=("gradcam", "saliency", "attention_rollout"), limit=4,
        metrics=("mprt_last", "random_logit", "gini"), device="cpu", progress=False, out=out,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    return study(tmp_path_factory.mktemp("sanity"), weights).run()


def test_the_gate_stands_beside_controls_whose_verdict_is_known(run):
    gate = pd.read_csv(run / "tables" / "gate.csv").set_index("method")
    assert set(gate.index) == {
        "gradcam", "saliency", "random", "signed_random", "uniform", "centre", "edges",
    }  # fmt: skip
    assert gate.loc["centre", "gate"] == "fails"
    assert gate.loc["edges", "gate"] == "fails"
    assert gate.loc["centre", "similarity"] == pytest.approx(1, abs=1e-6)
    assert gate.loc["edges", "excess"] > 0.5
    assert gate.loc["edges", "p"] == pytest.approx(1 / 21)
    assert gate.loc["uniform", ["excess", "p"]].isna().all()
    assert "pass the randomisation gate" in (run / "answer.txt").read_text()
    page = (run / "report.html").read_text()
    assert "moved and mirrored" in page
    assert "p: one-sided, of the mean among the means" in page


def test_scores_manifest_and_refusals_are_kept(run):
    rows = pd.read_parquet(run / "scores.parquet")
    assert set(rows["metric"]) == {"mprt_last", "random_logit", "gini"}
    centre = rows[(rows["method"] == "centre") & (rows["metric"] == "mprt_last")]
    assert centre["value"].to_numpy() == pytest.approx(1, abs=1e-6)
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert "attention_rollout" in manifest["networks"]["tiny"]["refused"]


def test_maps_of_a_network_that_was_taught_nonsense_are_held_against_its(run):
    """Here it is the same network: its maps are alike."""
    table = pd.read_csv(run / "tables" / "data_randomisation.csv")
    assert set(table["method"]) == {"gradcam", "saliency"}
    assert table["similarity"].to_numpy() == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="Expected --random-labels NAME=WEIGHTS"):
        SanityChecks(random_labels=("tiny",)).config()


def test_a_run_is_continued_with_the_same_rows(run, weights):
    before = pd.read_parquet(run / "scores.parquet")
    gates = sorted((run / "shards" / "tiny").glob("gate-*"))
    gates[0].unlink()  # stopped in the gate, where what was refused must still be known
    assert study(run.parents[1], weights).run() == run
    pd.testing.assert_frame_equal(pd.read_parquet(run / "scores.parquet"), before)
