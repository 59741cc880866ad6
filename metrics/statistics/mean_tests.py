"""Tests of what is claimed: that a mean differs from zero, or that it differs by little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fer_xai.checks import check_number
from metrics.statistics.bounded import betting_interval, betting_p
from metrics.statistics.clustered import MeanParts, mean_parts
from metrics.statistics.inputs import check_margin, check_scores
from metrics.statistics.intervals import LEAST_UNITS, Interval, cut, interval_of, reason_without
from metrics.statistics.skewness import unskewed

LEAST_TESTED = 24
"""Fewest equal units, or unequal ones that are worth as many, whose mean is tested."""
LEAST_EQUIVALENT = 60
"""The same of a mean that may be called no different: with 24 lognormal scores it was, although it
differed by just the margin, in .09 of simulations."""
MOST_SKEWED = 2.0
"""Largest sample skewness of units whose mean is tested, up to 180 units."""
SKEWED_BY_ROOT = 0.15
"""The same by √n, from there on."""
FEW_VALUES = 10
"""Most values that a unit takes where values are few, as gains of right or wrong answers are."""
LEAST_VARIED = 40
"""Fewest units that differ from the commonest value, where that is the value of most units and
values are few."""


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
    in 8 % of studies of 24 faces and 6 % of 96, and Wilcoxon's test in 14 % and 38 %. This one errs
    in at most 6 % from 24 faces on (``python -m benchmarks.calibration``). Fewer units than
    that, clusters so unequal that they are worth fewer, units with a sample skewness above
    max(2, .15 √n), and units of few values of which most have one and the same and fewer than 40
    another (such as gains in right answers, which mostly stay: 7.5 % of errors at 60 faces) are
    tested by betting where the bounds of a difference are known
    (:func:`~metrics.statistics.bounded.betting_p`, exact, with less power), and else not at all.

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
        NaN where :func:`untested` gives a reason and there are no bounds, or fewer than five units.

    Raises
    ------
    InputError
        If differences are no numbers, one is infinite or out of bounds, or there is not one cluster
        label for each face.

    Examples
    --------
    >>> gains = [0.3, 0.1, 0.4, 0.2, -0.1, 0.3, 0.2, 0.1] * 3
    >>> mean_test(gains) < 0.001
    True
    >>> mean_test(gains[:8]), round(mean_test(gains[:8], bounds=(-1, 1)), 2)
    (nan, 0.73)
    """
    check_scores(differences, name="differences", bounds=bounds)
    parts = mean_parts(differences, clusters)
    if not untested(parts):
        return float(interval_of(parts).p_value)
    if bounds is None or parts.n < LEAST_UNITS:
        return float("nan")
    return betting_p(differences, bounds=bounds, clusters=clusters)


def mean_and_test(
    differences: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    bounds: tuple[float, float] | None = None,
) -> tuple[Interval, float]:
    """The mean of paired differences with the 95 % interval that belongs to its test, and its p.

    Where :func:`mean_test` bets, the interval is that of the betting
    (:func:`~metrics.statistics.bounded.betting_interval`); where it tests nothing, there is none.

    Parameters
    ----------
    differences, clusters, bounds
        As in :func:`mean_test`.

    Returns
    -------
    tuple
        The interval, with the reason where it has no bounds, and the p, which is then NaN.

    Raises
    ------
    InputError
        If differences are no numbers, one is infinite or out of bounds, or there is not one cluster
        label for each face.

    Examples
    --------
    >>> found, p = mean_and_test([0.3, 0.1, 0.4, 0.2, -0.1, 0.3, 0.2, 0.1] * 3)
    >>> found.low > 0, p < 0.05
    (True, True)
    >>> mean_and_test([0.3, 0.1, 0.4])[0].reason
    '3 units are too few for an interval of a mean: it takes 5.'
    """
    check_scores(differences, name="differences", bounds=bounds)
    parts = mean_parts(differences, clusters)
    found, reason = interval_of(parts), untested(parts)
    p = mean_test(differences, clusters=clusters, bounds=bounds)
    if not reason:
        return cut(found, bounds), p
    if bounds is None or not np.isfinite(p):
        return replace(found, low=np.nan, high=np.nan, scheme="none", reason=reason), p
    low, high = betting_interval(differences, bounds=bounds, clusters=clusters)
    scheme = "betting on a bounded mean"
    return replace(found, low=low, high=high, scheme=scheme, reason="", joint=True), p


def untested(
    parts: MeanParts,
    *,
    least: int = LEAST_TESTED,
    least_varied: int = LEAST_VARIED,
    skewed: bool = False,
) -> str:
    """Why the mean of these units is not tested by a t statistic; empty if it is.

    Parameters
    ----------
    parts
        The mean, by :func:`~metrics.statistics.clustered.mean_parts`.
    least
        Fewest equal units.
    least_varied
        Fewest units that differ from the value of most units, where values are few.
    skewed
        Whether units may have any skewness.

    Examples
    --------
    >>> untested(mean_parts([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    '6 units are too few for a test of a mean: it takes 24.'
    """
    reason = reason_without(parts)
    if reason:
        return reason
    if parts.freedom < least - 1:
        worth = f" (worth {parts.freedom + 1:.0f} equal ones)" if parts.clustered else ""
        return f"{parts.n} units{worth} are too few for a test of a mean: it takes {least}."
    skewness, most = sample_skewness(parts), max(MOST_SKEWED, SKEWED_BY_ROOT * parts.n**0.5)
    if abs(skewness) > most and not skewed:
        return (
            f"{parts.n} units are too skewed for a test of a mean: skewness {skewness:.1f}, where "
            f"{most:.1f} is the most."
        )
    values, varied = values_and_varied(parts)
    if values <= FEW_VALUES and varied < min(least_varied, parts.n / 2):
        return (
            f"{varied} of {parts.n} units differ from the commonest of {values} values, too few "
            f"for a test of a mean: it takes {least_varied}."
        )
    return ""


def values_and_varied(parts: MeanParts) -> tuple[int, int]:
    """The number of values that units take, and of units that differ from the commonest value.

    Examples
    --------
    >>> values_and_varied(mean_parts([0.0, 0.0, 0.0, 1.0, -1.0]))
    (3, 2)
    """
    scale = np.abs(parts.influence).max(initial=0.0)
    rounded = np.round(parts.influence / scale, 9) if scale > 0 else parts.influence
    counts = np.unique(rounded, return_counts=True)[1]
    return len(counts), int(counts.sum() - counts.max(initial=0))


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
    >>> found = equivalence([0.01, -0.02, 0.0, 0.01] * 15, margin=0.05)
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
    bounds: tuple[float, float] | None = None,
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
    bounds
        Smallest and largest value that a difference can have: where there is no t-test, below 60
        units or where scores are too skewed for one, both tests are then by betting
        (:func:`~metrics.statistics.bounded.betting_p`), and a margin that no difference can reach
        needs none.

    Returns
    -------
    Equivalence
        Never shown, with the reason in the interval, where there is no t-test and no bounds.

    Raises
    ------
    InputError
        If the margin is not positive, the level is not above .5 and below 1, differences are no
        numbers, one is infinite or out of bounds, or there is not one cluster label for each face.

    Examples
    --------
    >>> found = equivalence([0.01, -0.02, 0.0, 0.01] * 15, margin=0.001)
    >>> found.equivalent, round(found.interval.low, 4), round(found.interval.high, 4)
    (False, -0.0029, 0.0025)
    """
    check_margin(margin)
    check_number("level of each test", level, 0.5, 1)
    check_scores(differences, name="differences", bounds=bounds)
    parts = mean_parts(differences, clusters)
    found = interval_of(parts, level=2 * level - 1)
    reason = untested(parts, least=LEAST_EQUIVALENT)
    if reason and bounds is not None and parts.n >= LEAST_UNITS:
        low, high = betting_interval(
            differences, bounds=bounds, clusters=clusters, level=2 * level - 1
        )
        scheme = "betting on a bounded mean"
        found = replace(found, low=low, high=high, scheme=scheme, reason="", joint=True)
        p = max(
            betting_p(differences, bounds=bounds, mean=mean, clusters=clusters, level=level)
            if bounds[0] < mean < bounds[1]
            else 0.0
            for mean in (-margin, margin)
        )
        inside = -margin < found.estimate < margin
        return Equivalence(
            interval=found,
            margin=margin,
            p_value=p if inside else 1.0,
            equivalent=inside and p < 1 - level,
        )
    if reason:
        found = replace(found, low=np.nan, high=np.nan, scheme="none", reason=reason)
        return Equivalence(interval=found, margin=margin, p_value=float("nan"), equivalent=False)
    t = (found.estimate + np.array([margin, -margin])) / found.standard_error
    above, below = unskewed(t, found.skewness)
    lowest, highest = (-np.inf, np.inf) if bounds is None else bounds
    p = max(  # a margin that no difference can reach needs no test
        stats.t.sf(above, found.freedom) if lowest < -margin else 0.0,
        stats.t.cdf(below, found.freedom) if margin < highest else 0.0,
    )
    return Equivalence(
        interval=cut(found, bounds),
        margin=margin,
        p_value=float(p),
        equivalent=bool(
            (-margin < found.low or not lowest < -margin)
            and (found.high < margin or not margin < highest)
        ),
    )
