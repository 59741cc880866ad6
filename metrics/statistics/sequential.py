"""Faces one after the other, until an interval is narrow enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_xai.checks import check_count, check_number
from fer_xai.errors import InputError
from metrics.statistics.clustered import coded_parts
from metrics.statistics.clusters import Array, cluster_codes
from metrics.statistics.families import LEAST_FAMILY, untested_in_family
from metrics.statistics.inputs import check_level, check_scores
from metrics.statistics.intervals import Interval, interval_of

LEAST_FACES = 60
"""Fewest units before a run may stop."""


def stop_when(
    values: ArrayLike,
    half_width: float,
    *,
    minimum: int = LEAST_FACES,
    step: int = 1,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
) -> int | None:
    """After how many faces is the interval of the mean, or of each of several, narrow enough?

    Fixed-width sequential sampling (Chow & Robbins, "On the asymptotic theory of fixed-width
    sequential confidence intervals for the mean", Annals of Mathematical Statistics 1965). Such a
    rule stops a little too readily, where the spread happens to be small: hence the minimum, and a
    reserve of one standard error of the spread (the width is judged with the standard error times 1
    + 1 / √(2n)). The whole width is judged, so that a skewed interval reaches further than its half
    on one side: a rule that waits for the further bound stops where the skewness happens to look
    small, and covers less (lognormal scores: .91 in place of .93, 1000 runs). Simulated coverage at
    the stop, near 80 or 190 faces, is .94 to .95 for normal and exponential scores and 70 % zeros,
    and .93 for lognormal ones. Several means, such as gains of methods, stop together, when the
    widest of their intervals is narrow enough, each at the level ``level ** (1 / K)``, with which K
    of them hold together (Šidák, "Rectangular confidence regions for the means of multivariate
    normal distributions", Journal of the American Statistical Association 1967), and when none is
    too skewed for :func:`~metrics.statistics.families.mean_family`, whose intervals then hold
    together in .94 to .96 of runs (12 columns; lognormal scores: .93) (``python -m
    benchmarks.calibration --only stopped``).

    Parameters
    ----------
    values
        ``(N,)`` scores, or ``(N, K)`` of K means, in an order that was fixed at random beforehand,
        which never depends on them; NaN counts as a face without a score. Columns without any
        score, or whose scores are all equal, do not count.
    half_width
        Half of the interval's width at which to stop, above 0.
    minimum
        Number of units with a score before which there is no stop.
    step
        Number of faces between two looks.
    clusters
        N labels; a look is taken only where the faces so far end a cluster.
    level
        Coverage.

    Returns
    -------
    int or None
        Number of faces to keep, from the first on; None where these are not enough.

    Raises
    ------
    InputError
        If values are no vector or table of numbers, one is infinite, the half width is not
        positive, the level is not between 0 and 1, the minimum or the step is no count, or there is
        not one cluster label for each face.

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=1000)
    >>> stop_when(scores, 0.1), stop_when(scores, 0.05)
    (413, None)
    """
    check_count("the number of faces between two looks", step)
    check_count("the minimum number of faces", minimum)
    check_number("half width", half_width, 0)
    check_level(level)
    scores = _table(values)
    codes = cluster_codes(clusters, len(scores))
    last = np.full(int(codes.max()) + 1 if len(codes) else 0, -1)
    last[codes] = np.arange(len(codes))
    for n in range(minimum, len(scores) + 1, step):
        if (last[codes[:n]] >= n).any():
            continue
        if narrow_enough(
            scores[:n], half_width, minimum=minimum, clusters=codes[:n].tolist(), level=level
        ):
            return n
    return None


def narrow_enough(
    values: ArrayLike,
    half_width: float,
    *,
    minimum: int = LEAST_FACES,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
) -> bool:
    """One look of :func:`stop_when`: are these faces enough?

    Parameters
    ----------
    values, half_width, minimum, clusters, level
        As in :func:`stop_when`; clusters are whole.

    Raises
    ------
    InputError
        As for :func:`stop_when`.

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=(1000, 3))
    >>> narrow_enough(scores, 0.1), narrow_enough(scores[:100], 0.1)
    (True, False)
    """
    check_number("half width", half_width, 0)
    check_level(level)
    check_count("the minimum number of faces", minimum)
    table = _table(values)
    codes = cluster_codes(clusters, len(table))
    parts = [coded_parts(column, codes) for column in table.T if np.isfinite(column).any()]
    parts = [part for part in parts if part.n < minimum or part.standard_error > 0]
    if not parts or min(part.n for part in parts) < minimum:
        return False
    least = max(minimum, LEAST_FAMILY)
    if len(parts) > 1 and any(untested_in_family(part, least=least) for part in parts):
        return False
    each = level ** (1 / len(parts))
    return all(_reserved(interval_of(part, level=each)) <= half_width for part in parts)


def _table(values: ArrayLike) -> Array:
    """Scores ``(N, K)``, of ``(N,)`` too."""
    check_scores(values)
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim not in (1, 2):
        raise InputError(f"Expected scores (N,) or (N, K), got shape {scores.shape}.")
    return scores[:, None] if scores.ndim == 1 else scores


def _reserved(found: Interval) -> float:
    """Half of an interval's width, with a reserve for the error of the spread."""
    return (found.high - found.low) / 2 * (1 + 1 / np.sqrt(2 * found.n))
