"""Structural similarity of maps in two dimensions, in batches."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.errors import InputError
from metrics.core.undefined import nan_where_undefined

WINDOW = 7
"""Side of the local windows in pixels (scikit-image's default)."""
CHUNK = 2**16
"""Number of pixels that are compared at once."""
NEGATIVE = 2.0**-16
"""Share of a map's largest magnitude below which a negative value is rounding and no sign."""


def unit_range(maps: Tensor, *, signed: bool) -> Tensor:
    """Maps in the form that :func:`ssim` takes: divided by their largest magnitude, in [0, 1].

    Signed maps are brought there from [−1, 1]. With signed values, opposite means and opposite
    patterns would cancel, and a map would be similar to its inverse.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    signed
        Whether maps may have negative values; maps that are compared have to be treated alike
        (:func:`pair_range` decides it for each pair of maps of one face).

    Returns
    -------
    Tensor
        ``(B, H, W)`` float32 on the CPU; NaN for maps that are zero or not finite.

    Examples
    --------
    >>> unit_range(torch.tensor([[[0.0, 2.0], [1.0, -2.0]]]), signed=True)
    tensor([[[0.5000, 1.0000],
             [0.7500, 0.0000]]])
    """
    maps = maps.cpu()
    peak = maps.abs().flatten(1).amax(dim=1)[:, None, None]
    scaled = (maps / peak + 1) / 2 if signed else maps / peak
    scaled = nan_where_undefined(scaled, maps)
    return torch.where(peak > 0, scaled, torch.nan).float()


def pair_range(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Two stacks of maps on the one range that :func:`ssim` takes, pair by pair.

    The range belongs to the pair: where neither map has a negative value both keep [0, 1], as Wang
    et al. take images, and where either has one both are brought there from [−1, 1]. Moving maps
    without negative values to [0.5, 1] would compare them mostly with the constant that was added:
    independent random maps of 2×2 cells would then score .51, and on [0, 1] they score .03.

    Parameters
    ----------
    first, second
        ``(B, H, W)``, each map divided by its largest magnitude (:func:`unit_range` with
        ``signed=False``).

    Returns
    -------
    tuple
        Both stacks, in [0, 1]; NaN stays NaN.

    Examples
    --------
    >>> plain, signed = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[-1.0, 1.0]]])
    >>> pair_range(plain, plain)[0], pair_range(plain, signed)[0]
    (tensor([[[0., 1.]]]), tensor([[[0.5000, 1.0000]]]))
    """
    signed = ((first < -NEGATIVE) | (second < -NEGATIVE)).flatten(1).any(dim=1)[:, None, None]
    one, two = (torch.where(signed, (maps + 1) / 2, maps) for maps in (first, second))
    return one, two


def ssim(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Mean structural similarity of pairs of maps over a mask. Higher is more similar.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 2004, equation 13, with uniform 7x7 windows, unbiased covariances and a data range of 1: the
    values are those of scikit-image's ``structural_similarity(…, data_range=1, full=True)``. As
    there, windows that reach over the border mirror it. Maps stay two-dimensional: on flattened
    maps windows would be meaningless.

    Parameters
    ----------
    first, second
        ``(N, H, W)``, scaled to a range of 1.
    mask
        ``(H, W)`` bool: where local similarities are averaged.

    Returns
    -------
    Tensor
        ``(N,)`` float64 in [-1, 1], on the CPU.

    Raises
    ------
    InputError
        If shapes differ or a side is shorter than a window.

    Examples
    --------
    >>> maps = torch.linspace(0, 1, 64).reshape(1, 8, 8)
    >>> ssim(maps, maps, torch.ones(8, 8, dtype=torch.bool))
    tensor([1.], dtype=torch.float64)
    """
    if first.shape != second.shape or first.ndim != 3 or first.shape[1:] != mask.shape:
        raise InputError(
            f"Expected two stacks of maps (N, {', '.join(map(str, mask.shape))}), got "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    if min(mask.shape) < WINDOW:
        raise InputError(f"Expected maps of at least {WINDOW} pixels a side, got {mask.shape}.")
    first, second, mask = first.cpu(), second.cpu(), mask.cpu()
    step = max(1, CHUNK // mask.numel())  # all that a chunk needs stays in the cache
    starts = range(0, len(first), step)
    found = [_ssim(first[i : i + step], second[i : i + step], mask) for i in starts]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)


def _ssim(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    a, b = first.double(), second.double()
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    mean_a, mean_b, mean_aa, mean_bb, mean_ab = _local_mean(
        torch.stack([a, b, a * a, b * b, a * b])
    )
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    variances = unbiased * (mean_aa + mean_bb - squares)
    covariance = unbiased * (mean_ab - product)
    c1, c2 = 0.01**2, 0.03**2
    local = ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))
    return local[:, mask].mean(dim=1)


def _local_mean(maps: Tensor) -> Tensor:
    """Means over the windows around each pixel; the border is mirrored, its pixels repeated."""
    rows, columns = (_window_means(side) for side in maps.shape[-2:])
    return rows @ maps @ columns.T


def _window_means(side: int) -> Tensor:
    """Matrix ``(side, side)`` from a line of pixels to the means of the windows around them."""
    reach = WINDOW // 2
    pixel = torch.arange(side)[:, None] + torch.arange(-reach, reach + 1)  # (side, WINDOW)
    pixel = torch.where(pixel < 0, -pixel - 1, pixel)
    pixel = torch.where(pixel >= side, 2 * side - 1 - pixel, pixel)
    weights = torch.full(pixel.shape, 1 / WINDOW, dtype=torch.float64)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add_(1, pixel, weights)
