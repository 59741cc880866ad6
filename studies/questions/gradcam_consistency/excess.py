"""The primary endpoint: how far a trained network's AUC exceeds that of untrained ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metrics.consistency.jackknife import jackknife_interval
from metrics.consistency.pairs import Array, Codes
from metrics.statistics.intervals import Interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Excess:
    """An excess with its intervals.

    Attributes
    ----------
    trained
        AUC of the trained network, with its interval over faces.
    floor
        ``(U,)`` AUC of the untrained networks.
    over_faces, over_both
        The excess with its interval over faces, and over faces and untrained networks.

    Examples
    --------
    >>> parts = np.array([[-0.1, 0.1, -0.1, 0.1], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    >>> found = excess_over_untrained(np.array([0.75, 0.5, 0.5]), parts, np.array([0, 0, 1, 1]))
    >>> float(found.floor.mean()), found.over_faces.estimate
    (0.5, 0.25)
    """

    trained: Interval
    floor: Array
    over_faces: Interval
    over_both: Interval


def excess_over_untrained(
    aucs: Array,
    influence: Array,
    labels: Array | Codes,
    *,
    clusters: Sequence[object] | None = None,
) -> Excess:
    """The excess of the first network's AUC over the mean of the others', paired by face.

    Parameters
    ----------
    aucs
        ``(1 + U,)`` AUC of the trained network, and of two or more untrained ones.
    influence
        ``(1 + U, N)`` each face's part in the jackknife of each AUC; NaN where it takes no part. A
        face without a map in one network has no influence there, but may have in the others.
    labels
        ``(N,)`` emotion of each face.
    clusters
        N labels, such as the person of each face.

    Examples
    --------
    >>> parts = np.array([-0.02, 0.01, 0.03, -0.01, -0.02, 0.02, 0.0, -0.03, 0.01, 0.01])
    >>> found = excess_over_untrained(
    ...     np.array([0.6, 0.5, 0.52]), np.stack([parts, 0 * parts, 0 * parts]), np.arange(10) // 5
    ... )
    >>> round(found.over_faces.estimate, 3), found.over_both.low < found.over_faces.low
    (0.09, True)
    """
    known = np.isfinite(influence).any(axis=0)
    weights = np.where(known, np.nan_to_num(influence), np.nan)
    difference = weights[0] - weights[1:].mean(axis=0)
    floor = aucs[1:]
    value = float(aucs[0]) - float(floor.mean())
    return Excess(
        trained=jackknife_interval(
            float(aucs[0]), influence[0], labels, clusters=clusters, scale="logit"
        ),
        floor=floor,
        over_faces=jackknife_interval(value, difference, labels, clusters=clusters),
        over_both=jackknife_interval(
            value,
            difference,
            labels,
            clusters=clusters,
            extra_variance=float(floor.var(ddof=1) / len(floor)),
            extra_n=len(floor),
        ),
    )


def mean_over_targets(influence: Array) -> Array:
    """``(N,)``: influences ``(N, K)`` averaged over the targets that have an AUC.

    A face without a map for a target has no influence on that target; one without any is NaN.

    Examples
    --------
    >>> mean_over_targets(np.array([[0.2, np.nan], [0.4, 0.2], [np.nan, np.nan]]))
    array([0.1, 0.3, nan])
    """
    values = influence[:, np.isfinite(influence).any(axis=0)]
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    return np.where(np.isfinite(values).any(1), np.nan_to_num(values).mean(1), np.nan)
