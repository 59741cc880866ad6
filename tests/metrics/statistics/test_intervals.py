import numpy as np
import pytest
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.intervals import bootstrap_interval, influence_interval, mean_interval


def test_mean_interval_of_symmetric_scores_is_students():
    x = np.random.default_rng(0).normal(3, 2, 25)
    x = np.concatenate([x, 2 * x.mean() - x])
    found = mean_interval(np.append(x, np.nan))
    low, high = stats.t.interval(0.95, 49, x.mean(), stats.sem(x))
    assert (found.estimate, found.low, found.high) == pytest.approx((x.mean(), low, high))
    assert found.n == 50
    assert found.p_value == pytest.approx(stats.ttest_1samp(x, 0).pvalue)


def test_clusters_widen_the_interval_of_copies():
    x = np.random.default_rng(0).normal(size=20)
    copies, who = np.repeat(x, 4), np.repeat(np.arange(20), 4)
    naive, honest = mean_interval(copies), mean_interval(copies, clusters=list(who))
    single = mean_interval(x)
    assert honest.n == 20
    assert honest.standard_error == pytest.approx(single.standard_error)
    assert naive.standard_error < 0.6 * honest.standard_error


def test_extra_variance_adds_and_costs_degrees_of_freedom():
    x = np.random.default_rng(0).normal(size=200)
    influence = (x - x.mean()) / 200
    plain = influence_interval(x.mean(), influence)
    more = influence_interval(x.mean(), influence, extra_variance=0.04, extra_n=5)
    assert more.standard_error == pytest.approx(np.hypot(plain.standard_error, 0.2))
    assert 4 < more.freedom < 10
    assert more.high - more.low > 2 * 1.96 * more.standard_error


def test_bootstrap_of_a_mean_has_the_textbook_error():
    x = np.random.default_rng(1).normal(size=60)
    found = bootstrap_interval(lambda w: float((w * x).sum() / w.sum()), 60, repeats=800, seed=2)
    assert found.standard_error == pytest.approx(stats.sem(x, ddof=0), rel=0.12)
    assert found.estimate == pytest.approx(x.mean())
    again = bootstrap_interval(lambda w: float((w * x).sum() / w.sum()), 60, repeats=800, seed=2)
    assert again == found


def test_resampling_faces_and_not_pairs_gives_the_true_spread():
    """A mean over pairs: bootstrapping faces finds its spread over samples, bootstrapping pairs
    finds a fraction of it."""
    n, rng = 40, np.random.default_rng(0)
    i, j = np.triu_indices(n, 1)

    def draw():
        return rng.normal(size=(n, 3)) + np.array([1.0, 0, 0])

    def statistic(x, w=None):
        w = np.ones(n) if w is None else w
        pair = w[i] * w[j]  # a face drawn twice makes no pair with itself
        return float((pair * (x[i] * x[j]).sum(1)).sum() / pair.sum())

    truth = np.std([statistic(draw()) for _ in range(400)])
    faces, pairs = [], []
    for _ in range(8):
        x = draw()
        faces.append(
            bootstrap_interval(lambda w, x=x: statistic(x, w), n, repeats=200).standard_error
        )
        products = (x[i] * x[j]).sum(1)
        pairs.append(np.std([rng.choice(products, len(products)).mean() for _ in range(100)]))
    assert np.mean(faces) == pytest.approx(truth, rel=0.25)
    assert np.mean(pairs) < 0.4 * truth


def test_too_little_data_is_nan():
    assert np.isnan(mean_interval([1.0]).low)
    assert np.isnan(mean_interval([]).estimate)
    with pytest.raises(InputError, match="Expected 3 cluster labels, one a face, got 2"):
        mean_interval([1.0, 2.0, 3.0], clusters=[1, 2])


def test_a_bootstrap_needs_faces():
    with pytest.raises(InputError, match="Expected the number of faces as a whole number of 1 or"):
        bootstrap_interval(lambda w: float(w.mean()), 0)


def test_units_needed_without_a_standard_error_are_unknown():
    assert np.isnan(mean_interval([1.0]).units_needed(0.01))


def test_units_needed_for_half_the_width_are_four_times_as_many():
    found = mean_interval(np.random.default_rng(0).normal(size=100))
    assert found.units_needed(1.96 * found.standard_error / 2) == pytest.approx(400, abs=2)
    with pytest.raises(InputError, match="Expected a positive half width"):
        found.units_needed(0)
