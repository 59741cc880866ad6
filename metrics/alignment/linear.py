"""Scores that are a product of a row of the map and a row of the area, plus an offset of the area.

So the mean over the areas of many other faces is the product with their mean row: no score of a
pair has to be computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from metrics.core.pixel_order import average_ranks, levels_of


@dataclass(frozen=True, kw_only=True)
class LinearScore:
    """A score ``of_map(x) · of_area(a) + offset(a)`` of rows ``(B, P)`` of maps and areas.

    Attributes
    ----------
    of_map, of_area
        Functions of rows ``(B, P)`` that return rows ``(B, P)``.
    offset
        Function of rows of areas that returns ``(B,)``.
    binary
        Whether soft areas are refused.

    Examples
    --------
    >>> rows = torch.tensor([[3.0, 4.0]])
    >>> LINEAR["au_cosine"](rows, rows)
    tensor([1.])
    """

    of_map: Callable[[Tensor], Tensor]
    of_area: Callable[[Tensor], Tensor]
    offset: Callable[[Tensor], Tensor] = lambda areas: areas.new_zeros(len(areas))
    binary: bool = False

    def __call__(self, rows: Tensor, areas: Tensor) -> Tensor:
        """Scores ``(B,)`` of rows of maps, each with its own area."""
        return (self.of_map(rows) * self.of_area(areas)).sum(dim=1) + self.offset(areas)


def unit_rows(rows: Tensor, *, centred: bool = False) -> Tensor:
    """Rows ``(…, P)`` of length 1, on request after their mean is taken off; NaN for constant ones.

    Examples
    --------
    >>> unit_rows(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    if centred:
        scale = rows.abs().amax(dim=-1, keepdim=True) * rows.shape[-1] ** 0.5
        rows = rows - rows.mean(dim=-1, keepdim=True)
        # a constant row has rounding noise left: it has no pattern
        rows = torch.where(rows.norm(dim=-1, keepdim=True) > 1e-6 * scale, rows, torch.nan)
    return rows / rows.norm(dim=-1, keepdim=True)


def _shares(rows: Tensor) -> Tensor:
    return rows / rows.sum(dim=1, keepdim=True)


def _ranks(rows: Tensor) -> Tensor:
    return average_ranks(levels_of(rows))


def _of_pairs(areas: Tensor) -> Tensor:
    """Each pixel of an area by one over the number of pairs of a pixel inside and one outside."""
    inside = areas.sum(dim=1, keepdim=True)
    return areas / (inside * (areas.shape[1] - inside))


def _least_rank(areas: Tensor) -> Tensor:
    """What the ranks of an area add up to if no pixel outside is below, over the pairs."""
    inside = areas.sum(dim=1)
    return -(inside - 1) / (2 * (areas.shape[1] - inside))


LINEAR = {
    "au_cosine": LinearScore(of_map=unit_rows, of_area=unit_rows),
    "region_mass": LinearScore(of_map=_shares, of_area=lambda areas: areas),
    "energy_gain": LinearScore(
        of_map=_shares, of_area=lambda areas: areas / areas.mean(dim=1, keepdim=True)
    ),
    "pixel_auc": LinearScore(of_map=_ranks, of_area=_of_pairs, offset=_least_rank, binary=True),
}
"""Scores of rows of maps and areas, by the name of the metric."""
