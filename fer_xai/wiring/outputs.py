"""Do the outputs stand in the order that is declared?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.wiring.finding import Finding, Verdict
from fer_xai.wiring.pair_rates import Floats, Gain, Ints, best_columns, gain_of, rate_table

LEVEL = 0.995
"""One-sided level of a bound that raises an alarm."""
STRONG, STRONG_GAIN = 0.9, 0.02
"""Mean pair rate from which a model's order is read so surely that a small gain counts."""
FAIR, FAIR_GAIN = 0.7, 0.12
"""For weaker models only a large gain counts: right ones gained up to .08 on other data."""
FEWEST = 6
"""Faces of an emotion from which its outputs are judged."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """The declared order of outputs against the one that the faces speak for.

    Attributes
    ----------
    emotions
        Emotions that were judged, as indices of the declared outputs.
    columns
        For each of them the output that the faces speak for; the declared one without an alarm.
    alarm
        Whether another order is better beyond chance.
    gain
        Gain of the orders chosen on one half, tested on the other; None where both halves choose
        the declared one.
    rate
        Mean pair rate of the declared order.
    untold
        Pairs of emotions whose swap these faces would not show, with the factor by which there
        would have to be more faces (infinite where the model does not tell them apart).

    Examples
    --------
    >>> Order(emotions=(0, 1), columns=(0, 1), alarm=False, gain=None, rate=0.9, untold={}).alarm
    False
    """

    emotions: tuple[int, ...]
    columns: tuple[int, ...]
    alarm: bool
    gain: Gain | None
    rate: float
    untold: dict[tuple[int, int], float]


def order_of_outputs(
    logits: Floats, labels: Ints, *, persons: Ints, half: NDArray[np.bool_]
) -> Order | None:
    """The order that the faces speak for; None where fewer than two emotions have enough faces.

    Parameters
    ----------
    logits
        ``(N, C)`` in the declared order.
    labels
        ``(N,)``: declared output of each face's true emotion.
    persons, half
        ``(N,)``: number of each face's person, and whether the face is in the second half.

    Examples
    --------
    >>> logits, labels = np.tile(np.eye(2), (10, 1)), np.array([1, 0] * 10)
    >>> half = np.arange(20) < 10
    >>> order_of_outputs(logits, labels, persons=np.arange(20), half=half).columns
    (1, 0)
    """
    counts = [
        [int((labels[half == side] == output).sum()) for output in range(logits.shape[1])]
        for side in (False, True)
    ]
    judged = tuple(
        output
        for output in range(logits.shape[1])
        if min(counts[0][output], counts[1][output]) >= FEWEST // 2
    )
    if len(judged) < 2:
        return None
    kept = np.isin(labels, judged)
    logits, persons, half = logits[kept], persons[kept], half[kept]
    labels = np.searchsorted(np.array(judged), labels[kept])
    chosen, gains = [], []
    for side in (False, True):
        choosing, testing = half == side, half != side
        other = best_columns(rate_table(logits[choosing], labels[choosing], len(judged)))
        chosen.append(other)
        gains.append(
            gain_of(
                logits[testing],
                labels[testing],
                declared=judged,
                other=other,
                persons=persons[testing],
            )
        )
    gain = None
    if any(other != judged for other in chosen):
        gain = Gain(
            gain=(gains[0].gain + gains[1].gain) / 2,
            error=math.hypot(gains[0].error, gains[1].error) / 2,
            freedom=min(one.freedom for one in gains),
            rate=(gains[0].rate + gains[1].rate) / 2,
        )
    alarm = gain is not None and _stands_out(gain)
    columns = judged
    table = rate_table(logits, labels, len(judged))
    if alarm:
        columns = best_columns(table)
    pairs = list(itertools.combinations(range(len(judged)), 2))
    rate = float(np.mean([table[judged[a], judged[b], a, b] for a, b in pairs]))
    untold = {}
    for a, b in pairs:
        swapped = list(judged)
        swapped[a], swapped[b] = swapped[b], swapped[a]
        kept_order = gain_of(logits, labels, declared=swapped, other=judged, persons=persons)
        if kept_order.low(LEVEL) <= 0:
            untold[judged[a], judged[b]] = _factor(kept_order)
    return Order(emotions=judged, columns=columns, alarm=alarm, gain=gain, rate=rate, untold=untold)


def _stands_out(gain: Gain) -> bool:
    """Whether a gain of another order is an alarm."""
    low = gain.low(LEVEL)
    return (gain.rate >= STRONG and low > STRONG_GAIN) or (gain.rate >= FAIR and low > FAIR_GAIN)


def _factor(gain: Gain) -> float:
    """How many times the faces would be needed for the lower bound to reach 0."""
    if gain.gain <= 0:
        return math.inf
    return max(((gain.gain - gain.low(LEVEL)) / gain.gain) ** 2, 1.0)


def order_finding(order: Order | None, emotions: Sequence[str], faces: int) -> Finding:
    """What is found about the order of the outputs.

    Parameters
    ----------
    order
        As :func:`order_of_outputs` gives it.
    emotions
        Names of the outputs as declared.
    faces
        Number of faces.

    Examples
    --------
    >>> order_finding(None, ["anger", "fear"], 3).verdict
    'undecided'
    """
    check = "order of the outputs"
    if order is None:
        return Finding(
            check=check,
            verdict="undecided",
            sentence=f"Two emotions with {FEWEST} faces each are needed, and are not there.",
        )
    numbers = {"pair rate": order.rate, "faces": float(faces)}
    if order.gain is not None:
        low, high = order.gain.bounds(0.95)
        numbers |= {"gain": order.gain.gain, "low": low, "high": high}
    if order.alarm:
        assert order.gain is not None
        new = _names(order, emotions)
        return Finding(
            check=check,
            verdict="fail",
            sentence=(
                f"The outputs speak for another order: {', '.join(new)}{_known(new)}. Chosen on "
                f"one half of the faces and tested on the other, it raises the mean pair rate by "
                f"{order.gain.gain:.3f} [{low:.3f}, {high:.3f}] to {order.gain.rate:.3f}."
            ),
            suggestion={"emotions": new},
            numbers=numbers,
        )
    pairs = len(order.emotions) * (len(order.emotions) - 1) // 2
    beside = [name for at, name in enumerate(emotions) if at not in order.emotions]
    told = f"{pairs - len(order.untold)} of {pairs} pairs of outputs"
    sentence = f"A swap would show in {told} (mean pair rate {order.rate:.3f})."
    if order.untold:
        sentence += f" It would not in {_untold(order, emotions, faces)}."
    if beside:
        sentence += f" Too few faces, or none, show {', '.join(beside)}."
    verdict: Verdict = "undecided" if order.untold or beside else "pass"
    return Finding(check=check, verdict=verdict, sentence=sentence, numbers=numbers)


def _names(order: Order, emotions: Sequence[str]) -> tuple[str, ...]:
    """Names of the outputs in the order that the faces speak for.

    Emotions that were not judged keep their output where it is free, and fill the rest in order.
    """
    new: dict[int, str] = {
        column: emotions[emotion]
        for emotion, column in zip(order.emotions, order.columns, strict=True)
    }
    left = [name for at, name in enumerate(emotions) if at not in order.emotions]
    for at, name in enumerate(emotions):
        if name in left and at not in new:
            new[at] = name
            left.remove(name)
    free = [at for at in range(len(emotions)) if at not in new]
    new |= dict(zip(free, left, strict=True))
    return tuple(new[at] for at in range(len(emotions)))


def _known(names: Sequence[str]) -> str:
    """The known native order that this is, among the emotions that it has."""
    for known, order in NATIVE_ORDERS.items():
        if tuple(name for name in order if name in names) == tuple(names):
            return f", which is the order of {known}"
    return ""


def _untold(order: Order, emotions: Sequence[str], faces: int) -> str:
    """Pairs whose swap would not show, with the faces that would be needed."""
    words = []
    for (a, b), factor in sorted(order.untold.items(), key=lambda pair: pair[1])[:4]:
        pair = f"{emotions[a]} and {emotions[b]}"
        needed = (
            f"some {_round(faces * factor):,} faces needed" if factor < 100 else "at any number"
        )
        words.append(f"{pair} ({needed})")
    more = len(order.untold) - len(words)
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def _round(value: float) -> int:
    digits = max(len(str(int(value))) - 2, 0)
    return int(math.ceil(value / 10**digits) * 10**digits)
