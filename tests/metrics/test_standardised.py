"""Standardised gaps: against slow versions, their coverage, and permuted groups."""

import numpy as np
import pytest
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.clustered import mean_parts, within_correlation
from metrics.statistics.group_gaps import gap_of_means, gap_of_shares, share_interval
from metrics.statistics.permuted_groups import permuted_gaps
from metrics.statistics.standardised import sides_of, standardised_side

PRIOR = [0.4, 0.2, 0.15, 0.1, 0.1, 0.05]
RECALL = np.array([0.95, 0.85, 0.8, 0.8, 0.6, 0.55])


def slow_side(values, strata, person, weights, rho):
    """CR2 and its freedom by the matrices of Bell & McCaffrey."""
    n, k = len(values), len(weights)
    design = np.eye(k)[strata]
    inverse = np.linalg.inv(design.T @ design)
    hat = design @ inverse @ design.T
    left = values - design @ inverse @ design.T @ values
    contrast = inverse @ weights
    parts, rows = 0.0, []
    for one in np.unique(person):
        own = np.flatnonzero(person == one)
        own_hat = np.eye(len(own)) - hat[np.ix_(own, own)]
        size, basis = np.linalg.eigh(own_hat)
        adjust = basis @ np.diag(size**-0.5) @ basis.T
        parts += float((left[own] @ adjust @ design[own] @ contrast) ** 2)
        rows.append((np.eye(n) - hat)[:, own] @ adjust @ design[own] @ contrast)
    same = (person[:, None] == person[None]).astype(float)
    omega = (1 - rho) * np.eye(n) + rho * same
    m = np.array(rows) @ omega @ np.array(rows).T
    return parts, np.trace(m) ** 2 / np.trace(m @ m)


def test_a_side_is_cr2_of_a_regression_on_strata():
    rng = np.random.default_rng(0)
    person, strata = np.repeat(np.arange(8), 5), rng.integers(0, 3, 40)
    values = rng.normal(size=40) + rng.normal(size=8)[person] + strata
    weights = np.array([0.5, 0.3, 0.2])
    side = standardised_side(values, strata, person, weights)
    means = np.array([values[strata == k].mean() for k in range(3)])
    assert side.mean == pytest.approx(weights @ means)
    rho = within_correlation(values - means[strata], person)
    variance, freedom = slow_side(values, strata, person, weights, rho)
    assert 0 < rho < 1
    assert side.variance == pytest.approx(variance)
    assert side.freedom == pytest.approx(freedom, rel=1e-6)


def test_one_stratum_is_the_plain_mean():
    rng = np.random.default_rng(1)
    values, person = rng.normal(size=30), np.arange(30) // 3
    side = standardised_side(values, np.zeros(30, dtype=int), person, [1.0])
    plain = mean_parts(values, person.tolist())
    assert side.mean == pytest.approx(plain.mean)
    assert side.variance == pytest.approx(plain.standard_error**2)
    assert side.freedom == pytest.approx(plain.freedom)


def test_a_mixture_of_easy_and_hard_emotions_is_no_gap():
    """Simpson's paradox: a group of more happy faces is easier, and standardised it is not."""
    strata = np.repeat([0, 1, 0, 1], [90, 10, 10, 90])
    member = np.repeat([True, False], 100)
    values = (np.arange(200) % 10 < np.where(strata == 0, 9, 5)).astype(float)
    group, rest = sides_of(values, member, strata, range(200))
    assert values[member].mean() - values[~member].mean() > 0.3
    assert group.mean == pytest.approx(rest.mean) == pytest.approx(0.7)


def test_a_share_of_all_or_none_still_has_an_interval():
    side = standardised_side(np.ones(20), np.arange(20) % 4, np.arange(20), [0.25] * 4)
    low, high = share_interval(side)
    assert 0.8 < low < 0.9
    assert high == pytest.approx(1)
    found = gap_of_shares(side, side)
    assert found.low < 0 < found.high


def test_sides_without_a_common_stratum_are_refused():
    member = np.arange(8) < 4
    with pytest.raises(InputError, match="a stratum in which both sides have 2 persons"):
        sides_of(np.ones(8), member, member.astype(int), range(8))


@pytest.mark.parametrize(("group", "rest", "persons"), [(20, 500, 1), (5, 20, 12)])
def test_intervals_of_gaps_cover(group, rest, persons):
    """Small samples of the calibration, which counts them by the thousand."""
    rng = np.random.default_rng(group)
    covered, repeats = 0, 60
    n = np.array([group, rest])
    person = np.repeat(np.arange(n.sum()), persons)
    member = person < group
    for _ in range(repeats):
        if persons == 1:
            strata = rng.choice(6, size=len(person), p=PRIOR)
        else:
            strata = np.arange(len(person)) % 6
        easy = rng.uniform(-0.12, 0.12, n.sum())[person] if persons > 1 else 0.0
        chance = np.clip(RECALL[strata] - 0.1 * member + easy, 0, 1)
        sides = sides_of((rng.random(len(person)) < chance) * 1.0, member, strata, person)
        found = gap_of_shares(*sides)
        covered += found.low <= -0.1 <= found.high
    assert covered / repeats >= 0.88


def test_means_of_groups_are_welch_in_one_stratum():
    rng = np.random.default_rng(2)
    values, member = rng.normal(size=70), np.arange(70) < 20
    sides = sides_of(values, member, np.zeros(70, dtype=int), range(70))
    found = gap_of_means(*sides)
    welch = stats.ttest_ind(values[member], values[~member], equal_var=False)
    assert found.freedom == pytest.approx(welch.df)
    assert found.estimate / found.standard_error == pytest.approx(welch.statistic)


def labelled(rng, n):
    return rng.choice(["a", "b", "c"], size=(n, 1), p=[0.6, 0.3, 0.1])


def test_permuted_gaps_are_those_of_permuted_labels():
    rng = np.random.default_rng(3)
    labels, strata = labelled(rng, 90), rng.integers(0, 3, 90)
    values = rng.normal(size=(90, 2))
    values[:5, 1] = np.nan
    found = permuted_gaps(
        values, labels, [(0, "a"), (0, "c")], strata=strata, clusters=range(90), repeats=19
    )
    for t, group in enumerate("ac"):
        for c in range(2):
            sides = sides_of(values[:, c], labels[:, 0] == group, strata, range(90))
            assert found.gaps[0, t, c] == pytest.approx(sides[0].mean - sides[1].mean)
    assert len(np.unique(found.gaps[:, 0, 0].round(12))) > 15


def test_persons_keep_one_group_and_the_test_knows_it():
    """Faces of one person are no independent evidence: the null holds over persons alone."""
    rng = np.random.default_rng(4)
    hits, person = 0, np.repeat(np.arange(16), 12)
    strata = np.arange(len(person)) % 6
    for seed in range(30):
        values = rng.normal(size=16)[person] + 0.3 * rng.normal(size=len(person))
        labels = np.where(np.arange(16) < 8, "a", "b")[person][:, None]
        found = permuted_gaps(
            values[:, None],
            labels,
            [(0, "a")],
            strata=strata,
            clusters=person,
            repeats=99,
            seed=seed,
        )
        hits += found.p_values[0, 0] <= 0.05
    assert hits <= 5


def test_the_lowest_of_groups_that_mean_nothing_is_below_zero():
    rng = np.random.default_rng(5)
    labels = rng.choice(list("abcdef"), size=(300, 1))
    found = permuted_gaps(
        (rng.random((300, 1)) < 0.8) * 1.0,
        labels,
        [(0, group) for group in "abcdef"],
        strata=rng.integers(0, 3, 300),
        clusters=range(300),
        repeats=199,
    )
    low, chance = found.lowest(range(6))
    assert np.median(chance) < -0.04
    assert (chance <= low).mean() > 0.05
