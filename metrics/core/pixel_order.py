"""Orders of pixels, and cells of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import (
    check_length,
    check_tensor,
)
from fer_xai.errors import InputError
from fer_xai.seeding import generator

Order = Literal["morf", "lerf"]
"""Most relevant pixels first, or least relevant first (Samek et al., TNNLS 2017)."""
ORDERS = get_args(Order)
LEVELS = 2**16
"""Maps are rounded to this many steps of their largest magnitude before they are ranked: they move
by 1e-6 of it with the batch size, and on the plateaus of an enlarged map 13 % of ranks would then
swap. What a batch changes is of the size of the map's largest sums, near zero too, so that no
rounding of each value by itself would do."""


def rank_pixels(maps: Tensor, *, seed: int = 0, ids: Sequence[str] | None = None) -> Tensor:
    """Rank of each pixel, 0 for the most relevant.

    Signed maps stay signed: what speaks against the target comes last. Ties are broken at random,
    by (seed, face): a map that is zero everywhere gives a random order, and not the image's rows.

    Values within about 2⁻¹⁶ of the largest magnitude are ties (:data:`LEVELS`). So a map with one
    pixel 10⁶ times as large as the rest ranks that pixel first and the rest at random: clip such a
    map before it is scored, if the rest is to count.

    Parameters
    ----------
    maps
        ``(B, H, W)``, finite.
    seed, ids
        Of the ties; faces go by their position where they have no ids.

    Returns
    -------
    Tensor
        int32 ``(B, H, W)``; each rank from 0 to H·W − 1 occurs once a face.

    Raises
    ------
    InputError
        If the maps are not ``(B, H, W)``, or not finite.

    Examples
    --------
    >>> rank_pixels(torch.tensor([[[0.5, 2.0], [-1.0, 0.0]]]))
    tensor([[[1, 0], [3, 2]]], dtype=torch.int32)
    """
    check_tensor("maps", maps, "(B, H, W)")
    if maps.ndim != 3:
        raise InputError(f"Expected maps (B, H, W), got {tuple(maps.shape)}.")
    if not bool(torch.isfinite(maps).all()):
        raise InputError("Expected finite maps to rank pixels by: leave undefined ones out.")
    names = [str(index) for index in range(len(maps))] if ids is None else list(ids)
    check_length("ids", len(names), len(maps))
    levels = levels_of(maps.flatten(1).cpu())  # (B, P)
    out = torch.empty(levels.shape, dtype=torch.int32)
    for face, name in enumerate(names):
        shuffled = torch.randperm(levels.shape[1], generator=generator(seed, name, "ties"))
        # a stable sort of the shuffled pixels leaves ties in random order
        order = shuffled[levels[face, shuffled].argsort(descending=True, stable=True)]
        out[face, order] = torch.arange(levels.shape[1], dtype=torch.int32)
    return out.reshape(maps.shape).to(maps.device)


def levels_of(rows: Tensor) -> Tensor:
    """Rows ``(N, P)`` rounded to 2⁻¹⁶ of their largest magnitudes, in whole steps, float64, on the
    CPU.
    """
    rows = rows.cpu().double()
    largest = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-300)
    return (rows / largest * LEVELS).round()


def average_ranks(rows: Tensor) -> Tensor:
    """Ranks ``(N, P)`` float64 of rows from the least, 0; what is tied has the mean rank."""
    ordered = rows.sort(dim=1).values
    first = torch.searchsorted(ordered, rows.contiguous(), side="left")
    last = torch.searchsorted(ordered, rows.contiguous(), side="right")
    return (first + last - 1).double() / 2


def cells_of(height: int, width: int, grid: int) -> Tensor:
    """``(H, W)``: the cell of each pixel."""
    y, x = torch.arange(height) * grid // height, torch.arange(width) * grid // width
    return y[:, None] * grid + x
