"""Near-copies of a face: the same photograph in another size, compression, brightness or colour.

Two faces are near-copies when, both at 64×64 in grey, their pixels correlate by .95 or more and
their detail (32×32 less its 8×8 means) by .8 or more, as they are or with one of them mirrored.
Correlation forgives brightness, contrast and colour; the detail keeps apart faces of different
people that were aligned and lit alike. A crop of more than a pixel or two is another image to this
test. All pairs are compared as 16×16 thumbnails first, by one matrix product a block, so 28,709
faces take seconds on one core.

Measured on real faces, identical pairs aside: 87 pairs among RAF-DB's 12,135 faces of six emotions
and 1,541 among FER2013's 29,687. All of the 87 and 120 of the others, drawn where they correlate
least, were looked at: each was of one photograph, or of one burst. Below .93 different people begin
to appear. Among 1,200 built-in faces of each style, which are all different, no pair is taken
for copies in the styles wild and web48, 2 of 719,400 in lab and 8 in studio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.types import Faces

LIKE = 0.95
"""Correlation of the pixels of near-copies, at least."""
DETAIL = 0.8
"""Correlation of the detail of near-copies, at least."""
SIDE = 64
"""Side of the grey images that are compared."""
SLACK = 0.02
"""Thumbnails of near-copies correlate more than their pixels do, but for this."""

_THUMBNAIL, _COARSE, _FINE = 16, 8, 32
_BLOCK = 512

Thumbnails = NDArray[np.float32]
Search = Callable[[Thumbnails, Thumbnails, float, bool], Iterator[NDArray[np.int64]]]
"""Function that finds pairs ``(P, 2)`` of unit vectors whose product exceeds a number; the last
argument says that both tables are of the same faces, where the smaller position comes first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NearPairs:
    """Pairs of near-copies, sorted, each once.

    Attributes
    ----------
    pairs
        ``(P, 2)`` positions in the first and in the second table.
    correlation, detail
        ``(P,)`` correlations of the pixels and of the detail; of the better of two matches where a
        pair matches as it is and mirrored.
    mirrored
        ``(P,)`` whether one of the two is the other's mirror image.

    Examples
    --------
    >>> grey = np.random.default_rng(0).integers(0, 766, (2, 64, 64)).astype(np.uint16)
    >>> found = near_pairs(np.concatenate([grey, grey[:1, :, ::-1]]))
    >>> found.pairs.tolist(), found.mirrored.tolist(), found.above(0.999).pairs.tolist()
    ([[0, 2]], [True], [[0, 2]])
    """

    pairs: NDArray[np.int64]
    correlation: NDArray[np.float64]
    detail: NDArray[np.float64]
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pairs)

    def above(self, like: float) -> NearPairs:
        """The pairs whose pixels correlate by so much or more."""
        return self.chosen(self.correlation >= like)

    def chosen(self, mask: NDArray[np.bool_]) -> NearPairs:
        """The pairs of a mask ``(P,)``."""
        return NearPairs(
            pairs=self.pairs[mask],
            correlation=self.correlation[mask],
            detail=self.detail[mask],
            mirrored=self.mirrored[mask],
        )


def near_copies(faces: Faces, others: Faces | None = None) -> NDArray[np.int64]:
    """Pairs of faces that show the same photograph, identical ones included.

    Parameters
    ----------
    faces
        Faces of any size.
    others
        Faces to compare them with; by default they are compared with one another.

    Returns
    -------
    ndarray
        ``(P, 2)``: positions in ``faces`` and in ``others`` (or both in ``faces``, the smaller one
        first), sorted. Faces without any contrast are near-copies of none.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> faces = load_dataset("synthetic", split="test", limit=12)
    >>> near_copies(faces).tolist()
    []
    >>> near_copies(faces, faces.subset([3])).tolist()
    [[3, 0]]
    """
    return near_pairs(_grey(faces), None if others is None else _grey(others)).pairs


def near_pairs(
    one: NDArray[np.uint16],
    two: NDArray[np.uint16] | None = None,
    *,
    like: float = LIKE,
    detail: float = DETAIL,
    search: Search | None = None,
) -> NearPairs:
    """Pairs of grey images that show the same photograph: :func:`near_copies` of pixels.

    Parameters
    ----------
    one, two
        ``(N, 64, 64)``: sums of the three channels; without ``two``, ``one`` is compared with
        itself.
    like, detail
        Least correlation of the pixels and of the detail.
    search
        Function that finds candidates by their thumbnails; a matrix product a block by default.
        See :func:`fer_xai.data.duplicates.candidates.faiss_search`.

    Examples
    --------
    >>> grey = np.random.default_rng(0).integers(0, 766, (3, 64, 64)).astype(np.uint16)
    >>> near_pairs(grey, grey[1:2]).pairs.tolist()
    [[1, 0]]
    """
    search = search or product_search
    same = two is None
    other = one if two is None else two
    parts: list[tuple[NDArray[Any], ...]] = []
    thumbnails = _thumbnails(one)
    for flip in (False, True):
        turned = other[:, :, ::-1] if flip else other
        theirs = thumbnails if same and not flip else _thumbnails(turned)
        for found in search(thumbnails, theirs, like - SLACK, same):
            for part in np.array_split(found, len(found) // _BLOCK + 1):
                left, right = one[part[:, 0]], turned[part[:, 1]]
                pixels = _correlations(left, right)
                close = pixels >= like
                finer = _correlations(_detail(left[close]), _detail(right[close]))
                kept = finer >= detail
                parts.append(
                    (part[close][kept], pixels[close][kept], finer[kept], np.full(kept.sum(), flip))
                )
    return _each_once(parts)


def _each_once(parts: list[tuple[NDArray[Any], ...]]) -> NearPairs:
    """Pairs sorted, of those that match twice the better match."""
    empty = (np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool))
    columns = [np.concatenate(column) for column in zip(empty, *parts, strict=True)]
    pairs, correlation, detail, mirrored = columns
    order = np.lexsort((mirrored, -correlation, pairs[:, 1], pairs[:, 0]))
    pairs = pairs[order]
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    order = order[first]
    return NearPairs(
        pairs=pairs[first],
        correlation=correlation[order],
        detail=detail[order],
        mirrored=mirrored[order],
    )


def product_search(
    one: Thumbnails, two: Thumbnails, least: float, same: bool
) -> Iterator[NDArray[np.int64]]:
    """Pairs of unit vectors whose product exceeds a number, by one matrix product a block.

    Parameters
    ----------
    one, two
        ``(N, D)`` and ``(M, D)``.
    least
        The number.
    same
        Whether both are of the same faces; then the smaller position comes first.

    Examples
    --------
    >>> vectors = np.eye(3, dtype=np.float32)[[0, 1, 0]]
    >>> [pairs.tolist() for pairs in product_search(vectors, vectors, 0.5, True)]
    [[[0, 2]]]
    """
    for start in range(0, len(one), _BLOCK):
        first = start if same else 0  # each pair of one table once
        likeness = one[start : start + _BLOCK] @ two[first:].T
        rows, columns = np.nonzero(likeness > least)
        pairs = np.stack([rows + start, columns + first], axis=1).astype(np.int64)
        yield pairs[pairs[:, 0] < pairs[:, 1]] if same else pairs


def copies_of(faces: Faces, others: Faces) -> NDArray[np.bool_]:
    """``(N,)``: which faces show a photograph that is among the others, identical or nearly so.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> faces = load_dataset("synthetic", split="test", limit=4)
    >>> copies_of(faces, faces.subset([1])).tolist()
    [False, True, False, False]
    """
    mask = np.zeros(len(faces), dtype=bool)
    mask[near_copies(faces, others)[:, 0]] = True
    return mask


def _grey(faces: Faces) -> NDArray[np.uint16]:
    """``(N, 64, 64)``: sums of the three channels, 8 KiB a face; pixels are read in batches."""
    found, start = np.empty((len(faces), SIDE, SIDE), dtype=np.uint16), 0
    for batch in faces.batches(size=SIDE):
        found[start : (start := start + len(batch.ids))] = batch.pixels.numpy().sum(
            axis=1, dtype=np.uint16
        )
    return found


def _thumbnails(grey: NDArray[np.uint16]) -> NDArray[np.float32]:
    """``(N, 256)``: thumbnails as unit vectors about their mean; products are correlations."""
    found = np.empty((len(grey), _THUMBNAIL**2), dtype=np.float32)
    for start in range(0, len(grey), _BLOCK):
        flat = _means(grey[start : start + _BLOCK], _THUMBNAIL).reshape(-1, _THUMBNAIL**2)
        flat -= flat.mean(axis=1, keepdims=True)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
        found[start : start + _BLOCK] = flat
    return found


def _means(grey: NDArray[np.uint16], side: int) -> NDArray[np.float64]:
    """``(N, side, side)``: means of the cells of a grid."""
    cell = grey.shape[1] // side
    cells = grey.reshape(len(grey), side, cell, side, cell)
    return np.asarray(cells.mean(axis=(2, 4), dtype=np.float64))


def _detail(grey: NDArray[np.uint16]) -> NDArray[np.float64]:
    """``(P, 32, 32)``: what the 8×8 means of faces do not hold."""
    times = _FINE // _COARSE
    coarse = _means(grey, _COARSE).repeat(times, axis=1).repeat(times, axis=2)
    return np.asarray(_means(grey, _FINE) - coarse)


def _correlations(one: NDArray[Any], two: NDArray[Any]) -> NDArray[np.float64]:
    """Pearson's of each pair, in double precision, so that every machine decides alike.

    It is 0 where there is no contrast.
    """
    size = one.shape[1] * one.shape[2]
    x, y = (part.reshape(len(part), size).astype(np.float64) for part in (one, two))
    x, y = (part - part.mean(axis=1, keepdims=True) for part in (x, y))
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.asarray((x * y).sum(axis=1) / np.maximum(scale, 1e-9))
