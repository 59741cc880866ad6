"""Areas under ROC curves of pairs: of each two emotions, and the same without each face."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from metrics.consistency.pairs import Array, Codes, Members, Pairs, PairSource

_THREADS = 2
"""Pairs of emotions at a time; more of them would take more memory than they save time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Areas:
    """Areas of all ordered pairs of emotions, and the same without each unit.

    Attributes
    ----------
    faces
        The faces that were compared.
    areas
        ``(E, E)``; NaN on the diagonal, and for emotions without enough units.
    without
        For each ordered pair of emotions, ``(units,)`` its area without each unit.
    labels
        ``(N,)`` emotion of each face.
    clusters
        N labels, such as the person of each face, or None.

    Examples
    --------
    >>> import torch
    >>> from metrics.consistency.separability import separability
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0]] * 5 + [[0, 1]] * 5))
    >>> separability(rows, torch.tensor([0] * 5 + [5] * 5)).source.areas
    array([[nan,  1.],
           [ 1., nan]])
    """

    faces: Members
    areas: Array
    without: Mapping[tuple[int, int], Array]
    labels: Codes
    clusters: list[object] | None


def areas_of(
    faces: Members,
    source: PairSource,
    counted: Sequence[int],
    *,
    labels: Codes,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
) -> tuple[Areas, int]:
    """Areas of all ordered pairs of some emotions, and the number of pairs of faces compared.

    Parameters
    ----------
    faces
        The faces that are compared.
    source
        Their pairs.
    counted
        Positions of the emotions.
    labels
        ``(N,)`` emotion of each face, those that are not compared included.
    clusters
        N labels, such as the person of each face; each face is its own by default.

    Examples
    --------
    >>> import torch
    >>> from metrics.consistency.pairs import members
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0]] * 5 + [[0, 1]] * 5))
    >>> labels = torch.tensor([0] * 5 + [5] * 5)
    >>> faces = members(rows, labels)
    >>> areas_of(faces, PairSource(faces, seed=0), [0, 1], labels=labels.numpy())[1]
    45
    """
    areas = np.full((len(faces.emotions), len(faces.emotions)), np.nan)
    without: dict[tuple[int, int], Array] = {}

    def within(one: int) -> _Side:
        side = _Side(source.within(one), faces.n_units, source.n_levels)
        side.keys()
        return side

    def between(pair: tuple[int, int]) -> int:
        across = source.between(*pair)
        against = _Side(across, faces.n_units, source.n_levels)
        for one, other in (pair, pair[::-1]):
            areas[one, other], without[one, other] = _area(sides[one], against)
        return len(across)

    with ThreadPoolExecutor(_THREADS) as threads:  # numpy counts and sorts outside Python's lock
        sides = dict(zip(counted, threads.map(within, counted), strict=True))
        n_pairs = sum(len(side.pairs) for side in sides.values())
        n_pairs += sum(threads.map(between, combinations(counted, 2)))
    found = Areas(
        faces=dataclasses.replace(faces, rows=np.empty((0, 0), dtype=np.float32)),  # not kept
        areas=areas,
        without=without,
        labels=labels,
        clusters=None if clusters is None else list(clusters),
    )
    return found, n_pairs


class _Side:
    """One side of a comparison: pairs with what is counted of them once."""

    def __init__(self, pairs: Pairs, n_units: int, n_levels: int) -> None:
        self.pairs, self.n_units, self.n_levels = pairs, n_units, n_levels
        self._up_to = np.bincount(pairs.levels, minlength=n_levels)
        np.cumsum(self._up_to, out=self._up_to)  # by level: number of pairs up to it
        self.of_unit = self.by_unit(None)
        self._keys: Codes | None = None

    def twice_below(self, levels: Codes) -> Codes:
        """Twice the number of pairs below each level, and those that are tied with it."""
        found = self._up_to[levels]
        found += self._up_to[levels - 1]  # levels begin at 1
        return found

    def by_unit(self, values: Array | None) -> Array:
        """``(units,)`` number of each unit's pairs, or the sum of their values."""
        one, two = (
            np.bincount(units, values, minlength=self.n_units)
            for units in (self.pairs.first, self.pairs.second)
        )
        return np.asarray(one + two, dtype=np.float64)

    def keys(self, units: NDArray[np.bool_] | None = None) -> Codes:
        """Each pair once for each of its two units, as unit × levels + level, of chosen units.

        In rising order, in which they are found among others several times as fast.
        """
        if units is None and self._keys is not None:
            return self._keys
        parts = []
        for of in (self.pairs.first, self.pairs.second):
            chosen = slice(None) if units is None or units.all() else units[of]
            parts.append(of[chosen] * self.n_levels + self.pairs.levels[chosen])
        found = np.concatenate(parts)
        found.sort()
        if units is None:
            self._keys = found
        return found


def _area(within: _Side, across: _Side) -> tuple[float, Array]:
    """Area of one side above the other, and ``(units,)`` the same without each unit.

    Sums of comparisons are doubled, so that ties are whole numbers and float64 is exact.
    """
    n, m = len(within.pairs), len(across.pairs)
    lost_within = across.twice_below(within.pairs.levels).astype(np.float64)
    lost_across = (2 * n - within.twice_below(across.pairs.levels)).astype(np.float64)
    total = lost_within.sum()
    kept = total - within.by_unit(lost_within) - across.by_unit(lost_across) + _both(within, across)
    pairs = (n - within.of_unit) * (m - across.of_unit)
    touched = (within.of_unit > 0) | (across.of_unit > 0)
    auc = total / (2 * n * m)
    without = np.full(within.n_units, auc)
    without[touched] = kept[touched] / (2 * pairs[touched])  # five units leave pairs of four
    return float(auc), without


def _both(within: _Side, across: _Side) -> Array:
    """``(units,)`` doubled comparisons in which a unit has a pair on both sides."""
    shared = (within.of_unit > 0) & (across.of_unit > 0)
    lower, higher = across.keys(shared), within.keys()
    swapped = len(lower) > len(higher)
    levels = within.n_levels
    known, asked = (lower, higher) if swapped else (higher, lower)
    left = np.searchsorted(known, asked)
    right = left.copy()
    tied = known[np.minimum(left, len(known) - 1)] == asked  # few are, and the rest is done
    right[tied] = np.searchsorted(known, asked[tied], "right")
    units = asked // levels
    bounds = np.searchsorted(known, np.arange(within.n_units + 1) * levels)
    below = left + right - 2 * bounds[units]  # 2 × known pairs of the unit below + ties
    if not swapped:
        below = 2 * np.diff(bounds)[units] - below
    return np.bincount(units, below, minlength=within.n_units).astype(np.float64)
