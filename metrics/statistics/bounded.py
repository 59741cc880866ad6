"""Exact inference on the mean of a bounded score, by betting: right at any n and any skew.

A bet is sized by the units before it, so p and bounds depend on the order in which units are bet
on: little where a gain is large against its spread, and much where it is not. Counted differences
of 256 units with a mean of .039 have p from .007 to 1 over 60 orders, with a median of .34; of 600
units with .042, from .0003 to .05. Any order is right that was fixed without looking at the scores;
one that is made of the scores, such as a sorted one, or the best of several, is not. Here units are
put in a random order by their places, which is always the same for the same number of units. So
that the same faces in another order of rows give the same result, callers who know the names of the
faces pass them in the order of :func:`order_by_name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from fer_xai.draws.streams import stream
from fer_xai.errors import InputError
from metrics.statistics.clusters import Array, by_appearance, cluster_codes, pick

SHARE = 0.75
"""Largest share of the capital that one bet may lose (Waudby-Smith & Ramdas's c)."""
MEANS = 2001
"""Means that an interval tries over the bounds: its ends are the next ones outside."""


def order_by_name(names: Iterable[object]) -> NDArray[np.int64]:
    """Places of faces ``(N,)`` in an order that depends on their names alone: that of a hash.

    Parameters
    ----------
    names
        N names of faces, such as their ids; equal ones stay in their order.

    Examples
    --------
    >>> faces = np.array(["anna", "ben", "carl"])
    >>> faces[order_by_name(faces)].tolist() == faces[::-1][order_by_name(faces[::-1])].tolist()
    True
    """
    keys = [blake2b(str(name).encode("utf-8", "surrogatepass")).hexdigest() for name in names]
    return np.argsort(np.array(keys, dtype=object), kind="stable").astype(np.int64)


def betting_p(
    values: ArrayLike,
    *,
    bounds: tuple[float, float],
    mean: float = 0.0,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> float:
    """Two-sided p of a bounded score's mean, exact whatever its distribution.

    A player who bets that the mean is another one cannot get rich if it is not: p is one over the
    largest capital (Ville's inequality), half of it staked on a larger mean and half on a smaller
    one (the hedged capital process of Waudby-Smith & Ramdas, "Estimating means of bounded random
    variables by betting", Journal of the Royal Statistical Society B 2024, §4.4). It holds at every
    n, and has less power than a t-test.

    Parameters
    ----------
    values
        ``(N,)`` scores; NaN is left out.
    bounds
        Smallest and largest value that a score can have.
    mean
        The mean that is tested.
    clusters
        N labels: clusters are drawn as a whole, and bet on by the sum of their scores.
    level
        Level that the bets are sized for; any keeps p right.
    seed
        Seed of the order in which units are bet on, which is one of their places.

    Returns
    -------
    float
        NaN without scores.

    Raises
    ------
    InputError
        If the bounds are no range, or a score or the mean is outside of them.

    Examples
    --------
    >>> betting_p([0.5, 0.6, 0.4, 0.5] * 10, bounds=(-1, 1)) < 0.001
    True
    >>> betting_p([0.5, -0.5] * 10, bounds=(-1, 1))
    1.0
    """
    low, high = _checked(values, bounds)
    if not low <= mean <= high:
        raise InputError(f"Expected a mean within the bounds {low:g} and {high:g}, got {mean:g}.")
    scaled, weights = _units(values, clusters, (low, high), seed)
    if not len(scaled):
        return float("nan")
    tried = np.array([(mean - low) / (high - low)])
    return float(min(1.0, np.exp(-_log_capital(scaled, weights, tried, 1 - level)[0])))


def betting_interval(
    values: ArrayLike,
    *,
    bounds: tuple[float, float],
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Lowest and highest mean that :func:`betting_p` does not refuse.

    Parameters
    ----------
    values
        ``(N,)`` scores; NaN is left out.
    bounds
        Smallest and largest value that a score can have.
    clusters
        N labels: clusters are drawn as a whole.
    level
        Coverage; at least this, whatever the distribution.
    seed
        Seed of the order in which units are bet on, which is one of their places.

    Returns
    -------
    tuple
        The two ends, from a grid over the bounds and rounded outwards; NaN without scores.

    Raises
    ------
    InputError
        If the bounds are no range, or a score is outside of them.

    Examples
    --------
    >>> low, high = betting_interval([0.5, 0.6, 0.4, 0.5] * 10, bounds=(-1, 1))
    >>> -1 <= low < 0.5 < high <= 1
    True
    """
    low, high = _checked(values, bounds)
    scaled, weights = _units(values, clusters, (low, high), seed)
    if not len(scaled):
        return float("nan"), float("nan")
    tried = np.linspace(0, 1, MEANS)
    kept = np.flatnonzero(_log_capital(scaled, weights, tried, 1 - level) < -np.log(1 - level))
    if not len(kept):  # between two means of the grid
        middle = int(np.argmin(np.abs(tried - np.average(scaled, weights=weights))))
        kept = np.array([middle])
    ends = tried[[max(kept[0] - 1, 0), min(kept[-1] + 1, MEANS - 1)]]
    return float(low + ends[0] * (high - low)), float(low + ends[1] * (high - low))


def _checked(values: ArrayLike, bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = map(float, bounds)
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(f"Expected finite bounds, the smaller one first, got {low:g}, {high:g}.")
    scores = np.asarray(values, dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    slack = 1e-9 * (high - low)
    if len(scores) and not (low - slack <= scores.min() and scores.max() <= high + slack):
        raise InputError(
            f"Expected scores within the bounds {low:g} and {high:g}, got {scores.min():g} to "
            f"{scores.max():g}."
        )
    return low, high


def _units(
    values: ArrayLike,
    clusters: Sequence[object] | None,
    bounds: tuple[float, float],
    seed: int,
) -> tuple[Array, Array]:
    """Means of units in [0, 1] and their weights (sizes over the largest), in a random order.

    The order is a permutation of the places at which units first appear: never of their labels or
    scores.
    """
    scores = np.asarray(values, dtype=np.float64)
    used = np.isfinite(scores)
    x = np.clip((scores[used] - bounds[0]) / (bounds[1] - bounds[0]), 0, 1)
    if not len(x):
        return x, x
    codes = by_appearance(cluster_codes(None if clusters is None else pick(clusters, used), len(x)))
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=x) / sizes
    order = stream(seed, "betting").randperm(len(sizes)).numpy()
    return means[order], (sizes / sizes.max())[order]


def _log_capital(scaled: Array, weights: Array, tried: Array, alpha: float) -> Array:
    """Logarithm of the largest capital ``(M,)`` of bets against each mean that is tried.

    Bets are predictable plug-ins: a unit's is made of the units before it.
    """
    n = len(scaled)
    count = np.arange(1, n + 1)
    before = (0.5 + np.cumsum(scaled)) / (count + 1)
    variance = (0.25 + np.cumsum((scaled - before) ** 2)) / (count + 1)
    variance = np.concatenate([[0.25], variance[:-1]])
    stake = np.sqrt(2 * np.log(2 / alpha) / (n * variance))[:, None]  # (n, 1)
    move = weights[:, None] * (scaled[:, None] - tried)  # (n, M)
    with np.errstate(divide="ignore"):
        up = np.minimum(stake, SHARE / tried)
        down = np.minimum(stake, SHARE / (1 - tried))
    logs = [np.cumsum(np.log1p(bet * move), axis=0) for bet in (up, -down)]
    capital = special.logsumexp(np.stack(logs), axis=0, b=0.5)
    return np.asarray(np.maximum(capital.max(axis=0), 0.0))
