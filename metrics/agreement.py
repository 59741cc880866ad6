"""Agreement: do several explanations of one face say the same?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.errors import InputError
from fer_xai.types import undefined_maps
from metrics.consistency import normalised_rows
from metrics.ranking import average_ranks, levels_of

Array = NDArray[np.float64]


def pixel_agreement(maps: Tensor) -> Tensor:
    """Do maps of one face order its pixels alike? Spearman of each pair; higher is more alike.

    Neeley et al., "Order in the court: explainable AI methods prone to disagreement" (2021), ask
    the same of attributions by Kendall's τ. Ties are averaged after quantising (see
    :func:`metrics.consistency.normalised_rows`), so that signed maps keep their sign's order.

    Parameters
    ----------
    maps
        ``(M, N, H, W)``: M explanations of N faces.

    Returns
    -------
    Tensor
        ``(N, M, M)`` float32, symmetric; NaN where a map is constant or undefined.

    Raises
    ------
    InputError
        If the maps are not ``(M, N, H, W)``.
    """
    if maps.ndim != 4:
        raise InputError(f"Expected maps (M, N, H, W), got {tuple(maps.shape)}.")
    everywhere = torch.ones(maps.shape[2:], dtype=torch.bool)
    out = []
    for face in range(maps.shape[1]):
        rows = normalised_rows(maps[:, face], everywhere, kind="spearman")  # (M, P)
        out.append(rows @ rows.T)
    if not out:
        return torch.zeros(0, maps.shape[0], maps.shape[0])
    return torch.stack(out).clamp(-1, 1)


def region_sums(maps: Tensor, regions: Tensor) -> Tensor:
    """What a map gives each region: the sum over its pixels.

    Parameters
    ----------
    maps
        ``(N, H, W)``.
    regions
        Bool ``(N, R, H, W)``.

    Returns
    -------
    Tensor
        ``(N, R)`` float32; NaN for a region without pixels, which nothing can be given to, and for
        all regions of a map that is not finite everywhere.
    """
    sums = torch.einsum("nhw,nrhw->nr", maps.float(), regions.float())
    known = regions.flatten(2).any(dim=2) & ~undefined_maps(maps)[:, None]
    return torch.where(known, sums, torch.nan)


def region_agreement(values: Tensor, reference: Tensor) -> Array:
    """Do two accounts of one face order its regions alike? Spearman a face; higher is more alike.

    Parameters
    ----------
    values, reference
        ``(N, R)``; a region that is NaN in either is left out.

    Returns
    -------
    ndarray
        ``(N,)`` in [−1, 1]; NaN with fewer than three regions, or where either gives all alike.

    Raises
    ------
    InputError
        If the two do not have one shape.
    """
    if values.shape != reference.shape or values.ndim != 2:
        raise InputError(
            f"Expected two accounts (N, R) of the same regions, got {tuple(values.shape)} and "
            f"{tuple(reference.shape)}."
        )
    out = np.full(len(values), np.nan)
    pairs = zip(values.cpu().double(), reference.cpu().double(), strict=True)
    for face, (one, two) in enumerate(pairs):
        known = torch.isfinite(one) & torch.isfinite(two)
        if int(known.sum()) < 3:
            continue
        ranks = average_ranks(levels_of(torch.stack([one[known], two[known]])))
        a, b = ranks - ranks.mean(dim=1, keepdim=True)
        size = a.norm() * b.norm()
        if size > 0:
            out[face] = float(a @ b / size)
    return out
