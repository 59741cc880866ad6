"""Tests of what is claimed: that a mean differs from zero, or that it differs by little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.bounded import betting_p
from metrics.statistics.clustered import MeanParts, mean_parts
from metrics.statistics.intervals import Interval, interval_of, reason_without
from metrics.statistics.skewness import unskewed

LEAST_TESTED = 16
"""Fewest faces whose mean is tested: errors are ≤ .06 from there on, by simulation."""
MOST_SKEWED = 2.5
"""Largest sample skewness of few units whose mean is tested by a t statistic."""
SKEWED_TESTED = 300
"""Fewest units whose mean is tested however skewed they are."""
LEAST_CLUSTERS = 5
"""Fewest clusters of several faces whose mean is tested."""


def mean_test(
    differences: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    bounds: tuple[float, float] | None = None,
) -> float:
    """Two-sided p of the mean of paired differences being zero.

    The test belongs to :func:`~metrics.statistics.intervals.mean_interval`: p is below .05 just
    where the 95 % interval excludes zero. A test by sign flips, or Wilcoxon's, is one of the mean
    only where differences are symmetric: under exponential differences of mean zero sign flips err
    in 6.2 % of 60 faces and Wilcoxon's test in 40 %, this one in 5.1 %. Errors at 5 % are below 6 %
    from 16 faces on (``python -m benchmarks.calibration.means``); fewer units than that, and
    fewer than 300 whose sample skewness is above 2.5, are tested by betting where the bounds of
    a difference are known (:func:`~metrics.statistics.bounded.betting_p`), and else not at all.

    Parameters
    ----------
    differences
        ``(N,)`` paired differences; NaN is left out.
    clusters
        N labels, such as the person of each face; each face is its own by default.
    bounds
        Smallest and largest value that a difference can have.

    Returns
    -------
    float
        NaN where :func:`untested` gives a reason.

    Raises
    ------
    InputError
        If there is not one cluster label for each face, or a difference is out of bounds.

    Examples
    --------
    >>> gains = [0.3, 0.1, 0.4, 0.2, -0.1, 0.3, 0.2, 0.1] * 3
    >>> mean_test(gains) < 0.001
    True
    >>> mean_test(gains[:8]), round(mean_test(gains[:8], bounds=(-1, 1)), 2)
    (nan, 0.81)
    """
    parts = mean_parts(differences, clusters)
    if not untested(parts):
        return float(interval_of(parts).p_value)
    if bounds is None or not parts.n:
        return float("nan")
    return betting_p(differences, bounds=bounds, clusters=clusters)


def untested(parts: MeanParts) -> str:
    """Why the mean of these units is not tested by a t statistic; empty if it is.

    Parameters
    ----------
    parts
        The mean, by :func:`~metrics.statistics.clustered.mean_parts`.

    Examples
    --------
    >>> untested(mean_parts([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    '6 units are too few for a test of a mean: it takes 16.'
    """
    reason = reason_without(parts)
    if reason:
        return reason
    least = LEAST_CLUSTERS if parts.clustered else LEAST_TESTED
    if parts.n < least:
        return f"{parts.n} units are too few for a test of a mean: it takes {least}."
    skewness = sample_skewness(parts)
    if parts.n < SKEWED_TESTED and not parts.clustered and abs(skewness) > MOST_SKEWED:
        return (
            f"{parts.n} units are too skewed (skewness {skewness:.1f}) for a test of a mean: it "
            f"takes {SKEWED_TESTED}, or bounds of the score."
        )
    return ""


def sample_skewness(parts: MeanParts) -> float:
    """Skewness of the units: third moment over the 1.5th power of the second.

    Examples
    --------
    >>> round(sample_skewness(mean_parts([0.0, 0.0, 0.0, 0.0, 1.0])), 3)
    1.5
    """
    second, third = (parts.influence**2).mean(), (parts.influence**3).mean()
    return float(third / second**1.5) if second > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Whether a mean difference is shown to be smaller than a margin.

    Attributes
    ----------
    interval
        Interval whose bounds decide, of coverage 1 − 2α (90 % for tests at 5 %).
    margin
        Difference that was declared to be no difference.
    p_value
        The larger one of the two one-sided p; NaN where the interval has a reason.
    equivalent
        Whether the interval lies within the margin.

    Examples
    --------
    >>> found = equivalence([0.01, -0.02, 0.0, 0.01] * 6, margin=0.05)
    >>> found.equivalent, found.p_value < 0.0001
    (True, True)
    """

    interval: Interval
    margin: float
    p_value: float
    equivalent: bool


def equivalence(
    differences: ArrayLike,
    *,
    margin: float,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
) -> Equivalence:
    """Is the mean difference shown to be smaller than a margin declared beforehand?

    Two one-sided tests (Schuirmann, "A comparison of the two one-sided tests procedure and the
    power approach", Journal of Pharmacokinetics and Biopharmaceutics 1987), each at 1 − ``level``,
    of which both must be significant. That a test finds no difference shows nothing of the kind.

    Parameters
    ----------
    differences
        ``(N,)`` paired differences; NaN is left out.
    margin
        Above 0, in the unit of the differences.
    clusters
        N labels; each face is its own by default.
    level
        One less the error of each test.

    Raises
    ------
    InputError
        If the margin is not positive, or there is not one cluster label for each face.

    Examples
    --------
    >>> found = equivalence([0.01, -0.02, 0.0, 0.01] * 6, margin=0.001)
    >>> found.equivalent, round(found.interval.low, 4), round(found.interval.high, 4)
    (False, -0.0052, 0.0039)
    """
    if not (margin > 0 and np.isfinite(margin)):
        raise InputError(f"Expected a margin above 0, in units of the score, got {margin}.")
    parts = mean_parts(differences, clusters)
    found = interval_of(parts, level=2 * level - 1)
    if found.reason:
        return Equivalence(interval=found, margin=margin, p_value=float("nan"), equivalent=False)
    t = (found.estimate + np.array([margin, -margin])) / found.standard_error
    above, below = unskewed(t, found.skewness)
    p = max(stats.t.sf(above, found.freedom), stats.t.cdf(below, found.freedom))
    return Equivalence(
        interval=found,
        margin=margin,
        p_value=float(p),
        equivalent=bool(-margin < found.low and found.high < margin),
    )
