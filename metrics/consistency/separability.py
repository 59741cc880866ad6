"""Consistency: is a pair of maps more alike when both faces show one emotion?

All functions compare maps on one common mask, in one frame (register them first). Undefined maps
(constant on the mask, or unregistered) are NaN rows: they take no part, and are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_count
from metrics.consistency.jackknife import influences_of, jackknife_interval
from metrics.consistency.pairs import EXACT_UP_TO, SAMPLED, Array, Codes, Pairs, PairSource, members
from metrics.statistics.intervals import Interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Separability:
    """How well the similarity of a pair distinguishes pairs of one emotion from pairs of two.

    Attributes
    ----------
    auc
        Mean over the emotions that are not left out; 0.5 is chance for exchangeable maps.
    interval
        Its 95 % interval by delete-one jackknife over faces, or persons.
    per_emotion
        ``(E,)``, mean over the other emotions, in the order of ``emotions``; NaN for an emotion
        that is left out.
    emotion_intervals
        E intervals of ``per_emotion``.
    emotions
        ``(E,)`` labels.
    left_out
        For each emotion that is left out, the reason.
    influence
        ``(N,)`` part of each face in the jackknife of ``auc``, for
        :func:`~metrics.consistency.jackknife.jackknife_interval`; NaN for faces that take no part.
    n_undefined
        Number of faces without a defined map.
    n_pairs
        Number of pairs of faces that were compared.
    sampled
        Whether these are a random sample of all pairs.

    Examples
    --------
    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0]] * 5 + [[0, 1]] * 5))
    >>> rows[9] = torch.nan  # an undefined map leaves its emotion with four faces
    >>> found = separability(rows, torch.tensor([0] * 5 + [5] * 5))
    >>> found.auc, found.n_undefined, found.left_out
    (nan, 1, {5: '4 maps, and 5 maps are needed'})
    """

    auc: float
    interval: Interval
    per_emotion: Array
    emotion_intervals: tuple[Interval, ...]
    emotions: Codes
    left_out: Mapping[int, str]
    influence: Array
    n_undefined: int
    n_pairs: int
    sampled: bool


def separability(
    rows: Tensor,
    labels: Tensor,
    *,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
    defined: Tensor | None = None,
    seed: int = 0,
    exact_up_to: int = EXACT_UP_TO,
    sample: int = SAMPLED,
) -> Separability:
    """Can the emotion of a pair be read from the similarity of its maps? Higher is more consistent.

    For each ordered pair of emotions, the area under the ROC curve of the similarity of pairs
    within the first against pairs across the two (ties count half; similarities are rounded to
    1e-6 first, so that float32 breaks none); then the mean over the second emotion, and over the
    first: emotions have equal weight on both sides, however many faces they have. Pairs inside one
    cluster are left out everywhere. An emotion with fewer than five maps (of five clusters) is left
    out on both sides, with the reason in ``left_out``: its few pairs have no honest interval.

    The interval is a delete-one jackknife (Efron & Stein 1981, "The jackknife estimate of
    variance"): the area without each face (or cluster) is computed exactly, from sums over its own
    pairs, in O(M²). Where faces hardly influence the area (pure noise: the degenerate null), the
    jackknife doubles the variance and the interval covers up to 1.00; there, take the p-value of
    :func:`~metrics.consistency.similarity.permuted_excess`.

    An area of .5 is chance for exchangeable maps only: emotions of equal means and unequal spread
    give .518. The reference of a trained network is the same area of untrained ones.

    Up to 10,000 maps every pair is compared; above, a seeded sample of 200,000 pairs within each
    emotion and between each two, which the jackknife covers as well.

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
    seed
        Seed of the sample of pairs.
    exact_up_to
        Most maps of which every pair is compared.
    sample
        Number of pairs that are drawn within an emotion, and between two, of more maps.

    Returns
    -------
    Separability
        The area ``auc`` with its interval, in all and for each emotion.

    Raises
    ------
    InputError
        If rows or labels are no tensors, or anything differs in length.

    Examples
    --------
    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0]] * 5 + [[0, 1]] * 5))
    >>> separability(rows, torch.tensor([0] * 5 + [5] * 5)).auc
    1.0
    """
    check_count("the seed", seed, low=0)
    faces = members(rows, labels, clusters=clusters, defined=defined)
    check_count("the most maps compared exactly", exact_up_to)
    check_count("the number of pairs drawn", sample)
    source = PairSource(faces, seed=seed, exact_up_to=exact_up_to, sample=sample)
    counted = faces.counted if len(faces.counted) > 1 else []
    sides = {k: _Side(source.within(k), faces.n_units, source.n_levels) for k in counted}
    n_pairs = sum(len(side.pairs) for side in sides.values())
    aucs = np.full(len(faces.emotions), np.nan)
    without = np.zeros((len(faces.emotions), faces.n_units))
    for k in counted:
        aucs[k] = 0.0
    for position, one in enumerate(counted):
        for other in counted[position + 1 :]:
            across = source.between(one, other)
            n_pairs += len(across)
            against = _Side(across, faces.n_units, source.n_levels)
            for emotion in (one, other):
                auc, deleted = _area(sides[emotion], against)
                aucs[emotion] += auc / (len(counted) - 1)
                without[emotion] += deleted / (len(counted) - 1)
    weight = np.where(np.isfinite(aucs), 1 / max(len(counted), 1), 0.0)
    auc = float(np.nansum(weight * aucs)) if counted else float("nan")
    each = [influences_of(aucs[k], without[k], faces, len(rows), counted) for k in range(len(aucs))]
    influence = influences_of(auc, weight @ without, faces, len(rows), counted)
    groups = None if clusters is None else list(clusters)
    return Separability(
        auc=auc,
        interval=jackknife_interval(auc, influence, labels, clusters=groups, scale="logit"),
        per_emotion=aucs,
        emotion_intervals=tuple(
            jackknife_interval(float(value), part, labels, clusters=groups, scale="logit")
            for value, part in zip(aucs, each, strict=True)
        ),
        emotions=faces.emotions,
        left_out=faces.left_out,
        influence=influence,
        n_undefined=len(rows) - len(faces.used),
        n_pairs=n_pairs,
        sampled=source.sampled,
    )


class _Side:
    """One side of a comparison: pairs with what is counted of them once."""

    def __init__(self, pairs: Pairs, n_units: int, n_levels: int) -> None:
        self.pairs, self.n_units, self.n_levels = pairs, n_units, n_levels
        count = np.bincount(pairs.levels, minlength=n_levels)
        self.twice_below = 2 * np.cumsum(count) - count  # by level: 2 × pairs below + ties
        self.of_unit = self.by_unit(None)
        self._keys: Codes | None = None

    def by_unit(self, values: Array | None) -> Array:
        """``(units,)`` number of each unit's pairs, or the sum of their values."""
        one, two = (
            np.bincount(units, values, minlength=self.n_units)
            for units in (self.pairs.first, self.pairs.second)
        )
        return np.asarray(one + two, dtype=np.float64)

    def keys(self, units: NDArray[np.bool_] | None = None) -> Codes:
        """Each pair once for each of its two units, as unit × levels + level, of chosen units."""
        if units is None and self._keys is not None:
            return self._keys
        parts = []
        for of in (self.pairs.first, self.pairs.second):
            chosen = slice(None) if units is None or units.all() else units[of]
            parts.append(of[chosen] * self.n_levels + self.pairs.levels[chosen])
        found = np.concatenate(parts)
        if units is None:
            self._keys = found = np.sort(found)
        return found


def _area(within: _Side, across: _Side) -> tuple[float, Array]:
    """Area of one side above the other, and ``(units,)`` the same without each unit.

    Sums of comparisons are doubled, so that ties are whole numbers and float64 is exact.
    """
    n, m = len(within.pairs), len(across.pairs)
    lost_within = across.twice_below[within.pairs.levels].astype(np.float64)
    lost_across = (2 * n - within.twice_below[across.pairs.levels]).astype(np.float64)
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
    known, asked = (np.sort(lower), higher) if swapped else (higher, lower)
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
