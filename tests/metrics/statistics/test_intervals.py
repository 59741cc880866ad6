import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.effect_sizes import auc_to_d, cohens_d, rank_biserial
from metrics.statistics.intervals import bootstrap_interval, influence_interval, mean_interval
from metrics.statistics.reliability import icc_a1, kendalls_w, mean_spearman
from metrics.statistics.tests import holm, permutation_p_value, permutations, wilcoxon_p


def test_mean_interval_is_students():
    x = np.random.default_rng(0).normal(3, 2, 25)
    found = mean_interval(np.append(x, np.nan))
    low, high = stats.t.interval(0.95, 24, x.mean(), stats.sem(x))
    assert (found.estimate, found.low, found.high) == pytest.approx((x.mean(), low, high))
    assert found.n == 25
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


def test_permutation_p_counts_itself():
    assert permutation_p_value(5, np.arange(4)) == pytest.approx(1 / 5)
    assert permutation_p_value(-1, np.arange(4)) == 1


def test_holm_by_hand_and_nan_stays():
    assert holm([0.01, 0.04, 0.03, np.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, np.nan], nan_ok=True
    )
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin's own use of pandas
def test_icc_is_that_of_pingouin():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 5)) + rng.normal(size=(8, 1)) + 0.5 * rng.normal(size=(1, 5))
    long = pd.DataFrame(table).reset_index().melt("index", var_name="rater", value_name="score")
    reference = pingouin.intraclass_corr(long, targets="index", raters="rater", ratings="score")
    kind = reference["Type"].astype(str).str.replace(" ", "")
    value = reference.loc[kind.isin(["ICC2", "ICC(A,1)"]), "ICC"].iloc[0]
    assert icc_a1(table) == pytest.approx(value, abs=1e-3)


def test_icc_limits():
    shared = np.tile(np.arange(6.0)[:, None], (1, 4))
    assert icc_a1(shared) == pytest.approx(1)
    assert icc_a1(shared + np.array([0, 10, 20, 30])) < 0.2  # consistent, but no agreement
    assert np.isnan(icc_a1(np.ones((6, 4))))


@pytest.mark.parametrize("ties", [False, True])
def test_kendalls_w_is_the_mean_spearman(ties):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 5)) + rng.normal(size=(8, 1))
    w = kendalls_w(table.round(0) if ties else table)
    if not ties:
        pairs = [stats.spearmanr(table[:, a], table[:, b])[0] for a in range(5) for b in range(a)]
        assert mean_spearman(w, 5) == pytest.approx(np.mean(pairs))
    assert 0 < w < 1
    assert kendalls_w(np.tile(table[:, :1], (1, 3))) == pytest.approx(1)


def test_effect_size_and_sample_size():
    assert cohens_d([1.0, 2.0, 3.0]) == pytest.approx(2)
    assert auc_to_d(0.5) == 0
    assert auc_to_d(stats.norm.cdf(0.8 / np.sqrt(2))) == pytest.approx(0.8)
    assert np.isnan(cohens_d([1.0, 1.0]))
    x = np.random.default_rng(0).normal(size=100)
    found = mean_interval(x)
    assert found.units_needed(1.96 * found.standard_error / 2) == pytest.approx(400, abs=2)
    with pytest.raises(InputError, match="Expected a positive half width"):
        found.units_needed(0)


def test_too_little_data_is_nan():
    assert np.isnan(mean_interval([1.0]).low)
    assert np.isnan(mean_interval([]).estimate)
    with pytest.raises(InputError, match="Expected 3 cluster labels, one a face, got 2"):
        mean_interval([1.0, 2.0, 3.0], clusters=[1, 2])


def test_labels_are_shuffled_among_exchangeable_faces():
    """Person 0 shows two emotions; faces 4 and 5, and 6 and 7, are copies; 8 to 10 single."""
    labels = np.array([0, 1, 0, 1, 2, 2, 0, 0, 1, 2, 0])
    clusters = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5])
    orders = permutations(labels, repeats=50, seed=0, clusters=clusters)
    assert orders.shape == (50, 11)
    shuffled = labels[orders]
    assert (np.sort(shuffled, axis=1) == np.sort(labels)).all()
    assert (np.sort(shuffled[:, :4], axis=1) == [0, 0, 1, 1]).all()
    assert (shuffled[:, 4] == shuffled[:, 5]).all()
    assert {tuple(row) for row in shuffled[:, 4:8:2]} == {(2, 0), (0, 2)}
    assert (np.sort(shuffled[:, 8:], axis=1) == [0, 1, 2]).all()
    free = permutations(labels, repeats=50, seed=0)
    assert not (free[:, 4] == free[:, 5]).any()
    assert len({tuple(row) for row in free}) == 50


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


def test_a_bootstrap_needs_faces():
    with pytest.raises(InputError, match="Expected the number of faces as a whole number of 1 or"):
        bootstrap_interval(lambda w: float(w.mean()), 0)


def test_units_needed_without_a_standard_error_are_unknown():
    assert np.isnan(mean_interval([1.0]).units_needed(0.01))
