"""Interval of a weighted sum of recalls: macro recall, and accuracy under other shares of emotions.

A weighted sum of the recalls of several emotions is a linear function of independent binomial
shares. Its bounds are recovered from those of each share (Zou, Huang & Zhang, "A note on confidence
interval estimation for a linear function of binomial proportions", Computational Statistics & Data
Analysis 2009), which are Wilson's, and the difference of two such sums from theirs (Newcombe,
Statistics in Medicine 1998, method 10). Coverage: ``python -m benchmarks.calibration.recalls``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError
from metrics.statistics.clusters import cluster_codes
from metrics.statistics.intervals import Interval
from studies.engine.recognised_share import wilson_interval

LEAST_UNITS = 10
"""Fewest clusters (persons) from which on the interval covers what it should, in simulations."""
LEAST_FACES = 60
"""Fewest faces from which on it does: of 12 faces it covered .89, of 24 faces .91."""


def weighted_recall(
    hits: NDArray[np.bool_],
    labels: NDArray[np.int64],
    clusters: Sequence[object],
    *,
    weights: Mapping[int, float],
    level: float = 0.95,
) -> Interval:
    """Weighted sum of the recalls of emotions, with its interval.

    The weights are taken as known. Faces of one cluster (a person) may show several emotions: where
    that makes the variance of the sum larger than the recalls' own variances say, the bounds move
    away by the square root of the two variances' ratio.

    Parameters
    ----------
    hits
        ``(N,)``: which faces are recognised.
    labels
        ``(N,)``: emotion of each face.
    clusters
        N labels: persons, or groups of copies.
    weights
        Weight of each emotion's recall, 0 or more.
    level
        Coverage.

    Returns
    -------
    Interval
        Its ``n`` is the number of clusters. NaN bounds, with the reason, below
        :data:`LEAST_UNITS` clusters or :data:`LEAST_FACES` faces.

    Raises
    ------
    InputError
        If an emotion with a weight has no face.

    Examples
    --------
    >>> hits, labels = np.array([True, True, False, True] * 15), np.array([0, 0, 1, 1] * 15)
    >>> found = weighted_recall(hits, labels, range(60), weights={0: 0.5, 1: 0.5})
    >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
    (0.75, 0.648, 0.834)
    """
    codes = cluster_codes(clusters, len(hits))
    groups = codes.tolist()
    parts = {label: weight for label, weight in weights.items() if weight > 0}
    shares, lows, highs = (np.zeros(len(parts)) for _ in range(3))
    influence = np.zeros(len(hits))
    for place, (label, weight) in enumerate(parts.items()):
        own = labels == label
        if not own.any():
            raise InputError(
                f"Expected faces of each emotion that is weighed, got none of {label}."
            )
        shares[place] = hits[own].mean()
        bounds = wilson_interval(hits[own], [groups[i] for i in np.flatnonzero(own)], level=level)
        lows[place], highs[place] = bounds[:2]
        influence[own] = weight / own.sum() * (hits[own] - shares[place])
    by = np.array(list(parts.values()))
    factor = _between_emotions(influence, labels, codes)
    estimate = float(by @ shares)
    below = factor * float(np.sqrt(((by * (shares - lows)) ** 2).sum()))
    above = factor * float(np.sqrt(((by * (highs - shares)) ** 2).sum()))
    units = int(codes.max()) + 1 if len(codes) else 0
    few = units < LEAST_UNITS or len(hits) < LEAST_FACES
    sums = np.bincount(codes, weights=influence)
    return Interval(
        estimate=estimate,
        low=float("nan") if few else max(estimate - below, 0.0),
        high=float("nan") if few else min(estimate + above, float(by.sum())),
        standard_error=float(np.sqrt((sums**2).sum())),
        n=units,
        scheme="bounds of a sum of shares, recovered from Wilson's intervals of the recalls",
        reason=f"{len(hits)} faces of {units} units are too few for an interval of recalls: it "
        f"takes {LEAST_FACES} faces of {LEAST_UNITS} units."
        if few
        else "",
        joint=True,
    )


def _between_emotions(
    influence: NDArray[np.float64], labels: NDArray[np.int64], codes: NDArray[np.int64]
) -> float:
    """Factor on the bounds for clusters whose faces show several emotions; 1 or more."""
    whole = (np.bincount(codes, weights=influence) ** 2).sum()
    cells = np.unique(codes * (int(labels.max()) + 1) + labels, return_inverse=True)[1]
    within = (np.bincount(cells, weights=influence) ** 2).sum()
    return float(np.sqrt(max(whole / within, 1.0))) if within > 0 else 1.0


def difference(one: Interval, other: Interval) -> Interval:
    """One estimate less another that is independent of it, with bounds recovered from theirs.

    Parameters
    ----------
    one, other
        Estimates of different faces.

    Returns
    -------
    Interval
        NaN bounds, with the reason, where one of the two has none.

    Examples
    --------
    >>> def share(estimate, low, high):
    ...     return Interval(estimate=estimate, low=low, high=high, standard_error=0.1, n=20,
    ...                     scheme="Wilson")
    >>> found = difference(share(0.8, 0.7, 0.9), share(0.5, 0.4, 0.6))
    >>> round(found.estimate, 2), round(found.low, 3), round(found.high, 3)
    (0.3, 0.159, 0.441)
    """
    estimate = one.estimate - other.estimate
    below = np.hypot(one.estimate - one.low, other.high - other.estimate)
    above = np.hypot(one.high - one.estimate, other.estimate - other.low)
    return Interval(
        estimate=estimate,
        low=float(estimate - below),
        high=float(estimate + above),
        standard_error=float(np.hypot(one.standard_error, other.standard_error)),
        n=min(one.n, other.n),
        scheme="bounds of a difference, recovered from those of two independent estimates",
        reason=one.reason or other.reason,
        joint=True,
    )
