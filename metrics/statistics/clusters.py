"""Clusters of faces, such as the frames of one person: codes of their labels, and sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import name_or_unknown
from fer_xai.errors import InputError

Array = NDArray[np.float64]


def cluster_codes(clusters: Sequence[object] | None, n: int) -> NDArray[np.int64]:
    """Whole numbers ``(n,)``, one for each cluster; each face is its own where there are none.

    Raises
    ------
    InputError
        If there is not one label a face.

    Examples
    --------
    >>> cluster_codes(["a", "b", "a"], 3).tolist()
    [0, 1, 0]
    """
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise InputError(f"Expected {n} cluster labels, one a face, got {len(clusters)}.")
    names = [name_or_unknown(cluster) for cluster in clusters]
    own = [name or f"\x00{index:012d}" for index, name in enumerate(names)]  # unknown: its own
    return np.unique(np.array(own), return_inverse=True)[1].astype(np.int64)


def cluster_sums(values: Array, clusters: Sequence[object] | None) -> Array:
    """Sums of values ``(N,)`` over each cluster, one a cluster.

    Examples
    --------
    >>> cluster_sums(np.array([1.0, 2.0, 4.0]), ["a", "b", "a"]).tolist()
    [5.0, 2.0]
    """
    codes = cluster_codes(clusters, len(values))
    return np.bincount(codes, weights=values).astype(np.float64) if len(values) else values


def pick(labels: Sequence[object], used: NDArray[np.bool_]) -> list[object]:
    """Labels of the faces that are used.

    Parameters
    ----------
    labels
        N labels.
    used
        Bool ``(N,)``.

    Raises
    ------
    InputError
        If there is not one label for each face.

    Examples
    --------
    >>> pick(["a", "b"], np.array([False, True]))
    ['b']
    """
    if len(labels) != len(used):
        raise InputError(f"Expected {len(used)} cluster labels, one a face, got {len(labels)}.")
    return [label for label, keep in zip(labels, used, strict=True) if keep]
