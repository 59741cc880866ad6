"""Exact inference on the mean of a bounded score, by betting: right at any n and any skew.

A player bets on the units one after another, each bet sized by the units before it. If units are
independent and have the mean that is tested, the player's capital is a martingale in *every* order
that was fixed without a look at the scores, so the expectation of the final capital, which starts
at 1, is 1: it is an e-value. One order's result is an accident of that order: of 256 units with a
mean of .039, one over the largest capital went from .007 to 1 over 60 orders. The mean of e-values
is an e-value whatever their dependence, and no other symmetric rule merges them with more power
(Vovk & Wang, "E-values: calibration, combination and applications", Annals of Statistics 2021), so
here the final capital is averaged over many random orders, and p is one over the average (Markov's
inequality).

It has to be the final capital. The largest capital over time of *one* order may be used as well
(Ville's inequality), but the expectation of such a maximum is above 1, so that a mean of them over
orders is no e-value; and averaged capitals "after k units" have seen other units in each order, so
that they are no martingale of one history whose maximum could be used. What stability costs is
power: a mean of 3.2 standard errors is found in up to .14 fewer of studies than by the maximum over
one order.

The number of units is one that was fixed beforehand. Orders are permutations of the places of
units, always the same ones for the same number of units and seed: another seed, or the same faces
in another order of rows, changes p by a few hundredths of itself. So that the same faces give just
the same result, callers who know the names of the faces pass them in the order of
:func:`order_by_name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from fer_xai.draws.streams import stream
from fer_xai.errors import InputError
from metrics.statistics.clusters import Array, by_appearance, cluster_codes, pick
from metrics.statistics.inputs import check_level, check_scores

SHARE = 0.75
"""Largest share of the capital that one bet may lose (Waudby-Smith & Ramdas's c)."""
ORDERS = 128
"""Orders of the units that the capital is averaged over, at most."""
LEAST_ORDERS = 16
"""The same at least, of many units."""
BETS = 2**16
"""Bets of all orders together that are aimed at: many units take fewer orders."""
BLOCK = 16
"""Bets that are multiplied before a logarithm is taken."""
TOLERANCE = 1e-9
"""Precision of the ends of an interval, as a share of the range of the score."""


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

    A player who bets that the mean is another one cannot get rich if it is not. Half of the capital
    is staked on a larger mean and half on a smaller one (the hedged capital of Waudby-Smith &
    Ramdas, "Estimating means of bounded random variables by betting", Journal of the Royal
    Statistical Society B 2024, §4.4, with their predictable plug-in bets); p is one over the final
    capital of the half that wins, averaged over orders of the units (Vovk & Wang 2021; see the
    module). It holds at every n, and has less power than a t-test.

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
        Seed of the orders in which units are bet on, which are those of their places.

    Returns
    -------
    float
        NaN without scores.

    Raises
    ------
    InputError
        If the bounds are no range, a score or the mean is outside of them, a score is infinite, or
        the level is not between 0 and 1.

    Examples
    --------
    >>> betting_p([0.5, 0.6, 0.4, 0.5] * 10, bounds=(-1, 1)) < 0.001
    True
    >>> betting_p([0.5, -0.5] * 10, bounds=(-1, 1))
    1.0
    """
    low, high = _checked(values, bounds, level)
    if not low <= mean <= high:
        raise InputError(f"Expected a mean within the bounds {low:g} and {high:g}, got {mean:g}.")
    bets = _bets(values, clusters, (low, high), 1 - level, seed)
    if bets is None:
        return float("nan")
    tried = (mean - low) / (high - low)
    larger = max(bets.log_capital(tried, up=True), bets.log_capital(tried, up=False))
    return float(min(1.0, 2 * np.exp(-larger)))


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
        Seed of the orders in which units are bet on, which are those of their places.

    Returns
    -------
    tuple
        The two ends, rounded outwards; NaN without scores. Zero is outside of them just where
        :func:`betting_p` of the same level and seed is 1 − ``level`` or less.

    Raises
    ------
    InputError
        If the bounds are no range, a score is outside of them or infinite, or the level is not
        between 0 and 1.

    Examples
    --------
    >>> low, high = betting_interval([0.5, 0.6, 0.4, 0.5] * 10, bounds=(-1, 1))
    >>> -1 <= low < 0.5 < high <= 1
    True
    """
    low, high = _checked(values, bounds, level)
    bets = _bets(values, clusters, (low, high), 1 - level, seed)
    if bets is None:
        return float("nan"), float("nan")
    ends = sorted(bets.refused(up=up, log_needed=np.log(2 / (1 - level))) for up in (True, False))
    lower, upper = max(ends[0] - TOLERANCE, 0.0), min(ends[1] + TOLERANCE, 1.0)
    return float(low + lower * (high - low)), float(low + upper * (high - low))


def _checked(values: ArrayLike, bounds: tuple[float, float], level: float) -> tuple[float, float]:
    check_level(level)
    check_scores(values, bounds=bounds)
    low, high = map(float, bounds)
    if not np.isfinite([low, high]).all():
        raise InputError(f"Expected finite bounds, the smaller one first, got {low:g}, {high:g}.")
    return low, high


@dataclass(frozen=True, kw_only=True)
class _Bets:
    """Bets on units in several orders, by which the mean is tested that is tried.

    Attributes
    ----------
    scaled
        ``(K, G)`` means of G units in [0, 1], in K orders.
    weights
        ``(K, G)`` sizes over the largest.
    stakes
        ``(K, G)`` stakes, made of the units before in each order (predictable plug-ins).
    """

    scaled: Array
    weights: Array
    stakes: Array

    def log_capital(self, mean: float, *, up: bool) -> float:
        """Logarithm of the mean final capital of bets on a mean above (or below) the one tried.

        It falls (or rises) with the mean that is tried: each factor does.
        """
        room = mean if up else 1 - mean
        stakes = np.minimum(self.stakes, SHARE / room) if room > 0 else self.stakes
        factors = 1 + (stakes if up else -stakes) * self.weights * (self.scaled - mean)
        starts = np.arange(0, factors.shape[1], BLOCK)
        logs = np.log(np.multiply.reduceat(factors, starts, axis=1)).sum(axis=1)
        return float(special.logsumexp(logs) - np.log(len(logs)))

    def refused(self, *, up: bool, log_needed: float) -> float:
        """The mean in [0, 1] below (or above) which the capital is as large as is needed."""

        def beyond(mean: float) -> float:
            return self.log_capital(mean, up=up) - log_needed

        end = 0.0 if up else 1.0
        if beyond(end) <= 0:
            return end
        return float(optimize.brentq(beyond, 0.0, 1.0, xtol=TOLERANCE / 2))


def _bets(
    values: ArrayLike,
    clusters: Sequence[object] | None,
    bounds: tuple[float, float],
    alpha: float,
    seed: int,
) -> _Bets | None:
    """Bets on units, which are permuted by the places at which they first appear: never by their
    labels or scores. None without scores.
    """
    scores = np.asarray(values, dtype=np.float64)
    used = np.isfinite(scores)
    x = np.clip((scores[used] - bounds[0]) / (bounds[1] - bounds[0]), 0, 1)
    if not len(x):
        return None
    codes = by_appearance(cluster_codes(None if clusters is None else pick(clusters, used), len(x)))
    sizes = np.bincount(codes)
    n = len(sizes)
    orders = _orders(n, seed)
    scaled = (np.bincount(codes, weights=x) / sizes)[orders]
    weights = (sizes / sizes.max())[orders]
    so_far = (0.5 + np.cumsum(weights * scaled, axis=1)) / (1 + np.cumsum(weights, axis=1))
    squares = np.cumsum((weights * (scaled - so_far)) ** 2, axis=1)
    variance = (0.25 + squares) / np.arange(2, n + 2)
    variance = np.concatenate([np.full((len(orders), 1), 0.25), variance[:, :-1]], axis=1)
    stakes = np.sqrt(2 * np.log(2 / alpha) / (n * variance))
    return _Bets(scaled=scaled, weights=weights, stakes=stakes)


@lru_cache(maxsize=32)
def _orders(n: int, seed: int) -> NDArray[np.int64]:
    """Orders ``(K, n)`` of places."""
    count = int(np.clip(BETS // n, LEAST_ORDERS, ORDERS))
    found: NDArray[np.int64] = stream(seed, "betting").randperm(n, count).numpy()
    found.setflags(write=False)
    return found
