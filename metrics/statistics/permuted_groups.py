"""Gaps of groups under permuted groups: what differences there would be if groups meant nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fer_xai.errors import InputError
from metrics.statistics.clusters import Array, cluster_codes
from metrics.statistics.inputs import check_scores
from metrics.statistics.standardised import common_strata

REPEATS = 1999
"""Permutations of the groups."""
TOGETHER = 2**24
"""Numbers of membership that are in memory at a time; it changes no value."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PermutedGaps:
    """Gaps of T groups in C columns, as observed and under B permutations.

    Attributes
    ----------
    gaps, statistics
        ``(1 + B, T, C)`` standardised gaps to the rest, and the same over their standard errors;
        the first row is what was observed. NaN where a group and the rest have no stratum in
        common.

    Examples
    --------
    >>> found = permuted_gaps(
    ...     np.arange(8.0)[:, None], np.array([["a"], ["b"]] * 4), [(0, "a")],
    ...     strata=np.zeros(8, dtype=int), clusters=range(8), repeats=99,
    ... )
    >>> float(found.gaps[0, 0, 0]), found.gaps.shape, found.p_values.shape
    (-1.0, (100, 1, 1), (1, 1))
    """

    gaps: Array
    statistics: Array

    @property
    def p_values(self) -> Array:
        """``(T, C)`` two-sided p, corrected over all groups and columns by the largest statistic.

        Westfall & Young, "Resampling-based multiple testing", 1993, in a single step.
        """
        sizes = np.abs(self.statistics)
        largest = np.nan_to_num(sizes[1:], nan=0.0).max(axis=(1, 2))
        hits = (largest[:, None, None] >= sizes[0] * (1 - 1e-12)).sum(axis=0)
        return np.where(np.isnan(sizes[0]), np.nan, (1 + hits) / (1 + len(largest)))

    def lowest(self, groups: Sequence[int], column: int = 0) -> tuple[float, Array]:
        """The lowest gap of some groups as observed, and under each permutation ``(B,)``.

        The worst of several groups is worse than the rest even where groups mean nothing: the
        lowest of several noisy gaps is below 0.

        Parameters
        ----------
        groups
            Places of the groups.
        column
            Place of the column.
        """
        own = self.gaps[:, list(groups), column]
        low = np.nanmin(own, axis=1) if own.size else np.full(len(own), np.nan)
        return float(low[0]), low[1:]


def permuted_gaps(
    values: ArrayLike,
    labels: NDArray[np.str_],
    tested: Sequence[tuple[int, str]],
    *,
    strata: NDArray[np.int64],
    clusters: Sequence[object],
    repeats: int = REPEATS,
    seed: int = 0,
) -> PermutedGaps:
    """Standardised gaps of groups to the rest, as observed and with the groups permuted.

    Labels move as wholes: all faces of a person that have one group keep one group, and all
    attributes of a person move together. Persons exchange their groups with persons of the same
    emotion, if they show one alone, and else with persons who show several; a person who belongs to
    several groups (glasses on and off) exchanges them within. Statistics are studentised, so that
    groups of unequal spread do not look like groups of unequal means (Chung & Romano, "Exact and
    asymptotically robust permutation tests", Annals of Statistics 2013).

    Parameters
    ----------
    values
        ``(N, C)`` scores; NaN is left out, in each column by itself.
    labels
        ``(N, A)`` group of each face by attribute, "" where it is unknown: such a face is compared
        with nothing, and takes part in the exchange.
    tested
        Attribute (its place) and group of each of T comparisons.
    strata
        ``(N,)`` codes, such as emotions.
    clusters
        N persons.
    repeats
        Number of permutations.
    seed
        Seed of the permutations.

    Raises
    ------
    InputError
        If shapes do not fit, or a score is infinite.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.choice(["a", "b"], size=(200, 1))
    >>> scores = rng.normal(size=(200, 1)) + (groups == "a")
    >>> found = permuted_gaps(scores, groups, [(0, "a")], strata=rng.integers(0, 3, 200),
    ...                       clusters=range(200), repeats=199)
    >>> bool(found.gaps[0, 0, 0] > 0.5), float(found.p_values[0, 0])
    (True, 0.005)
    """
    check_scores(values)
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or labels.ndim != 2 or not len(table) == len(labels) == len(strata):
        raise InputError(
            f"Expected values (N, C) and labels (N, A), got {table.shape} and {labels.shape}."
        )
    person = cluster_codes(clusters, len(table))
    stratum = np.unique(strata, return_inverse=True)[1]
    joint = pd.factorize(pd.Series(list(map(tuple, labels.tolist()))))[0]
    _, first, unit = np.unique(
        np.stack([person, joint]), axis=1, return_index=True, return_inverse=True
    )
    unit = unit.reshape(-1)
    own = np.stack([labels[first, a] == group for a, group in tested])  # (T, U)
    other = np.stack(
        [(labels[first, a] != group) & (labels[first, a] != "") for a, group in tested]
    )
    sources = _sources(person, stratum, first, unit, repeats=repeats, seed=seed)
    k = int(stratum.max()) + 1
    compared = np.zeros((len(tested), k, table.shape[1]), dtype=bool)
    for t, (a, group) in enumerate(tested):
        for c in range(table.shape[1]):
            used = (labels[:, a] != "") & np.isfinite(table[:, c])
            common = common_strata(labels[used, a] == group, stratum[used], person[used])
            compared[t, common, c] = True
    parts = [
        _gaps(table[:, c], (unit, stratum), (own, other), sources, compared[:, :, c])
        for c in range(table.shape[1])
    ]
    gaps, statistics = (np.stack(found, axis=2) for found in zip(*parts, strict=True))
    return PermutedGaps(gaps=gaps, statistics=statistics)


def _sources(
    person: NDArray[np.int64],
    stratum: NDArray[np.int64],
    first: NDArray[np.int64],
    unit: NDArray[np.int64],
    *,
    repeats: int,
    seed: int,
) -> NDArray[np.int64]:
    """``(1 + B, U)``: the unit whose labels each unit gets; at first its own."""
    of = person[first]
    shown = pd.Series(stratum).groupby(person).agg(["min", "max"])
    single = (shown["min"] == shown["max"]).to_numpy()
    kind = np.where(single, shown["min"].to_numpy(), -1)[of]  # strata that are exchanged within
    several = np.bincount(of)[of] > 1  # units of persons who belong to several groups
    rng = np.random.default_rng(seed)
    found = np.tile(np.arange(len(first)), (1 + repeats, 1))
    blocks = [np.flatnonzero(~several & (kind == one)) for one in np.unique(kind)]
    blocks += [np.flatnonzero(several & (of == one)) for one in np.unique(of[several])]
    for row in found[1:]:
        for block in blocks:
            row[block] = rng.permutation(block)
    return found


def _gaps(
    values: Array,
    codes: tuple[NDArray[np.int64], NDArray[np.int64]],
    members: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    sources: NDArray[np.int64],
    compared: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Gaps and statistics ``(1 + B, T)`` of one column.

    Parameters
    ----------
    values
        ``(N,)``.
    codes
        Unit and stratum of each face ``(N,)``.
    members
        Units of each group and of its rest, bool ``(T, U)``.
    sources
        ``(1 + B, U)``.
    compared
        Bool ``(T, k)``: strata that are compared.
    """
    (unit, stratum), (own, other) = codes, members
    known = np.isfinite(values)
    n, k = own.shape[1], compared.shape[1]
    flat = unit[known] * k + stratum[known]
    y = values[known]
    count = np.bincount(flat, minlength=n * k).reshape(n, k).astype(np.float64)
    # centred by stratum, which changes no gap, so that squares lose no digits
    totals = np.bincount(stratum[known], weights=y, minlength=k)
    y = y - (totals / np.maximum(np.bincount(stratum[known], minlength=k), 1))[stratum[known]]
    sums = np.bincount(flat, weights=y, minlength=n * k).reshape(n, k)
    products = [
        (left[:, :, None] * right[:, None, :]).reshape(n, k * k)
        for left, right in ((sums, sums), (sums, count), (count, count))
    ]
    columns = np.concatenate([count, sums, *products], axis=1)  # (U, 2 k + 3 k²)
    spread = float((y**2).mean()) if len(y) else 0.0
    step = max(1, TOGETHER // max(own.size, 1))
    gaps, statistics = [], []
    for start in range(0, len(sources), step):
        rows = sources[start : start + step]
        sides = [
            _side(side[:, rows].transpose(1, 0, 2).astype(np.float64) @ columns, k)
            for side in (own, other)
        ]  # each of (b, T, …)
        there = compared[None] & (sides[0][0] > 0) & (sides[1][0] > 0)
        weight = there / np.maximum(there.sum(axis=2, keepdims=True), 1)
        gap, variance, alike = np.zeros((3, *there.shape[:2]))
        for sign, (faces, means, *squares) in zip((1, -1), sides, strict=True):
            each = weight / np.maximum(faces, 1)
            gap = gap + sign * (weight * means).sum(axis=2)
            variance = variance + _variance(each, each * means, squares)
            alike = alike + (weight * each).sum(axis=2) * spread
        gap = np.where(there.any(axis=2), gap, np.nan)
        gaps.append(gap)
        error = np.sqrt(np.maximum(variance, alike))
        with np.errstate(invalid="ignore", divide="ignore"):
            statistics.append(np.where(error > 0, gap / error, np.where(gap == 0, 0.0, np.nan)))
    return np.concatenate(gaps), np.concatenate(statistics)


def _side(found: Array, k: int) -> tuple[Array, ...]:
    """Faces and means ``(b, T, k)`` of a side, and its sums of products ``(b, T, k, k)``."""
    faces, sums, rest = found[..., :k], found[..., k : 2 * k], found[..., 2 * k :]
    means = sums / np.maximum(faces, 1)
    shape = (*found.shape[:2], 3, k, k)
    squares = rest.reshape(shape)
    return faces, means, squares[:, :, 0], squares[:, :, 1], squares[:, :, 2]


def _variance(each: Array, moved: Array, squares: Sequence[Array]) -> Array:
    """Sum over units of the square of what they add to the mean of a side ``(b, T)``."""
    sums, mixed, counts = squares

    def form(left: Array, middle: Array, right: Array) -> Array:
        return np.einsum("btk,btkl,btl->bt", left, middle, right)

    return form(each, sums, each) - 2 * form(each, mixed, moved) + form(moved, counts, moved)
