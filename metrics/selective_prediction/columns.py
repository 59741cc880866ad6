"""Columns of the regressions of errors: confidence, groups and qualities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from fer_xai.errors import InputError
from metrics.statistics.clusters import Array

LEAST_OF_GROUP = 10
"""Fewest errors, and right answers, of a group that has a rate of its own."""
SURE = 1e-6
"""Confidences are read no closer to 0 or 1 than this: float32 has few steps there."""
KNOTS = (0.05, 0.35, 0.65, 0.95)
"""Quantiles of the confidence at which its spline may bend."""


def confidence_columns(confidence: Array) -> Array:
    """Ones, log-odds of the confidence and the bends of its restricted cubic spline.

    Parameters
    ----------
    confidence
        ``(N,)`` probabilities.

    Returns
    -------
    ndarray
        ``(N, 4)``; fewer columns where many faces share one confidence, so that knots coincide.

    Raises
    ------
    InputError
        If all faces have one confidence.

    Examples
    --------
    >>> confidence_columns(np.linspace(0.1, 0.9, 9)).shape
    (9, 4)
    """
    odds = special.logit(np.clip(confidence, SURE, 1 - SURE))
    if np.ptp(odds) == 0:
        raise InputError("Expected confidences that differ, got one value for all faces.")
    knots = np.unique(np.quantile(odds, KNOTS))
    columns = [odds]
    if len(knots) > 2:
        *inner, before, last = knots

        def cubic(at: float) -> Array:
            return np.clip((odds - at) / (last - knots[0]), 0, None) ** 3

        for at in inner:
            reach = (before - at) / (last - before)
            columns.append(cubic(at) - (1 + reach) * cubic(before) + reach * cubic(last))
    return np.column_stack([np.ones(len(odds)), _standardised(np.column_stack(columns))])


def group_columns(labels: NDArray[np.int64], wrong: Array) -> Array:
    """Columns of ones in groups that have errors and right answers enough, but for one of them.

    Parameters
    ----------
    labels
        ``(N,)`` groups as whole numbers.
    wrong
        ``(N,)`` 1 where an answer is wrong.

    Returns
    -------
    ndarray
        ``(N, G)``; all groups without a column have the rate of the rest.

    Examples
    --------
    >>> labels, wrong = np.repeat([0, 1, 2], [20, 20, 3]), np.tile([0.0, 1.0], 22)[:43]
    >>> group_columns(labels, wrong).sum(axis=0)
    array([20., 20.])
    """
    every = np.unique(labels)
    own = [labels == label for label in every]
    enough = [one for one in own if min(wrong[one].sum(), (1 - wrong[one]).sum()) >= LEAST_OF_GROUP]
    kept = enough[1:] if len(enough) == len(every) else enough
    return np.array(kept, dtype=np.float64).reshape(len(kept), len(labels)).T


def quality_columns(table: Array) -> Array:
    """Normal scores of the ranks of each quality, with mean 0 and deviation 1.

    Parameters
    ----------
    table
        ``(N, K)`` qualities; equal ones have their mean rank.

    Returns
    -------
    ndarray
        ``(N, K)``.

    Raises
    ------
    InputError
        If a quality is the same for all faces.

    Examples
    --------
    >>> quality_columns(np.array([[1.0], [1000.0], [5.0]])).round(2).ravel() + 0.0
    array([-1.22,  1.22,  0.  ])
    """
    ranks = stats.rankdata(table, axis=0)
    return _standardised(special.ndtri(ranks / (len(table) + 1)))


def _standardised(table: Array) -> Array:
    spread = table.std(axis=0)
    scale = np.abs(table).max(axis=0)
    if constant := np.flatnonzero(spread <= 1e-12 * np.maximum(scale, 1)).tolist():
        raise InputError(
            f"Expected qualities that vary over {len(table)} faces, got one value for all in "
            f"column {', '.join(map(str, constant))}: leave it out."
        )
    return np.asarray((table - table.mean(axis=0)) / spread)
