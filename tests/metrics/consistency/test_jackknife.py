import numpy as np
import pytest
from scipy import stats

from metrics.consistency.jackknife import jackknife_interval


def test_extra_variance_adds_and_costs_degrees_of_freedom():
    x = np.random.default_rng(0).normal(size=200)
    parts, labels = (x - x.mean()) / 200, np.zeros(200)
    plain = jackknife_interval(x.mean(), parts, labels)
    more = jackknife_interval(x.mean(), parts, labels, extra_variance=0.04, extra_n=5)
    assert plain.standard_error == pytest.approx(stats.sem(x, ddof=0))
    assert more.standard_error == pytest.approx(np.hypot(plain.standard_error, 0.2))
    assert 4 < more.freedom < 10
    assert more.high - more.low > 2 * 1.96 * more.standard_error


def test_extra_variance_alone_has_the_degrees_of_freedom_that_are_given():
    parts = 1e-9 * np.random.default_rng(0).normal(size=50)
    found = jackknife_interval(0.0, parts, np.zeros(50), extra_variance=0.04, extra_n=3.5)
    assert found.freedom == pytest.approx(2.5)
    assert found.high == pytest.approx(0.2 * stats.t.ppf(0.975, 2.5))
