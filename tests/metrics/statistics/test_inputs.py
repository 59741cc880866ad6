"""What the statistics refuse, in one sentence: infinity, words, scores out of bounds, levels."""

import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from metrics.statistics.bounded import betting_interval, betting_p
from metrics.statistics.crossed import crossed_interval, rows_needed
from metrics.statistics.effect_sizes import auc_to_d, cohens_d
from metrics.statistics.families import mean_family
from metrics.statistics.group_gaps import gap_of_means, gap_of_shares, share_interval
from metrics.statistics.inputs import check_scores
from metrics.statistics.intervals import cut, mean_interval, uncut_interval
from metrics.statistics.mean_tests import equivalence, mean_and_test, mean_test
from metrics.statistics.permuted_groups import permuted_gaps
from metrics.statistics.permuting import permutation_p_value
from metrics.statistics.power import units_for_difference, units_for_half_width
from metrics.statistics.reliability import (
    friedman_nemenyi,
    icc_a1,
    kendalls_w,
    krippendorff_alpha,
)
from metrics.statistics.sequential import narrow_enough, stop_when
from metrics.statistics.shift import median_shift
from metrics.statistics.significance import holm, wilcoxon_p
from metrics.statistics.standardised import sides_of, standardised_side
from metrics.statistics.trainings import percent_interval, training_interval
from metrics.statistics.two_samples import mean_difference

GOOD = np.random.default_rng(0).uniform(0.2, 0.8, 64)
GROUPS = np.arange(64) % 2 == 0
STRATA = np.zeros(64, dtype=np.int64)
OF_SCORES = {
    "mean_interval": mean_interval,
    "mean_test": mean_test,
    "mean_and_test": mean_and_test,
    "equivalence": lambda x: equivalence(x, margin=0.1),
    "median_shift": median_shift,
    "wilcoxon_p": wilcoxon_p,
    "cohens_d": cohens_d,
    "first of mean_difference": lambda x: mean_difference(x, GOOD),
    "second of mean_difference": lambda x: mean_difference(GOOD, x),
    "training_interval": training_interval,
    "percent_interval": percent_interval,
    "betting_p": lambda x: betting_p(x, bounds=(0, 1)),
    "betting_interval": lambda x: betting_interval(x, bounds=(0, 1)),
    "stop_when": lambda x: stop_when(x, 0.1),
    "narrow_enough": lambda x: narrow_enough(x, 0.1),
    "standardised_side": lambda x: standardised_side(x, STRATA, np.arange(64), [1.0]),
    "sides_of": lambda x: sides_of(x, GROUPS, STRATA, range(64)),
    "permutation_p_value": lambda x: permutation_p_value(0.5, x),
    "holm": holm,
}
OF_TABLES = {
    "mean_family": mean_family,
    "crossed_interval": crossed_interval,
    "rows_needed": lambda x: rows_needed(x, 0.9),
    "stop_when": lambda x: stop_when(x, 0.1),
    "friedman_nemenyi": friedman_nemenyi,
    "krippendorff_alpha": krippendorff_alpha,
    "icc_a1": icc_a1,
    "kendalls_w": kendalls_w,
    "permuted_gaps": lambda x: permuted_gaps(
        x,
        np.where(GROUPS, "a", "b")[:, None],
        [(0, "a")],
        strata=STRATA,
        clusters=range(64),
        repeats=9,
    ),
}


@pytest.mark.parametrize("name", OF_SCORES)
@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_an_infinite_score_is_refused_and_its_place_told(name, infinite):
    scores = GOOD.copy()
    scores[7] = infinite
    with pytest.raises(InputError, match=f"^Expected finite .*got {infinite} at row 7: look for"):
        OF_SCORES[name](scores)


@pytest.mark.parametrize("name", OF_TABLES)
def test_an_infinite_score_of_a_table_is_refused_and_its_place_told(name):
    table = np.stack([GOOD, GOOD[::-1], GOOD**2], axis=1)
    table[7, 1] = np.inf
    with pytest.raises(InputError, match="got inf at row 7, column 1: look for"):
        OF_TABLES[name](table)


@pytest.mark.parametrize("name", OF_SCORES)
def test_words_are_no_scores(name):
    with pytest.raises(InputError, match="^Expected .* as numbers, .* got 'a': hand in"):
        OF_SCORES[name](["a", "b"] * 32)


def test_what_is_no_number_is_told_and_none_is_undefined():
    check_scores([0.5, None, True])
    check_scores(torch.tensor([0.5, torch.nan]))
    for scores in ([None, "a"], [[1.0, 2.0], [3.0]], {"a": 1.0}, [1j], "0.5"):
        with pytest.raises(InputError, match="as numbers, one a face, or NaN"):
            check_scores(scores)
    with pytest.raises(InputError, match="as numbers"):
        check_scores(torch.ones(3, requires_grad=True))


LEVELS = {
    "mean_interval": lambda level: mean_interval(GOOD, level=level),
    "mean_family": lambda level: mean_family(GOOD[:, None], level=level),
    "median_shift": lambda level: median_shift(GOOD, level=level),
    "mean_difference": lambda level: mean_difference(GOOD, GOOD, level=level),
    "training_interval": lambda level: training_interval(GOOD, level=level),
    "betting_p": lambda level: betting_p(GOOD, bounds=(0, 1), level=level),
    "betting_interval": lambda level: betting_interval(GOOD, bounds=(0, 1), level=level),
    "crossed_interval": lambda level: crossed_interval(GOOD.reshape(8, 8), level=level),
    "rows_needed": lambda level: rows_needed(GOOD.reshape(8, 8), 0.9, level=level),
    "stop_when": lambda level: stop_when(GOOD, 0.1, level=level),
    "narrow_enough": lambda level: narrow_enough(GOOD, 0.1, level=level),
    "units_for_half_width": lambda level: units_for_half_width(1.0, 0.1, level=level),
    "units_for_difference": lambda level: units_for_difference(1.0, 0.1, level=level),
    "share_interval": lambda level: share_interval(SIDE, level=level),
    "gap_of_shares": lambda level: gap_of_shares(SIDE, SIDE, level=level),
    "gap_of_means": lambda level: gap_of_means(SIDE, SIDE, level=level),
    "equivalence": lambda level: equivalence(GOOD, margin=0.1, level=level),
}
SIDE = standardised_side(GOOD > 0.5, STRATA, np.arange(64), [1.0])


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("level", [95, 0, 1, -0.5, "95%", None, float("nan")])
def test_a_level_is_between_0_and_1(name, level):
    with pytest.raises(
        InputError, match=r"^Expected level (of each test )?above 0(\.5)? and below"
    ):
        LEVELS[name](level)


def test_equivalence_takes_a_margin_and_a_level_above_one_half():
    for margin in ("2%", 0, -1, float("inf"), float("nan"), None):
        with pytest.raises(InputError, match="^Expected a margin above 0, in units of the score"):
            equivalence(GOOD, margin=margin)
    with pytest.raises(InputError, match=r"Expected level of each test above 0.5 and below 1"):
        equivalence(GOOD, margin=0.1, level=0.4)


def test_bounds_cut_intervals():
    found = mean_interval([0, 0, 0, 0, 1, 1.0], bounds=(0, 1))
    assert (found.low, found.high) == (0.0, 1.0)
    bare = mean_interval([0, 0, 0, 0, 1, 1.0])
    assert bare.low < 0
    assert bare.high > 1
    assert found.p_value == bare.p_value
    half = mean_interval([0, 0, 0, 0, 1, 1.0], bounds=(0, np.inf))
    assert (half.low, half.high) == (0.0, bare.high)
    assert uncut_interval([0, 0, 0, 0, 1, 1.0], bounds=(0, 1)).high == bare.high
    assert np.isnan(cut(mean_interval([0.5] * 3), (0, 1)).low)


def test_bounds_cut_joint_crossed_and_equivalence_intervals():
    rng = np.random.default_rng(0)
    near = 1 - rng.exponential(0.01, (64, 2))
    near[:6] = 0.0
    for found in mean_family(near, bounds=(-1, 1)).intervals:
        assert -1 <= found.low < found.high <= 1
    scattered = np.stack([np.full(8, 0.99), np.full(8, 0.2)], axis=1) + rng.normal(0, 1e-3, (8, 2))
    assert crossed_interval(scattered).high > 1
    found = crossed_interval(scattered, bounds=(0, 1))
    assert (found.low, found.high) == (0.0, 1.0)
    assert mean_and_test(near[:, 0], bounds=(-1, 1))[0].high <= 1
    far = equivalence(GOOD, margin=2.0, bounds=(-1, 1))
    assert far.equivalent
    assert far.p_value == 0


def test_scores_out_of_bounds_are_refused_but_for_rounding():
    scores = GOOD.copy()
    scores[3] = 1.25
    for call in (
        mean_interval,
        mean_test,
        mean_and_test,
        betting_p,
        lambda x, bounds: equivalence(x, margin=0.1, bounds=bounds),
        lambda x, bounds: mean_family(x[:, None], bounds=bounds),
        lambda x, bounds: crossed_interval(x[:, None], bounds=bounds),
    ):
        with pytest.raises(InputError, match="within the bounds 0 and 1, got 1.25 at row 3"):
            call(scores, bounds=(0, 1))
        with pytest.raises(InputError, match="bounds as the smallest and the largest value"):
            call(GOOD, bounds=(1, 0))
    with pytest.raises(InputError, match="within the bounds 0 and 100, got 101 at row 0"):
        percent_interval([101.0])
    with pytest.raises(InputError, match="within the bounds 0 and 1, got 2 at row 1"):
        holm([0.5, 2.0])
    with pytest.raises(InputError, match="within the bounds 0 and 1, got 1.5: hand"):
        auc_to_d(1.5)
    rounded = np.full(24, np.nextafter(np.float32(1), np.float32(2)), dtype=np.float32)
    found = mean_interval(rounded, bounds=(0, 1))
    assert found.low < 0.95 < found.high == 1.0


def test_where_there_is_no_interval_the_scheme_is_none():
    table = np.arange(12.0).reshape(6, 2)
    table[:, 1] = np.nan
    refused = [
        mean_interval([1.0, 2.0, 3.0, 4.0]),
        mean_interval([1.0] * 8),
        median_shift([1.0, 2.0]),
        training_interval([1.0, 2.0]),
        equivalence(GOOD[:30], margin=0.5).interval,
        mean_and_test(GOOD[:8])[0],
        mean_difference(GOOD[:8], GOOD)[0],
        mean_family(GOOD[:8, None]).intervals[0],
        crossed_interval(table[:3]),
        crossed_interval(table),
        gap_of_means(*[standardised_side([1.0] * 8, [0] * 8, np.arange(8), [1.0])] * 2),
    ]
    for found in refused:
        assert found.scheme == "none"
        assert found.reason.endswith((".", "1", "2"))
        assert np.isnan([found.low, found.high]).all()
    assert mean_interval([1.0] * 8, bounds=(0, 1)).scheme.startswith("betting")


def test_a_family_of_equal_bounded_gains_has_the_betting_interval():
    found = mean_family(np.full((30, 2), 0.5), bounds=(-1, 1)).intervals[0]
    alone = betting_interval(np.full(30, 0.5), bounds=(-1, 1), level=0.975)
    assert (found.low, found.high) == alone
    assert not found.reason
