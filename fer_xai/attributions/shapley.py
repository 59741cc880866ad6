"""Exact Shapley values of facial regions: every coalition is scored, nothing is sampled.

Exact *for a fill*, and no more: what stands in place of a region is a choice, and the agreement
between fills is the ceiling that a cheaper method can be judged against.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.gradients import generators
from fer_xai.attributions.passes import masked_scores
from fer_xai.attributions.perturbation import painted
from fer_xai.attributions.registry import ATTRIBUTIONS, Attribution, Maps, Question
from fer_xai.errors import InputError
from fer_xai.perturb import fill_images
from fer_xai.probe import Probe

MOST = 12
"""Players, of which 2^12 coalitions are 4,096 passes a face."""


def coalitions(players: int) -> Tensor:
    """Bool ``(2^k, k)``: who takes part in each coalition; number s has player i if bit i is set.

    Raises
    ------
    InputError
        For no players, or more than :data:`MOST`.
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
        ``(…, k)`` float64.

    Examples
    --------
    >>> shapley_values(torch.tensor([0.0, 1.0, 2.0, 5.0]))  # 1 and 2 alone, and 2 more together
    tensor([2., 3.], dtype=torch.float64)
    """
    players, members = _players(worth)
    sizes = members.sum(dim=1)
    weights = torch.tensor(
        [math.factorial(s) * math.factorial(players - s - 1) / math.factorial(players)
         for s in range(players)], dtype=torch.float64,
    )  # fmt: skip
    return torch.stack([
        (_gain(worth, members, player) * weights[sizes[~members[:, player]]]).sum(dim=-1)
        for player in range(players)
    ], dim=-1)  # fmt: skip


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
    players, members = _players(worth)
    worth = worth.double()
    out = worth.new_zeros(*worth.shape[:-1], players, players)
    sizes = members.sum(dim=1)
    if players < 2:
        return out
    weights = torch.tensor(
        [math.factorial(s) * math.factorial(players - s - 2) / math.factorial(players - 1)
         for s in range(players - 1)], dtype=torch.float64,
    )  # fmt: skip
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
    """What a player adds to each coalition of the others, ``(…, 2^(k−1))``."""
    without = (~members[:, player]).nonzero()[:, 0]
    return worth.double()[..., without + 2**player] - worth.double()[..., without]


def coalition_scores(probe: Probe, question: Question, *, fill: str) -> Tensor:
    """The score of each face with each coalition of its regions left in, ``(B, K, 2^k)``.

    What is not in a coalition is filled. Passes are batched across faces.
    """
    regions = question.regions
    assert regions is not None
    members = coalitions(regions.shape[1]).to(probe.device)  # (2^k, k)
    owner = regions.to(torch.uint8).argmax(dim=1)  # (B, H, W): which region holds a pixel
    filled = fill_images(question.images, fill, generators(question, "fill"))

    def kept(faces: Tensor, numbers: Tensor) -> Tensor:
        present, held = members[numbers], owner[faces]  # (M, k), (M, H, W)
        return present.gather(1, held.flatten(1)).reshape(held.shape)

    found = masked_scores(probe, question, kept, filled, copies=len(members))
    return found.transpose(1, 2)


@dataclass(frozen=True, kw_only=True)
class RegionShapley(Attribution):
    """Exact Shapley values of regions that partition the image, the rest of it a player too.

    2^k passes a face, for all targets together: 256 with eight regions. Each region's value is
    spread evenly over its pixels. :func:`coalition_scores` and the functions beside it have Banzhaf
    values and interactions as well.

    Attributes
    ----------
    fill
        What stands where a region is left out.
    """

    fill: str = "blur"
    needs_regions: ClassVar[bool] = True
    reference: ClassVar[str] = "Shapley 1953; Lundberg & Lee, NeurIPS 2017"

    def maps(self, probe: Probe, question: Question) -> Maps:
        """Maps at image resolution, and a value a region; NaN for faces without regions."""
        worth = coalition_scores(probe, question, fill=self.fill).double()
        values = shapley_values(worth)  # (B, K, R)
        assert question.regions is not None
        made = painted(values.to(probe.device), question.regions)
        gap = values.sum(dim=-1) - (worth[..., -1] - worth[..., 0])
        return Maps(cells=made.cells, values=made.values, gap=gap.float())

    def passes(self, probe: Probe, *, targets: int = 1, regions: int = 0) -> tuple[float, float]:
        """One a coalition."""
        del probe, targets
        return 2.0**regions, 0.0


ATTRIBUTIONS.register("region_shapley")(RegionShapley())
