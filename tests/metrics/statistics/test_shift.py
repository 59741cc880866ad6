"""Typical shifts: the median of all pairs of differences."""

import numpy as np
import pytest

from metrics.statistics.shift import mean_of_pairs, median_shift, signed_rank_chances
from metrics.statistics.significance import wilcoxon_p


def all_pairs(x):
    """The means of all pairs, each difference with itself included, as one sorted table."""
    i, j = np.triu_indices(len(x))
    return np.sort((x[i] + x[j]) / 2)


@pytest.mark.parametrize("n", [1, 2, 6, 7, 31, 60])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.integers(-2, 3, n).astype(float),
        lambda rng, n: np.zeros(n),
        lambda rng, n: rng.lognormal(0, 5, n) * rng.choice([-1, 1], n),
        lambda rng, n: rng.normal(size=n) * 1e-310,
    ],
    ids=["normal", "ties", "zeros", "wide", "subnormal"],
)
def test_median_shift_is_exactly_that_of_all_pairs(n, draw):
    x = draw(np.random.default_rng(n), n)
    pairs = all_pairs(x)
    every = mean_of_pairs(np.sort(x), range(1, len(pairs) + 1, max(len(pairs) // 20, 1)))
    assert np.array_equal(every, pairs[:: max(len(pairs) // 20, 1)])
    found = median_shift(x)
    assert found.estimate == np.median(pairs)
    if np.isfinite(found.low):
        rank = np.searchsorted(pairs, found.low, "right")
        assert found.low in pairs[:rank]
        assert found.high == -median_shift(-x).low


def test_median_shift_of_many_differences_needs_no_table_of_pairs():
    x = np.random.default_rng(0).normal(0.1, 1, 20_000)  # 1.6 GB of pairs
    found = median_shift(x)
    assert found.low < 0.1 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(np.pi / 3 / len(x)), rel=0.05)


def test_median_shift_is_what_signed_ranks_do_not_refuse():
    x = np.random.default_rng(0).normal(0.4, 1, 30)
    found = median_shift(np.append(x, np.nan))
    assert wilcoxon_p(x - found.low + 1e-9) < 0.06
    assert wilcoxon_p(x - found.low - 1e-9) > 0.05 or wilcoxon_p(x - found.low - 1e-6) > 0.05
    assert wilcoxon_p(x - found.estimate) > 0.9
    assert signed_rank_chances(5)[0] == 1 / 32
    assert np.isnan(median_shift([1.0, 2.0, 3.0]).low)
    big = np.random.default_rng(1).normal(0.4, 1, 300)
    wide = median_shift(big)
    assert wilcoxon_p(big - wide.high) == pytest.approx(0.05, abs=0.003)
