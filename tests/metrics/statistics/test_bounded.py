"""Betting on bounded means: by hand, in any order of units, and by simulation."""

import numpy as np
import pytest

from benchmarks.calibration import bounded
from benchmarks.calibration.mean_designs import beta
from fer_xai.draws.streams import stream
from fer_xai.errors import InputError
from metrics.statistics.bounded import betting_interval, betting_p, order_by_name
from metrics.statistics.families import mean_family
from metrics.statistics.mean_tests import mean_test


def test_betting_is_exact_at_any_n():
    for row in bounded.betting(60, draws=["beta(.3, 2.7)", "counts, 16 % not 0"], sizes=[8, 60]):
        if row.statistic == "betting_p" and row.nominal == 0.05:
            assert row.share <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 60), row
        if row.statistic == "betting_interval":
            assert row.share >= 0.95 - 2.6 * np.sqrt(0.05 * 0.95 / 60), row
    x = beta(np.random.default_rng(0), (300,)) + 0.1
    low, high = betting_interval(x, bounds=(-1, 1))
    assert low < 0.1 < high
    assert 0.02 < high - low < 0.2
    inside = betting_p(x, bounds=(-1, 1), mean=low + 0.003), betting_p(x, bounds=(-1, 1), mean=0.1)
    assert min(inside) > 0.05 > betting_p(x, bounds=(-1, 1), mean=low - 0.003)
    with pytest.raises(InputError, match="within the bounds 0 and 0.5, got"):
        betting_p(x, bounds=(0, 0.5))
    with pytest.raises(InputError, match="bounds as the smallest and the largest value"):
        betting_interval(x, bounds=(1, 0))


def test_capital_of_bets_by_hand():
    """Four frames of three persons: each bet is made of the persons before it, in each order; the
    final capital is averaged over orders."""
    x, persons = np.array([0.9, 0.8, 1.0, 0.9]), ["a", "b", "c", "c"]
    values, weights, tested = np.array([0.9, 0.8, 0.95]), np.array([0.5, 0.5, 1.0]), 0.5
    orders = stream(0, "betting").randperm(3, 128).numpy()
    up, down = np.ones(128), np.ones(128)
    for k, order in enumerate(orders):
        y, w = values[order], weights[order]
        centres = [(0.5 + y[: i + 1] @ w[: i + 1]) / (1 + w[: i + 1].sum()) for i in range(3)]
        for t in range(3):
            squares = sum((w[i] * (y[i] - centres[i])) ** 2 for i in range(t))
            stake = np.sqrt(2 * np.log(2 / 0.05) / (3 * (0.25 + squares) / (t + 1)))
            up[k] *= 1 + min(stake, 0.75 / tested) * w[t] * (y[t] - tested)
            down[k] *= 1 - min(stake, 0.75 / (1 - tested)) * w[t] * (y[t] - tested)
    p = betting_p(x, bounds=(0, 1), mean=tested, clusters=persons)
    assert p == pytest.approx(2 / max(up.mean(), down.mean()))
    assert p < 1


def test_betting_hardly_depends_on_the_order_of_units():
    """256 units with a mean of .039: p was .007 to 1 over 60 orders."""
    rng = np.random.default_rng(0)
    x = rng.permutation(np.repeat([-1.0, 0.0, 1.0], [18, 210, 28]))
    for values in (x, x + np.where(x == 0, 0.05, 0)):
        p = [betting_p(rng.permutation(values), bounds=(-1, 1)) for _ in range(20)]
        p += [betting_p(values, bounds=(-1, 1), seed=seed) for seed in range(20)]
        assert np.std(np.log(p)) < 0.06
    assert max(p) < 0.9


@pytest.mark.parametrize("effect", [0.0, 0.03, 0.06, -0.06])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_betting_refuses_zero_just_where_its_interval_leaves_it_out(effect, level):
    for draw in range(10):
        x = np.random.default_rng(draw).choice([-0.2, 0.0, 0.2], size=150) + effect
        p = betting_p(x, bounds=(-1, 1), level=level)
        low, high = betting_interval(x, bounds=(-1, 1), level=level)
        assert (p <= 1 - level) == (not low < 0 < high)


def test_the_same_faces_in_another_order_give_the_same_answer():
    """Units are bet on in an order of their names: neither rows nor labels decide on it."""
    rng = np.random.default_rng(3)
    x, persons = rng.uniform(-0.3, 0.6, size=60), np.repeat(np.arange(20), 3)
    names = np.array([f"face {at}" for at in range(60)])
    found = set()
    for draw in range(5):
        shuffled = np.random.default_rng(draw).permutation(60)
        rows = shuffled[order_by_name(names[shuffled])]
        relabelled = (persons * 7 + draw * 13) % 20  # other numbers of the same persons
        for labels in (persons, relabelled):
            own = {"bounds": (-1, 1), "clusters": labels[rows].tolist()}
            family = mean_family(x[rows, None], repeats=999, **own)
            test = mean_test(x[rows], **own), *betting_interval(x[rows], **own)
            found.add((*test, family.intervals[0].low, family.p_values[0]))
    assert len(found) == 1
    assert "betting" in family.intervals[0].scheme


def test_the_order_of_names_is_fixed():
    assert order_by_name(["a", "b", "c", "d"]).tolist() == [3, 0, 2, 1]
    assert order_by_name([]).tolist() == []
