"""Means, their tests and families, against slow references and simulations."""

import numpy as np
import pytest
from scipy import linalg, stats

from benchmarks.calibration import means
from benchmarks.calibration.mean_designs import clustered, unequal
from fer_xai.errors import InputError
from metrics.statistics.clustered import mean_parts, satterthwaite, within_correlation
from metrics.statistics.intervals import SURE_CLUSTERS, SURE_FACES, mean_interval
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


@pytest.mark.parametrize("draw", ["normal", "exponential"])
@pytest.mark.parametrize("n", [5, 12])
def test_few_unequal_clusters_are_covered_where_scores_are_normal_or_exponential(n, draw):
    """Without corrections: .76 to .90."""
    (row,) = means.cluster_coverage(
        300, draws=[draw], designs=[f"{n} unequal clusters"], rhos=[0.9]
    )
    assert row.repeats == 300
    assert row.share >= 0.93 - 2.6 * np.sqrt(0.93 * 0.07 / 300), row


@pytest.mark.parametrize(("n", "sure"), [(5, False), (SURE_FACES - 1, False), (SURE_FACES, True)])
def test_an_interval_of_few_faces_says_what_it_covers_of_very_skewed_scores(n, sure):
    scheme = mean_interval(np.random.default_rng(0).exponential(size=n)).scheme
    warning = f"; below {SURE_FACES}, very skewed scores are covered in .88 to .94"
    assert scheme.endswith(warning) is not sure
    assert "faces" in scheme


@pytest.mark.parametrize(
    ("n", "sure"), [(5, False), (SURE_CLUSTERS - 1, False), (SURE_CLUSTERS, True)]
)
def test_an_interval_of_few_clusters_says_what_it_covers_of_very_skewed_scores(n, sure):
    rng = np.random.default_rng(0)
    x, codes = clustered(rng, unequal(rng, n), "exponential", 0.9)
    scheme = mean_interval(x, clusters=codes).scheme
    warning = {5: "below 12, very skewed scores are covered in .83 to .94", SURE_CLUSTERS: "(Hall)"}
    wanted = warning.get(n, f"below {SURE_CLUSTERS}, very skewed scores are covered in .92 to .94")
    assert scheme.endswith(wanted)
    assert ("very skewed" in scheme) is not sure
    assert "clusters (CR2, Satterthwaite)" in scheme


@pytest.mark.parametrize("design", ["8 unequal clusters", "20 unequal clusters"])
def test_coverage_of_unequal_clusters_by_simulation(design):
    """Without corrections: .85 to .91."""
    (row,) = means.cluster_coverage(250, draws=["normal"], designs=[design], rhos=[0.9])
    assert 0.93 - 2.6 * row.error <= row.share, row


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


def test_a_gain_of_023_takes_470_faces_where_its_spread_over_faces_is_1775():
    """Grad-CAM over the centre in ROAD; by the noncentral t, which the package does not use."""

    def power(n):
        away, reach = 0.023 / 0.1775 * np.sqrt(n), stats.t.ppf(0.975, n - 1)
        return stats.nct.sf(reach, n - 1, away) + stats.nct.cdf(-reach, n - 1, away)

    assert units_for_difference(0.1775, 0.023) == 470
    assert power(470) >= 0.8 > power(469)
    assert power(96) == pytest.approx(0.24, abs=0.005)  # of the 96 faces that were asked first


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


def test_few_bounded_differences_are_held_against_a_margin_by_betting():
    rng = np.random.default_rng(3)
    few = rng.uniform(-0.1, 0.1, 24)
    assert equivalence(few, margin=0.5).interval.reason.startswith("24 units are too few")
    found = equivalence(few, margin=0.5, bounds=(-1, 1))
    assert found.equivalent
    assert found.p_value < 0.05
    assert found.interval.scheme == "betting on a bounded mean"
    assert not equivalence(few, margin=0.05, bounds=(-1, 1)).equivalent
    assert equivalence(few, margin=1.5, bounds=(-1, 1)).p_value == 0  # no difference reaches it
    assert equivalence(few + 0.5, margin=0.3, bounds=(-1, 1)).p_value == 1
    erred = 0
    for _ in range(200):  # skewed, and apart by just the margin
        values = rng.beta(0.3, 2.7, 30) - 0.1 + 0.2
        erred += equivalence(values, margin=0.2, bounds=(-1.5, 1.5)).equivalent
    assert erred <= 10
