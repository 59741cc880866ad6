import numpy as np
import pytest
from scipy import stats

from metrics.statistics.effect_sizes import auc_to_d, cohens_d, rank_biserial
from metrics.statistics.significance import wilcoxon_p


@pytest.mark.parametrize("zeros", [0, 60])
def test_effect_and_test_of_signed_ranks_are_of_the_same_ranks(zeros):
    """Ranked without its zeros, this effect would be negative where the test says positive."""
    gains = [*np.zeros(zeros), *range(1, 10), *range(-23, -19), np.nan]
    above = stats.wilcoxon(gains[:-1], zero_method="pratt", alternative="greater")
    below = stats.wilcoxon(-np.array(gains[:-1]), zero_method="pratt", alternative="greater")
    up, down = above.statistic, below.statistic
    assert rank_biserial(gains) == pytest.approx((up - down) / (up + down))
    assert (rank_biserial(gains) > 0) == (above.pvalue < 0.5)
    assert wilcoxon_p(gains) == stats.wilcoxon(gains[:-1], zero_method="pratt").pvalue


def test_cohens_d_by_hand():
    assert cohens_d([1.0, 2.0, 3.0]) == pytest.approx(2)
    assert np.isnan(cohens_d([1.0, 1.0]))


def test_an_area_is_the_difference_of_two_normal_distributions():
    assert auc_to_d(0.5) == 0
    assert auc_to_d(stats.norm.cdf(0.8 / np.sqrt(2))) == pytest.approx(0.8)
