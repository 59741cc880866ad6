"""Resizing of maps: from a method's own resolution to the image's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def upsample(cells: Tensor, *, size: tuple[int, ...]) -> Tensor:
    """Maps at another resolution.

    An axis that grows is interpolated linearly between cell centres. An axis that shrinks is
    averaged by area: each new pixel is the mean of the cells under it, cells on its border by their
    share, so that each cell counts once. Values are densities: shrinking keeps the mean of a map,
    and its sum changes with the number of pixels. A law about the sum holds at the method's own
    resolution (:attr:`fer_xai.attributions.core.registry.Maps.completeness_gap`).

    Parameters
    ----------
    cells
        Maps ``(N, K, h, w)``.
    size
        ``(H, W)``.

    Returns
    -------
    Tensor
        ``(N, K, H, W)``.

    Examples
    --------
    >>> upsample(torch.arange(16.0).view(1, 1, 4, 4), size=(2, 2))
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    height, width = size
    if cells.shape[-2] > height:
        cells = _shares(cells.shape[-2], height).to(cells) @ cells
    if cells.shape[-1] > width:
        cells = cells @ _shares(cells.shape[-1], width).to(cells).T
    if tuple(cells.shape[-2:]) == (height, width):
        return cells
    return F.interpolate(cells, size=[height, width], mode="bilinear", align_corners=False)


def _shares(old: int, new: int) -> Tensor:
    """``(new, old)``: the share of each new cell that an old one covers; rows add up to 1."""
    edges = torch.arange(new + 1, dtype=torch.float64) * old / new
    cells = torch.arange(old, dtype=torch.float64)
    top = torch.minimum(edges[1:, None], cells + 1)
    return (top - torch.maximum(edges[:-1, None], cells)).clamp(min=0) * new / old
