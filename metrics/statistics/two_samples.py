"""Difference of the means of two sets of faces that have no face and no person in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from metrics.statistics.clustered import mean_parts
from metrics.statistics.inputs import check_level
from metrics.statistics.intervals import Interval
from metrics.statistics.mean_tests import untested
from metrics.statistics.skewness import skewed, unskewed


def mean_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters_first: Sequence[object] | None = None,
    clusters_second: Sequence[object] | None = None,
    level: float = 0.95,
) -> tuple[Interval, float]:
    """Mean of the second set of scores less that of the first, with its interval and p.

    Welch's t (Biometrika 1947) over units: each mean has its own cluster-robust error and freedom
    (:func:`~metrics.statistics.clustered.mean_parts`), and Hall's correction takes the skewness of
    the difference, in which alike skewness of sets of one size cancels. In 2,000 simulations each,
    40 and 60 units, 60 and 300, or 300 and 300, intervals covered the difference of normal scores
    in .952 to .958 and of exponential ones in .935 to .940; with persons of three faces in .942 and
    .939. Lognormal scores are refused in most samples, and where they are not, .86 to .94 of
    intervals cover.

    Parameters
    ----------
    first, second
        ``(N,)`` and ``(M,)`` scores; NaN is left out.
    clusters_first, clusters_second
        Labels of persons in each set; each face is its own by default.
    level
        Coverage.

    Returns
    -------
    tuple
        The interval and the two-sided p of no difference. Where the mean of either set would not be
        tested (:func:`~metrics.statistics.mean_tests.untested`), there are neither bounds nor p,
        but the reason.

    Raises
    ------
    InputError
        If scores are no numbers, one is infinite, the level is not between 0 and 1, or there is not
        one label a face.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found, p = mean_difference(rng.normal(size=60), rng.normal(1.0, size=80))
    >>> found.low < 1 < found.high, p < 0.001, found.n
    (True, True, 140)
    >>> mean_difference([1.0, 2.0], [3.0, 4.0])[0].reason
    '2 units are too few for an interval of a mean: it takes 5.'
    """
    check_level(level)
    one, other = mean_parts(first, clusters_first), mean_parts(second, clusters_second)
    variances = np.array([one.standard_error**2, other.standard_error**2])
    error = float(np.sqrt(variances.sum()))
    reason = untested(one) or untested(other)
    estimate, n = other.mean - one.mean, one.n + other.n
    low, high, p, freedom, skewness = (float("nan"),) * 5
    if not reason:
        freedom = float(variances.sum() ** 2 / (variances**2 / [one.freedom, other.freedom]).sum())
        cubes = other.skewness * other.standard_error**3 - one.skewness * one.standard_error**3
        skewness = cubes / error**3
        reach = stats.t.ppf(0.5 + level / 2, freedom)
        low, high = (estimate - skewed([reach, -reach], skewness) * error).tolist()
        t = float(unskewed(estimate / error, skewness))
        p = float(2 * stats.t.sf(abs(t), freedom))
    found = Interval(
        estimate=estimate,
        low=low,
        high=high,
        standard_error=error,
        n=n,
        freedom=freedom,
        skewness=skewness,
        scheme="none" if reason else "Welch's t interval over units, corrected for skewness (Hall)",
        reason=reason,
    )
    return found, p
