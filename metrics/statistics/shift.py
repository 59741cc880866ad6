"""Median shift: what the signed-rank test is a test of, with its estimate and interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from metrics.statistics.clusters import Array
from metrics.statistics.inputs import check_level, check_scores
from metrics.statistics.intervals import Interval

Codes = NDArray[np.int64]

EXACT = 50
"""Most differences for which the distribution of the signed-rank sum is counted out."""


def median_shift(differences: ArrayLike, *, level: float = 0.95) -> Interval:
    """Median shift of paired differences: the Hodges–Lehmann estimate with its interval.

    The median of the means of all pairs of differences, each with itself included, and the interval
    of shifts that the signed-rank test does not refuse (Hodges & Lehmann, "Estimates of location
    based on rank tests", Annals of Mathematical Statistics 1963). It is the centre of differences
    that are symmetric; of skewed ones it is not the mean, and says nothing of it.

    Parameters
    ----------
    differences
        ``(N,)`` paired differences of independent units; NaN is left out.
    level
        Coverage, at least, for symmetric differences.

    Returns
    -------
    Interval
        NaN bounds, with the reason, where no pair of bounds can have this coverage (below six
        differences at 95 %). There is no standard error; the test is
        :func:`~metrics.statistics.significance.wilcoxon_p`.

    Raises
    ------
    InputError
        If differences are no numbers, one is infinite, or the level is not between 0 and 1.

    Examples
    --------
    >>> found = median_shift([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> found.estimate, found.low, found.high
    (3.5, 1.0, 6.0)
    """
    check_level(level)
    check_scores(differences, name="differences")
    x = np.asarray(differences, dtype=np.float64)
    x = np.sort(x[np.isfinite(x)])
    n = len(x)
    estimate, low, high, reason = float("nan"), float("nan"), float("nan"), ""
    if n:
        pairs = n * (n + 1) // 2
        middle = mean_of_pairs(x, [(pairs + 1) // 2, pairs // 2 + 1])
        estimate = float(middle.mean())
    rank = _rank(n, level) if n else 0
    if rank:
        low, high = mean_of_pairs(x, [rank, pairs + 1 - rank]).tolist()
    else:
        reason = f"{n} differences are too few for a {level:.0%} interval by signed ranks."
    return Interval(
        estimate=estimate,
        low=low,
        high=high,
        standard_error=float("nan"),
        n=n,
        scheme="none" if reason else "Hodges-Lehmann, signed ranks",
        reason=reason,
    )


def mean_of_pairs(ordered: Array, ranks: Sequence[int]) -> Array:
    """Order statistics of the means of all pairs of values, each with itself included.

    They are found by bisection over the floating-point numbers themselves: at each of at most 64
    steps, the means up to a number are counted by bisection in the ordered values, in
    O(N log N), so that no pair is kept and the result is exact.

    Parameters
    ----------
    ordered
        ``(N,)`` finite values, the smallest first.
    ranks
        R ranks from 1 to N (N + 1) / 2.

    Returns
    -------
    array
        ``(R,)`` the means of these ranks.

    Examples
    --------
    >>> mean_of_pairs(np.array([1.0, 2.0, 4.0]), [1, 4, 6])  # 1, 1.5, 2, 2.5, 3, 4
    array([1. , 2.5, 4. ])
    """
    wanted = np.asarray(ranks, dtype=np.int64)
    low = np.full(len(wanted), _place(ordered[:1])[0])
    high = np.full(len(wanted), _place(ordered[-1:])[0])
    while (low < high).any():
        middle = (low & high) + ((low ^ high) >> 1)  # the mean, rounded down, without overflow
        enough = _count_up_to(ordered, _number(middle)) >= wanted
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return _number(low) + 0.0  # no negative zero


def _count_up_to(ordered: Array, bounds: Array) -> Codes:
    """``(R,)`` number of pairs, each value with itself included, whose mean is up to a bound.

    The mean is monotone in each value, as rounded as it is; so for each value the others up to the
    bound are the first ones, and a bisection finds how many.
    """
    n = len(ordered)
    first = np.arange(n)
    counts = np.zeros(len(bounds), dtype=np.int64)
    for k, bound in enumerate(bounds.tolist()):
        few, many = first.copy(), np.full(n, n)  # partners from the value itself on
        for _ in range(n.bit_length()):
            middle = np.minimum((few + many) // 2, n - 1)
            up_to = (ordered + ordered[middle]) / 2 <= bound
            open_ = few < many
            few = np.where(open_ & up_to, middle + 1, few)
            many = np.where(open_ & ~up_to, middle, many)
        counts[k] = (few - first).sum()
    return counts


def _place(numbers: Array) -> Codes:
    """Whole numbers in the order of floating-point numbers, next ones for next ones."""
    bits = (numbers + 0.0).view(np.int64)
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _number(places: Codes) -> Array:
    """The floating-point numbers of :func:`_place`."""
    bits = np.where(places < 0, np.int64(-(2**63)) - places, places)
    return bits.view(np.float64)


def _rank(n: int, level: float) -> int:
    """Rank of the lower bound among the means of pairs; 0 if none has this coverage."""
    tail = (1 - level) / 2
    if n <= EXACT:
        return int((np.cumsum(signed_rank_chances(n)) <= tail * (1 + 1e-12)).sum())
    mean, square = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
    return int(np.floor(mean + 0.5 - stats.norm.isf(tail) * np.sqrt(square)))


def signed_rank_chances(n: int) -> Array:
    """Probability of each signed-rank sum ``(n (n + 1) / 2 + 1,)`` of n symmetric differences.

    Examples
    --------
    >>> signed_rank_chances(2).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    chances = np.ones(1)
    for rank in range(1, n + 1):
        chances = np.pad(chances, (0, rank)) / 2 + np.pad(chances, (rank, 0)) / 2
    return chances
