"""Consistency: mean similarity of maps of one emotion and of two, and its test by permutation.

All functions compare maps on one common mask, in one frame (register them first). Undefined maps
(constant on the mask, or unregistered) are NaN rows: they take no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from metrics.consistency.jackknife import influences_of, jackknife_interval, said_of
from metrics.consistency.pairs import Array, Codes, Members, members, too_few_emotions
from metrics.statistics.intervals import Interval
from metrics.statistics.permuting import permutations

_PERMUTED_TOGETHER = 64
_CHUNK = 1024


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Similarity:
    """Mean similarity of each face to faces of its own emotion, and to the others.

    Attributes
    ----------
    within, between
        ``(N,)`` mean over the face's pairs, never with itself or its cluster; NaN where undefined.
    matrix
        ``(E, E)`` mean over pairs of distinct faces of two emotions; the diagonal is within.
    emotions
        ``(E,)`` label of each row of the matrix.
    interval
        Excess of within over between with its 95 % interval, by delete-one jackknife over faces, or
        persons; over the emotions that are not left out, so its estimate is ``macro_excess`` where
        none is.
    left_out
        For each emotion that the interval leaves out, the reason.
    influence
        ``(N,)`` part of each face in the jackknife of the excess; NaN for faces that take no part.

    Examples
    --------
    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [1, 1]]))
    >>> found = similarity(rows, torch.tensor([0, 0, 5, 5]))
    >>> found.emotions.tolist(), found.matrix.round(2).tolist()
    ([0, 5], [[1.0, 0.35], [0.35, 0.71]])
    >>> round(found.macro_excess, 3), found.left_out[0]
    (0.5, '2 maps, and 5 maps are needed')
    >>> found
    Similarity(excess .500, no interval)
    """

    within: Array
    between: Array
    matrix: Array
    emotions: Codes
    interval: Interval
    left_out: Mapping[int, str]
    influence: Array

    def __repr__(self) -> str:
        return f"Similarity({said_of('excess', self.macro_excess, self.interval)})"

    @property
    def macro_within(self) -> float:
        """Mean of the diagonal: emotions weigh equally."""
        return _mean(np.diag(self.matrix))

    @property
    def macro_between(self) -> float:
        """Mean over pairs of different emotions."""
        off = ~np.eye(len(self.matrix), dtype=bool)
        return _mean(self.matrix[off])

    @property
    def macro_excess(self) -> float:
        """How much more alike maps are within an emotion than between emotions."""
        return self.macro_within - self.macro_between


def similarity(
    rows: Tensor,
    labels: Tensor,
    *,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
    defined: Tensor | None = None,
) -> Similarity:
    """Mean similarities of maps within an emotion and between emotions, exact, in O(N·P).

    They are computed from sums of unit vectors instead of pairs: the mean over pairs of two sets is
    the dot product of their sums divided by the number of pairs, less the pairs inside a cluster,
    which say nothing of an emotion. Higher within than between is more consistent.

    Parameters
    ----------
    rows
        ``(N, P)`` unit vectors from :func:`~metrics.core.similarity.normalised_rows`.
    labels
        ``(N,)`` emotion of each face.
    clusters
        N labels, such as the person of each face; each face is its own by default, and where its
        label is empty, None or NaN.
    defined
        ``(N,)`` bool: maps that take part; all finite ones by default.

    Returns
    -------
    Similarity
        Means for each face ``(N,)`` and for each pair of emotions ``(E, E)``, and the excess of
        within over between with its interval.

    Raises
    ------
    InputError
        If rows or labels are no tensors, or anything differs in length.

    Examples
    --------
    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [1, 1]]))
    >>> found = similarity(rows, torch.tensor([0, 0, 5, 5]))
    >>> round(found.macro_within, 3), round(found.macro_between, 3)
    (0.854, 0.354)
    """
    faces = members(rows, labels, clusters=clusters, defined=defined)
    sums, pairs = _to_emotions(faces)  # (M, E) each
    every = np.arange(len(faces.used))
    own = np.zeros(sums.shape, dtype=bool)
    own[every, faces.codes] = True
    within, between = np.full((2, len(rows)), np.nan)
    within[faces.used] = _ratio((sums * own).sum(axis=1), (pairs * own).sum(axis=1))
    between[faces.used] = _ratio((sums * ~own).sum(axis=1), (pairs * ~own).sum(axis=1))
    shown = own.astype(np.float64).T  # (E, M)
    total, count = shown @ sums, shown @ pairs  # (E, E), each pair from both of its faces
    interval_of = _excess(total, count, faces.counted)
    without = _without(faces, sums, pairs, total, count)
    influence = influences_of(interval_of, without, faces, len(rows), faces.counted)
    groups = None if clusters is None else list(clusters)
    return Similarity(
        within=within,
        between=between,
        matrix=_ratio(total, count),
        emotions=faces.emotions,
        interval=jackknife_interval(
            interval_of,
            influence,
            labels,
            clusters=groups,
            reason="" if len(faces.counted) > 1 else too_few_emotions(faces.left_out),
        ),
        left_out=faces.left_out,
        influence=influence,
    )


def _to_emotions(faces: Members) -> tuple[Array, Array]:
    """``(M, E)`` sums of each face's similarities to faces of other units, and their numbers."""
    shown = np.eye(len(faces.emotions))[faces.codes]  # (M, E)
    own = np.zeros((faces.n_units, shown.shape[1]))
    np.add.at(own, faces.units, shown)
    return _sums_to(faces, shown), shown.sum(axis=0) - own[faces.units]


def _sums_to(faces: Members, chosen: Array) -> Array:
    """``(M, Q)`` sums of each face's similarities to faces of other units, weighted ``(M, Q)``.

    They come from sums of unit vectors, a block of faces at a time, less the pairs inside a unit:
    no similarity of a pair is kept.
    """
    sums = np.zeros((chosen.shape[1], faces.rows.shape[1]))
    parts = [slice(s, s + _CHUNK) for s in range(0, len(faces.used), _CHUNK)]
    for part in parts:
        sums += chosen[part].T @ faces.rows[part].astype(np.float64)
    to = np.zeros(chosen.shape)
    for part in parts:
        to[part] = faces.rows[part].astype(np.float64) @ sums.T
    order = np.argsort(faces.units, kind="stable")
    edges = np.cumsum(np.bincount(faces.units, minlength=faces.n_units))[:-1]
    for unit in np.split(order, edges):
        inside = faces.rows[unit].astype(np.float64)
        for start in range(0, len(unit), _CHUNK):
            some = unit[start : start + _CHUNK]
            to[some] -= inside[start : start + _CHUNK] @ (inside.T @ chosen[unit])
    return to


def _without(faces: Members, sums: Array, pairs: Array, total: Array, count: Array) -> Array:
    """``(units,)`` the excess without each unit: its faces' pairs go from both of their sides."""
    classes = len(faces.emotions)
    lost = np.zeros((2, faces.n_units, classes, classes))
    np.add.at(lost[0], (faces.units, faces.codes), sums)
    np.add.at(lost[1], (faces.units, faces.codes), pairs)
    lost += lost.swapaxes(2, 3)
    return np.array(
        [
            _excess(total - less, count - fewer, faces.counted)
            for less, fewer in zip(lost[0], lost[1], strict=True)
        ]
    )


def _excess(total: Array, count: Array, counted: Sequence[int]) -> float:
    """Mean of the diagonal less the mean off it, over some emotions; NaN with fewer than two."""
    if len(counted) < 2:
        return float("nan")
    matrix = _ratio(total, count)[np.ix_(counted, counted)]
    off = ~np.eye(len(counted), dtype=bool)
    return _mean(np.diag(matrix)) - _mean(matrix[off])


def _ratio(total: Array, count: Array) -> Array:
    """Means; NaN where nothing is counted."""
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean(values: Array) -> float:
    """Mean of the defined values; NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def permuted_excess(
    rows: Tensor,
    labels: Tensor,
    *,
    repeats: int,
    seed: int,
    blocks: Sequence[object] | NDArray[np.int64] | None = None,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
) -> tuple[float, Array]:
    """Excess of within- over between-emotion similarity, with its values for shuffled emotions.

    Emotions of moments are permuted, never of pairs or of single frames of one moment, by
    :func:`metrics.statistics.permuting.permutations`: within a person who shows several emotions.
    Pairs inside one cluster are left out. At any number of faces, the share of p-values up to .05
    is at most .05 where emotions are exchangeable.

    Parameters
    ----------
    rows
        ``(N, P)`` unit vectors from :func:`~metrics.core.similarity.normalised_rows`.
    labels
        ``(N,)`` emotion of each face.
    repeats
        Number of permutations.
    seed
        Seed of the permutations.
    blocks
        N labels of moments, such as the sequence of each frame; where a label is empty, None or
        NaN, the frames of one cluster and emotion are a moment.
    clusters
        N labels, such as the person of each face; each face is its own by default, and where its
        label is empty, None or NaN.

    Returns
    -------
    observed, permuted
        The macro excess, and ``(repeats,)`` values under permutation; NaN where fewer than two
        emotions have a map to compare.

    Raises
    ------
    InputError
        If rows or labels are no tensors, or anything differs in length.

    Examples
    --------
    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    >>> observed, permuted = permuted_excess(rows, torch.tensor([0, 0, 5, 5]), repeats=9, seed=0)
    >>> observed, bool((permuted <= observed).all())
    (1.0, True)
    """
    faces = members(rows, labels, clusters=clusters)
    _, codes = np.unique(faces.codes, return_inverse=True)
    classes = int(codes.max()) + 1 if len(codes) else 0
    if classes < 2:  # no pair of two emotions: all maps are blank, say
        return float("nan"), np.full(repeats, np.nan)
    sums_to = _ways_to_sum(faces)
    moments = None if blocks is None else [list(blocks)[k] for k in faces.used]
    persons = None if clusters is None else faces.units
    shuffled = permutations(codes, repeats=repeats, seed=seed, blocks=moments, clusters=persons)
    orders = np.concatenate([np.arange(len(codes))[None], shuffled])
    off = ~np.eye(classes, dtype=bool)
    found = []
    for part in np.split(orders, range(_PERMUTED_TOGETHER, len(orders), _PERMUTED_TOGETHER)):
        onehot = np.eye(classes)[codes[part]].transpose(1, 0, 2)  # (M, b, E)
        own = np.zeros((faces.n_units, *onehot.shape[1:]))  # faces of each unit, by emotion
        np.add.at(own, faces.units, onehot)
        to = sums_to(onehot.reshape(len(codes), -1)).reshape(onehot.shape)
        number = onehot.sum(axis=0) - own[faces.units]
        shown = onehot.transpose(1, 2, 0)  # (b, E, M)
        matrix = _ratio(shown @ to.transpose(1, 0, 2), shown @ number.transpose(1, 0, 2))
        diagonal = matrix.diagonal(axis1=1, axis2=2)
        found += [_mean(d) - _mean(m[off]) for d, m in zip(diagonal, matrix, strict=True)]
    return found[0], np.array(found[1:])


def _ways_to_sum(faces: Members) -> Callable[[Array], Array]:
    """:func:`_sums_to` of these faces: by similarities of pairs where they are the smaller table.

    With more faces than pixels, the pairs would be larger than the maps themselves.
    """
    if len(faces.used) > faces.rows.shape[1]:
        return partial(_sums_to, faces)
    x = faces.rows.astype(np.float64)
    gram = (x @ x.T) * (faces.units[:, None] != faces.units)
    return lambda chosen: np.asarray(gram @ chosen)
