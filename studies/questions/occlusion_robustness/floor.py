"""The floor of likeness: how alike the maps of other persons' faces are, in the same sight."""

from __future__ import annotations

import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from fer_xai.types import undefined_maps

TOGETHER = 2**23
"""Pixels of other faces' maps that are compared together; it changes no value."""
FLAT = 1e-6
"""Spread, relative to the largest value, up to which a map counts as constant."""


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
    n_faces, n_masks = hidden.shape[:2]
    undefined = undefined_maps(maps).cpu()
    others = others & ~undefined & ~undefined[rows][:, None]
    total = torch.zeros(n_faces, n_masks, dtype=torch.float64)
    count = torch.zeros_like(total)
    most = max(1, TOGETHER // maps[0].numel())
    for faces in _compared_alike(others):
        own = _scaled(maps[rows[faces]])  # (b, P)
        kept = (~hidden[faces].flatten(2).cpu()).double()  # (b, K, P)
        for columns in others[faces].any(dim=0).nonzero()[:, 0].split(most):
            found = _correlations(own, _scaled(maps[columns]), kept)  # (b, K, M)
            known = found.isfinite() & others[faces][:, None, columns]
            total[faces] += torch.where(known, found, 0).sum(dim=2)
            count[faces] += known.sum(dim=2)
    return torch.where(count > 0, total / count, torch.nan).float()


def _compared_alike(others: Tensor) -> list[Tensor]:
    """Positions of the faces ``(B, N)`` that are compared with the same other faces, by group."""
    near = others.double()
    n_groups, groups = connected_components((near @ near.T).numpy() > 0, directed=False)
    parts = [torch.from_numpy((groups == k).nonzero()[0]) for k in range(n_groups)]
    return [part for part in parts if others[part].any()]


def _scaled(maps: Tensor) -> Tensor:
    """Maps ``(M, P)`` in double precision, whose largest magnitude is 1."""
    flat = maps.cpu().double().flatten(1)
    return flat / flat.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(flat.dtype).tiny)


def _correlations(own: Tensor, theirs: Tensor, kept: Tensor) -> Tensor:
    """``(b, K, M)`` of maps ``(b, P)`` with others ``(M, P)`` on K sets of pixels ``(b, K, P)``."""
    n = kept.sum(dim=2, keepdim=True)  # (b, K, 1)
    mean = (kept @ own[:, :, None]) / n
    centred = kept * (own[:, None] - mean)  # (b, K, P): their own means cancel in the products
    spread = centred.square().sum(dim=2, keepdim=True)
    sums, squares = kept @ theirs.T, kept @ theirs.square().T
    variation = squares - sums.square() / n
    products = centred @ theirs.T
    largest = (kept * own[:, None].abs()).amax(dim=2, keepdim=True)
    flat = (spread <= (FLAT * largest).square() * n) | (variation <= FLAT**2 * squares)
    return torch.where(flat, torch.nan, products / (spread * variation).sqrt()).clamp(-1, 1)
