"""Shapley and Banzhaf values as their definitions say, over permutations and subsets."""

import itertools

import numpy as np


def shapley_by_permutation(worth: dict[frozenset[int], float], players: int) -> np.ndarray:
    """The mean gain of each player over all orders in which they may arrive (Shapley 1953)."""
    total = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        before: frozenset[int] = frozenset()
        for player in order:
            after = before | {player}
            total[player] += worth[after] - worth[before]
            before = after
    return total / len(orders)


def banzhaf_by_subset(worth: dict[frozenset[int], float], players: int) -> np.ndarray:
    """The mean gain of each player over all subsets of the others (Banzhaf 1965)."""
    out = []
    for player in range(players):
        others = [other for other in range(players) if other != player]
        gains = [
            worth[frozenset(some) | {player}] - worth[frozenset(some)]
            for size in range(players)
            for some in itertools.combinations(others, size)
        ]
        out.append(np.mean(gains))
    return np.array(out)


def interaction_by_subset(
    worth: dict[frozenset[int], float], players: int, one: int, two: int
) -> float:
    """Shapley interaction index: what ``two`` adds to the gain of ``one``, in orders in which the
    pair arrives as one player (Grabisch & Roubens 1999).
    """
    others = [player for player in range(players) if player not in (one, two)]
    merged = [*others, -1]
    total, orders = 0.0, list(itertools.permutations(merged))
    for order in orders:
        before = frozenset(order[: order.index(-1)])
        total += (
            worth[before | {one, two}]
            - worth[before | {one}]
            - worth[before | {two}]
            + worth[before]
        )
    return total / len(orders)
