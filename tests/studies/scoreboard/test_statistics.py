"""Statistics that the tables quote."""

import krippendorff
import numpy as np
import pytest
from scipy import stats

from metrics.statistics.reliability import krippendorff_alpha
from metrics.statistics.significance import wilcoxon_p


def test_alpha_is_krippendorffs_of_ranks():
    ratings = np.random.default_rng(0).normal(size=(4, 9)) + np.arange(9)
    ranks = stats.rankdata(ratings, axis=1)
    reference = krippendorff.alpha(reliability_data=ranks, level_of_measurement="ordinal")
    assert krippendorff_alpha(ratings) == reference
    assert krippendorff_alpha([[1, 2, 3], [3, 2, 1]]) < 0
    assert np.isnan(krippendorff_alpha([[1, 2, 3]]))
    assert np.isnan(krippendorff_alpha(np.ones((2, 3))))


def test_alpha_is_over_the_units_that_all_raters_have():
    """Ranks of five units and of four are not of one scale."""
    nan = np.nan
    assert krippendorff_alpha([[1, 2, 3, 4, 5], [nan, 2, 3, 4, 5]]) == pytest.approx(1)
    some = krippendorff_alpha([[1, 4, 2, 3, 5], [nan, 2, 3, 4, 5]])
    assert some == krippendorff_alpha([[4, 2, 3, 5], [2, 3, 4, 5]])
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3], [nan, nan, nan]]) == pytest.approx(1)
    assert np.isnan(krippendorff_alpha([[1, nan, 3], [nan, 2, 3]]))


def test_signed_ranks_keep_the_rank_of_zeros():
    gains = np.array([0.1, 0.2, -0.05, 0.4, np.nan, 0.0])
    assert wilcoxon_p(gains) == stats.wilcoxon([*gains[:4], 0], zero_method="pratt").pvalue
    assert np.isnan(wilcoxon_p([0, 0, np.nan]))
