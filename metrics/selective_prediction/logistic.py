"""Logistic regression of few columns: errors given confidence, by maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from fer_xai.errors import InputError
from metrics.statistics.clusters import Array

STEPS = 50
"""Newton steps at most; a likelihood with a maximum is reached in about eight, and one without adds
about 1 to the log-odds of some face in each."""
LONGEST = 4.0
"""Largest change of a face's log-odds in one step."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Logistic:
    """A fitted logistic regression.

    Attributes
    ----------
    weights
        ``(K,)`` a coefficient a column.
    fitted
        ``(N,)`` probabilities.
    log_likelihood
        Log-likelihood of all faces.

    Examples
    --------
    >>> found = logistic(np.ones((4, 1)), np.array([1.0, 0.0, 0.0, 0.0]))
    >>> found.fitted.round(3), round(found.log_likelihood, 3)
    (array([0.25, 0.25, 0.25, 0.25]), -2.249)
    """

    weights: Array
    fitted: Array
    log_likelihood: float


def logistic(columns: Array, outcomes: Array) -> Logistic:
    """Maximum-likelihood fit by Newton's method (iteratively reweighted least squares).

    Parameters
    ----------
    columns
        ``(N, K)``, a column of ones among them, of a similar scale each.
    outcomes
        ``(N,)`` 0 or 1.

    Raises
    ------
    InputError
        If the likelihood has no maximum, since the columns tell the outcomes apart without an
        error (Albert & Anderson, "On the existence of maximum likelihood estimates in logistic
        regression models", Biometrika 1984), or a column is a combination of the others.

    Examples
    --------
    >>> x = np.stack([np.ones(4), np.array([-1.0, -1.0, 1.0, 1.0])], axis=1)
    >>> logistic(x, np.array([0.0, 1.0, 1.0, 1.0]) * [1, 1, 1, 0]).weights.round(3) + 0.0
    array([0., 0.])
    >>> logistic(x, np.array([0.0, 0.0, 1.0, 1.0]))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected errors that no column tells apart for certain, ...
    """
    if np.linalg.matrix_rank(columns) < columns.shape[1]:
        raise InputError(
            "Expected columns of which none is a combination of the others and of the confidence: "
            "leave out a quality that is constant or comes twice."
        )
    weights = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        odds = columns @ weights
        p = special.expit(odds)
        information = columns.T @ (columns * (p * (1 - p))[:, None])
        step = np.linalg.lstsq(information, columns.T @ (outcomes - p), rcond=None)[0]
        reach = float(np.abs(columns @ step).max())
        weights = weights + step * min(1.0, LONGEST / max(reach, LONGEST))
        if reach < 1e-7:
            break
    else:
        raise InputError(
            "Expected errors that no column tells apart for certain, but right and wrong answers "
            "are separated by them: hand in more faces, or fewer qualities."
        )
    odds = columns @ weights
    likelihood = float((outcomes * odds - np.logaddexp(0, odds)).sum())
    return Logistic(weights=weights, fitted=special.expit(odds), log_likelihood=likelihood)
