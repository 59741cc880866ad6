"""Cooperative games: who takes part, and what each player's part in the worth is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fer_xai.errors import InputError

MOST = 12
"""Players, of which 2^12 coalitions are 4,096 passes a face."""


def coalitions(players: int) -> Tensor:
    """Bool ``(2^k, k)``: who takes part in each coalition; number s has player i if bit i is set.

    Raises
    ------
    InputError
        For no players, or more than :data:`MOST`.

    Examples
    --------
    >>> coalitions(2).int().tolist()  # none, the first player, the second, both
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    if not 1 <= players <= MOST:
        raise InputError(
            f"Expected 1 to {MOST} regions, got {players}: every one of 2^k coalitions is a pass, "
            "so join small regions first."
        )
    numbers = torch.arange(2**players)
    return (numbers[:, None] >> torch.arange(players)) & 1 == 1


def shapley_values(worth: Tensor) -> Tensor:
    """Shapley values (1953) of a game.

    φ_i = Σ_S |S|! (k − |S| − 1)! / k! · (v(S ∪ i) − v(S)). They add up to v(all) − v(none).

    Parameters
    ----------
    worth
        ``(…, 2^k)``: v of each coalition, in the order of :func:`coalitions`.

    Returns
    -------
    Tensor
        ``(…, k)`` float64, on the CPU as all here.

    Examples
    --------
    >>> shapley_values(torch.tensor([0.0, 1.0, 2.0, 5.0]))  # 1 and 2 alone, and 2 more together
    tensor([2., 3.], dtype=torch.float64)
    """
    players, members = _players(worth)
    sizes = members.sum(dim=1)
    weights = torch.tensor(
        [
            math.factorial(s) * math.factorial(players - s - 1) / math.factorial(players)
            for s in range(players)
        ],
        dtype=torch.float64,
    )
    return torch.stack(
        [
            (_gain(worth, members, player) * weights[sizes[~members[:, player]]]).sum(dim=-1)
            for player in range(players)
        ],
        dim=-1,
    )


def banzhaf_values(worth: Tensor) -> Tensor:
    """Banzhaf values (1965): the mean of what a player adds, over all coalitions of the others.

    ``(…, 2^k)`` to ``(…, k)`` float64. They need not add up to anything.

    Examples
    --------
    >>> banzhaf_values(torch.tensor([0.0, 1.0, 2.0, 5.0]))
    tensor([2., 3.], dtype=torch.float64)
    """
    players, members = _players(worth)
    return torch.stack(
        [_gain(worth, members, player).mean(dim=-1) for player in range(players)], dim=-1
    )


def interaction_index(worth: Tensor) -> Tensor:
    """Shapley interaction index of pairs (Grabisch & Roubens, 1999).

    I_ij = Σ_S |S|! (k − |S| − 2)! / (k − 1)! · (v(S ∪ ij) − v(S ∪ i) − v(S ∪ j) + v(S)): above zero
    where two regions are worth more together than alone.

    Returns
    -------
    Tensor
        ``(…, k, k)`` float64, symmetric, zero on the diagonal.

    Examples
    --------
    >>> interaction_index(torch.tensor([0.0, 1.0, 2.0, 5.0]))[0, 1]
    tensor(2., dtype=torch.float64)
    """
    worth = worth.cpu().double()
    players, members = _players(worth)
    out = worth.new_zeros(*worth.shape[:-1], players, players)
    sizes = members.sum(dim=1)
    if players < 2:
        return out
    weights = torch.tensor(
        [
            math.factorial(s) * math.factorial(players - s - 2) / math.factorial(players - 1)
            for s in range(players - 1)
        ],
        dtype=torch.float64,
    )
    for one in range(players):
        for two in range(one + 1, players):
            alone = (~members[:, one] & ~members[:, two]).nonzero()[:, 0]
            a, b = alone + 2**one, alone + 2**two
            joint = worth[..., a + 2**two] - worth[..., a] - worth[..., b] + worth[..., alone]
            value = (joint * weights[sizes[alone]]).sum(dim=-1)
            out[..., one, two] = out[..., two, one] = value
    return out


def _players(worth: Tensor) -> tuple[int, Tensor]:
    players = worth.shape[-1].bit_length() - 1
    if worth.shape[-1] != 2**players:
        raise InputError(
            f"Expected the worth of 2^k coalitions, got {worth.shape[-1]}: one for each subset."
        )
    return players, coalitions(players)


def _gain(worth: Tensor, members: Tensor, player: int) -> Tensor:
    """What a player adds to each coalition of the others, ``(…, 2^(k−1))`` float64 on the CPU."""
    without = (~members[:, player]).nonzero()[:, 0]
    worth = worth.cpu().double()
    return worth[..., without + 2**player] - worth[..., without]
