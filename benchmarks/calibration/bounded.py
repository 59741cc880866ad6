"""Betting on bounded means: errors, coverage, and power beside the largest capital of one order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.mean_designs import beta
from benchmarks.calibration.rows import Row
from metrics.statistics.bounded import SHARE, betting_interval, betting_p
from metrics.statistics.clusters import Array

Draw = Callable[[np.random.Generator, int], Array]


def _counted(rng: np.random.Generator, n: int) -> Array:
    return rng.choice([-1.0, 0.0, 1.0], p=[0.08, 0.84, 0.08], size=n)


def _uneven(rng: np.random.Generator, n: int) -> Array:
    return rng.choice([-1 / 3, 0.0, 1.0], p=[0.12, 0.84, 0.04], size=n)


def _mostly_zero(rng: np.random.Generator, n: int) -> Array:
    """Mean 0 within −.045 and 1."""
    found = rng.exponential(0.15, n) * (rng.random(n) < 0.3)
    return np.minimum(found, 1) - 0.045 + 0.3 * 0.15 * np.exp(-1 / 0.15)


DRAWS: dict[str, tuple[Draw, float]] = {
    "beta(.3, 2.7)": (lambda rng, n: beta(rng, (n,)), 0.15),
    "uniform": (lambda rng, n: rng.uniform(-0.7, 0.7, n), 0.404),
    "counts, 16 % not 0": (_counted, 0.4),
    "counts, losses thrice": (_uneven, 0.231),
    "70 % zeros": (_mostly_zero, 0.1),
}
"""Scores of mean 0 within −1 and 1, and their spread."""
SIZES = (8, 24, 60, 150, 300, 600)
EFFECT = 3.2
"""Mean, in its standard errors, for which power is told."""


def largest_capital_p(values: Array, order: NDArray[np.int64], *, level: float = 0.95) -> float:
    """P of a mean of 0 of scores within −1 and 1: one over the largest capital of one order.

    It is right by Ville's inequality, and depends on the order.
    """
    x, n = (values[order] + 1) / 2, len(values)
    count = np.arange(1, n + 1)
    so_far = (0.5 + np.cumsum(x)) / (count + 1)
    variance = (0.25 + np.cumsum((x - so_far) ** 2)) / (count + 1)
    stakes = np.sqrt(2 * np.log(2 / (1 - level)) / (n * np.r_[0.25, variance[:-1]]))
    bets = np.minimum(stakes, 2 * SHARE) * (x - 0.5)
    capital = np.logaddexp(np.cumsum(np.log1p(bets)), np.cumsum(np.log1p(-bets))) - np.log(2)
    return float(min(1.0, np.exp(-capital.max())))


def betting(
    repeats: int, *, draws: Sequence[str] = tuple(DRAWS), sizes: Sequence[int] = SIZES
) -> Iterator[Row]:
    """The exact test of a bounded mean: errors, coverage, and power for 3.2 standard errors."""
    for draw in draws:
        make, spread = DRAWS[draw]
        for n in sizes:
            rng = np.random.default_rng([4, n])
            effect = EFFECT * spread / np.sqrt(n)
            covered = 0
            hits = {(name, e): 0 for name in ("betting_p", "one order") for e in (0.0, effect)}
            for _ in range(repeats):
                x, order = make(rng, n), rng.permutation(n)
                low, high = betting_interval(x, bounds=(-1, 1))
                covered += low <= 0 <= high
                for e in (0.0, effect):
                    moved = np.clip(x + e, -1, 1)
                    hits["betting_p", e] += betting_p(moved, bounds=(-1, 1)) <= 0.05
                    hits["one order", e] += largest_capital_p(moved, order) <= 0.05
            yield Row(
                statistic="betting_interval",
                design=draw,
                n=str(n),
                nominal=0.95,
                hits=covered,
                repeats=repeats,
            )
            for (name, e), counted in hits.items():
                yield Row(
                    statistic=name.replace("one order", "largest capital of one order"),
                    design=draw + (f", mean {e:.2g}" if e else ""),
                    n=str(n),
                    nominal=float("nan") if e else 0.05,
                    hits=counted,
                    repeats=repeats,
                    told="power" if e else "",
                )
