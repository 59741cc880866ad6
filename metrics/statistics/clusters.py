"""Clusters of faces, such as the frames of one person: codes of their labels."""

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


def by_appearance(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes in the order in which clusters appear, so that their labels decide on nothing.

    Examples
    --------
    >>> by_appearance(np.array([7, 2, 7, 5])).tolist()
    [0, 1, 0, 2]
    """
    _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def moments(
    labels: NDArray[np.generic],
    *,
    blocks: Sequence[object] | NDArray[np.int64] | None = None,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Moment and person of each face, as whole numbers ``(N,)``.

    A moment is a block (a sequence) within a cluster (a person), as far as it shows one label.
    Where a face has no block, it is what its cluster shows of the label; where it has no cluster
    either, it is a moment and a person of its own. A block without a cluster is its own person.

    Parameters
    ----------
    labels
        ``(N,)`` emotion of each face.
    blocks, clusters
        N labels each; unknown where they are empty, None or NaN, or not given.

    Raises
    ------
    InputError
        If there is not one label of a block, or of a cluster, for each face.

    Examples
    --------
    >>> persons, labels = ["a", "a", "a", "", ""], np.array([0, 0, 1, 1, 1])
    >>> moments(labels, clusters=persons)[0].tolist()
    [0, 0, 1, 2, 3]
    >>> moments(labels, blocks=["s1", "s2", "s3", "s4", "s4"], clusters=persons)[0].tolist()
    [0, 1, 2, 3, 3]
    """
    n = len(labels)
    persons, block_of = cluster_codes(_listed(clusters), n), cluster_codes(_listed(blocks), n)
    known = known_labels(clusters, n)
    # a face without a person belongs to its block, or to itself
    persons = np.where(known, persons, n + block_of)
    persons = np.unique(persons, return_inverse=True)[1].astype(np.int64)
    inside = np.where(known_labels(blocks, n), block_of, np.where(known, -1, block_of))
    codes = np.unique(labels, return_inverse=True)[1]
    keys = np.stack([persons, inside, codes])
    return np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64), persons


def known_labels(labels: Sequence[object] | NDArray[np.int64] | None, n: int) -> NDArray[np.bool_]:
    """Which of n faces have a label that is not empty, None or NaN.

    Examples
    --------
    >>> known_labels(["a", "", None], 3).tolist(), known_labels(None, 2).tolist()
    ([True, False, False], [False, False])
    """
    if labels is None:
        return np.zeros(n, dtype=bool)
    return np.array([name_or_unknown(label) != "" for label in labels], dtype=bool)


def named_units(codes: NDArray[np.int64]) -> str:
    """What units are called: clusters where one of them has several faces, and else faces.

    Parameters
    ----------
    codes
        ``(N,)`` unit of each face, by :func:`cluster_codes`: a face without a label is its own.

    Examples
    --------
    >>> named_units(cluster_codes(["a", "a", ""], 3)), named_units(cluster_codes(["", "", ""], 3))
    ('clusters', 'faces')
    """
    return "clusters" if len(np.unique(codes)) < len(codes) else "faces"


def _listed(labels: Sequence[object] | NDArray[np.int64] | None) -> list[object] | None:
    return None if labels is None else list(labels)


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
