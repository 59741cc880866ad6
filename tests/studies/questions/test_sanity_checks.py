"""The gate and the checks beside it, on a tiny net."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from fer_xai.errors import InputError
from studies.questions.faithfulness import Faithfulness
from studies.questions.sanity_checks import SanityChecks
from studies.scoreboard.gate import gate_sentence


def study(out, weights) -> SanityChecks:
    return SanityChecks(
        random_labels=(f"tiny={weights}",),
        models=(f"tiny={weights}",),
        methods=("gradcam", "saliency", "attention_rollout"),
        limit=6,
        metrics=("mprt_last", "random_logit", "gini"),
        device="cpu",
        progress=False,
        out=out,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    return study(tmp_path_factory.mktemp("sanity"), weights).run()


def test_the_gate_stands_beside_controls_whose_verdict_is_known(run):
    gate = pd.read_csv(run / "tables" / "gate.csv").set_index("method")
    assert set(gate.index) == {
        "gradcam",
        "saliency",
        "random",
        "signed_random",
        "uniform",
        "centre",
        "edges",
    }
    for control in ("centre", "edges", "random"):  # six faces of likeness 1 are too few to stop
        assert gate.loc[control, "gate"] == "undecided"
        assert gate.loc[control, "units needed"] > 6
    assert gate.loc["centre", "likeness"] == pytest.approx(1, abs=1e-6)
    assert gate.loc["centre", "other faces"] == pytest.approx(1, abs=1e-6)
    assert gate.loc["edges", "excess"] > 0.2
    assert gate.loc["uniform", ["excess", "likeness high"]].isna().all()
    assert (gate["margin"] == 0.5).all()
    assert gate.loc["uniform", ["gate", "undefined"]].tolist() == ["undefined", 1]  # a share
    assert "pass the randomisation gate" in (run / "answer.txt").read_text()
    page = (run / "report.html").read_text()
    assert "all averaged over the same 8×8 cells" in page
    assert "no p-value is given" in page
    assert "Unit: the face (6)" in page


def test_the_answer_is_the_gates_and_ranks_are_of_what_passes(run):
    """The centre control ignores the network: nothing here is a gain over it."""
    (said,) = (run / "answer.txt").read_text().splitlines()
    assert "pass the randomisation gate" in said
    methods = pd.read_csv(run / "tables" / "methods.csv")
    assert not [name for name in methods if name.startswith(("over ", "p "))]
    gate = pd.read_csv(run / "tables" / "gate.csv").set_index("method")["gate"]
    shown = methods[methods["metric"] == "mprt_last"].set_index("method")["gate"]
    assert shown.to_dict() == gate.to_dict()


def test_a_method_without_similarities_does_not_pass():
    table = pd.DataFrame(
        {
            "method": ["saliency", "rise", "lrp", "lime", "deeplift", "uniform"],
            "gate": ["passes", "undefined", "stopped", "undecided", "undecided", "undefined"],
            "control": [False] * 5 + [True],
            "units needed": [np.nan, np.nan, np.nan, 1234.0, np.inf, np.nan],
        }
    )
    assert gate_sentence("net", table) == (
        "net: 1 of 5 methods pass the randomisation gate; it stops lrp; undecided: lime (about "
        "1,234 units needed), deeplift (more random networks needed); no verdict on rise."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"networks": 3}, "Expected --networks of at least 10, got 3"),
        ({"gate_margin": 1.0}, "Expected --gate-margin above 0 and below 1, got 1.0"),
        ({"batch_size": 0}, "Expected --batch-size as a whole number of 1 or more, got 0"),
        ({"metrics": ()}, "Expected at least one metric"),
        ({"methods": ("gradcam", "gradcam")}, "Expected each method once, got gradcam"),
        ({"models": ("tiny",)}, "got 'gimefive=.*': name a model of --models"),
        ({"random_labels": ("gimefive={here}",)}, "Expected"),
        ({"out": "{here}"}, "Expected --out as a folder to write to, got .* is a file"),
    ],
)
def test_options_that_cannot_be_used_are_told_before_anything_is_read(
    tmp_path, monkeypatch, weights, options, sentence
):
    monkeypatch.setattr(SanityChecks, "_faces", lambda study: pytest.fail("faces were read"))
    (tmp_path / "file").write_text("no weights")
    told = {
        name: tuple(text.format(here=tmp_path / "file") for text in value)
        if name == "random_labels"
        else tmp_path / "file"
        if name == "out"
        else value
        for name, value in options.items()
    }
    usual = {"random_labels": (f"gimefive={weights}",)} if "models" in options else {}
    with pytest.raises(InputError, match=sentence):
        SanityChecks(**{"out": tmp_path / "out"} | usual | told).run()
    assert not (tmp_path / "out").exists()


def test_faithfulness_without_its_endpoint_speaks_of_another_metric(tmp_path, weights):
    run = Faithfulness(
        models=(f"tiny={weights}",),
        methods=("gradcam", "saliency"),
        limit=4,
        metrics=("gini", "average_drop"),
        device="cpu",
        progress=False,
        out=tmp_path,
        batch_size=8,
    ).run()
    first, second = (run / "answer.txt").read_text().splitlines()
    assert first.startswith("tiny: by average_drop, 4 units are too few")
    assert second == "average_drop is not the declared endpoint: road was not scored."
    assert not pd.read_parquet(run / "scores.parquet")["blank"].any()
    page = (run / "report.html").read_text()
    assert "score its probability" in page
    assert "are made from its own Grad-CAM maps" in page


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
    assert (table["moved"] < 0.6).all()  # what smoothness has by chance
    assert "Unit: the face (6)" in (run / "report.html").read_text()
    with pytest.raises(InputError, match="Expected --random-labels NAME=WEIGHTS"):
        SanityChecks(random_labels=("tiny",)).config()


def test_a_run_is_continued_with_the_same_rows(run, weights):
    before = pd.read_parquet(run / "scores.parquet")
    gates = sorted((run / "shards" / "tiny").glob("gate-*"))
    gates[0].unlink()  # stopped in the gate, where what was refused must still be known
    assert study(run.parents[1], weights).run() == run
    pd.testing.assert_frame_equal(pd.read_parquet(run / "scores.parquet"), before)


def test_a_run_that_goes_on_with_another_batch_size_records_both(tmp_path, weights, capsys):
    asked = Faithfulness(
        models=(f"tiny={weights}",),
        methods=("saliency", "attention_rollout"),
        limit=18,
        metrics=("gini",),
        device="cpu",
        progress=False,
        out=tmp_path,
        batch_size=8,
    )

    def recorded(**options):
        run = dataclasses.replace(asked, **options).run()
        return run, json.loads((run / "manifest.json").read_text())["networks"]["tiny"]

    run, first = recorded()
    assert first["batch_size"] == 8
    (run / "shards" / "tiny" / "000016.parquet").unlink()
    (run / "shards" / "tiny" / "refused.json").unlink()
    capsys.readouterr()
    again, second = recorded(batch_size=3)
    assert again == run
    assert second["batch_size"] == "8, 3"
    assert second["refused"] == first["refused"]
    assert "goes on with a batch size of 3 (before: 8)" in capsys.readouterr().err
    assert recorded(batch_size=None)[1]["batch_size"] == "8, 3"
