import numpy as np
import pytest
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.intervals import mean_interval


def test_mean_interval_of_symmetric_scores_is_students():
    x = np.random.default_rng(0).normal(3, 2, 25)
    x = np.concatenate([x, 2 * x.mean() - x])
    found = mean_interval(np.append(x, np.nan))
    low, high = stats.t.interval(0.95, 49, x.mean(), stats.sem(x))
    assert (found.estimate, found.low, found.high) == pytest.approx((x.mean(), low, high))
    assert found.n == 50
    assert found.p_value == pytest.approx(stats.ttest_1samp(x, 0).pvalue)


def test_bounds_of_skewed_scores_are_halls():
    """Each bound's t is the quantile after the cubic transformation (Hall 1992, eq. for g₁)."""
    x = np.random.default_rng(0).lognormal(size=24)
    found = mean_interval(x)
    reach = stats.t.ppf(0.975, 23)
    c = stats.skew(x) * (1 + 6 / 24) / np.sqrt(24)
    for bound, quantile in ((found.low, reach), (found.high, -reach)):
        t = (x.mean() - bound) / stats.sem(x)
        assert t + c * t**2 / 3 + c**2 * t**3 / 27 + c / 6 == pytest.approx(quantile)
    assert found.high - found.estimate > 1.5 * (found.estimate - found.low)


def test_clusters_widen_the_interval_of_copies():
    x = np.random.default_rng(0).normal(size=20)
    copies, who = np.repeat(x, 4), np.repeat(np.arange(20), 4)
    naive, honest = mean_interval(copies), mean_interval(copies, clusters=list(who))
    single = mean_interval(x)
    assert honest.n == 20
    assert honest.standard_error == pytest.approx(single.standard_error)
    assert naive.standard_error < 0.6 * honest.standard_error


def test_too_little_data_is_nan():
    assert np.isnan(mean_interval([1.0]).low)
    assert np.isnan(mean_interval([]).estimate)
    with pytest.raises(InputError, match="Expected 3 cluster labels, one a face, got 2"):
        mean_interval([1.0, 2.0, 3.0], clusters=[1, 2])


def test_units_needed_without_a_standard_error_are_unknown():
    assert np.isnan(mean_interval([1.0]).units_needed(0.01))


def test_units_needed_for_half_the_width_are_four_times_as_many():
    found = mean_interval(np.random.default_rng(0).normal(size=100))
    assert found.units_needed(1.96 * found.standard_error / 2) == pytest.approx(400, abs=2)
    with pytest.raises(InputError, match="Expected half width above 0"):
        found.units_needed(0)
