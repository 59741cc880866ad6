"""How alike a face's map is to other persons' maps of its emotion, and to those of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length
from fer_xai.errors import InputError
from metrics.core.similarity import normalised_rows
from metrics.statistics.clusters import cluster_codes

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class EmotionLikeness:
    """Likeness of each face's map to those of other persons.

    Attributes
    ----------
    own
        ``(N,)`` mean Pearson correlation with other persons' maps of the same emotion; NaN where
        the map is constant or undefined, or no other person has one of the emotion.
    others
        ``(N,)`` the same with maps of the other emotions, each emotion at equal weight: the chance
        control.
    influence
        ``(N,)`` numbers whose mean is that of :attr:`gain`, and whose spread over persons gives the
        error of that mean. Each face counts twice in it: by its own likeness, and as one that
        others are like. The spread of the gains alone is smaller.

    Examples
    --------
    >>> maps, targets = torch.stack([torch.eye(4), torch.eye(4).flip(0)] * 2), [0, 1, 0, 1]
    >>> found = emotion_likeness(maps, torch.tensor(targets), list("abcd"))
    >>> found.gain.round(2).tolist()
    [1.33, 1.33, 1.33, 1.33]
    """

    own: Array
    others: Array
    influence: Array

    @property
    def gain(self) -> Array:
        """``(N,)`` likeness to the own emotion's maps less that to the others'."""
        return self.own - self.others


def emotion_likeness(maps: Tensor, targets: Tensor, persons: Sequence[object]) -> EmotionLikeness:
    """Mean Pearson correlation of each map with other persons' maps of its emotion, and of others.

    A map that lies where all faces have theirs, and says nothing of the emotion, is as alike to
    maps of the other emotions as to those of its own. Both are means over pairs of faces, so that
    their expectation does not depend on how many faces there are. (The correlation with a mean map
    does: it grows with the number of maps in the mean.)

    Parameters
    ----------
    maps
        ``(N, H, W)``, NaN where undefined.
    targets
        ``(N,)`` emotions that are explained.
    persons
        N labels; each face is its own where its label is empty, None or NaN.

    Raises
    ------
    InputError
        If maps are not three-dimensional, or there is not one target and person a map.

    Examples
    --------
    >>> one, two = torch.eye(4), torch.eye(4).flip(0)
    >>> found = emotion_likeness(
    ...     torch.stack([one, one, two, two]), torch.tensor([0, 0, 1, 1]), list("abcd")
    ... )
    >>> found.own.round(2).tolist(), found.others.round(2).tolist()
    ([1.0, 1.0, 1.0, 1.0], [-0.33, -0.33, -0.33, -0.33])
    """
    if maps.ndim != 3:
        raise InputError(f"Expected maps (N, H, W), got shape {tuple(maps.shape)}.")
    check_length("targets", len(targets), len(maps))
    check_length("persons", len(persons), len(maps))
    every = torch.ones(maps.shape[1:], dtype=torch.bool)
    rows = normalised_rows(maps.cpu(), every).double().numpy()
    known = np.isfinite(rows).all(axis=1)
    person = cluster_codes(list(persons), len(maps))
    emotions, code = np.unique(targets.cpu().numpy(), return_inverse=True)
    each = _by_emotion(np.where(known[:, None], rows, 0.0), known, person, code)
    is_own = np.eye(len(emotions), dtype=bool)[code]
    own, apart = each[np.arange(len(rows)), code], np.where(is_own, np.nan, each)
    others = _mean(apart)
    sizes = np.bincount(code[known], minlength=len(emotions)).astype(np.float64)
    as_other = _as_other(apart, sizes, code)
    to_others = _centred(own - as_other, code)
    return EmotionLikeness(own=own, others=others, influence=own - others + to_others)


def _by_emotion(
    rows: Array, known: NDArray[np.bool_], person: NDArray[np.int64], code: NDArray[np.int64]
) -> Array:
    """``(N, E)`` mean product of each row with other persons' rows of each emotion."""
    n_persons, n_emotions = person.max(initial=-1) + 1, code.max(initial=-1) + 1
    found = np.full((len(rows), n_emotions), np.nan)
    for k in range(n_emotions):
        member = known & (code == k)
        of_person = np.zeros((n_persons, rows.shape[1]))
        np.add.at(of_person, person[member], rows[member])
        of_others = rows[member].sum(axis=0) - of_person[person]  # without the person's own
        left = member.sum() - np.bincount(person[member], minlength=n_persons)[person]
        good = known & (left > 0)
        found[good, k] = (rows[good] * of_others[good]).sum(axis=1) / left[good]
    return found


def _as_other(apart: Array, sizes: Array, code: NDArray[np.int64]) -> Array:
    """``(N,)`` what each face adds, as one of another emotion, to the others' ``others``.

    A face of emotion c is one of n_c that each face of another emotion e is held against, and that
    emotion is one of E − 1: it adds n_e / (n_c (E − 1)) times its mean likeness to that emotion.
    """
    n_others = max(int((sizes > 0).sum()) - 1, 1)
    weights = sizes[None, :] / np.maximum(sizes[code], 1)[:, None] / n_others
    there = np.isfinite(apart)
    total = (np.where(there, apart, 0.0) * weights).sum(axis=1)
    return np.where(there.any(axis=1), total, np.nan)


def _centred(values: Array, code: NDArray[np.int64]) -> Array:
    """Values less the mean of their emotion: how many faces an emotion has is no likeness."""
    found = values.copy()
    for k in np.unique(code[np.isfinite(values)]):
        found[code == k] -= np.nanmean(values[code == k])
    return found


def _mean(values: Array) -> Array:
    """Mean of each row without NaN; NaN where there is nothing else."""
    there = np.isfinite(values)
    total = np.where(there, values, 0.0).sum(axis=1)
    n = there.sum(axis=1)
    return np.divide(total, n, out=np.full(len(values), np.nan), where=n > 0)
