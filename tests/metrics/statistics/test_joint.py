"""Tests of intervals whose bounds are not those of their standard error."""

import numpy as np
import pytest

from fer_xai.errors import InputError
from metrics.statistics.crossed import crossed_interval
from metrics.statistics.families import mean_family
from metrics.statistics.intervals import mean_interval
from metrics.statistics.sequential import stop_when


def test_bounds_that_hold_for_more_than_a_mean_have_no_p_beside_them():
    rng = np.random.default_rng(0)
    networks = np.array([0.3, -0.1]) + 0.01 * rng.normal(size=(24, 2))
    found = crossed_interval(networks)
    assert found.low < 0 < found.high
    assert np.isnan(found.p_value)  # 2e−29 by the rows' standard error
    gains = rng.normal(0.2, 1, size=(96, 12))
    assert all(np.isnan(one.p_value) for one in mean_family(gains).intervals)


def test_a_family_of_one_is_a_mean():
    x = np.random.default_rng(0).normal(0.2, 1, size=96)
    (one,) = mean_family(x[:, None]).intervals
    assert one.p_value == mean_interval(x).p_value


def test_scores_are_one_a_face():
    with pytest.raises(InputError, match=r"Expected one score a face \(N,\), got shape \(3, 2\)"):
        mean_interval(np.ones((3, 2)))
    assert stop_when([], 0.1) is None


def test_a_scheme_names_the_bootstrap_only_where_it_took_part() -> None:
    gains = np.random.default_rng(0).normal(size=(80, 2))
    both = mean_family(gains, repeats=99)
    one = mean_family(np.column_stack([gains[:, 0], np.zeros(80)]), repeats=99)
    assert both.intervals[0].scheme.endswith("max-T by sign flips and bootstrap")
    assert one.intervals[0].scheme.endswith("max-T by sign flips")
    assert all(found.joint for found in one.intervals)
