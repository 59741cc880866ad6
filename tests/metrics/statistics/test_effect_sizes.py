import numpy as np
import pytest
from scipy import stats

from metrics.statistics.effect_sizes import auc_to_d, cohens_d


def test_cohens_d_by_hand():
    assert cohens_d([1.0, 2.0, 3.0]) == pytest.approx(2)
    assert np.isnan(cohens_d([1.0, 1.0]))


def test_an_area_is_the_difference_of_two_normal_distributions():
    assert auc_to_d(0.5) == 0
    assert auc_to_d(stats.norm.cdf(0.8 / np.sqrt(2))) == pytest.approx(0.8)
