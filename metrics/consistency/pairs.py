"""Consistency: are maps of faces that show one emotion more similar than maps of two emotions?

All functions compare maps on one common mask, in one frame (register them first). Undefined maps
(constant on the mask, or unregistered) are NaN rows: they take no part, and are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length, check_tensor
from metrics.statistics.significance import permutations

Array = NDArray[np.float64]
_PERMUTED_TOGETHER = 64
_CHUNK = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class Similarity:
    """Mean similarity of each face to faces of its own emotion, and to the others.

    Attributes
    ----------
    within, between
        ``(N,)`` mean over the face's pairs, never with itself; NaN where undefined.
    matrix
        ``(E, E)`` mean over pairs of distinct faces of two emotions; the diagonal is within.
    emotions
        ``(E,)`` label of each row of the matrix.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [1, 1]]))
    >>> found = similarity(rows, torch.tensor([0, 0, 5, 5]))
    >>> found.emotions.tolist(), found.matrix.round(2).tolist()
    ([0, 5], [[1.0, 0.35], [0.35, 0.71]])
    >>> round(found.macro_excess, 3)
    0.5
    """

    within: Array
    between: Array
    matrix: Array
    emotions: NDArray[np.int64]

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


def similarity(rows: Tensor, labels: Tensor) -> Similarity:
    """Mean similarities of maps within an emotion and between emotions, exact, in O(N·P).

    They are computed from sums of unit vectors instead of pairs: the mean over pairs of two sets is
    the dot product of their sums divided by the number of pairs; for one set, it is the square of
    its sum less the N pairs of a face with itself. Higher within than between is more consistent.

    Parameters
    ----------
    rows
        ``(N, P)`` unit vectors from :func:`~metrics.core.similarity.normalised_rows`.
    labels
        ``(N,)`` emotion of each face.

    Returns
    -------
    Similarity
        Means for each face ``(N,)`` and for each pair of emotions ``(E, E)``.

    Raises
    ------
    InputError
        If rows or labels are no tensors, or differ in length.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [1, 1]]))
    >>> found = similarity(rows, torch.tensor([0, 0, 5, 5]))
    >>> round(found.macro_within, 3), round(found.macro_between, 3)
    (0.854, 0.354)
    """
    rows, labels = _labelled(rows, labels)
    x = rows.double()
    defined = torch.isfinite(x).all(dim=1)
    x = torch.where(defined[:, None], x, 0.0)
    emotions, codes = torch.unique(labels, return_inverse=True)
    onehot = torch.nn.functional.one_hot(codes, len(emotions)).double() * defined[:, None]
    sums = onehot.T @ x  # (E, P)
    counts = onehot.sum(dim=0)  # (E,)
    to = x @ sums.T  # (N, E): similarity to each emotion, summed
    own = to.gather(1, codes[:, None])[:, 0] - (x * x).sum(dim=1)
    n_own = counts[codes] - 1
    rest = to.sum(dim=1) - to.gather(1, codes[:, None])[:, 0]
    n_rest = counts.sum() - counts[codes]
    within = torch.where(defined & (n_own > 0), own / n_own, torch.nan)
    between = torch.where(defined & (n_rest > 0), rest / n_rest, torch.nan)
    products = sums @ sums.T
    pairs = counts[:, None] * counts[None]
    selves = onehot.T @ (x * x).sum(dim=1)
    products = products - torch.diag(selves)
    pairs = pairs - torch.diag(counts)
    matrix = torch.where(pairs > 0, products / pairs, torch.nan)
    return Similarity(
        within=within.numpy(),
        between=between.numpy(),
        matrix=matrix.numpy(),
        emotions=emotions.numpy(),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Separability:
    """How well the similarity of a pair distinguishes pairs of one emotion from pairs of two.

    Attributes
    ----------
    auc
        Mean over emotions; 0.5 is chance.
    per_emotion
        ``(E,)``, mean over the other emotions, in the order of ``emotions``; NaN for an emotion
        with fewer than two maps.
    emotions
        ``(E,)`` labels.
    influence
        ``(N,)`` derivative of ``auc`` by the weight of each face; NaN for faces that take no part.
    n_undefined
        Number of faces without a defined map.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    >>> rows[3] = torch.nan  # an undefined map leaves its emotion with one face
    >>> found = separability(rows, torch.tensor([0, 0, 5, 5]))
    >>> found.per_emotion, found.n_undefined
    (array([ 1., nan]), 1)
    """

    auc: float
    per_emotion: Array
    emotions: NDArray[np.int64]
    influence: Array
    n_undefined: int


def _labelled(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and labels, checked and on the CPU."""
    check_tensor("rows", rows, "(N, P), from normalised_rows")
    check_tensor("labels", labels, "(N,)")
    check_length("labels", len(labels), len(rows))
    return rows.cpu(), labels.cpu()


def _mean(values: Array) -> float:
    """Mean of the defined values; NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def separability(rows: Tensor, labels: Tensor) -> Separability:
    """Can the emotion of a pair be read from the similarity of its maps? Higher is more consistent.

    For each ordered pair of emotions, the area under the ROC curve of the similarity of pairs
    within the first against pairs across the two (ties count half); then the mean over the second
    emotion, and over the first: emotions have equal weight on both sides, however many faces they
    have. Every pair is used. The influence of a face follows from the placements of its pairs
    (Hanley & McNeil's AUC as a two-sample U statistic). It gives intervals by
    :func:`metrics.statistics.intervals.influence_interval`, and paired intervals by differences of
    influences.

    Parameters
    ----------
    rows
        ``(N, P)`` unit vectors from :func:`~metrics.core.similarity.normalised_rows`.
    labels
        ``(N,)`` emotion of each face.

    Returns
    -------
    Separability
        The area ``auc``, in all and for each emotion, with each face's influence.

    Raises
    ------
    InputError
        If rows or labels are no tensors, or differ in length.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    >>> separability(rows, torch.tensor([0, 0, 5, 5])).auc
    1.0
    """
    rows, labels = _labelled(rows, labels)
    defined = torch.isfinite(rows).all(dim=1)
    used = defined.nonzero()[:, 0]
    x, kept = rows[used], labels[used]
    gram = (x @ x.T).numpy()  # (M, M)
    emotions = torch.unique(labels).numpy()
    members = [np.flatnonzero(kept.numpy() == emotion) for emotion in emotions]
    aucs = np.full(len(emotions), np.nan)
    influences: list[Array] = []
    for position, inside in enumerate(members):
        others = [faces for k, faces in enumerate(members) if k != position and len(faces)]
        if len(inside) < 2 or not others:
            continue
        influence = np.zeros(len(used))
        within = _Within(gram[np.ix_(inside, inside)])
        found = []
        for outside in others:
            auc, by_inside, by_outside = within.against(gram[np.ix_(inside, outside)])
            found.append(auc)
            influence[inside] += by_inside / len(others)
            influence[outside] += by_outside / len(others)
        aucs[position] = np.mean(found)
        influences.append(influence)
    influence = np.full(len(rows), np.nan)
    if influences:
        influence[used.numpy()] = np.mean(influences, axis=0)
    return Separability(
        auc=_mean(aucs),
        per_emotion=aucs,
        emotions=emotions,
        influence=influence,
        n_undefined=int((~defined).sum()),
    )


class _Within:
    """Similarities of the pairs within one emotion, sorted once."""

    def __init__(self, inside: NDArray[np.float32]) -> None:
        self.n = len(inside)
        self.first, self.second = np.triu_indices(self.n, k=1)
        values = inside[self.first, self.second]
        self.order = np.argsort(values)
        self.sorted = values[self.order]

    def against(self, across: NDArray[np.float32]) -> tuple[float, Array, Array]:
        """AUC against pairs ``(n, m)`` across two emotions, and each face's influence on it.

        Returns the AUC, ``(n,)`` influences of the faces inside and ``(m,)`` of those outside.
        """
        flat = across.reshape(-1)
        order = np.argsort(flat)
        ordered = flat[order]
        # share of the other kind's pairs that lie below, ties half
        place = np.empty(len(self.sorted))
        place[self.order] = (
            np.searchsorted(ordered, self.sorted, "left")
            + np.searchsorted(ordered, self.sorted, "right")
        ) / (2 * len(flat))
        place_across = np.empty(len(flat))
        place_across[order] = 1 - (
            np.searchsorted(self.sorted, ordered, "left")
            + np.searchsorted(self.sorted, ordered, "right")
        ) / (2 * len(self.sorted))
        auc = float(place.mean())
        excess = (place - auc) / len(place)
        own = np.bincount(self.first, excess, self.n) + np.bincount(self.second, excess, self.n)
        excess_across = (place_across.reshape(across.shape) - auc) / len(flat)
        return auc, own + excess_across.sum(axis=1), excess_across.sum(axis=0)


def permuted_excess(
    rows: Tensor,
    labels: Tensor,
    *,
    repeats: int,
    seed: int,
    clusters: NDArray[np.int64] | None = None,
) -> tuple[float, Array]:
    """Excess of within- over between-emotion similarity, with its values for shuffled emotions.

    Emotions of faces are permuted, never pairs, by
    :func:`metrics.statistics.significance.permutations`: within a person who shows several
    emotions, and copies of a face together.

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
    clusters
        ``(N,)`` cluster of each face, such as the person; each face is its own by default.

    Returns
    -------
    observed, permuted
        The macro excess, and ``(repeats,)`` values under permutation; NaN where fewer than two
        emotions have a map to compare.

    Examples
    --------
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    >>> observed, permuted = permuted_excess(rows, torch.tensor([0, 0, 5, 5]), repeats=9, seed=0)
    >>> observed, bool((permuted <= observed).all())
    (1.0, True)
    """
    rows, labels = rows.cpu(), labels.cpu()
    defined = torch.isfinite(rows).all(dim=1)
    if not bool(defined.any()):
        return float("nan"), np.full(repeats, np.nan)
    x, kept = rows[defined].double(), labels[defined]
    gram = x @ x.T
    emotions, codes = torch.unique(kept, return_inverse=True)
    classes = len(emotions)
    if classes < 2:  # no pair of two emotions: all maps are blank, say
        return float("nan"), np.full(repeats, np.nan)
    counts = torch.bincount(codes, minlength=classes).double()
    pairs = counts[:, None] * counts - torch.diag(counts)
    off = ~torch.eye(classes, dtype=torch.bool)
    groups = None if clusters is None else clusters[defined.numpy()]
    shuffled = permutations(codes.numpy(), repeats=repeats, seed=seed, clusters=groups)
    orders = torch.cat([torch.arange(len(codes))[None], torch.from_numpy(shuffled)])
    found = []
    for part in torch.split(orders, _PERMUTED_TOGETHER):  # of (1 + repeats, M)
        onehot = torch.nn.functional.one_hot(codes[part], classes).double()  # (b, M, E)
        onehot = onehot.permute(1, 0, 2)  # (M, b, E)
        to = (gram @ onehot.flatten(1)).view_as(onehot)  # similarity to each emotion, summed
        sums = torch.einsum("mbe,mbf->bef", onehot, to)
        selves = torch.einsum("mbe,m->be", onehot, gram.diagonal())
        matrix = (sums - torch.diag_embed(selves)) / pairs  # (b, E, E)
        within = matrix.diagonal(dim1=1, dim2=2).nanmean(dim=1)
        found.append(within - matrix[:, off].mean(dim=1))
    excess = torch.cat(found).numpy()
    return float(excess[0]), excess[1:]
