"""P-values of many columns under no effect, by resampling units alike in all columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metrics.statistics.clustered import SMALL_SAMPLE
from metrics.statistics.clusters import Array
from metrics.statistics.skewness import unskewed

CHUNK = 1000
"""Resamples that are made at a time."""
LARGEST_T = 1e6
"""Studentised means are cut off here, so that resamples of one value have a p of 0."""


def flipped_p(table: Array, codes: NDArray[np.int64], *, repeats: int, seed: int) -> Array:
    """P of each column ``(repeats, K)`` under flipped signs of the units.

    The distribution of a studentised mean whose units are symmetric.

    Parameters
    ----------
    table
        ``(N, K)``; NaN is left out.
    codes
        ``(N,)`` unit of each face, as whole numbers from 0.
    repeats
        Number of sign flips.
    seed
        Seed of the signs, which are those of the places of units.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> p = flipped_p(x, np.arange(30), repeats=1000, seed=0)
    >>> p.shape, bool(abs((p[:, 0] < 0.1).mean() - 0.1) < 0.03)
    ((1000, 2), True)
    """
    sums, known, _ = _unit_sums(table, codes)
    n = known.sum(axis=0)
    square = (sums**2).sum(axis=0)
    rng = np.random.default_rng(seed)
    width = (len(sums) + 7) // 8
    t = np.empty((repeats, table.shape[1]))
    for rows in _chunks(repeats):
        bits = rng.integers(0, 256, (rows.stop - rows.start, width), dtype=np.uint8)
        signs = np.unpackbits(bits, axis=1, count=len(sums)).astype(np.float64) * 2 - 1
        t[rows] = _studentised(signs @ sums, square, n)
    return _two_sided(t, n)


def resampled_p(table: Array, codes: NDArray[np.int64], *, repeats: int, seed: int) -> Array:
    """P of each column ``(repeats, K)`` in units drawn with replacement from the centred ones.

    The bootstrap-t distribution of the statistic that is tested, Hall's transformation of the
    studentised mean with the skewness of *each resample*: skewed and long-tailed columns keep their
    skew and tails, and the transformation's own error in the far tails, where families are judged,
    is part of what is resampled (Hall, "Theoretical comparison of bootstrap confidence intervals",
    Annals of Statistics 1988; Romano & Wolf, Econometrica 2005).

    Parameters
    ----------
    table, codes, repeats, seed
        As in :func:`flipped_p`.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> p = resampled_p(x, np.arange(60), repeats=1000, seed=0)
    >>> p.shape, bool(abs((p[:, 0] < 0.1).mean() - 0.1) < 0.03)
    ((1000, 2), True)
    """
    sums, known, clustered = _unit_sums(table, codes)
    groups, columns = sums.shape
    small = np.where(clustered, 0.0, SMALL_SAMPLE)
    powers = np.concatenate([sums, sums**2, sums**3, known], axis=1)
    rng = np.random.default_rng([seed, 1])
    t, n = np.empty((2, repeats, columns))
    for rows in _chunks(repeats):
        made = rows.stop - rows.start
        drawn = rng.integers(0, groups, (made, groups)) + groups * np.arange(made)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=made * groups).reshape(made, groups)
        total, square, cube, n[rows] = np.split(counts.astype(np.float64) @ powers, 4, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / n[rows]
            spread = np.maximum(square - total * mean, 0)
            third = cube - 3 * mean * square + 2 * total * mean**2
            skew = np.nan_to_num(third / spread**1.5 * (1 + small / n[rows]), posinf=0, neginf=0)
        t[rows] = unskewed(_studentised(total, square, n[rows]), skew)
    return _two_sided(t, n)


def _unit_sums(table: Array, codes: NDArray[np.int64]) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Sums ``(G, K)`` of a unit's deviations, whether it has any face in a column, and whether any
    unit of a column has several ``(K,)``.
    """
    faces = np.isfinite(table)
    deviations = np.where(faces, table - np.nanmean(table, axis=0), 0.0)
    groups = int(codes.max()) + 1

    def by_unit(values: Array) -> Array:
        found = [np.bincount(codes, weights=column, minlength=groups) for column in values.T]
        return np.stack(found, axis=1)

    counts = by_unit(faces.astype(np.float64))
    return by_unit(deviations), (counts > 0).astype(np.float64), counts.max(axis=0) > 1


def _chunks(repeats: int) -> Iterator[slice]:
    for start in range(0, repeats, CHUNK):
        yield slice(start, min(start + CHUNK, repeats))


def _studentised(total: Array, square: Array, n: Array) -> Array:
    """Sums over their standard errors; 0 where a sum is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = total / np.sqrt(np.maximum(square - total**2 / n, 0) * n / (n - 1))
    return np.clip(np.nan_to_num(t, nan=0.0), -LARGEST_T, LARGEST_T)


def _two_sided(t: Array, n: Array) -> Array:
    return np.asarray(2 * special.stdtr(np.maximum(n - 1, 1), -np.abs(t)))
