"""Tables of a scoreboard, from rows whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from metrics.core.registry import METRICS
from metrics.statistics.reliability import friedman_nemenyi
from studies.scoreboard import tables
from studies.scoreboard.report import answer, content
from tests.studies.scoreboard.boards import CLUSTERS, METHODS, SPECS


def test_gains_are_paired_by_face_and_turned_so_that_more_is_better(rows):
    table = tables.method_table(rows, CLUSTERS, SPECS).set_index(["metric", "method"])
    for metric, turn in (("insertion", 1), ("deletion", -1)):
        wide = rows[rows["metric"] == metric].pivot_table(
            index="id", columns="method", values="value"
        )
        gain = turn * (wide["saliency"] - wide["centre"])
        row = table.loc[metric, "saliency"]
        assert row["over centre"] == pytest.approx(gain.mean())
        assert row["over centre low"] > 0
        units = gain.groupby(CLUSTERS).mean()
        assert row["units"] == 20
        assert row["units better"] == (units > 0).mean()
        assert table.loc[metric, "lrp"]["over centre high"] < 0
    assert table["p (Holm)"].isna().groupby(level=1).all()["random"]


def test_p_values_are_wilcoxons_with_holms_correction_over_the_methods():
    """Six faces without ties: the exact p of rank sums 0, 1 and 11 is 2/64, 4/64 and 1."""
    gains = {
        "saliency": [1, 2, 3, 4, 5, 6],
        "gradcam": [-1, 2, 3, 4, 5, 6],
        "lrp": [-1, -2, -3, 4, -5, 6],
        "centre": [0] * 6,
    }
    few = pd.DataFrame(
        {"id": f"f{i}", "model": "net", "method": method, "metric": "insertion", "value": value}
        for method, values in gains.items()
        for i, value in enumerate(values)
    )
    own = pd.Series(range(6), index=[f"f{i}" for i in range(6)])
    table = tables.method_table(few, own, SPECS).set_index("method")["p (Holm)"]
    assert table[list(METHODS)].tolist() == pytest.approx([3 * 2 / 64, 2 * 4 / 64, 1])
    assert np.isnan(table["centre"])


def test_undefined_scores_are_counted_and_left_out(rows):
    rows.loc[(rows["method"] == "lrp") & (rows["id"] == "f3"), "value"] = np.nan
    table = tables.method_table(rows, CLUSTERS, SPECS).set_index(["metric", "method"])
    assert table.loc["insertion", "lrp"]["undefined"] == 1 / 40
    assert np.isfinite(table.loc["insertion", "lrp"]["over centre"])


def test_metrics_that_agree_have_alpha_one(rows):
    table = tables.disagreement_table(rows, CLUSTERS, SPECS, METHODS)
    row = table.iloc[0]
    assert row["metrics"] == 2  # aopc is a sum of deletion's curve
    assert row["Krippendorff α"] == pytest.approx(1)
    assert row["Kendall W, least"] > 0.8
    assert row["units"] == 20


def test_friedman_is_scipys_and_nemenyi_follows_demsar(rows):
    test = tables.rank_test(rows, CLUSTERS, SPECS, "insertion", METHODS)
    assert test.n == 20
    assert test.ranks.argmin() == 0
    q = abs(test.ranks[0] - test.ranks[2]) / np.sqrt(3 * 4 / (6 * 20)) * np.sqrt(2)
    assert test.pairs[0, 2] == pytest.approx(stats.studentized_range.sf(q, 3, np.inf), abs=1e-3)
    assert np.isnan(friedman_nemenyi(np.ones((5, 3))).p_value)
    assert np.isnan(friedman_nemenyi(np.full((5, 3), np.nan)).p_value)


def test_only_faithfulness_is_held_against_a_control_that_ignores_the_network(rows):
    """The centre's mprt is 1 and its sensitivity 0, whatever the network."""
    some = rows[rows["metric"] != "aopc"].replace({"metric": {"deletion": "mprt_last"}})
    specs = {name: METRICS[name] for name in ("insertion", "mprt_last")}
    table = tables.method_table(some, CLUSTERS, specs).set_index(["metric", "method"])
    gains = ["over centre", "units better", "rank-biserial", "p (Holm)"]
    assert table.loc["mprt_last", gains].isna().all(axis=None)
    assert table.loc["insertion", gains].loc["lrp"].notna().all()
    made = content(some, CLUSTERS, specs, methods=METHODS, primary="mprt_last", refused={})
    assert made.answer.startswith("mprt_last is not held against the centre control")
    alone = tables.method_table(some[some["metric"] == "mprt_last"], CLUSTERS, specs)
    assert not set(gains) & set(alone)


@pytest.mark.parametrize("turn", [1, -1])
def test_a_claim_needs_mean_and_ranks_of_one_sign(turn):
    """Most faces are slightly worse, a few much better: neither is the method."""
    gain = turn * np.where(np.arange(128) < 16, 1.0, -0.01 - np.arange(128) / 1e5)
    face = np.linspace(0.1, 0.2, 128)
    split = pd.DataFrame(
        {"id": f"f{i}", "model": "net", "method": method, "metric": "insertion", "value": value}
        for method, values in (("gradcam", face + gain), ("centre", face))
        for i, value in enumerate(values)
    )
    clusters = pd.Series(range(128), index=[f"f{i}" for i in range(128)])
    table = tables.method_table(split, clusters, SPECS)
    (row,) = (row for _, row in table.iterrows() if row["method"] == "gradcam")
    assert row["p (Holm)"] < 1e-5
    assert row["over centre"] * row["rank-biserial"] < 0
    assert "0 of 1 methods beat the centre control, and 0 do worse" in answer(
        table, SPECS["insertion"]
    )


def test_too_few_faces_are_told_instead_of_counted(rows):
    few = rows[rows["id"].isin([f"f{i}" for i in range(12)])]  # six people
    table = tables.method_table(few, CLUSTERS, SPECS)
    assert answer(table, SPECS["insertion"]) == (
        "net: by insertion, 6 units are too few to tell 3 methods from the centre control: no "
        "corrected p can be below 0.094."
    )
    enough = rows[rows["id"].isin([f"f{i}" for i in range(14)])]
    table = tables.method_table(enough, CLUSTERS, SPECS)
    assert "1 of 3 methods beat" in answer(table, SPECS["insertion"])
