"""Median shift: what the signed-rank test is a test of, with its estimate and interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from metrics.statistics.clusters import Array
from metrics.statistics.intervals import Interval

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

    Examples
    --------
    >>> found = median_shift([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> found.estimate, found.low, found.high
    (3.5, 1.0, 6.0)
    """
    x = np.asarray(differences, dtype=np.float64)
    x = x[np.isfinite(x)]
    n = len(x)
    i, j = np.triu_indices(n)
    pairs = np.sort((x[i] + x[j]) / 2)
    low, high, reason = float("nan"), float("nan"), ""
    rank = _rank(n, level) if n else 0
    if rank:
        low, high = float(pairs[rank - 1]), float(pairs[-rank])
    else:
        reason = f"{n} differences are too few for a {level:.0%} interval by signed ranks."
    return Interval(
        estimate=float(np.median(pairs)) if n else float("nan"),
        low=low,
        high=high,
        standard_error=float("nan"),
        n=n,
        scheme="Hodges-Lehmann, signed ranks",
        reason=reason,
    )


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
