"""How well two outputs tell two emotions apart: rates of pairs, and the order that they speak for.

For two emotions a and b and the outputs c and d that are declared for them, the *pair rate* is the
probability that the difference of the logits, c less d, is larger on a face of a than on a face of
b: the area under the ROC curve of that difference (Hand & Till, Machine Learning 2001, take the
mean over pairs as the area for several classes). It is .5 for an output that tells nothing, and
near 0 where the two outputs are swapped. It depends neither on how frequent the emotions are nor on
an output that is too large everywhere, so that it tells a swap of two rare emotions, which the
share of recognised faces hardly shows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_AT_A_TIME = 5_000
"""Orders of outputs that are judged at a time."""


@dataclass(frozen=True)
class MeanRate:
    """The mean pair rate of one order of outputs, with what each face adds to it.

    Attributes
    ----------
    rate
        Mean over pairs of emotions, in [0, 1].
    influence
        ``(N,)``: what each face moves the rate by, to first order (Hájek); they sum to 0.

    Examples
    --------
    >>> MeanRate(0.9, np.array([0.1, -0.1])).rate
    0.9
    """

    rate: float
    influence: Floats


def placements(values: Floats, others: Floats) -> Floats:
    """Share of ``others`` below each of ``values``, equal ones counted half.

    Examples
    --------
    >>> placements(np.array([0.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    array([0.   , 0.375])
    """
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left")
    return (below + np.searchsorted(ordered, values, side="right")) / (2 * len(others))


def mean_rate(logits: Floats, labels: Ints, columns: Sequence[int]) -> MeanRate:
    """Mean pair rate where output ``columns[e]`` stands for emotion ``e``.

    Parameters
    ----------
    logits
        ``(N, C)``.
    labels
        ``(N,)``: emotions 0 to E − 1, each on a face or more.
    columns
        Output of each emotion, E of them.

    Examples
    --------
    >>> logits = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    >>> mean_rate(logits, np.array([0, 0, 1]), [0, 1]).rate
    1.0
    >>> mean_rate(logits, np.array([0, 0, 1]), [1, 0]).rate
    0.0
    """
    found, influence = 0.0, np.zeros(len(labels))
    members = [np.flatnonzero(labels == emotion) for emotion in range(len(columns))]
    pairs = list(itertools.combinations(range(len(columns)), 2))
    for a, b in pairs:
        difference = logits[:, columns[a]] - logits[:, columns[b]]
        one, two = difference[members[a]], difference[members[b]]
        of_a, of_b = placements(one, two), 1 - placements(two, one)
        rate = float(of_a.mean())
        found += rate / len(pairs)
        influence[members[a]] += (of_a - rate) / len(one) / len(pairs)
        influence[members[b]] += (of_b - rate) / len(two) / len(pairs)
    return MeanRate(found, influence)


def rate_table(logits: Floats, labels: Ints, emotions: int) -> Floats:
    """Pair rates ``(C, C, E, E)`` of each two outputs on each two emotions.

    Entry ``[c, d, a, b]`` is the rate of output c for emotion a against output d for emotion b;
    NaN where both outputs or both emotions are the same.

    Examples
    --------
    >>> float(rate_table(np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([0, 1]), 2)[0, 1, 0, 1])
    1.0
    """
    outputs = logits.shape[1]
    table = np.full((outputs, outputs, emotions, emotions), np.nan)
    members = [np.flatnonzero(labels == emotion) for emotion in range(emotions)]
    for c, d in itertools.combinations(range(outputs), 2):
        difference = logits[:, c] - logits[:, d]
        for a, b in itertools.combinations(range(emotions), 2):
            rate = float(placements(difference[members[a]], difference[members[b]]).mean())
            table[c, d, a, b] = table[d, c, b, a] = rate
            table[d, c, a, b] = table[c, d, b, a] = 1 - rate
    return table


def best_columns(table: Floats) -> tuple[int, ...]:
    """The output of each emotion by which the mean pair rate is largest.

    All orders are tried (40,320 for eight emotions). Among equally good ones the first is taken.

    Examples
    --------
    >>> logits = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    >>> best_columns(rate_table(logits, np.array([1, 1, 0]), 2))
    (1, 0)
    """
    outputs, emotions = table.shape[0], table.shape[2]
    best, found = -math.inf, tuple(range(emotions))
    orders = itertools.permutations(range(outputs), emotions)
    while batch := list(itertools.islice(orders, _AT_A_TIME)):
        tried = np.array(batch)
        rates = np.zeros(len(batch))
        for a, b in itertools.combinations(range(emotions), 2):
            rates += table[tried[:, a], tried[:, b], a, b]
        at = int(rates.argmax())
        if rates[at] > best + 1e-12:
            best, found = float(rates[at]), tuple(int(column) for column in tried[at])
    return found


@dataclass(frozen=True)
class Gain:
    """What another order of outputs gains in the mean pair rate, with its error.

    Attributes
    ----------
    gain, error
        Gain, and its standard error.
    freedom
        Degrees of freedom of the error.
    rate
        Mean pair rate under the other order.

    Examples
    --------
    >>> low, high = Gain(gain=0.1, error=0.02, freedom=30, rate=0.9).bounds(0.95)
    >>> round(low, 3), round(high, 3)
    (0.059, 0.141)
    """

    gain: float
    error: float
    freedom: float
    rate: float

    def bounds(self, level: float) -> tuple[float, float]:
        """Interval of the gain by Student's t."""
        reach = float(stats.t.ppf(0.5 + level / 2, self.freedom)) * self.error
        return self.gain - reach, self.gain + reach

    def low(self, level: float) -> float:
        """Lower bound that the gain exceeds with probability ``level``."""
        return self.gain - float(stats.t.ppf(level, self.freedom)) * self.error


def gain_of(
    logits: Floats,
    labels: Ints,
    *,
    declared: Sequence[int],
    other: Sequence[int],
    persons: Ints,
) -> Gain:
    """Gain of another order over the declared one, on faces that it was not chosen by.

    The error counts persons, not faces: influences are summed within a person. Its degrees of
    freedom are Satterthwaite's, over the emotions.

    Examples
    --------
    >>> logits, labels = np.eye(2)[[0, 0, 0, 1, 1, 1]], np.array([0, 0, 0, 1, 1, 1])
    >>> gain_of(logits, labels, declared=[1, 0], other=[0, 1], persons=np.arange(6)).gain
    1.0
    """
    new, old = mean_rate(logits, labels, other), mean_rate(logits, labels, declared)
    influence = new.influence - old.influence
    sums = np.bincount(persons, weights=influence)
    count = len(np.unique(persons))
    variance = float((sums**2).sum()) * count / max(count - 1, 1)
    parts, freedom = [], []
    for emotion in range(len(declared)):
        inside = labels == emotion
        by_person = np.bincount(persons[inside], weights=influence[inside])
        parts.append(float((by_person**2).sum()))
        freedom.append(max(len(np.unique(persons[inside])) - 1, 1))
    # where all pairs are told apart, or none, there is no spread: half a face of the rarest emotion
    pairs = len(declared) * (len(declared) - 1) / 2
    rarest = min(int((labels == emotion).sum()) for emotion in range(len(declared)))
    variance = max(variance, (0.5 / rarest) ** 2 / pairs)
    least = sum(part**2 / free for part, free in zip(parts, freedom, strict=True))
    total = sum(parts)
    return Gain(
        gain=new.rate - old.rate,
        error=math.sqrt(variance),
        freedom=total**2 / least if least > 0 else float(sum(freedom)),
        rate=new.rate,
    )
