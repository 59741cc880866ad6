"""How many faces a claim takes: for an interval of a width, or to tell a difference."""

from __future__ import annotations

import numpy as np
from scipy import stats

from fer_xai.checks import check_number
from metrics.statistics.inputs import check_level
from metrics.statistics.intervals import Interval

POWER = 0.8
"""Probability with which a difference should be told, where nothing else is said."""


def units_for_half_width(spread: float, half_width: float, *, level: float = 0.95) -> int:
    """Number of units whose mean has an interval of this half width.

    Parameters
    ----------
    spread
        Standard deviation over units.
    half_width
        Half of the width wanted, in the unit of the spread.
    level
        Coverage.

    Raises
    ------
    InputError
        If spread or half width is not positive, or the level is not between 0 and 1.

    Examples
    --------
    >>> units_for_half_width(1.0, 0.1)
    387
    """
    check_level(level)
    return _least(spread, half_width, (0.5 + level / 2,))


def units_for_difference(
    spread: float, difference: float, *, power: float = POWER, level: float = 0.95
) -> int:
    """Number of units with which a mean difference is told from zero with this power.

    The smallest n ≥ ((t(1 − α/2) + t(power)) · spread / difference)², quantiles of Student's t with
    n − 1 degrees of freedom (Cohen, "Statistical power analysis for the behavioral sciences",
    1988, ch. 2, to within a unit or two). It holds for differences that are not skewed: exponential
    ones reach .67 to .75 in place of .80, and strongly skewed ones may not be tested at all.

    Parameters
    ----------
    spread
        Standard deviation of the paired differences over units.
    difference
        The difference of means that is to be told; not zero.
    power
        Probability of telling it.
    level
        One less the error of the two-sided test.

    Raises
    ------
    InputError
        If the spread is not positive, the difference is zero, or the level or the power is not
        between 0 and 1.

    Examples
    --------
    >>> units_for_difference(0.178, 0.023)
    473
    """
    check_level(level)
    check_number("power", power, 0, 1)
    check_number("difference", difference, -np.inf)
    return _least(spread, abs(difference), (0.5 + level / 2, power))


def units_to_tell(
    found: Interval, difference: float | None = None, *, power: float = POWER, level: float = 0.95
) -> float:
    """Number of units that would tell a difference from zero, by the spread of these units.

    Parameters
    ----------
    found
        Interval of a mean over units.
    difference
        The smallest difference that matters; else the one that was found, which tells how far these
        faces are from an answer and not what difference there is.
    power
        Probability of telling it.
    level
        One less the error of the two-sided test.

    Returns
    -------
    float
        NaN where the spread or the difference is unknown or zero.

    Examples
    --------
    >>> from metrics.statistics.intervals import mean_interval
    >>> found = mean_interval(np.random.default_rng(0).normal(0.1, 1.0, 96))
    >>> units_to_tell(found, 0.2), units_to_tell(mean_interval([1.0]))
    (184.0, nan)
    """
    check_level(level)
    check_number("power", power, 0, 1)
    wanted = found.estimate if difference is None else difference
    spread = found.standard_error * np.sqrt(found.n)
    if not (spread > 0 and np.isfinite(spread) and abs(wanted) > 0):
        return float("nan")
    return float(units_for_difference(float(spread), wanted, power=power, level=level))


def not_told_apart(found: Interval, difference: float | None = None) -> str:
    """A sentence for a difference that is not told from zero: with how many units it would be.

    Examples
    --------
    >>> from metrics.statistics.intervals import mean_interval
    >>> found = mean_interval(np.random.default_rng(1).normal(0.1, 1.0, 96))
    >>> not_told_apart(found)
    'not told apart with 96 units; about 4,500 would be needed for +0.036'
    """
    wanted = found.estimate if difference is None else difference
    needed = units_to_tell(found, difference)
    said = f"not told apart with {found.n} unit{'' if found.n == 1 else 's'}"
    if not np.isfinite(needed):
        return said
    if needed <= found.n:
        return f"{said}, though about {about(needed)} should do for {wanted:+.3f}"
    return f"{said}; about {about(needed)} would be needed for {wanted:+.3f}"


def about(n: float) -> str:
    """A number of units to two digits, which is as precise as it is.

    Examples
    --------
    >>> about(473.0), about(2391.0)
    ('470', '2,400')
    """
    digits = max(int(np.floor(np.log10(n))) - 1, 0)
    return f"{int(round(n, -digits)):,}"


def _least(spread: float, wanted: float, quantiles: tuple[float, ...]) -> int:
    """Smallest n with the sum of t quantiles · spread / √n at most what is wanted."""
    for name, value in (("spread", spread), ("half width or difference", wanted)):
        check_number(name, value, 0)
    n = float(np.ceil((float(np.sum(stats.norm.ppf(quantiles))) * spread / wanted) ** 2))
    n = max(n, 3.0)
    for _ in range(50):
        more = float(np.ceil((float(np.sum(stats.t.ppf(quantiles, n - 1))) * spread / wanted) ** 2))
        if more <= n:
            break
        n = more
    return int(n)
