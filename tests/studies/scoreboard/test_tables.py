"""Tables of a scoreboard, from rows whose answer is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from metrics.core.registry import METRICS
from metrics.statistics.bounded import order_by_name
from metrics.statistics.families import mean_family
from metrics.statistics.intervals import mean_interval
from metrics.statistics.power import units_to_tell
from metrics.statistics.reliability import friedman_nemenyi
from studies.scoreboard import tables
from studies.scoreboard.report import _explained, answer, content
from tests.studies.scoreboard.boards import CLUSTERS, METHODS, OWN, SPECS, WIDE


def test_gains_are_paired_by_face_and_turned_so_that_more_is_better(rows):
    table = tables.method_table(rows, CLUSTERS, SPECS).set_index(["metric", "method"])
    for metric, turn in (("insertion", 1), ("deletion", -1)):
        wide = rows[rows["metric"] == metric].pivot_table(
            index="id", columns="method", values="value"
        )
        gain = turn * (wide["saliency"] - wide["centre"])
        row = table.loc[metric, "saliency"]
        assert row["over centre"] == pytest.approx(gain.mean())
        alone = tables.method_table(rows, OWN, SPECS).set_index(["metric", "method"])
        assert alone.loc[metric, "saliency"]["over centre low"] > 0
        assert alone.loc[metric, "lrp"]["over centre high"] < 0
        units = gain.groupby(CLUSTERS).mean()
        assert row["units"] == 20
        assert row["units better"] == (units > 0).mean()
    assert table[tables.P].isna().groupby(level=1).all()["random"]


def board_of(gains, n, clusters=None):
    """Rows of insertion whose gains over the centre are known, and clusters of the faces."""
    face = np.linspace(0.1, 0.2, n)
    rows = pd.DataFrame(
        {"id": f"f{i}", "model": "net", "method": method, "metric": "insertion", "value": value}
        for method, gain in {**gains, "centre": np.zeros(n)}.items()
        for i, value in enumerate(face + gain)
    )
    index = [f"f{i}" for i in range(n)]
    return rows, pd.Series(range(n) if clusters is None else clusters, index=index)


def test_methods_of_a_metric_are_a_family_of_means():
    rng = np.random.default_rng(0)
    gains = dict(zip(METHODS, rng.normal([0.05, 0.02, -0.05], 0.1, (96, 3)).T, strict=True))
    rows, own = board_of(gains, 96)
    table = tables.method_table(rows, own, WIDE).set_index("method")
    table = table.loc[[*METHODS, "centre"]]
    order = order_by_name(own.index)
    family = mean_family(np.stack(list(gains.values()), axis=1)[order], bounds=(-4, 4))
    assert table.loc[list(METHODS), tables.P].tolist() == pytest.approx(family.p_values.tolist())
    for name, interval in zip(METHODS, family.intervals, strict=True):
        row = table.loc[name]
        assert [row["over centre low"], row["over centre high"]] == pytest.approx(
            [interval.low, interval.high]
        )
    alone = mean_interval(gains["gradcam"])
    row = table.loc["gradcam"]
    assert row["over centre low"] < alone.low
    assert row[tables.NEEDED] == units_to_tell(alone, level=family.level_each) > 96
    assert np.isnan(table.loc["saliency", tables.NEEDED])
    assert np.isnan(table.loc["centre", tables.P])


def test_no_different_takes_a_margin_and_enough_faces():
    rng = np.random.default_rng(1)
    for n, shown in ((96, False), (900, True)):
        gains = dict(zip(METHODS, rng.normal([0.1, 0, 0], 0.1, (n, 3)).T, strict=True))
        rows, own = board_of(gains, n)
        assert "no different" not in tables.method_table(rows, own, WIDE)
        table = tables.method_table(rows, own, WIDE, margin=0.015)
        found = table.set_index("method")["no different"]
        assert found[list(METHODS)].tolist() == [False, shown, shown]
        said = answer(table, SPECS["insertion"], margin=0.015)
        assert ("Shown to be no different (within ±0.015): " in said) is shown
        assert (f"Not told apart with {n} units: " in said) is not shown


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
    gains = ["over centre", "units better", "d_z", tables.P]
    assert table.loc["mprt_last", gains].isna().all(axis=None)
    assert table.loc["insertion", gains].loc["lrp"].notna().all()
    made = content(some, CLUSTERS, specs, methods=METHODS, primary="mprt_last", refused={})
    assert made.answer.startswith("mprt_last is not held against the centre control")
    alone = tables.method_table(some[some["metric"] == "mprt_last"], CLUSTERS, specs)
    assert not set(gains) & set(alone)


@pytest.mark.parametrize("turn", [1, -1])
def test_a_claim_is_of_the_mean(turn):
    """Most faces are slightly worse, some much better: the mean gain is what is claimed."""
    gain = turn * np.where(np.arange(128) < 32, 0.5, -0.01 - np.arange(128) / 1e5)
    rows, own = board_of({"gradcam": gain}, 128)
    table = tables.method_table(rows, own, WIDE)
    row = table.set_index("method").loc["gradcam"]
    assert row[tables.P] < 1e-3
    assert (row["units better"] < 0.5) == (turn > 0)
    better, worse = (1, 0) if turn > 0 else (0, 1)
    said = answer(table, SPECS["insertion"])
    assert f"{better} of 1 methods beat the centre control" in said
    assert f", and {worse} do" in said


def test_skewed_gains_without_bounds_are_not_tested():
    rng = np.random.default_rng(0)
    rows, own = board_of({"gradcam": rng.lognormal(sigma=2, size=96)}, 96)
    unbounded = {"insertion": dataclasses.replace(SPECS["insertion"], bounds=(0.0, np.inf))}
    table = tables.method_table(rows, own, unbounded)
    assert np.isnan(table.set_index("method").loc["gradcam", tables.P])
    assert "96 units are too few, too unequal or too skewed to tell 1 method" in answer(
        table, SPECS["insertion"]
    )


def test_few_units_of_a_bounded_score_are_tested_by_betting(rows):
    few = rows[rows["id"].isin([f"f{i}" for i in range(12)])]  # six people
    table = tables.method_table(few, CLUSTERS, SPECS)
    assert "0 of 3 methods beat the centre control" in answer(table, SPECS["insertion"])
    table = tables.method_table(rows, OWN, SPECS)
    assert "1 of 3 methods beat" in answer(table, SPECS["insertion"])


def test_a_table_says_how_each_gain_was_judged_whatever_the_order_of_its_rows():
    rng = np.random.default_rng(0)
    skewed = np.where(np.arange(80) < 3, 0.9, 0.0)
    made, own = board_of({"gradcam": rng.normal(0.1, 0.2, size=80), "lime": skewed}, 80)
    more = made[made["method"] == "lime"].assign(method="edges")
    table = tables.method_table(pd.concat([made, more]), own, WIDE)
    by = table.set_index("method")["judged by"]
    assert by.to_dict() == {
        "gradcam": "t, flips and bootstrap",
        "lime": "betting",
        "edges": "t, alone",
        "centre": "",
    }
    caption = " ".join(_explained(table))
    assert "Judged by: t, flips and bootstrap is" in caption
    assert "betting is the exact test" in caption
    assert "not tested is" not in caption
    again = tables.method_table(pd.concat([made, more])[::-1], own[::-1], WIDE)
    table, again = (one.set_index("method").sort_index() for one in (table, again))
    pd.testing.assert_frame_equal(table, again, rtol=1e-12)


def test_units_to_tell_are_those_of_the_family():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(96, 12))
    noise = (noise - noise.mean(0)) / noise.std(0, ddof=1)
    gains = 0.17 * noise + 0.04
    ids = [f"f{k}" for k in range(96)]
    names = [f"m{k}" for k in range(12)]
    rows = pd.concat(
        pd.DataFrame(
            {"id": ids, "model": "a", "method": name, "metric": "insertion", "value": values}
        )
        for name, values in [("centre", np.zeros(96)), *zip(names, gains.T, strict=True)]
    )
    table = tables.method_table(rows, pd.Series(range(96), index=ids), WIDE)
    needed = table.loc[table["method"] == "m0", "units to tell"].iloc[0]
    assert 210 < needed < 260  # 144 for one method alone


def test_a_method_beats_the_control_only_where_its_interval_says_so_too():
    row = {"model": "a", "metric": "insertion", "control": False, "undefined": 0.0, "units": 96.0}
    table = pd.DataFrame(
        [
            row
            | {"method": "m1", "over centre": 0.1, "over centre low": 0.05}
            | {"over centre high": 0.15, "p (max-T)": 0.001, "units to tell": np.nan},
            row
            | {"method": "m2", "over centre": 0.02, "over centre low": -0.004}
            | {"over centre high": 0.046, "p (max-T)": 0.04, "units to tell": np.nan},
        ]
    )
    said = answer(table, METRICS["insertion"])
    assert "1 of 2 methods beat the centre control (m1 " in said
    assert "Not told apart with 96 units: m2" in said


def test_scores_that_are_fixed_by_construction_have_no_interval_and_equal_ones_have():
    rows, own = board_of({"uniform": np.zeros(24), "edges": np.zeros(24)}, 24)
    rows["value"] = 0.5
    pair = ("uniform", "insertion")
    table = tables.method_table(rows, own, SPECS, fixed=[pair]).set_index("method")
    assert (table["mean"] == 0.5).all()
    assert table.loc["uniform", ["mean low", "mean high"]].isna().all()
    assert table.loc["edges", "mean low"] < 0.45
    assert table.loc["edges", "mean high"] > 0.55


def test_no_interval_of_a_bounded_score_reaches_out_of_its_bounds():
    rows, own = board_of({"uniform": np.zeros(6)}, 6)
    rows["value"] = [0.0, 0, 0, 0, 1, 1] + [1.0] * 4 + [0.0] * 2
    table = tables.method_table(rows, own, SPECS).set_index("method")
    assert (table["mean low"] == 0).loc["uniform"]
    assert (table["mean high"] <= 1).all()
    assert table.loc["uniform", "over centre low"] == -1
