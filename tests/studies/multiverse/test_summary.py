"""What is said of a combination: by which test, and where there is none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model
from metrics.statistics.bounded import betting_interval, order_by_name
from metrics.statistics.intervals import Interval
from metrics.statistics.mean_tests import mean_and_test, mean_test
from studies.multiverse.factors import Multiverse, Specification
from studies.multiverse.page import write_multiverse
from studies.multiverse.summary import headline, row_of
from studies.questions.faithfulness import Faithfulness
from studies.questions.gradcam_consistency.study import GradcamConsistency
from studies.scoreboard.removals import REMOVALS, Removals


def row(low, high, p, **levels):
    found = Interval(
        estimate=(low + high) / 2, low=low, high=high, standard_error=1, n=9, scheme="t"
    )
    one = Specification(levels=levels, sampled=True)
    return row_of(one, found, p_value=p, model="tiny", faces=9)


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.1, 0.2, 0.01, "holds"),
        (0.1, 0.2, 0.06, "not told apart"),  # by the interval alone, it would hold
        (-0.1, 0.2, 0.04, "not told apart"),
        (-0.2, -0.1, 0.01, "the opposite"),
        (0.1, 0.2, np.nan, "not tested"),
    ],
)
def test_a_claim_holds_by_its_p_and_its_interval(low, high, p, verdict):
    found = row(low, high, p)
    assert found["verdict"] == verdict
    assert found["holds"] == (verdict == "holds")


@pytest.fixture
def judge(weights):
    """The judge of a study of six faces."""
    faces = synthetic_faces(6, size=16)
    faces = replace(faces, table=faces.table.assign(subject=faces.ids))
    predictor = Predictor(load_model("tiny", weights=weights), device="cpu")
    return Removals(predictor, faces, seed=0).asked(REMOVALS, model="tiny").judge


def scores(gains):
    ids = synthetic_faces(len(gains), size=16).ids
    return pd.DataFrame({"id": ids, "gradcam": gains, "centre": np.zeros(len(gains))})


def spec(scored):
    return Specification(levels={"fill": "linear", "scored": scored}, sampled=True)


def test_few_units_are_tested_by_betting_where_the_gain_is_bounded_and_else_not(judge):
    gains = np.array([0.4, 0.45, 0.5, 0.4, 0.42, 0.48])
    found = judge(spec("probability"), scores(gains))
    order = order_by_name(scores(gains)["id"])
    assert found["p"] == mean_test(gains[order], bounds=(-1, 1))
    assert "betting" in found["judged by"]
    found = judge(spec("logit"), scores(gains))  # a t interval would lie above zero
    assert found["verdict"] == "not tested"
    assert "too few for a test of a mean" in found["reason"]
    assert np.isnan(found["low"])


def test_the_interval_is_that_of_the_test():
    rng = np.random.default_rng(0)
    found, p = mean_and_test(rng.normal(0.3, 1, size=60))
    assert (p < 0.05) == (found.low > 0)
    few = rng.uniform(-0.2, 0.6, size=12)
    found, p = mean_and_test(few, bounds=(-1, 1))
    assert (found.low, found.high) == betting_interval(few, bounds=(-1, 1))
    assert np.isnan(found.p_value)  # t's would be another one
    assert np.isfinite(p)


def test_what_was_not_tested_is_named_and_no_refutation(tmp_path):
    made = Multiverse(claim="It gains.", estimate="gain", factors=(REMOVALS.factor("fill"),))
    both = [row(0.1, 0.2, 0.01, fill="linear"), row(np.nan, np.nan, np.nan, fill="black")]
    rows = pd.DataFrame(both).assign(changed=["default", "fill"])
    rows["reason"] = ["", "6 units are too few."]
    assert "1 of 2 sampled combinations: 50 % [9, 91]; it was not tested in 1." in headline(
        rows, made, model="tiny"
    )
    write_multiverse(
        tmp_path,
        question="?",
        multiverse=made,
        plans={"tiny": made.plan(seed=0)},
        rows=rows,
        facts={},
        label="gain",
        manifest={},
    )
    table = pd.read_csv(tmp_path / "tables" / "not_tested.csv")
    assert table[["fill", "reason"]].to_numpy().tolist() == [["black", "6 units are too few."]]
    levels = pd.read_csv(tmp_path / "tables" / "levels.csv").set_index("level")
    assert levels.loc["black", "not tested"] == 1


@pytest.mark.parametrize("study", [Faithfulness, GradcamConsistency])
def test_a_multiverse_run_declares_what_it_claims(study):
    plain, many = study(), study(multiverse=True)
    assert plain.config()["endpoint"] == study.endpoint.declared()
    assert many.config()["endpoint"] == study.multiverse_endpoint.declared()
    assert many.declaration() == {"endpoint": many.config()["endpoint"]}
    declared = many.config()["endpoint"]
    assert declared["quantity"].startswith("share of the plausible choices")
    assert "Wilson" in declared["interval"]
    assert many.declared().claim in declared["quantity"]
