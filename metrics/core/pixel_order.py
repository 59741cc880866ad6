"""Orders of pixels, and cells of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import check_tensor, names_of_images
from fer_xai.draws.streams import streams
from fer_xai.errors import InputError

Order = Literal["morf", "lerf"]
"""Most relevant pixels first, or least relevant first (Samek et al., TNNLS 2017)."""
ORDERS = get_args(Order)
LEVELS = 2**16
"""Maps are rounded to this number of steps of their largest magnitude before they are ranked. Maps
change by 1e-6 of it with the batch size, and on the plateaus of an enlarged map 13 % of the ranks
would then swap. These changes have the size of the map's largest sums, near zero as well, so
rounding each value by itself would not help."""
_LEVEL_AT = 45
"""Bits below those of a level, of which there are 2¹⁷ + 1, in a number of 63 bits."""


def rank_pixels(maps: Tensor, *, seed: int = 0, ids: Sequence[str] | None = None) -> Tensor:
    """Rank of each pixel, 0 for the most relevant.

    Signed maps stay signed: pixels that speak against the target come last. Ties are broken at
    random, by seed and face: a map that is zero everywhere gives a random order, and not the
    image's rows.

    Values within about 2⁻¹⁶ of the largest magnitude are ties (:data:`LEVELS`). So a map with one
    pixel 10⁶ times as large as the rest ranks that pixel first and the rest at random: clip such a
    map before it is scored, if the rest should count.

    Parameters
    ----------
    maps
        ``(B, H, W)``, finite.
    seed
        Seed of the random order of ties.
    ids
        Names of the faces, which seed their ties; their positions by default.

    Returns
    -------
    Tensor
        int32 ``(B, H, W)``; each rank from 0 to H·W − 1 occurs once for each face.

    Raises
    ------
    InputError
        If the maps are not ``(B, H, W)``, or not finite, or a name comes twice.

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
    names = names_of_images(ids, len(maps))
    levels = levels_of(maps.flatten(1).cpu()).long()  # (B, P)
    pixels = torch.arange(levels.shape[1])
    # one number a pixel to sort by: its level, then random bits, then its place
    place = max(len(pixels) - 1, 0).bit_length()
    lots = streams((seed, name, "ties") for name in names).words(len(pixels))
    lots = lots.bitwise_and_(2 ** (_LEVEL_AT - place) - 1) << place
    order = (((LEVELS - levels) << _LEVEL_AT) | lots | pixels).sort(dim=1).values & (2**place - 1)
    out = torch.empty(levels.shape, dtype=torch.int32)
    out.scatter_(1, order, pixels.to(torch.int32).expand_as(out))
    return out.reshape(maps.shape).to(maps.device)


def levels_of(rows: Tensor) -> Tensor:
    """Rows ``(N, P)`` in whole steps of 2⁻¹⁶ of their largest magnitudes, float64 on the CPU.

    Examples
    --------
    >>> levels_of(torch.tensor([[1.0, -0.5, 1e-7]])).tolist()
    [[65536.0, -32768.0, 0.0]]
    """
    rows = rows.cpu().double()
    largest = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-300)
    return (rows / largest * LEVELS).round()


def average_ranks(rows: Tensor) -> Tensor:
    """Ranks ``(N, P)`` float64 of rows, 0 for the smallest; ties have their mean rank.

    Examples
    --------
    >>> average_ranks(torch.tensor([[0.5, 2.0, 0.5]]))
    tensor([[0.5000, 2.0000, 0.5000]], dtype=torch.float64)
    """
    ordered = rows.sort(dim=1).values
    first = torch.searchsorted(ordered, rows.contiguous(), side="left")
    last = torch.searchsorted(ordered, rows.contiguous(), side="right")
    return (first + last - 1).double() / 2


def cells_of(height: int, width: int, grid: int) -> Tensor:
    """Number of the grid's cell that each pixel belongs to, ``(H, W)``.

    Examples
    --------
    >>> cells_of(2, 3, 2)
    tensor([[0, 0, 1],
            [2, 2, 3]])
    """
    y, x = torch.arange(height) * grid // height, torch.arange(width) * grid // width
    return y[:, None] * grid + x
