"""Groups of copies: who is joined to whom, who straddles splits, whose labels conflict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def same_value_pairs(values: Sequence[str]) -> NDArray[np.int64]:
    """Pairs ``(P, 2)`` that join faces of one value: each with the next; "" joins none.

    Examples
    --------
    >>> same_value_pairs(["a", "b", "", "a", "a", ""]).tolist()
    [[0, 3], [3, 4]]
    """
    last: dict[str, int] = {}
    pairs = []
    for index, value in enumerate(values):
        if value and value in last:
            pairs.append((last[value], index))
        last[value] = index
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def joined(n: int, *pairs: ArrayLike) -> NDArray[np.int64]:
    """``(n,)`` numbers of the groups that pairs connect, in the order of their first faces.

    Examples
    --------
    >>> joined(4, [[0, 3]], [[3, 1]]).tolist()
    [0, 0, 1, 0]
    """
    every = np.concatenate(
        [np.zeros((0, 2), np.int64), *(np.asarray(one, np.int64).reshape(-1, 2) for one in pairs)]
    )
    links = coo_array((np.ones(len(every)), (every[:, 0], every[:, 1])), shape=(n, n))
    labels = connected_components(links, directed=False)[1]
    first, codes = np.unique(labels, return_index=True, return_inverse=True)[1:]
    return np.asarray(np.argsort(np.argsort(first))[codes], dtype=np.int64)


def conflicting(groups: NDArray[np.int64], labels: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of the groups whose faces carry more than one label, sorted.

    Examples
    --------
    >>> conflicting(np.array([0, 0, 1, 1]), ["fear", "anger", "fear", "fear"]).tolist()
    [0]
    """
    codes = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)[1]
    each = np.unique(np.stack([groups, codes], axis=1), axis=0)[:, 0]
    found, counts = np.unique(each, return_counts=True)
    return np.asarray(found[counts > 1], dtype=np.int64)


def straddling(groups: NDArray[np.int64], splits: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of the groups whose faces lie in more than one split, sorted.

    Examples
    --------
    >>> straddling(np.array([0, 0, 1, 1]), ["train", "test", "test", "test"]).tolist()
    [0]
    """
    return conflicting(groups, splits)
