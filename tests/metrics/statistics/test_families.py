"""Families of means, against slow references and simulations."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.calibration import families
from fer_xai.errors import InputError
from metrics.statistics.clustered import mean_parts
from metrics.statistics.families import mean_family
from metrics.statistics.intervals import mean_interval
from metrics.statistics.mean_tests import mean_test, untested
from metrics.statistics.resampling import resampled_p
from metrics.statistics.skewness import unskewed


def test_a_family_without_effects_rarely_makes_a_claim_where_wilcoxon_does():
    found = {
        row.statistic: row
        for row in families.familywise(40, draws=["exponential"], sizes=[300], flips=199)
    }
    for name in ("mean_family, p", "mean_family, intervals"):
        assert found[name].share <= 0.06 + 2.6 * np.sqrt(0.06 * 0.94 / 40)
    assert found["Holm over Wilcoxon"].share > 0.5


def test_a_family_of_one_is_the_test_and_its_interval():
    x = np.random.default_rng(3).normal(0.2, 1, 80)
    found = mean_family(x[:, None])
    assert found.p_values[0] == pytest.approx(mean_test(x), abs=0.01)
    alone = mean_interval(x)
    assert [found.intervals[0].low, found.intervals[0].high] == pytest.approx(
        [alone.low, alone.high], abs=0.02
    )


def slow_family(table, repeats, seed):
    """Step-down p of Romano & Wolf, with a loop for each step, sign flip and resample."""
    n = len(table)
    deviations = table - table.mean(axis=0)
    bits = np.random.default_rng(seed).integers(0, 256, (repeats, (n + 7) // 8), dtype=np.uint8)
    signs = np.unpackbits(bits, axis=1)[:, :n] * 2.0 - 1
    flipped = [deviations * one[:, None] for one in signs]
    drawn = np.random.default_rng([seed, 1]).integers(0, n, (repeats, n))
    nulls = (
        [[stats.ttest_1samp(column, 0).pvalue for column in one.T] for one in flipped],
        [[hall_p(column) for column in deviations[rows].T] for rows in drawn],
    )
    own = np.array([mean_test(column) for column in table.T])
    return np.max([slow_step_down(own, np.array(p)) for p in nulls], axis=0)


def hall_p(x):
    """P of the mean of equally many units, with their own skewness."""
    skewness = stats.skew(x) * (1 + 6 / len(x)) / np.sqrt(len(x))
    return 2 * stats.t.sf(abs(unskewed(x.mean() / stats.sem(x), skewness)), len(x) - 1)


def slow_step_down(own, null):
    out, before = np.empty(len(own)), 0.0
    left = list(range(len(own)))
    while left:
        k = min(left, key=lambda index: own[index])
        hits = (null[:, left].min(axis=1) <= own[k]).sum()
        before = out[k] = max(before, (1 + hits) / (1 + len(null)))
        left.remove(k)
    return out


def test_step_down_is_that_of_a_slow_reference():
    table = np.random.default_rng(1).normal([0, 0.3, 0.5, 0.1], 1.0, size=(64, 4))
    table[:, 3] = np.exp(table[:, 3] / 3)
    table[:, 3] -= table[:, 3].mean() + 0.12
    found = mean_family(table, repeats=99, seed=5, level=0.9)
    assert found.p_values == pytest.approx(slow_family(table, 99, 5))
    assert found.smallest_p == 0.01


@pytest.mark.parametrize("shape", ["lognormal", "a long and a longer tail"])
def test_families_of_skewed_columns_rarely_make_a_claim(shape):
    """Some claim was made in .13 to .31 of studies by sign flips alone."""
    (row,) = families.skewed_families(60, shapes=[shape], sizes=[60], columns=[42], rhos=[0.0])
    assert row.share <= 0.06 + 2.6 * np.sqrt(0.06 * 0.94 / 60)


def test_symmetric_gains_keep_their_test_and_their_power_in_a_family():
    rng = np.random.default_rng(0)
    found = mean_family(rng.normal(size=(60, 12)) + np.repeat([0.6, 0.0], 6))
    assert 0.995 < found.level_each < 0.9965  # by sign flips alone: .9957
    assert not any(one.reason for one in found.intervals)
    assert (found.p_values < 0.05).sum() >= 5


def test_one_wild_unit_of_a_column_does_not_spoil_the_others():
    x = np.random.default_rng(0).normal(size=(60, 3))
    x[:, 0] += 0.8
    x[7, 2] = 80.0
    found = mean_family(x)
    assert found.p_values[0] < 0.01
    assert "too skewed" in found.intervals[2].reason


def test_resamples_keep_clusters_together_and_leave_out_what_is_unknown():
    x = np.random.default_rng(0).exponential(size=(60, 2))
    x[40:, 1] = np.nan
    copies, who = np.repeat(x, 3, axis=0), np.repeat(np.arange(60), 3)
    alone = resampled_p(x, np.arange(60), repeats=400, seed=0)
    three = resampled_p(copies, who, repeats=400, seed=0)
    assert np.abs(alone - three).max() < 0.05  # faces' skewness has a factor for small samples
    shorter = resampled_p(x[:40, 1:], np.arange(40), repeats=400, seed=1)[:, 0]
    assert np.quantile(alone[:, 1], 0.1) == pytest.approx(np.quantile(shorter, 0.1), abs=0.05)


def test_columns_that_cannot_be_tested_have_no_p_and_a_reason():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(100, 4))
    table[6:, 1] = np.nan
    table[:, 2] = rng.lognormal(sigma=2, size=100) * 0.01
    table[:, 3] = 0.0
    found = mean_family(table)
    assert np.isnan(found.p_values).tolist() == [False, True, True, True]
    reasons = [interval.reason for interval in found.intervals]
    assert reasons[0] == ""
    assert "6 units are too few" in reasons[1]
    assert "too skewed" in reasons[2]
    assert "one score" in reasons[3]
    exact = mean_family(np.clip(table, -4, 4), bounds=(-4, 4))
    assert np.isfinite(exact.p_values).all()
    assert "betting" in exact.intervals[1].scheme
    with pytest.raises(InputError, match="Expected at least 40 repeats"):
        mean_family(table, repeats=20)


def test_clusters_flip_as_a_whole():
    x = np.random.default_rng(0).normal(size=(60, 2))
    copies, who = np.repeat(x, 3, axis=0), np.repeat(np.arange(60), 3).tolist()
    one, three = mean_family(x), mean_family(copies, clusters=who)
    assert three.p_values == pytest.approx(one.p_values, abs=0.02)
    assert three.intervals[0].low == pytest.approx(one.intervals[0].low, abs=0.02)


def test_gains_in_right_answers_that_mostly_stay_are_not_tested_by_t():
    rng = np.random.default_rng(5)
    sparse = rng.choice([-1.0, 0.0, 3.0], p=[0.12, 0.84, 0.04], size=(60, 11))  # no effect
    found = mean_family(sparse)
    assert np.isnan(found.p_values).all()
    assert "differ from the commonest" in " ".join(i.reason for i in found.intervals)
    bets = mean_family(sparse, bounds=(-3, 3))
    assert np.isfinite(bets.p_values).all()
    assert bets.p_values.min() > 0.05
    assert "8 of 60 units differ" in untested(mean_parts([1.0, -1.0] * 4 + [0.0] * 52))
    assert not untested(mean_parts([1.0, -1.0] * 20 + [0.0] * 60))
    assert not untested(
        mean_parts([1.0, 2.0, 3.0] * 10)
    )  # few values, none of which most units have
