"""Gaps of groups to the rest, of shares and of means, with their intervals."""

from __future__ import annotations

import numpy as np
from scipy import stats

from metrics.statistics.inputs import check_level
from metrics.statistics.intervals import Interval
from metrics.statistics.skewness import skewed
from metrics.statistics.standardised import Side


def share_interval(side: Side, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a standardised share of right answers, of its effective number of faces.

    That number is the share's binomial variance over the variance of the standardised mean (Korn &
    Graubard, Survey Methodology 1998): the larger one of its CR2 variance and of what it would be
    if all strata had one share, which is never 0. Strata are weighted as by Yan & Su ("Stratified
    Wilson and Newcombe confidence intervals for multiple binomial proportions", Statistics in
    Biopharmaceutical Research 2010). The quantile is that of Student's t where faces share persons.

    Parameters
    ----------
    side
        Share of a group, from values that are 0 or 1.
    level
        Coverage.

    Examples
    --------
    >>> from metrics.statistics.standardised import standardised_side
    >>> side = standardised_side([1.0] * 8 + [0.0] * 2, [0] * 10, np.arange(10), [1.0])
    >>> [round(bound, 2) for bound in share_interval(side)]
    [0.47, 0.95]
    """
    check_level(level)
    share = side.mean
    spread = share * (1 - share)
    unit = max(side.variance / spread, side.per_unit) if spread > 0 else side.per_unit
    q = float(
        stats.t.ppf(0.5 + level / 2, side.freedom)
        if side.clustered
        else stats.norm.ppf(0.5 + level / 2)
    )
    square = q**2 * unit
    middle = (share + square / 2) / (1 + square)
    reach = np.sqrt(square * spread + square**2 / 4) / (1 + square)
    return max(middle - float(reach), 0.0), min(middle + float(reach), 1.0)


def gap_of_shares(group: Side, rest: Side, *, level: float = 0.95) -> Interval:
    """Difference of two standardised shares: Newcombe's hybrid of their Wilson intervals.

    Squares of the distances to the single intervals' bounds add up (Newcombe, "Interval estimation
    for the difference between independent proportions", Statistics in Medicine 1998, method 10;
    Zou & Donner 2008 for any two estimates).

    Parameters
    ----------
    group, rest
        The shares, of values that are 0 or 1; persons on both sides only make the interval wider.
    level
        Coverage.

    Examples
    --------
    >>> from metrics.statistics.standardised import standardised_side
    >>> sides = [
    ...     standardised_side(np.repeat([1.0, 0.0], hits), np.zeros(70), np.arange(70), [1.0])
    ...     for hits in ([56, 14], [48, 22])
    ... ]
    >>> found = gap_of_shares(*sides)  # Newcombe's first example has 56/70 and 48/80
    >>> round(found.estimate, 3), found.low < 0 < found.high
    (0.114, True)
    """
    check_level(level)
    (low, high), (below, above) = (share_interval(one, level=level) for one in (group, rest))
    gap = group.mean - rest.mean
    down = np.hypot(group.mean - low, above - rest.mean)
    up = np.hypot(high - group.mean, rest.mean - below)
    return Interval(
        estimate=gap,
        low=max(gap - float(down), -1.0),
        high=min(gap + float(up), 1.0),
        standard_error=float(np.sqrt(group.variance + rest.variance)),
        n=group.n + rest.n,
        scheme="Newcombe's interval of two Wilson intervals, standardised"
        + (" (CR2, Satterthwaite)" if group.clustered or rest.clustered else ""),
        freedom=min(group.freedom, rest.freedom),
        joint=True,
    )


def gap_of_means(group: Side, rest: Side, *, level: float = 0.95) -> Interval:
    """Difference of two standardised means: Welch's t, corrected for skewness (Hall).

    Parameters
    ----------
    group, rest
        The means; persons on both sides only make the interval wider, where their faces are alike.
    level
        Coverage.

    Examples
    --------
    >>> from metrics.statistics.standardised import standardised_side
    >>> rng = np.random.default_rng(0)
    >>> sides = [
    ...     standardised_side(rng.normal(mean, 1, 40), np.arange(40) % 2, np.arange(40), [0.5, 0.5])
    ...     for mean in (0, 2)
    ... ]
    >>> found = gap_of_means(*sides)
    >>> found.high < 0, found.n
    (True, 80)
    """
    check_level(level)
    gap, variance = group.mean - rest.mean, group.variance + rest.variance
    error, reason, low, high, skewness = float(np.sqrt(variance)), "", np.nan, np.nan, 0.0
    freedom = float("nan")
    if variance > 0:
        freedom = variance**2 / (
            group.variance**2 / group.freedom + rest.variance**2 / rest.freedom
        )
        skewness = float((group.cubes - rest.cubes) / variance**1.5)
        reach = stats.t.ppf(0.5 + level / 2, freedom)
        low, high = (gap - skewed([reach, -reach], skewness) * error).tolist()
    else:
        reason = "All scores of a stratum are equal: their spread tells nothing about the error."
    units = "persons (CR2, Satterthwaite)" if group.clustered or rest.clustered else "faces"
    scheme = f"Welch's t over {units}, standardised, corrected for skewness (Hall)"
    return Interval(
        estimate=gap,
        low=low,
        high=high,
        standard_error=error,
        n=group.n + rest.n,
        scheme="none" if reason else scheme,
        freedom=freedom,
        skewness=skewness,
        reason=reason,
        joint=True,
    )
