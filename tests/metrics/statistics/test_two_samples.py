"""Differences of independent means: against SciPy, and how often they cover."""

import numpy as np
import pytest
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.two_samples import mean_difference


def test_symmetric_scores_have_welch_s_interval_and_p():
    x = np.random.default_rng(0).normal(size=30)
    first, second = np.r_[x, -x], 0.3 + 2 * np.r_[x[:20], -x[:20]]
    found, p = mean_difference(first, second)
    slow = stats.ttest_ind(second, first, equal_var=False)
    low, high = slow.confidence_interval()
    assert p == pytest.approx(slow.pvalue)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.freedom == pytest.approx(slow.df)
    wide, _ = mean_difference(first, second, level=0.99)
    assert wide.low < found.low < found.high < wide.high


def test_copies_of_faces_are_no_more_units():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=40), rng.normal(size=50)
    once, p = mean_difference(first, second)
    copies, same = mean_difference(np.tile(first, 3), second, clusters_first=list(range(40)) * 3)
    assert same == pytest.approx(p, rel=0.05)
    assert copies.low == pytest.approx(once.low, rel=0.02)
    assert copies.n == 90


def test_skewed_scores_are_covered():
    rng = np.random.default_rng(2)
    used = covered = 0
    for _ in range(300):
        found, p = mean_difference(rng.exponential(size=60), rng.exponential(size=200))
        if found.reason:
            assert np.isnan([found.low, found.high, p]).all()
            continue
        used += 1
        covered += found.low <= 0 <= found.high
        assert (p < 0.05) == (not found.low <= 0 <= found.high)
    assert used > 150
    assert covered / used > 0.9


def test_a_label_for_each_face_is_asked_for():
    with pytest.raises(InputError, match="3 cluster labels"):
        mean_difference([1.0, 2.0, 3.0], [1.0], clusters_first=["a"])
