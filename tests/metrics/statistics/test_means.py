"""Means, their tests and families, against slow references and simulations."""

import numpy as np
import pytest
from scipy import linalg, stats

from benchmarks.calibration import means
from fer_xai.draws.streams import stream
from fer_xai.errors import InputError
from metrics.statistics.bounded import betting_interval, betting_p, order_by_name
from metrics.statistics.clustered import mean_parts, satterthwaite, within_correlation
from metrics.statistics.families import mean_family
from metrics.statistics.intervals import mean_interval
from metrics.statistics.mean_tests import equivalence, mean_test, untested
from metrics.statistics.power import (
    not_told_apart,
    units_for_difference,
    units_for_half_width,
    units_to_tell,
)
from metrics.statistics.sequential import stop_when
from metrics.statistics.skewness import skewed, unskewed
from metrics.statistics.trainings import training_interval

SIZES = np.array([3, 1, 7, 2, 9, 4])


def textbook_cr2(sizes, rho, x):
    """CR2 and its Satterthwaite freedom with matrices, as Bell & McCaffrey write them."""
    n, codes = sizes.sum(), np.repeat(np.arange(len(sizes)), sizes)
    residual = np.eye(n) - 1 / n
    same = codes[:, None] == codes[None]
    covariance = np.where(same, rho, 0.0) + (1 - rho) * np.eye(n)
    rows, variance = [], 0.0
    for g in range(len(sizes)):
        own = codes == g
        adjust = linalg.inv(linalg.sqrtm(residual[np.ix_(own, own)]).real)
        rows.append(residual[own].T @ adjust @ np.ones(own.sum()))
        variance += (np.ones(own.sum()) @ adjust @ (x - x.mean())[own]) ** 2
    square = np.stack(rows) @ covariance @ np.stack(rows).T
    return np.sqrt(variance) / n, np.trace(square) ** 2 / np.trace(square @ square)


@pytest.mark.parametrize("rho", [0.0, 0.4, 1.0])
def test_cr2_and_its_freedom_are_bell_and_mccaffreys(rho):
    x = np.random.default_rng(0).normal(size=SIZES.sum())
    error, freedom = textbook_cr2(SIZES, rho, x)
    parts = mean_parts(x, np.repeat(np.arange(6), SIZES).tolist())
    assert parts.standard_error == pytest.approx(error)
    assert satterthwaite(SIZES, rho) == pytest.approx(freedom)


def test_correlation_within_clusters_is_that_of_a_one_way_analysis():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(400), 5)
    x = np.sqrt(0.3) * rng.normal(size=400)[codes] + np.sqrt(0.7) * rng.normal(size=2000)
    assert within_correlation(x - x.mean(), codes) == pytest.approx(0.3, abs=0.06)
    assert within_correlation(np.zeros(4), np.array([0, 0, 1, 1])) == 0


def test_halls_transformation_is_undone():
    t = np.linspace(-6, 6, 25)
    for c in (-0.9, -1e-12, 0.0, 0.2, 2.0):
        there = unskewed(t, c)
        assert (np.diff(there) >= 0).all()
        assert skewed(there, c) == pytest.approx(t, abs=1e-5)


def test_clusters_of_one_face_are_faces():
    x = np.random.default_rng(0).exponential(size=30)
    alone = mean_interval(x)
    for labels in (list(range(30)), [None] * 30):
        found = mean_interval(x, clusters=labels)
        assert found.scheme == alone.scheme
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), rel=1e-12)


def test_p_is_below_5_percent_just_where_the_interval_excludes_zero():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        x = rng.exponential(size=40) - 1 + rng.normal(0, 0.3)
        found = mean_interval(x)
        clear = not found.low <= 0 <= found.high
        assert (found.p_value < 0.05) == clear
        p = mean_test(x)
        assert np.isnan(p) or p == found.p_value
        seen.add(clear)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([1.0, 2.0, 3.0, 4.0], "4 units are too few for an interval of a mean: it takes 5."),
        ([2.0] * 9, "All 9 units have one score: their spread tells nothing"),
        ([], "0 units are too few"),
    ],
)
def test_what_has_no_interval_says_why(scores, reason):
    found = mean_interval(scores)
    assert np.isnan([found.low, found.high, found.p_value]).all()
    assert found.reason.startswith(reason)


def test_coverage_of_means_by_simulation():
    for draw in means.DRAWS:
        (row,) = means.coverage(500, draws=[draw], sizes=[60])
        assert 0.93 - 2.6 * row.error <= row.share <= 0.97 + 2.6 * row.error, row


@pytest.mark.parametrize("draw", ["lognormal", "70 % zeros"])
def test_skewed_means_are_covered_where_plain_students_t_is_too_narrow(draw):
    """96 faces: .90 to .92 without the correction."""
    (row,) = means.coverage(500, draws=[draw], sizes=[96])
    same = means.DRAWS[draw](np.random.default_rng([1, 96]), (500, 96))
    plain = (stats.ttest_1samp(same, 0, axis=1).pvalue >= 0.05).mean()
    assert row.share >= 0.93 - 2.6 * row.error
    assert row.share > plain + 0.015


@pytest.mark.parametrize("design", ["8 unequal clusters", "20 unequal clusters"])
def test_coverage_of_unequal_clusters_by_simulation(design):
    """Without corrections: .85 to .91."""
    (row,) = means.cluster_coverage(250, draws=["normal"], designs=[design], rhos=[0.9])
    assert 0.93 - 2.6 * row.error <= row.share, row


def test_a_family_without_effects_rarely_makes_a_claim_where_wilcoxon_does():
    found = {
        row.statistic: row
        for row in means.familywise(40, draws=["exponential"], sizes=[300], flips=199)
    }
    for name in ("mean_family, p", "mean_family, intervals"):
        assert found[name].share <= 0.06 + 2.6 * np.sqrt(0.06 * 0.94 / 40)
    assert found["Holm over Wilcoxon"].share > 0.5


def test_a_family_of_one_is_the_test_and_its_interval():
    x = np.random.default_rng(3).normal(0.2, 1, 80)
    found = mean_family(x[:, None])
    assert found.p_values[0] == pytest.approx(mean_test(x), abs=0.01)
    alone = mean_interval(x)
    assert [found.intervals[0].low, found.intervals[0].high] == pytest.approx(
        [alone.low, alone.high], abs=0.02
    )


def slow_family(table, repeats, seed):
    """Step-down p of Romano & Wolf, with a loop for each step and sign."""
    n, columns = table.shape
    rng = np.random.default_rng(seed)
    deviations = table - table.mean(axis=0)
    p = []
    for _ in range(repeats):
        bits = np.unpackbits(rng.integers(0, 256, (1, (n + 7) // 8), dtype=np.uint8))[:n]
        flipped = deviations * (bits * 2.0 - 1)[:, None]
        p.append([stats.ttest_1samp(column, 0).pvalue for column in flipped.T])
    p, own = np.array(p), np.array([mean_test(column) for column in table.T])
    out, before = np.empty(columns), 0.0
    left = list(range(columns))
    while left:
        k = min(left, key=lambda index: own[index])
        hits = (p[:, left].min(axis=1) <= own[k]).sum()
        before = out[k] = max(before, (1 + hits) / (1 + repeats))
        left.remove(k)
    return out


def test_step_down_is_that_of_a_slow_reference():
    table = np.random.default_rng(1).normal([0, 0.3, 0.5, 0.1], 1.0, size=(64, 4))
    found = mean_family(table, repeats=99, seed=5, level=0.9)
    assert found.p_values == pytest.approx(slow_family(table, 99, 5))
    assert found.smallest_p == 0.01


def test_columns_that_cannot_be_tested_have_no_p_and_a_reason():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(100, 4))
    table[6:, 1] = np.nan
    table[:, 2] = rng.lognormal(sigma=2, size=100) * 0.01
    table[:, 3] = 0.0
    found = mean_family(table)
    assert np.isnan(found.p_values).tolist() == [False, True, True, True]
    reasons = [interval.reason for interval in found.intervals]
    assert reasons[0] == ""
    assert "6 units are too few" in reasons[1]
    assert "too skewed" in reasons[2]
    assert "one score" in reasons[3]
    exact = mean_family(np.clip(table, -4, 4), bounds=(-4, 4))
    assert np.isfinite(exact.p_values).all()
    assert "betting" in exact.intervals[1].scheme
    with pytest.raises(InputError, match="Expected at least 40 repeats"):
        mean_family(table, repeats=20)


def test_clusters_flip_as_a_whole():
    x = np.random.default_rng(0).normal(size=(60, 2))
    copies, who = np.repeat(x, 3, axis=0), np.repeat(np.arange(60), 3).tolist()
    one, three = mean_family(x), mean_family(copies, clusters=who)
    assert three.p_values == pytest.approx(one.p_values, abs=0.02)
    assert three.intervals[0].low == pytest.approx(one.intervals[0].low, abs=0.02)


def test_skewed_or_few_differences_are_not_tested_without_bounds():
    rng = np.random.default_rng(0)
    assert "too few" in untested(mean_parts(rng.normal(size=23)))
    assert untested(mean_parts(rng.normal(size=24))) == ""
    heavy = [9, *[1] * 29]
    who = np.repeat(np.arange(30), heavy).tolist()
    assert "30 units (worth" in untested(mean_parts(rng.normal(size=38), who))
    spiky = np.r_[np.zeros(90), 1, 1, 0.5, 0.7, 0.9]
    assert np.isnan(mean_test(spiky))
    assert 0 < mean_test(spiky, bounds=(-1, 1)) < 1


def test_betting_is_exact_at_any_n():
    for row in means.betting(150, sizes=[8, 60]):
        if row.nominal == 0.05:
            assert row.share <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 150), row
    x = means.beta(np.random.default_rng(0), (300,)) + 0.1
    low, high = betting_interval(x, bounds=(-1, 1))
    assert low < 0.1 < high
    assert 0.02 < high - low < 0.2
    inside = betting_p(x, bounds=(-1, 1), mean=low + 0.003), betting_p(x, bounds=(-1, 1), mean=0.1)
    assert min(inside) > 0.05 > betting_p(x, bounds=(-1, 1), mean=low - 0.003)
    with pytest.raises(InputError, match="within the bounds 0 and 0.5, got"):
        betting_p(x, bounds=(0, 0.5))
    with pytest.raises(InputError, match="finite bounds, the smaller one first"):
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


def test_equivalence_is_two_one_sided_tests():
    x = np.random.default_rng(0).normal(0.05, 1, 40)
    x = np.concatenate([x, 2 * x.mean() - x])  # without skewness: Student's
    found = equivalence(x, margin=0.4)
    above = stats.ttest_1samp(x, -0.4, alternative="greater").pvalue
    below = stats.ttest_1samp(x, 0.4, alternative="less").pvalue
    assert found.p_value == pytest.approx(max(above, below))
    assert found.equivalent == (found.p_value < 0.05)
    assert not equivalence(x[:4], margin=9.0).equivalent
    with pytest.raises(InputError, match="Expected a margin above 0"):
        equivalence(x, margin=0)


def test_units_needed_are_those_of_the_textbook():
    assert units_for_difference(1.0, 0.5) == 34  # Cohen's d = .5, paired, 80 %
    assert units_for_difference(1.0, 0.2) == 199
    assert units_for_half_width(2.0, 0.1) == pytest.approx(1539, abs=2)
    few = mean_interval(np.random.default_rng(0).normal(0.02, 0.18, 96))
    assert units_to_tell(few, 0.023) == units_for_difference(few.standard_error * 96**0.5, 0.023)
    assert "would be needed for +0.023" in not_told_apart(few, 0.023)
    with pytest.raises(InputError, match="spread above 0"):
        units_for_half_width(0.0, 0.1)


def test_power_at_the_units_that_are_called_for():
    (row,) = (row for row in means.powers(300, effects=[0.5]) if row.design.startswith("normal"))
    assert row.share == pytest.approx(0.8, abs=0.07)


def test_a_run_stops_where_the_interval_is_narrow_and_covers():
    (row,) = means.stopped(60, draws=["exponential"], widths=[0.2])
    assert row.share >= 0.93 - 2.6 * np.sqrt(0.05 * 0.95 / 60)
    x = np.random.default_rng(0).normal(size=400)
    n = stop_when(x, 0.15)
    assert n > 60
    found = mean_interval(x[:n])
    assert (found.high - found.low) / 2 <= 0.15
    assert stop_when(x, 0.01) is None
    ends = stop_when(np.repeat(x, 2), 0.2, clusters=np.repeat(np.arange(400), 2).tolist())
    assert ends % 2 == 0
    with pytest.raises(InputError, match="half width above 0"):
        stop_when(x, -1)


def test_trainings_have_dots_below_five_and_students_t_from_there():
    few = training_interval([87.0, 88.0, 86.0, 87.5])
    assert np.isnan(few.low)
    assert few.dots == (87.0, 88.0, 86.0, 87.5)
    assert few.reason == "4 trainings, from 86 to 88: an interval takes 5."
    x = [87.0, 88.0, 86.0, 87.5, 91.0]
    found = training_interval(x)
    assert (found.low, found.high) == pytest.approx(
        stats.t.interval(0.95, 4, np.mean(x), stats.sem(x))
    )
    assert "taken as normal" in found.scheme


def test_gains_in_right_answers_that_mostly_stay_are_not_tested_by_t():
    rng = np.random.default_rng(5)
    sparse = rng.choice([-1.0, 0.0, 3.0], p=[0.12, 0.84, 0.04], size=(60, 11))  # no effect
    found = mean_family(sparse)
    assert np.isnan(found.p_values).all()
    assert "differ from the commonest" in " ".join(i.reason for i in found.intervals)
    bets = mean_family(sparse, bounds=(-3, 3))
    assert np.isfinite(bets.p_values).all()
    assert bets.p_values.min() > 0.05
    assert "8 of 60 units differ" in untested(mean_parts([1.0, -1.0] * 4 + [0.0] * 52))
    assert not untested(mean_parts([1.0, -1.0] * 20 + [0.0] * 60))
    assert not untested(
        mean_parts([1.0, 2.0, 3.0] * 10)
    )  # few values, none of which most units have
