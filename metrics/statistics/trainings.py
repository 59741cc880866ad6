"""Intervals over trainings of one network: dots below five of them, Student's t from there."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from metrics.statistics.clustered import mean_parts
from metrics.statistics.inputs import check_level, check_scores
from metrics.statistics.intervals import LEAST_UNITS, Interval, cut, interval_of, reason_without

SCHEME = "Student's t over trainings, whose scores are taken as normal"


def training_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Mean over trainings of one network, with an interval from five trainings on.

    Student's t, which takes the scores of trainings as normal: nothing can show that of five. Its
    coverage is .95 where they are, and about .88 where they are as skewed as an exponential. Below
    five trainings the dots and their range are all there is to show.

    Parameters
    ----------
    values
        ``(R,)`` a score for each training; NaN is left out.
    level
        Coverage.

    Returns
    -------
    Interval
        With the scores as ``dots``; NaN bounds, with the range in the reason, below five.

    Raises
    ------
    InputError
        If scores are no numbers, one is infinite, or the level is not between 0 and 1.

    Examples
    --------
    >>> training_interval([87.1, 87.8, 86.9]).reason
    '3 trainings, from 86.9 to 87.8: an interval takes 5.'
    >>> found = training_interval([87.1, 87.8, 86.9, 87.0, 87.2])
    >>> round(found.low, 2), round(found.high, 2)
    (86.76, 87.64)
    """
    check_level(level)
    check_scores(values)
    scores = np.asarray(values, dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    parts = dataclasses.replace(mean_parts(scores), skewness=0.0)
    reason = reason_without(parts)
    if 0 < parts.n < LEAST_UNITS:
        reason = (
            f"{parts.n} training{'' if parts.n == 1 else 's'}, from {scores.min():.4g} to "
            f"{scores.max():.4g}: an interval takes {LEAST_UNITS}."
        )
    return dataclasses.replace(
        interval_of(parts, level=level),
        scheme="none" if reason else SCHEME,
        reason=reason,
        dots=tuple(scores.tolist()),
    )


def percent_interval(values: ArrayLike) -> Interval:
    """Mean of percentages over trainings, whose bounds stay within 0 and 100.

    Parameters
    ----------
    values
        ``(N,)`` percentages; NaN is left out. Below five there is no interval: bounds are NaN.

    Returns
    -------
    Interval
        The mean and its clipped bounds, by :func:`training_interval`.

    Raises
    ------
    InputError
        If a score is no percentage.

    Examples
    --------
    >>> found = percent_interval([99.0, 96.0, 99.0, 99.5, 96.5])
    >>> round(found.low, 1), found.high
    (96.0, 100.0)
    """
    check_scores(values, name="percentages", bounds=(0, 100))
    return cut(training_interval(values), (0, 100))
