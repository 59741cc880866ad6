"""Tests: permutations that keep persons together, corrected p-values, the signed-rank test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from metrics.statistics.clusters import Array, cluster_codes


def permutations(
    labels: NDArray[np.int64],
    *,
    repeats: int,
    seed: int,
    clusters: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Orders that shuffle labels among exchangeable faces.

    Faces of one cluster are not exchangeable with those of another one. A cluster that shows
    several labels (a person) is shuffled within; clusters of one label (copies of a face, or single
    faces) swap their label as a whole with others of the same size.

    Parameters
    ----------
    labels
        ``(N,)``.
    repeats
        Number of orders.
    seed
        Seed of the orders.
    clusters
        ``(N,)``; each face is its own by default, and where its label is empty, None or NaN.

    Returns
    -------
    ndarray
        ``(repeats, N)``: ``labels[order]`` are the labels under each permutation.

    Examples
    --------
    >>> labels = np.array([0, 0, 1, 1])
    >>> orders = permutations(labels, repeats=5, seed=0, clusters=np.array([7, 7, 8, 8]))
    >>> {tuple(labels[order].tolist()) for order in orders} == {(0, 0, 1, 1), (1, 1, 0, 0)}
    True
    """
    n = len(labels)
    groups = cluster_codes(None if clusters is None else list(clusters), n)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    mixed = [faces for faces in members if len(np.unique(labels[faces])) > 1]
    by_size: dict[int, list[NDArray[np.int64]]] = {}
    for faces in members:
        if len(np.unique(labels[faces])) == 1:
            by_size.setdefault(len(faces), []).append(faces)
    blocks = [np.stack(block) for block in by_size.values()]
    rng = np.random.default_rng(seed)
    orders = np.tile(np.arange(n), (repeats, 1))
    for order in orders:
        for faces in mixed:
            order[faces] = rng.permutation(faces)
        for block in blocks:
            order[block] = block[rng.permutation(len(block))]
    return orders


def permutation_p_value(observed: float, permuted: ArrayLike) -> float:
    """One-sided p of a statistic among its values under permuted labels, (1 + #≥) / (1 + B).

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

    Examples
    --------
    >>> permutation_p_value(0.5, [0.1, 0.2, 0.3, 0.6])
    0.4
    """
    values = np.asarray(permuted, dtype=np.float64)
    if np.isnan(observed) or np.isnan(values).any():
        return float("nan")
    return float((1 + (values >= observed).sum()) / (1 + len(values)))


def holm(p_values: ArrayLike) -> Array:
    """Holm's step-down adjusted p-values of a declared family (Holm 1979).

    Parameters
    ----------
    p_values
        ``(K,)``; NaN stays NaN, and does not count as a member of the family.

    Returns
    -------
    ndarray
        ``(K,)`` adjusted p-values, in the given order.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    out = np.full_like(p, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    m = len(order)
    scaled = np.minimum(p[order] * (m - np.arange(m)), 1.0)
    out[order] = np.maximum.accumulate(scaled)
    return out


def wilcoxon_p(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that paired differences are centred on zero.

    Zeros are ranked and dropped from the statistic (Pratt 1959).

    Parameters
    ----------
    differences
        ``(N,)`` paired differences; NaN is left out.

    Returns
    -------
    float
        NaN if fewer than two differences are not zero.

    Examples
    --------
    >>> wilcoxon_p([1.0, 2.0, 3.0, 4.0, 5.0])
    0.0625
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    if np.count_nonzero(values) < 2:
        return float("nan")
    return float(stats.wilcoxon(values, zero_method="pratt").pvalue)
