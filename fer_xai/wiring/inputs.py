"""Is the network fed as it is declared to be? Other ways of feeding it, tried one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fer_xai.errors import InputError
from fer_xai.wiring.alternatives import CHECKS, Alternative
from fer_xai.wiring.finding import Finding, Verdict
from fer_xai.wiring.pair_rates import Floats, Ints
from fer_xai.wiring.readings import Difference, Labelled, Reading, difference, read

ALPHA = 0.005
"""Error of each check, divided among its alternatives and rounds."""
GOOD = 0.85
"""Mean pair rate below which another way of feeding proves nothing."""
MARGIN = 0.02
"""Gain in the share recognised below which another way of feeding counts as no better."""
FIRST = 400
"""Faces of the first look; what gains there is tested on all the others."""
COSTLY = 100
"""Faces of the first look at an alternative that takes many times as long."""
ENOUGH = 800
"""Faces from which there is a first look."""
ROUNDS = 3
"""Ways of feeding that are mended one after the other."""

Score = Callable[[Sequence[Alternative], Ints], Floats]
"""Logits of some of the faces, fed with all of these changes together."""


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """What an alternative gave."""

    alternative: Alternative
    difference: Difference
    rate: float
    confidence: float

    @property
    def better(self) -> bool:
        """Whether it is better beyond chance, margin and doubt, all alternatives apart."""
        return self.rate >= GOOD and self.difference.gain >= MARGIN


def _tried(
    score: Score,
    options: Sequence[Alternative],
    faces: Labelled,
    *,
    adopted: Sequence[Alternative] = (),
    seen: Callable[[int], None] | None = None,
) -> list[_Tried]:
    """Each alternative against the adopted way of feeding, on faces it was not picked by.

    With :data:`ENOUGH` faces all alternatives are tried on :data:`FIRST` of them; those that gain
    there are tested on all the others, those that do not are reported as they are.
    """
    rows = np.arange(len(faces))
    first = _spread(faces, FIRST) if len(faces) >= ENOUGH else rows
    few = first[_spread(faces.take(first), COSTLY)]
    rest = np.setdiff1d(rows, first)
    before: dict[bytes, Reading] = {}

    def compared(one: Alternative, at: Ints) -> tuple[Reading, Difference] | None:
        key, part = at.tobytes(), faces.take(at)
        try:
            logits = score([*adopted, one], at)
        except (RuntimeError, ValueError, InputError):  # another size, other channels
            return None
        if not np.isfinite(logits).all():
            return None
        if key not in before:
            before[key] = read(score(adopted, at), part)
        result = read(logits, part)
        return result, difference(result.hits, before[key].hits, part.persons)

    found = []
    for one in options:
        outcome = compared(one, few if one.costly else first)
        if outcome is None:
            continue
        if len(rest) and outcome[1].gain > 0 and outcome[0].rate >= GOOD:
            outcome = compared(one, rest) or outcome
        result, change = outcome
        found.append(
            _Tried(
                alternative=one,
                difference=change,
                rate=result.rate,
                confidence=result.confidence,
            )
        )
        if seen is not None:
            seen(1)
    return found


def _spread(faces: Labelled, count: int) -> Ints:
    """Rows of about ``count`` faces, emotions and halves in the same shares as in all."""
    if count >= len(faces):
        return np.arange(len(faces), dtype=np.int64)
    keys = faces.labels * 2 + faces.half
    picked = []
    for key in np.unique(keys):
        members = np.flatnonzero(keys == key)
        take = max(min(round(count * len(members) / len(faces)), len(members)), 1)
        picked.append(members[np.linspace(0, len(members) - 1, take).astype(int)])
    return np.sort(np.concatenate(picked)).astype(np.int64)


def _accepted(found: Sequence[_Tried]) -> list[_Tried]:
    """Alternatives that are better, largest gain first; each check has an error of its own."""
    counts = {one.alternative.check: 0 for one in found}
    for one in found:
        counts[one.alternative.check] += 1
    good = [
        one
        for one in found
        if one.better and one.difference.p <= ALPHA / ROUNDS / counts[one.alternative.check]
    ]
    return sorted(good, key=lambda one: -one.difference.gain)


def input_findings(
    score: Score,
    options: Sequence[Alternative],
    faces: Labelled,
    *,
    rate: float,
    seen: Callable[[int], None] | None = None,
) -> tuple[list[Finding], list[Alternative]]:
    """A finding for each check of the input, and the alternatives that were adopted.

    Parameters
    ----------
    score
        Gives logits of some of the faces.
    options
        Alternatives to try.
    faces
        Labelled faces.
    rate
        Mean pair rate of the declared way of feeding.
    seen
        Called with 1 after each alternative.

    Examples
    --------
    >>> rows = np.arange(20)
    >>> faces = Labelled(labels=rows % 2, persons=rows, half=rows < 10)
    >>> found, adopted = input_findings(lambda changes, at: np.eye(2)[at % 2], [], faces, rate=1.0)
    >>> found[0].verdict, adopted
    ('not applicable', [])
    """
    adopted: list[Alternative] = []
    first: list[_Tried] = []
    wins: dict[str, _Tried] = {}
    left = list(options)
    for _ in range(ROUNDS):
        results = _tried(score, left, faces, adopted=adopted, seen=seen)
        first = first or results
        good = _accepted(results)
        if not good:
            break
        wins[good[0].alternative.check] = good[0]
        adopted.append(good[0].alternative)
        left = [one for one in left if one.check != good[0].alternative.check]
    found = []
    for check in CHECKS:
        group = [one for one in first if one.alternative.check == check]
        if check in wins:
            found.append(_failed(wins[check]))
        elif not group:
            found.append(_nothing(check, any(one.check == check for one in options)))
        else:
            found.append(_stays(check, group, rate))
    return found, adopted


def _failed(one: _Tried) -> Finding:
    change = one.difference
    return Finding(
        check=one.alternative.check,
        verdict="fail",
        sentence=(
            f"With {one.alternative.words} the model recognises {100 * change.gain:.1f} points "
            f"more [{100 * change.low:.1f}, {100 * change.high:.1f}] of {change.n:,} faces "
            f"(p {_p(change.p)})."
        ),
        suggestion={
            key: value for key, value in one.alternative.changes.items() if value is not None
        },
        numbers=_numbers(one),
    )


def _nothing(check: str, asked: bool) -> Finding:
    reason = "The network takes no other." if asked else "There is no other to try."
    return Finding(check=check, verdict="not applicable", sentence=reason)


def _stays(check: str, group: Sequence[_Tried], rate: float) -> Finding:
    best = max(group, key=lambda one: one.difference.gain)
    change = best.difference
    told = f"{100 * change.gain:+.1f} points [{100 * change.low:.1f}, {100 * change.high:.1f}]"
    verdict: Verdict
    if max([rate, *(one.rate for one in group)]) < GOOD:
        verdict, sentence = (
            "undecided",
            (
                f"Under no way of feeding does the model tell the emotions of these faces apart "
                f"well enough to say (mean pair rate {rate:.2f}; {GOOD:g} is needed)."
            ),
        )
    elif max(one.difference.high for one in group) <= MARGIN:
        verdict = "pass"
        sentence = f"No other is better; the best, {best.alternative.words}, brings {told}."
    else:
        verdict = "undecided"
        sentence = (
            f"{best.alternative.words} brings {told} on {change.n:,} faces: neither better for "
            "sure nor worse."
        )
    return Finding(check=check, verdict=verdict, sentence=sentence, numbers=_numbers(best))


def _numbers(one: _Tried) -> dict[str, float]:
    change = one.difference
    return {
        "gain": change.gain,
        "low": change.low,
        "high": change.high,
        "p": change.p,
        "faces": change.n,
        "pair rate": one.rate,
        "confidence": one.confidence,
    }


def _p(value: float) -> str:
    return "below .0001" if value < 0.0001 else f"{value:.4f}"
