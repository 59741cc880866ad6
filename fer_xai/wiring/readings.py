"""What logits say of labelled faces, whatever the order of the outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fer_xai.wiring.outputs import FAIR, FAIR_GAIN, FEWEST, STRONG, STRONG_GAIN
from fer_xai.wiring.pair_rates import Floats, Ints, best_columns, mean_rate, rate_table


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Labelled faces in two halves.

    Attributes
    ----------
    labels
        ``(N,)``: declared output of each face's true emotion.
    persons
        ``(N,)``: number of each face's person.
    half
        ``(N,)``: whether the face is in the second half.

    Examples
    --------
    >>> rows = np.arange(4)
    >>> len(Labelled(labels=rows % 2, persons=rows, half=rows < 2).take(rows[:3]))
    3
    """

    labels: Ints
    persons: Ints
    half: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Ints) -> Labelled:
        """Some of the faces."""
        return Labelled(labels=self.labels[rows], persons=self.persons[rows], half=self.half[rows])


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How well logits name the emotions.

    Attributes
    ----------
    hits
        ``(N,)``: whether each face is recognised. Where one half of the faces speaks clearly for
        another order of the outputs, the other half is read in that order, so that a wrong order
        does not hide what else is wrong.
    rate
        Mean pair rate under the orders that were used.
    confidence
        Mean probability of the named emotion.

    Examples
    --------
    >>> Reading(hits=np.array([True, False]), rate=0.8, confidence=0.6).rate
    0.8
    """

    hits: NDArray[np.bool_]
    rate: float
    confidence: float


def read(logits: Floats, faces: Labelled) -> Reading:
    """Read logits ``(N, C)`` of labelled faces.

    Examples
    --------
    >>> rows = np.arange(20)
    >>> faces = Labelled(labels=rows % 2, persons=rows, half=rows < 10)
    >>> swapped = 1.0 - np.eye(2)[rows % 2]
    >>> read(swapped, faces).rate  # each half is read in the order that the other speaks for
    1.0
    """
    outputs = logits.shape[1]
    named = logits.argmax(axis=1)
    hits = np.zeros(len(faces), dtype=bool)
    rates = []
    for side in (False, True):
        choosing, testing = faces.half == side, faces.half != side
        columns = np.arange(outputs)
        judged = _judged(faces, outputs)
        if len(judged) > 1:
            other = _clear_order(logits[choosing], faces.labels[choosing], judged)
            columns[judged] = other
            inside = testing & np.isin(faces.labels, judged)
            places = np.searchsorted(judged, faces.labels[inside])
            rates.append(mean_rate(logits[inside], places, other).rate)
        hits[testing] = named[testing] == columns[faces.labels[testing]]
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Reading(
        hits=hits,
        rate=float(np.mean(rates)) if rates else float("nan"),
        confidence=float((1 / shifted.sum(axis=1)).mean()),
    )


def _judged(faces: Labelled, outputs: int) -> Ints:
    """Emotions with enough faces in each half."""
    fewest = [
        min(int((faces.labels[faces.half == side] == output).sum()) for side in (False, True))
        for output in range(outputs)
    ]
    return np.flatnonzero(np.array(fewest) >= FEWEST // 2).astype(np.int64)


def _clear_order(logits: Floats, labels: Ints, judged: Ints) -> list[int]:
    """The order that some faces speak for, if they do so clearly; else the declared one."""
    inside = np.isin(labels, judged)
    places = np.searchsorted(judged, labels[inside])
    other = best_columns(rate_table(logits[inside], places, len(judged)))
    new = mean_rate(logits[inside], places, other).rate
    old = mean_rate(logits[inside], places, judged.tolist()).rate
    clear = (new >= STRONG and new - old >= STRONG_GAIN) or (new >= FAIR and new - old >= FAIR_GAIN)
    return list(other) if clear else [int(output) for output in judged]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Difference of the share recognised under two ways of feeding.

    Attributes
    ----------
    gain, low, high
        The difference, and its 95 % interval over persons (Student's t).
    p
        One-sided p-value of the exact sign test over persons whose faces differ (McNemar's where
        each person has one face): is the other way better?
    n
        Faces.

    Examples
    --------
    >>> Difference(gain=0.1, low=0.05, high=0.15, p=0.001, n=300).gain
    0.1
    """

    gain: float
    low: float
    high: float
    p: float
    n: int


def difference(other: NDArray[np.bool_], declared: NDArray[np.bool_], persons: Ints) -> Difference:
    """How much more another way of feeding recognises.

    Examples
    --------
    >>> hits = np.array([True] * 8 + [False] * 2)
    >>> found = difference(hits, ~hits, np.arange(10))
    >>> round(found.gain, 2), round(found.p, 3)
    (0.6, 0.055)
    """
    gains = other.astype(float) - declared.astype(float)
    n, gain = len(gains), float(gains.mean())
    codes = np.unique(persons, return_inverse=True)[1]
    sums = np.bincount(codes, weights=gains)
    centred = np.bincount(codes, weights=gains - gain)
    units = len(sums)
    # half a face each way, so that faces without a difference have an error
    spread = float((centred**2).sum()) + 0.5
    reach = float("inf")
    if units > 1:
        error = (spread * units / (units - 1)) ** 0.5 / n
        reach = float(stats.t.ppf(0.975, units - 1)) * error
    up, down = int((sums > 0).sum()), int((sums < 0).sum())
    p = float(stats.binomtest(up, up + down, alternative="greater").pvalue) if up + down else 1.0
    return Difference(gain=gain, low=gain - reach, high=gain + reach, p=p, n=n)
