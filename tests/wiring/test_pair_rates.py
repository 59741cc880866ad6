"""Pair rates against scikit-learn, brute force and bootstrap."""

import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from fer_xai.wiring.halves import person_codes, second_half
from fer_xai.wiring.pair_rates import best_columns, gain_of, mean_rate, rate_table


@pytest.fixture
def drawn():
    source = np.random.default_rng(0)
    labels = source.integers(0, 4, 120)
    logits = source.normal(size=(120, 5)) + 1.2 * np.eye(5)[labels]
    return logits, labels


def test_the_rate_is_the_mean_of_mann_whitney_statistics(drawn):
    logits, labels = drawn
    rates = []
    for a, b in itertools.combinations(range(4), 2):
        one, two = (logits[labels == e, a] - logits[labels == e, b] for e in (a, b))
        rates.append(mannwhitneyu(one, two).statistic / len(one) / len(two))
    assert mean_rate(logits, labels, range(4)).rate == pytest.approx(np.mean(rates), abs=1e-12)


def test_ties_count_half():
    assert mean_rate(np.zeros((6, 2)), np.array([0, 0, 0, 1, 1, 1]), [0, 1]).rate == 0.5


def test_the_best_order_is_that_of_brute_force(drawn):
    logits, labels = drawn
    orders = list(itertools.permutations(range(5), 4))
    rates = [mean_rate(logits, labels, order).rate for order in orders]
    assert (
        best_columns(rate_table(logits, labels, 4)) == orders[int(np.argmax(rates))] == (0, 1, 2, 3)
    )
    turned = logits[:, [3, 0, 4, 1, 2]]
    assert best_columns(rate_table(turned, labels, 4)) == (1, 3, 4, 0)


def test_no_prior_and_no_offset_of_an_output_matters(drawn):
    logits, labels = drawn
    offset = logits + np.array([0, 50.0, 0, -20, 3])
    assert mean_rate(offset, labels, range(4)).rate == mean_rate(logits, labels, range(4)).rate


def test_the_error_is_that_of_repeated_draws():
    source = np.random.default_rng(1)
    gains, errors = [], []
    labels = np.repeat(range(3), 40)
    for _ in range(300):
        logits = source.normal(size=(120, 3)) + 0.8 * np.eye(3)[labels]
        found = gain_of(logits, labels, declared=[0, 1, 2], other=[1, 0, 2], persons=np.arange(120))
        gains.append(found.gain)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.1)


def test_persons_are_the_units():
    source = np.random.default_rng(1)
    labels = np.repeat(range(2), 20)
    logits = source.normal(size=(40, 2)) + np.eye(2)[labels]
    once = gain_of(logits, labels, declared=[0, 1], other=[1, 0], persons=np.arange(40))
    many = gain_of(
        np.tile(logits, (9, 1)),
        np.tile(labels, 9),
        declared=[0, 1],
        other=[1, 0],
        persons=np.tile(np.arange(40), 9),
    )
    assert many.error == pytest.approx(once.error, rel=0.02)


def test_halves_keep_persons_and_emotions_and_know_no_order():
    labels = np.repeat(range(6), 20)
    names = [f"p{at // 2}" for at in range(120)]
    half = second_half(labels, names)
    assert all(half[at] == half[at + 1] for at in range(0, 120, 2))
    assert [int(half[labels == e].sum()) for e in range(6)] == [10] * 6
    order = np.random.default_rng(0).permutation(120)
    again = second_half(labels[order], [names[at] for at in order])
    assert (again == half[order]).all()
    assert person_codes(["a", "b"]).tolist() == [0, 1]
