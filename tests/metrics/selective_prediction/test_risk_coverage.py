"""Risk by coverage: against all orders, counted one by one."""

import itertools

import numpy as np
import pytest

from fer_xai.errors import InputError
from metrics.selective_prediction.risk_coverage import risk_coverage


def risks_of(order, wrong):
    """Share of errors among the first k faces, for each k."""
    return [sum(wrong[i] for i in order[:k]) / k for k in range(1, len(order) + 1)]


def mean_over_orders(confidence, wrong):
    """The slow way: the mean over all orders that do not put a face before a surer one."""
    n = len(wrong)
    fair = [
        order
        for order in itertools.permutations(range(n))
        if all(confidence[i] >= confidence[j] for i, j in itertools.pairwise(order))
    ]
    return np.mean([risks_of(order, wrong) for order in fair], axis=0)


@pytest.mark.parametrize("seed", range(6))
def test_risk_is_the_mean_over_all_orders_of_ties(seed):
    rng = np.random.default_rng(seed)
    confidence, wrong = rng.integers(0, 3, 6) / 2, rng.integers(0, 2, 6)
    found = risk_coverage(confidence, wrong == 0)
    assert found.risk == pytest.approx(mean_over_orders(confidence, wrong))
    assert found.area == pytest.approx(np.mean(mean_over_orders(confidence, wrong)))
    shuffled = rng.permutation(6)
    again = risk_coverage(confidence[shuffled], wrong[shuffled] == 0)
    assert np.array_equal(found.risk, again.risk)


def test_excess_is_above_the_best_of_all_orders():
    wrong = np.array([1, 0, 0, 1, 0])
    areas = [np.mean(risks_of(order, wrong)) for order in itertools.permutations(range(5))]
    found = risk_coverage([5, 4, 3, 2, 1], wrong == 0)
    assert found.area - found.excess == pytest.approx(min(areas))
    assert risk_coverage(-wrong, wrong == 0).excess == 0
    assert risk_coverage(wrong, wrong == 0).area == pytest.approx(max(areas))


def test_a_constant_confidence_has_the_error_rate_everywhere():
    found = risk_coverage(np.ones(8), np.arange(8) > 1)
    assert found.risk == pytest.approx(0.25)
    assert found.error_rate == found.area == 0.25


def test_undefined_confidences_are_left_out_and_counted():
    found = risk_coverage([np.nan, 0.5, 0.2], [False, True, False])
    assert (found.undefined, found.error_rate, len(found.coverage)) == (1, 0.5, 2)


@pytest.mark.parametrize(
    ("confidence", "right", "message"),
    [
        ([0.5, 0.2], [True], r"one answer a face, \(N,\) each, got shapes \(2,\) and \(1,\)"),
        ([0.5], [2], "right \\(True\\) or wrong \\(False\\), got others"),
        ([np.nan], [True], "a confidence for some face, got NaN for all 1"),
        ([], [], "a confidence for some face"),
    ],
)
def test_what_cannot_be_ordered_is_refused(confidence, right, message):
    with pytest.raises(InputError, match=message):
        risk_coverage(confidence, right)
