"""Consistency: is a pair of maps more alike when both faces show one emotion?

All functions compare maps on one common mask, in one frame (register them first). Undefined maps
(constant on the mask, or unregistered) are NaN rows: they take no part, and are counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_count
from metrics.consistency.areas import Areas, areas_of
from metrics.consistency.jackknife import influences_of, jackknife_interval, said_of
from metrics.consistency.pairs import (
    EXACT_UP_TO,
    SAMPLED,
    Array,
    Codes,
    PairSource,
    members,
    too_few_emotions,
)
from metrics.statistics.intervals import Interval


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
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
    areas
        ``(E, E)`` the area of each ordered pair of emotions, of which ``per_emotion`` is the mean
        over columns; NaN on the diagonal, and where an emotion is left out.
    source
        What :meth:`over` computes the intervals of fewer emotions from.

    Examples
    --------
    >>> import torch
    >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0]] * 5 + [[0, 1]] * 5))
    >>> rows[9] = torch.nan  # an undefined map leaves its emotion with four faces
    >>> found = separability(rows, torch.tensor([0] * 5 + [5] * 5))
    >>> found.auc, found.n_undefined, found.left_out
    (nan, 1, {5: '4 maps, and 5 maps are needed'})
    >>> found
    Separability(AUC undefined)
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
    areas: Array
    source: Areas

    def __repr__(self) -> str:
        return f"Separability({said_of('AUC', self.auc, self.interval)})"

    @property
    def counted(self) -> list[int]:
        """Labels of the emotions that are not left out."""
        return [e for e in self.emotions.tolist() if e not in self.left_out]

    @property
    def units_of(self) -> dict[int, int]:
        """Number of maps (of persons, where there are clusters) of each emotion, by its label."""
        faces = self.source.faces
        return {
            emotion: len(np.unique(faces.units[faces.codes == k]))
            for k, emotion in enumerate(self.emotions.tolist())
        }

    def over(self, emotions: Iterable[int], *, reason: str = "") -> Separability:
        """The same areas averaged over fewer emotions, with the intervals of that mean.

        Two networks are compared over the emotions that both have enough maps of: emotions differ
        in their areas, so that a mean over others differs for that reason alone.

        Parameters
        ----------
        emotions
            Labels; those that are left out already stay so.
        reason
            Why the others are left out, for ``left_out``.

        Returns
        -------
        Separability
            This result itself where no emotion is left out by it.

        Examples
        --------
        >>> import torch
        >>> rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0]] * 5 + [[0, 1]] * 10))
        >>> found = separability(rows, torch.tensor([0] * 5 + [4] * 5 + [5] * 5))
        >>> round(found.auc, 3), found.over([0, 5]).auc
        (0.833, 1.0)
        """
        kept = set(emotions)
        lost = [e for e in self.counted if e not in kept]
        if not lost:
            return self
        why = reason or "not among the emotions that are compared"
        left_out = {**self.left_out, **dict.fromkeys(lost, why)}
        counted = [k for k, e in enumerate(self.emotions.tolist()) if e not in left_out]
        return dataclasses.replace(
            self, left_out=dict(sorted(left_out.items())), **_means(self.source, counted, left_out)
        )


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
    found, n_pairs = areas_of(
        faces, source, counted, labels=labels.cpu().numpy().astype(np.int64), clusters=clusters
    )
    return Separability(
        emotions=faces.emotions,
        left_out=faces.left_out,
        n_undefined=len(rows) - len(faces.used),
        n_pairs=n_pairs,
        sampled=source.sampled,
        source=found,
        **_means(found, counted, faces.left_out),
    )


def _means(source: Areas, counted: Sequence[int], left_out: Mapping[int, str]) -> dict[str, Any]:
    """Means of the areas over some emotions, by position: none with fewer than two."""
    counted = counted if len(counted) > 1 else []
    faces, n = source.faces, len(source.labels)
    aucs = np.full(len(faces.emotions), np.nan)
    without = np.zeros((len(faces.emotions), faces.n_units))
    areas = np.full(source.areas.shape, np.nan)
    for one in counted:
        aucs[one] = 0.0
        for other in counted:
            if other != one:
                areas[one, other] = source.areas[one, other]
                aucs[one] += source.areas[one, other] / (len(counted) - 1)
                without[one] += source.without[one, other] / (len(counted) - 1)
    weight = np.where(np.isfinite(aucs), 1 / max(len(counted), 1), 0.0)
    auc = float(np.nansum(weight * aucs)) if counted else float("nan")
    influence = influences_of(auc, weight @ without, faces, n, counted)
    each = [influences_of(aucs[k], without[k], faces, n, counted) for k in range(len(aucs))]

    def interval(value: float, parts: Array, reason: str) -> Interval:
        return jackknife_interval(
            value,
            parts,
            source.labels,
            clusters=source.clusters,
            scale="logit",
            reason=reason,
        )

    few = "" if counted else too_few_emotions(left_out)
    reasons = [left_out.get(emotion, few) for emotion in faces.emotions.tolist()]
    return {
        "auc": auc,
        "interval": interval(auc, influence, few),
        "per_emotion": aucs,
        "emotion_intervals": tuple(map(interval, aucs.tolist(), each, reasons)),
        "influence": influence,
        "areas": areas,
    }
