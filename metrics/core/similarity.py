"""Similarity of two maps of one face, one value for each face."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_choice
from fer_xai.errors import InputError
from fer_xai.types import undefined_maps
from metrics.core.pixel_order import average_ranks, levels_of
from metrics.core.ssim import pair_range, ssim, unit_range
from metrics.core.undefined import nan_where_undefined

Likeness = Literal["spearman", "pearson", "ssim"]
Array = NDArray[np.float64]


def map_similarity(
    first: Tensor, second: Tensor, *, similarity: Likeness = "spearman", absolute: bool = False
) -> Tensor:
    """How similar are two maps of a face? Higher is more similar.

    Parameters
    ----------
    first, second
        ``(B, H, W)``.
    similarity
        ``spearman`` (ties have their mean rank, after quantising), ``pearson``, or ``ssim`` in two
        dimensions, on the range [0, 1]; only where either map of a pair has negative values are
        both brought there from [−1, 1] (:func:`~metrics.core.ssim.pair_range`).
    absolute
        Whether maps lose their sign first.

    Returns
    -------
    Tensor
        ``(B,)`` float32 in [−1, 1]; NaN where a map is zero, not finite or (except for SSIM)
        constant.

    Raises
    ------
    InputError
        If the similarity is unknown, or the two stacks of maps differ in shape.

    Examples
    --------
    >>> maps = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    >>> map_similarity(maps, maps**2), map_similarity(maps, -maps, similarity="pearson")
    (tensor([1.]), tensor([-1.]))
    """
    if first.shape != second.shape or first.ndim != 3:
        raise InputError(
            f"Expected two stacks of maps (B, H, W) of one shape, got {tuple(first.shape)} and "
            f"{tuple(second.shape)}."
        )
    made = [comparable(maps, similarity, absolute=absolute) for maps in (first, second)]
    return compared(made[0], made[1], similarity)


def comparable(maps: Tensor, similarity: Likeness, *, absolute: bool = False) -> Tensor:
    """Maps ``(B, H, W)`` in the form that :func:`compared` takes, on the CPU; NaN where undefined.

    Moving or mirroring the result is the same as moving or mirroring the map before.

    Examples
    --------
    >>> ready = comparable(torch.tensor([[[0.0, 1.0], [2.0, 9.0]]]), "spearman")
    >>> compared(ready, ready.flip(2), "spearman")  # the mirrored map is not ranked again
    tensor([0.6000])
    """
    check_choice("similarity", similarity, get_args(Likeness))
    values = maps.abs() if absolute else maps
    if similarity == "ssim":
        return unit_range(values, signed=False)  # compared() decides the pair's range
    everywhere = torch.ones(maps.shape[1:], dtype=torch.bool)
    return normalised_rows(values, everywhere, kind=similarity).reshape(maps.shape)


def compared(first: Tensor, second: Tensor, similarity: Likeness) -> Tensor:
    """Similarity ``(B,)`` of two results of :func:`comparable`.

    Examples
    --------
    >>> ready = comparable(torch.tensor([[[0.0, 1.0], [2.0, 9.0]]]), "pearson")
    >>> compared(ready, ready, "pearson"), compared(ready, -ready, "pearson")
    (tensor([1.]), tensor([-1.]))
    """
    if similarity == "ssim":
        everywhere = torch.ones(first.shape[1:], dtype=torch.bool)
        return ssim(*pair_range(first, second), everywhere).float()
    return (first.double() * second.double()).flatten(1).sum(dim=1).clamp(-1, 1).float()


Kind = Literal["pearson", "cosine", "spearman"]


def normalised_rows(maps: Tensor, mask: Tensor, *, kind: Kind = "pearson") -> Tensor:
    """Maps as unit vectors, whose dot products are their similarities.

    Parameters
    ----------
    maps
        ``(N, H, W)``.
    mask
        ``(H, W)`` bool: the P pixels that are compared.
    kind
        ``pearson`` centres the values, ``cosine`` does not, ``spearman`` centres their ranks. Ties
        have their mean rank, after quantising to 2⁻¹⁶ of each map's largest magnitude: maps change
        by about 1e-6 with the batch size, which would otherwise reorder plateaus.

    Returns
    -------
    Tensor
        ``(N, P)`` float32 on the CPU. Rows are NaN where the similarity is undefined: for maps that
        are constant on the mask (for cosine, zero), or not finite somewhere, on the mask or off it.

    Raises
    ------
    InputError
        If the kind is unknown, maps do not fit the mask, or the mask has fewer than two pixels.

    Examples
    --------
    >>> maps = torch.tensor([[[0.0, 1.0], [2.0, 3.0]], [[3.0, 2.0], [1.0, 0.0]]])
    >>> rows = normalised_rows(maps, torch.ones(2, 2, dtype=torch.bool))
    >>> (rows[0] @ rows[1]).round()
    tensor(-1.)
    """
    check_choice("similarity", kind, get_args(Kind))
    if maps.ndim != 3 or maps.shape[1:] != mask.shape:
        raise InputError(
            f"Expected maps (N, {', '.join(map(str, mask.shape))}) to fit the mask, "
            f"got {tuple(maps.shape)}."
        )
    if int(mask.sum()) < 2:
        raise InputError("Expected a mask of at least two pixels to compare maps on.")
    values = maps.cpu()
    rows = values[:, mask.cpu()].double()  # (N, P)
    if kind == "spearman":
        rows = average_ranks(levels_of(rows))
    rows = nan_where_undefined(rows, values)
    scale = rows.abs().amax(dim=1, keepdim=True)
    if kind != "cosine":
        rows = rows - rows.mean(dim=1, keepdim=True)
    norm = rows.norm(dim=1, keepdim=True)
    # A constant map has rounding noise left after centring: it has no pattern to compare.
    empty = norm <= 1e-6 * scale * rows.shape[1] ** 0.5
    return torch.where(empty, torch.nan, rows / norm).float()


def region_sums(maps: Tensor, regions: Tensor) -> Tensor:
    """Sum of a map over the pixels of each region.

    Parameters
    ----------
    maps
        ``(N, H, W)``.
    regions
        Bool ``(N, R, H, W)``.

    Returns
    -------
    Tensor
        ``(N, R)`` float32; NaN for a region without pixels, and for all regions of a map that is
        not finite.

    Examples
    --------
    >>> maps = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    >>> region_sums(maps, torch.stack([maps > 1, maps < 0], dim=1))
    tensor([[5., nan]])
    """
    sums = torch.einsum("nhw,nrhw->nr", maps.float(), regions.float())
    known = regions.flatten(2).any(dim=2) & ~undefined_maps(maps)[:, None]
    return torch.where(known, sums, torch.nan)


def region_agreement(values: Tensor, reference: Tensor) -> Array:
    """Do two accounts of one face order its regions alike? Spearman; higher is more alike.

    Parameters
    ----------
    values, reference
        ``(N, R)``; a region that is NaN in either is left out.

    Returns
    -------
    ndarray
        ``(N,)`` in [−1, 1]; NaN with fewer than three regions, or if all regions of either are
        equal.

    Raises
    ------
    InputError
        If the two differ in shape.

    Examples
    --------
    >>> region_agreement(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[0.1, 0.2, 0.3]])).round(6)
    array([1.])
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
