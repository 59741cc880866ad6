"""Metrics are put to the test, on few faces and a tiny net."""

import numpy as np
import pandas as pd
import pytest

import studies.meta_evaluation as module
from fer_xai.errors import InputError, UnknownNameError
from metrics.spec import METRICS
from studies.meta_evaluation import MetaEvaluation, meta_table
from tests.conftest import tiny_model

FEW = ("insertion", "comprehensiveness", "infidelity_scaled", "gini", "single_deletion")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_model", lambda name, weights: tiny_model())
        study = MetaEvaluation(
            metrics=FEW, methods=("gradcam", "saliency", "random", "centre"), faces=4, device="cpu",
            progress=False, out=tmp_path_factory.mktemp("meta"),
        )  # fmt: skip
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


def test_a_table_is_made_of_rows_alone():
    graded = {"truth": 3.0, "half the truth": 2.0, "noise": 1.0, "distractor": 0.5,
              "inverted truth": -1.0}  # fmt: skip
    rows = [
        {"id": f"f{i}", "method": name, "metric": "insertion", "value": value, "part": "truth"}
        for i in range(3)
        for name, value in graded.items()
    ]
    for part, turn in (("as it is", 1), ("slight", 1), ("random", -1)):
        rows += [
            {"id": f"f{i}", "method": f"m{k}", "metric": "insertion", "value": turn * k + 0.1 * i,
             "part": part}
            for i in range(3) for k in range(4)
        ]  # fmt: skip
    found = meta_table(pd.DataFrame(rows), {"insertion": METRICS["insertion"]}).iloc[0]
    assert found["truth"] == pytest.approx(9 / np.sqrt(9 * 10))  # one tie among the grades
    assert found["noise resilience"] == pytest.approx(1)
    assert found["adversary reactivity"] == pytest.approx(2)


def test_bad_input_is_one_sentence(tmp_path):
    with pytest.raises(UnknownNameError, match="Unknown metric"):
        MetaEvaluation(metrics=("inserton",), out=tmp_path).run()
    with pytest.raises(InputError, match="but mprt make maps of their own"):
        MetaEvaluation(metrics=("mprt", "insertion"), out=tmp_path).run()
    with pytest.raises(InputError, match="Expected two faces or more"):
        MetaEvaluation(faces=1, metrics=("insertion",), out=tmp_path).run()
    assert not list(tmp_path.iterdir())
