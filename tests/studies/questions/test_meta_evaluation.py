"""Metrics are put to the test, on few faces and a tiny net."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import studies.questions.meta_evaluation.study as module
from fer_xai.checks import resolve_device
from fer_xai.data.datasets.synthetic import people
from fer_xai.errors import InputError
from metrics.core.registry import METRICS
from studies.questions.meta_evaluation.study import MetaEvaluation
from studies.questions.meta_evaluation.tables import GRADES, _somers_d, believable, meta_table
from tests.helpers import tiny_model

FEW = ("insertion", "comprehensiveness", "infidelity_scaled", "gini", "single_deletion")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_model", lambda name, weights: tiny_model())
        study = MetaEvaluation(
            metrics=FEW,
            methods=("gradcam", "saliency", "random", "centre"),
            faces=4,
            progress=False,
            out=tmp_path_factory.mktemp("meta"),
        )
        yield study.run()


def test_faithfulness_metrics_order_planted_truth(run):
    table = pd.read_csv(run / "tables" / "metrics.csv").set_index("metric")
    assert set(table.index) == set(FEW)
    for metric in ("insertion", "comprehensiveness", "single_deletion"):
        assert table.loc[metric, "truth"] > 0.5
        assert table.loc[metric, "truth over noise"] == 1
        assert table.loc[metric, "truth over inverse"] == 1
    assert np.isnan(table.loc["infidelity_scaled", "truth over inverse"])
    assert "faithfulness metrics" in (run / "answer.txt").read_text()
    assert (run / "figures" / "metrics.png").stat().st_size > 10_000


def test_complexity_does_not_react_to_the_network(run):
    table = pd.read_csv(run / "tables" / "metrics.csv").set_index("metric")
    assert table.loc["gini", "noise resilience"] == pytest.approx(1)
    assert table.loc["gini", "adversary reactivity"] == pytest.approx(0)
    assert table.loc["insertion", "adversary reactivity"] > 0.02


GRADED = {
    "truth": 3.0,
    "half the truth": 2.0,
    "noise": 1.0,
    "distractor": 0.5,
    "inverted truth": -1.0,
}


def made(random, *, persons=24):
    """The table of a metric that orders four maps 0, 1, 2, 3, and so of a random network."""
    rows = [
        {"id": f"f{i}", "method": name, "value": value, "part": "truth"}
        for i in range(24)
        for name, value in GRADED.items()
    ]
    for part, order in (("as it is", range(4)), ("slight", range(4)), ("random", random)):
        rows += [
            {"id": f"f{i}", "method": f"m{k}", "value": value + 0.1 * i, "part": part}
            for i in range(24)
            for k, value in enumerate(order)
        ]
    frame = pd.DataFrame(rows).assign(metric="insertion")
    frame["cluster"] = frame["id"].str[1:].astype(int) % persons
    return meta_table(frame, {"insertion": METRICS["insertion"]})


def test_a_table_is_made_of_rows_alone():
    found = made((3, 2, 1, 0)).iloc[0]
    assert found["truth"] == 1
    assert found["noise resilience"] == pytest.approx(1)
    assert found["adversary reactivity"] == pytest.approx(2)
    assert found["reactivity over noise"] == pytest.approx(2)


@pytest.mark.parametrize(
    ("random", "believed"),
    [((0, 1, 2, 3), False), ((0, 1, 3, 2), False), ((0, 2, 3, 1), True), ((3, 2, 1, 0), True)],
)
def test_a_metric_that_keeps_its_order_with_a_random_network_is_not_believed(random, believed):
    assert believable(made(random)).item() == believed  # Spearman 1, .8, .4, -1


def test_faces_of_one_person_are_one_unit():
    assert np.isnan(made((3, 2, 1, 0), persons=1)["truth low"].item())
    assert np.isnan(made((3, 2, 1, 0), persons=4)["truth low"].item())  # too few
    low = made((3, 2, 1, 0), persons=12)["truth low"].item()
    assert low == pytest.approx(0.3515, abs=1e-4)  # perfect, but of twelve
    assert made((3, 2, 1, 0))["truth low"].item() == pytest.approx(0.6373, abs=1e-4)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (GRADED, 1),
        ({name: -value for name, value in GRADED.items()}, -1),
        (dict.fromkeys(GRADED, 0.0), 0),
        (GRADED | {"half the truth": 3.0}, 8 / 9),
        (GRADED | {"truth": np.nan}, 1),
        ({"noise": 1.0, "distractor": 2.0}, np.nan),
    ],
)
def test_scores_are_held_against_grades_by_somers_d(scores, expected):
    found = _somers_d(pd.Series(scores))
    assert found == pytest.approx(expected, nan_ok=True)
    values = pd.Series(scores).dropna()
    if 0 < abs(expected) < 1:
        peer = stats.somersd([GRADES[name] for name in values.index], values).statistic
        assert found == pytest.approx(peer)


def test_planted_faces_show_a_person_each():
    table = people(30, seed=0).table
    assert table["subject"].is_unique
    assert table["emotion"].nunique() == 6


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metrics": ("inserton",)}, "Unknown metric"),
        ({"metrics": ("mprt", "insertion")}, "but mprt make maps of their own"),
        ({"seed": -1}, "Expected --seed from 0, got -1"),
        ({"faces": 1}, "Expected --faces as a whole number of 2 or more, got 1"),
        ({"methods": ("gradcam", "random")}, "Expected three methods or more, each once"),
        ({"methods": ("gradcam", "gradcam", "random")}, "Expected three methods or more, each onc"),
        ({"methods": ("gradcam", "nosuch", "random")}, "Unknown attribution 'nosuch'"),
        (
            {"methods": ("gradcam", "attention_rollout", "random")},
            "Expected attention among all tokens",
        ),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, options, sentence):
    chosen = {"faces": 2, "metrics": ("gini",)} | options
    with pytest.raises(InputError, match=sentence):
        MetaEvaluation(**chosen, out=tmp_path).run()
    assert not list(tmp_path.iterdir())


def test_a_run_is_named_for_the_device_that_is_used(run):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["config"]["device"] == resolve_device("auto").type
    scores = pd.read_parquet(run / "scores.parquet")
    assert scores["cluster"].notna().all()
