"""Designs with a known mean: independent faces, and faces of unequal clusters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metrics.statistics.clusters import Array


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape)


def exponential(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.exponential(size=shape) - 1


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Skewness 6.2, spread 1."""
    return (rng.lognormal(size=shape) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """70 % zeros, the others exponential; less their mean, over their spread."""
    found = np.where(rng.random(shape) < 0.3, rng.exponential(size=shape), 0.0)
    return np.asarray((found - 0.3) / np.sqrt(0.51))


def beta(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Skewed and within −.1 and .9."""
    return rng.beta(0.3, 2.7, size=shape) - 0.1


DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": normal,
    "exponential": exponential,
    "lognormal": lognormal,
    "70 % zeros": zeros,
}
UNEQUAL = (5, 8, 12, 20, 40, 60, 100, 150, 200, 300)
CLUSTERS: dict[str, Callable[[np.random.Generator], NDArray[np.int64]]] = {
    "12 persons × 2 emotions × 2 frames": lambda rng: np.full(12, 4),
    "20 persons × 3 frames": lambda rng: np.full(20, 3),
    **{f"{n} unequal clusters": lambda rng, n=n: unequal(rng, n) for n in UNEQUAL},
    "12 clusters, one of 40 % of the faces": lambda rng: np.array([28, *[4] * 11]),
}


def unequal(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Sizes of clusters, mostly between 1 and 25 faces."""
    return np.maximum(1, np.round(np.exp(rng.normal(1.5, 0.9, n)))).astype(np.int64)


def clustered(
    rng: np.random.Generator, sizes: NDArray[np.int64], draw: str, rho: float
) -> tuple[Array, list[int]]:
    """Scores of mean zero, correlated by rho within clusters, and their clusters."""
    codes = np.repeat(np.arange(len(sizes)), sizes)
    between, within = (DRAWS[draw](rng, (n,)) for n in (len(sizes), len(codes)))
    return np.sqrt(rho) * between[codes] + np.sqrt(1 - rho) * within, codes.tolist()
