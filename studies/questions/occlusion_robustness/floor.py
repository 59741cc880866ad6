"""The floor of likeness: how alike the maps of other persons' faces are, in the same sight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fer_xai.types import undefined_maps

TOGETHER = 256
"""Faces whose maps are compared together; it changes no value."""
FLAT = 1e-6
"""Spread, relative to the largest value, up to which a map counts as constant."""


def other_persons(targets: Tensor, groups: Sequence[object]) -> Tensor:
    """Which faces show another person, and have the same emotion explained.

    Parameters
    ----------
    targets
        ``(N,)`` emotions that are explained.
    groups
        N labels of persons.

    Returns
    -------
    Tensor
        Bool ``(N, N)``, symmetric.

    Examples
    --------
    >>> other_persons(torch.tensor([0, 0, 0, 5]), ["anna", "anna", "ben", "ben"]).int()
    tensor([[0, 0, 1, 0],
            [0, 0, 1, 0],
            [1, 1, 0, 0],
            [0, 0, 0, 0]], dtype=torch.int32)
    """
    persons = torch.from_numpy(pd.factorize(np.array([str(group) for group in groups]))[0])
    return (targets[:, None] == targets).cpu() & (persons[:, None] != persons)


def likeness_of_others(maps: Tensor, rows: Tensor, hidden: Tensor, others: Tensor) -> Tensor:
    """Pearson correlation of maps with those of other faces, over the pixels that are not hidden.

    Equal to the mean of :func:`metrics.occlusion.stability.likeness_outside` over the other faces,
    from sums over the pixels, so that all pairs of faces and masks are matrix products.

    Parameters
    ----------
    maps
        ``(N, H, W)`` of all faces, NaN where undefined.
    rows
        ``(B,)`` positions of the faces that are compared.
    hidden
        Bool ``(B, K, H, W)``: pixels that do not count, by mask.
    others
        Bool ``(B, N)``: which faces each one is compared with.

    Returns
    -------
    Tensor
        ``(B, K)`` float32 means over the other faces whose likeness is defined; NaN where there are
        none.

    Examples
    --------
    >>> maps = torch.tensor([[[0.0, 1.0, 2.0, 9.0]], [[0.0, 1.0, 2.0, -9.0]]])
    >>> hidden = torch.tensor([[[[False, False, False, True]], [[False] * 4]]])
    >>> likeness_of_others(maps, torch.tensor([0]), hidden, torch.tensor([[False, True]]))
    tensor([[ 1.0000, -0.9348]])
    """
    n_masks = hidden.shape[1]
    undefined = undefined_maps(maps).cpu()
    total = torch.zeros(len(rows), n_masks, dtype=torch.float64)
    count = torch.zeros_like(total)
    for columns in (others.any(dim=0) & ~undefined).nonzero()[:, 0].split(TOGETHER):
        theirs = _scaled(maps[columns])  # (M, P)
        for face, row in enumerate(rows.tolist()):
            wanted = others[face, columns]
            if undefined[row] or not wanted.any():
                continue
            kept = (~hidden[face].flatten(1).cpu()).double()  # (K, P)
            found = _correlations(_scaled(maps[row][None])[0], theirs[wanted], kept)
            known = found.isfinite()
            total[face] += torch.where(known, found, 0).sum(dim=1)
            count[face] += known.sum(dim=1)
    return torch.where(count > 0, total / count, torch.nan).float()


def _scaled(maps: Tensor) -> Tensor:
    """Maps ``(M, P)`` in double precision, whose largest magnitude is 1."""
    flat = maps.cpu().double().flatten(1)
    return flat / flat.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(flat.dtype).tiny)


def _correlations(own: Tensor, theirs: Tensor, kept: Tensor) -> Tensor:
    """``(K, M)`` of a map ``(P,)`` with others ``(M, P)`` on K sets of pixels ``(K, P)``."""
    n = kept.sum(dim=1, keepdim=True)  # (K, 1)
    mean = kept @ own[:, None] / n
    centred = kept * (own - mean)  # (K, P), so that their own means cancel in the products
    spread = centred.square().sum(dim=1, keepdim=True)
    sums, squares = kept @ theirs.T, kept @ theirs.square().T
    variation = squares - sums.square() / n
    products = centred @ theirs.T
    largest = (kept * own.abs()).amax(dim=1, keepdim=True)
    flat = (spread <= (FLAT * largest).square() * n) | (variation <= FLAT**2 * squares)
    return torch.where(flat, torch.nan, products / (spread * variation).sqrt()).clamp(-1, 1)
