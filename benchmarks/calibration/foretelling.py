"""Whether qualities tell of errors beyond the confidence: how often the test errs, and its power."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from benchmarks.calibration.rows import Row
from fer_xai.errors import InputError
from metrics.selective_prediction.beyond_confidence import LEAST_ERRORS
from metrics.selective_prediction.columns import confidence_columns, quality_columns
from metrics.selective_prediction.logistic import logistic
from metrics.selective_prediction.score_test import score_p
from metrics.statistics.clusters import Array

FLIPS = 199
ERRORS = 0.15
"""Share of wrong answers."""
SIZES = (600, 900)
OWN = 1.0
"""What persons add to the log-odds of an error and to the quality, in standard deviations."""
EFFECT = 0.4
"""Log-odds of an error by a standard deviation of the quality's noise, where power is counted."""


class Draws(NamedTuple):
    """Faces of one simulated study."""

    confidence: Array
    wrong: Array
    quality: Array
    persons: np.ndarray


QUALITIES: dict[str, Callable[[Array, Array], Array]] = {
    "by itself": lambda odds, noise: noise,
    "by the probability": lambda odds, noise: 8 * special.expit(odds) + noise,
    "by a step of the confidence": lambda odds, noise: 3.0 * (odds > 2) + noise,
    "skewed": lambda odds, noise: 8 * special.expit(odds) + np.exp(noise),
    "noisier where unsure": lambda odds, noise: noise * (0.2 + 3 * special.expit(-odds)),
}
"""Quality of an explanation, by the log-odds of the confidence and noise."""
RISKS: dict[str, Callable[[Array], Array]] = {
    "straight": lambda odds: -odds,
    "bent": lambda odds: -2 * np.minimum(odds, 2),
}
"""Log-odds of an error, up to a constant."""


def drawn(
    quality: str, risk: str, n: int, *, each: int, rng: np.random.Generator, effect: float = 0.0
) -> Draws:
    """A study of n faces, ``each`` of a person; persons share errors and qualities if several."""
    persons = np.repeat(np.arange(n // each), each)
    odds = 3 + 2 * rng.normal(size=n)
    own = OWN * (each > 1)
    errs, shows = own * rng.normal(size=(2, n // each))[:, persons]
    noise = rng.normal(size=n) + shows
    log_odds = RISKS[risk](odds) + errs - effect * noise
    low, high = -30.0, 30.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if special.expit(log_odds + middle).mean() < ERRORS else (low, middle)
        )
    wrong = (rng.random(n) < special.expit(log_odds + low)).astype(np.float64)
    return Draws(special.expit(odds), wrong, QUALITIES[quality](odds, noise), persons)


def foretold(
    repeats: int,
    *,
    qualities: Sequence[str] = tuple(QUALITIES),
    sizes: Sequence[int] = SIZES,
) -> Iterator[Row]:
    """Errors of the test and of χ² without any effect, and the power of the test."""
    for quality in qualities:
        for n in sizes:
            for each in (1, 3):
                faces = "faces" if each == 1 else f"persons × {each} faces"
                for risk in RISKS:
                    hits, used = _hits(quality, risk, n, each, repeats)
                    yield from (
                        Row(
                            statistic=name,
                            design=f"{quality}, {risk}, {faces}",
                            n=str(n),
                            nominal=0.05,
                            hits=count,
                            repeats=used,
                        )
                        for name, count in hits.items()
                    )
                hits, used = _hits(quality, "straight", n, each, repeats // 2, effect=EFFECT)
                yield Row(
                    statistic="beyond_confidence",
                    design=f"{quality}, {faces}",
                    n=str(n),
                    nominal=float("nan"),
                    hits=hits["beyond_confidence"],
                    repeats=used,
                    told="power",
                )


def _hits(
    quality: str, risk: str, n: int, each: int, repeats: int, *, effect: float = 0.0
) -> tuple[dict[str, int], int]:
    rng = np.random.default_rng([9, n, each])
    hits, used = {"beyond_confidence": 0, "likelihood ratio by χ²": 0}, 0
    for k in range(repeats):
        found = drawn(quality, risk, n, each=each, rng=rng, effect=effect)
        if min(found.wrong.sum(), n - found.wrong.sum()) < LEAST_ERRORS:
            continue
        base = confidence_columns(found.confidence)
        added = quality_columns(found.quality[:, None])
        try:
            null = logistic(base, found.wrong)
            full = logistic(np.hstack([base, added]), found.wrong)
        except InputError:  # errors that are told apart for certain are refused
            continue
        used += 1
        ratio = 2 * (full.log_likelihood - null.log_likelihood)
        hits["likelihood ratio by χ²"] += int(stats.chi2.sf(ratio, 1) <= 0.05)
        p = score_p(base, added, found.wrong, null, found.persons, repeats=FLIPS, seed=k)
        hits["beyond_confidence"] += int(p <= 0.05)
    return hits, used
