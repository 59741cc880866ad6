"""Permutation tests: orders that keep persons and moments together, and the p-value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_xai.checks import check_count
from metrics.statistics.clusters import moments
from metrics.statistics.inputs import check_scores


def permutations(
    labels: NDArray[np.int64],
    *,
    repeats: int,
    seed: int,
    blocks: Sequence[object] | NDArray[np.int64] | None = None,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Orders that shuffle labels among exchangeable moments.

    Frames of one moment are nearly one observation, so they keep one label. A moment is a block (a
    sequence) within a cluster (a person), as far as it shows one label; where no block is known, it
    is what a cluster shows of one label, and where no cluster is known either, a single face.
    Moments of one person are not exchangeable with those of another one: a cluster that shows
    several labels is shuffled within, its moments being exchanged; clusters of one label (copies of
    a face, or single faces) exchange their label as wholes.

    Moments may differ in their number of frames, so the number of faces of a label may change; the
    number of moments of each label does not.

    Parameters
    ----------
    labels
        ``(N,)``.
    repeats
        Number of orders.
    seed
        Seed of the orders.
    blocks
        N labels of moments; unknown by default, and where a label is empty, None or NaN.
    clusters
        N labels; each face (or block, where it is known) is its own by default, and where its label
        is empty, None or NaN.

    Returns
    -------
    ndarray
        ``(repeats, N)``: ``labels[order]`` are the labels under each permutation.

    Raises
    ------
    InputError
        If there is not one block or cluster for each face.

    Examples
    --------
    >>> labels = np.array([0, 0, 1, 1])
    >>> orders = permutations(labels, repeats=5, seed=0, clusters=np.array([7, 7, 8, 8]))
    >>> {tuple(labels[order].tolist()) for order in orders} == {(0, 0, 1, 1), (1, 1, 0, 0)}
    True
    """
    check_count("the number of permutations", repeats, low=0)
    n = len(labels)
    of, persons = moments(labels, blocks=blocks, clusters=clusters)
    first = np.unique(of, return_index=True)[1]  # (moments,) a face of each
    person, shown = persons[first], labels[first]
    groups, whole = [], []
    for own in np.split(np.argsort(person, kind="stable"), np.cumsum(np.bincount(person))[:-1]):
        if len(np.unique(shown[own])) > 1:
            groups.append(own)
        else:
            whole.append(own)
    rng = np.random.default_rng(seed)
    singles = np.array([own[0] for own in whole], dtype=np.int64)
    orders = np.empty((repeats, n), dtype=np.int64)
    for order in orders:
        source = np.arange(len(first))  # by moment, the moment whose label it gets
        for own in groups:
            source[own] = rng.permutation(own)
        for own, given in zip(whole, rng.permutation(singles), strict=True):
            source[own] = given
        order[:] = first[source][of]
    return orders


def permutation_p_value(observed: float, permuted: ArrayLike) -> float:
    """One-sided p of a statistic among its values under permuted labels, (1 + #≥) / (1 + B).

    Values within rounding of the observed one (1e-12 of its size) count as equal: a permutation
    that swaps nothing must not fall below it.

    Parameters
    ----------
    observed
        The statistic.
    permuted
        ``(B,)`` its values under permutation.

    Returns
    -------
    float
        NaN if the statistic, or one of its values, is undefined.

    Raises
    ------
    InputError
        If the statistic, or one of its values, is infinite.

    Examples
    --------
    >>> permutation_p_value(0.5, [0.1, 0.2, 0.3, 0.6])
    0.4
    """
    check_scores([observed], name="statistics")
    check_scores(permuted, name="permuted statistics")
    values = np.asarray(permuted, dtype=np.float64)
    if np.isnan(observed) or np.isnan(values).any():
        return float("nan")
    reached = values >= observed - 1e-12 * max(abs(observed), 1.0)
    return float((1 + reached.sum()) / (1 + len(values)))
