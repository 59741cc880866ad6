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


def test_the_p_value_of_an_area_tests_one_half_and_agrees_with_its_bounds():
    parts, labels = np.random.default_rng(0).normal(0, 0.02, 40), np.arange(40) % 2
    chance = jackknife_interval(0.5, parts, labels, scale="logit")
    assert chance.p_value == 1
    for area in np.linspace(0.05, 0.95, 19):
        found = jackknife_interval(area, parts, labels, scale="logit")
        assert (found.p_value < 0.05) == (not found.low <= 0.5 <= found.high)
    edge = jackknife_interval(0.7, parts, labels, scale="logit")
    scaled = parts * (np.log(7 / 3) * 0.21 / (edge.standard_error * stats.t.ppf(0.975, 19)))
    at = jackknife_interval(0.7, scaled, labels, scale="logit")
    assert at.p_value == pytest.approx(
        2 * stats.t.sf(np.log(7 / 3) * 0.21 / at.standard_error, at.freedom)
    )
    assert jackknife_interval(0.0, parts, labels).p_value == 1  # a difference tests zero
