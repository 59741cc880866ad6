"""Families of means without any effect: how often some claim is made, and how often of few values.

Columns hang together by a normal copula, so that each keeps its own skewness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from benchmarks.calibration.mean_designs import DRAWS
from benchmarks.calibration.rows import Row
from metrics.statistics.clusters import Array
from metrics.statistics.families import mean_family
from metrics.statistics.mean_tests import mean_test
from metrics.statistics.significance import holm, wilcoxon_p

SIZES = (24, 60, 96, 150, 300, 600)
COLUMNS = 12
"""Methods of a family."""
RESAMPLES = 499


def _exponential(z: Array) -> Array:
    return -special.log_ndtr(-z)


def _zeros(z: Array) -> Array:
    """70 % zeros, the others exponential."""
    return np.maximum(_exponential(z) + np.log(0.3), 0)


SHAPES: dict[str, tuple[Callable[[Array], Array], float]] = {
    "normal": (lambda z: z, 0.0),
    "long tails on both sides": (np.sinh, 0.0),
    "a long and a longer tail": (lambda z: np.exp(z) - np.exp(-z) / 2, np.exp(0.5) / 2),
    "exponential": (_exponential, 1.0),
    "lognormal, σ = .5": (lambda z: np.exp(z / 2), np.exp(0.125)),
    "lognormal, σ = .75": (lambda z: np.exp(0.75 * z), np.exp(0.28125)),
    "lognormal": (np.exp, np.exp(0.5)),
    "gamma(.3)": (lambda z: stats.gamma.ppf(special.ndtr(z), 0.3), 0.3),
    "70 % zeros": (_zeros, 0.3),
}
"""Shapes of columns: a function of normal numbers, and its mean."""
COUNTED: dict[str, tuple[ArrayLike, ArrayLike]] = {
    "gains and losses of one size": ([-1, 0, 1], [0.5, 0, 0.5]),
    "gains thrice the losses": ([-1, 0, 3], [0.75, 0, 0.25]),
}
"""Values of counted gains, and how often each comes among those that are not 0."""
COUNTED_CELLS: tuple[tuple[int, float], ...] = (
    *((60, 0.16), (96, 0.5), (128, 0.5), (400, 0.16), (400, 0.2), (600, 0.12), (1500, 0.045)),
)
"""Units, and the share of them that is not 0."""


def skewed_columns(rng: np.random.Generator, shape: str, n: int, columns: int, rho: float) -> Array:
    """Columns ``(n, K)`` of mean zero, of one shape, whose normal numbers correlate by rho."""
    common, own = rng.normal(size=(n, 1)), rng.normal(size=(n, columns))
    make, mean = SHAPES[shape]
    return make(np.sqrt(rho) * common + np.sqrt(1 - rho) * own) - mean


def skewed_families(
    repeats: int,
    *,
    shapes: Sequence[str] = tuple(SHAPES),
    sizes: Sequence[int] = (60, 150, 300, 600),
    columns: Sequence[int] = (2, 5, 12, 42),
    rhos: Sequence[float] = (0.0, 0.5),
) -> Iterator[Row]:
    """Studies without any effect in which some claim is made, by the shape of the columns."""
    for shape in shapes:
        for n in sizes:
            for k in columns:
                for rho in rhos:
                    rng = np.random.default_rng([10, n, k])
                    claims, untested = 0, 0
                    for seed in range(repeats):
                        gains = skewed_columns(rng, shape, n, k, rho)
                        p = mean_family(gains, repeats=RESAMPLES, seed=seed).p_values
                        claims += bool((p <= 0.05).any())
                        untested += int(np.isnan(p).sum())
                    yield Row(
                        statistic="mean_family, p",
                        design=f"{shape}, {k} columns, correlation {rho:g}",
                        n=str(n),
                        nominal=0.05,
                        hits=claims,
                        repeats=repeats,
                        told=f"not tested: {untested / repeats / k:.0%}",
                    )


def few_values(
    repeats: int,
    *,
    names: Sequence[str] = tuple(COUNTED),
    cells: Sequence[tuple[int, float]] = COUNTED_CELLS,
    columns: Sequence[int] = (1, 11, 42),
) -> Iterator[Row]:
    """Gains in right or wrong answers, most of which are 0, without any effect."""
    for name in names:
        values, chances = COUNTED[name]
        for n, share in cells:
            chance = share * np.asarray(chances) + [0, 1 - share, 0]
            for k in columns:
                rng = np.random.default_rng([11, n, k])
                claims, untested = 0, 0
                for seed in range(repeats * (10 if k == 1 else 1)):
                    gains = rng.choice(values, p=chance, size=(n, k)).astype(np.float64)
                    p = (
                        np.array([mean_test(gains[:, 0])])
                        if k == 1
                        else mean_family(gains, repeats=RESAMPLES, seed=seed).p_values
                    )
                    claims += bool((p <= 0.05).any())
                    untested += int(np.isnan(p).sum())
                made = repeats * (10 if k == 1 else 1)
                yield Row(
                    statistic="mean_test" if k == 1 else "mean_family, p",
                    design=f"{name}, {share * n:.0f} of {n} not 0, {k} column{'s' * (k > 1)}",
                    n=str(n),
                    nominal=0.05,
                    hits=claims,
                    repeats=made,
                    told=f"not tested: {untested / made / k:.0%}",
                )


def familywise(
    repeats: int,
    *,
    draws: Sequence[str] = tuple(DRAWS),
    sizes: Sequence[int] = SIZES,
    flips: int = 999,
    rho: float = 0.5,
) -> Iterator[Row]:
    """Studies of 12 methods without any effect: any claim by p, any interval without zero."""
    for draw in draws:
        for n in sizes:
            rng = np.random.default_rng([5, n])
            claims = misses = old = refused = 0
            for seed in range(repeats):
                own, shared = DRAWS[draw](rng, (n, COLUMNS)), DRAWS[draw](rng, (n, 1))
                gains = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
                found = mean_family(gains, repeats=flips, seed=seed)
                claims += bool((found.p_values < 0.05).any())
                misses += any(i.low > 0 or i.high < 0 for i in found.intervals)
                refused += sum(bool(i.reason) for i in found.intervals)
                old += bool((holm([wilcoxon_p(x) for x in gains.T]) < 0.05).any())
            told = f"not tested: {refused / repeats / COLUMNS:.0%}"
            for name, hits in (
                ("mean_family, p", claims),
                ("mean_family, intervals", misses),
                ("Holm over Wilcoxon", old),
            ):
                yield Row(
                    statistic=name,
                    design=f"{draw}, {COLUMNS} methods",
                    n=str(n),
                    nominal=0.05,
                    hits=hits,
                    repeats=repeats,
                    told=told if "family" in name else "",
                )
