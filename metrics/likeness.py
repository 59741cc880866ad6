"""How alike two maps of one face are, a value a face."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import check_choice
from fer_xai.errors import InputError
from metrics.consistency import normalised_rows
from metrics.ssim import ssim, unit_range

Likeness = Literal["spearman", "pearson", "ssim"]


def map_similarity(
    first: Tensor, second: Tensor, *, similarity: Likeness = "spearman", absolute: bool = False
) -> Tensor:
    """Similarity of pairs of maps, ``(B,)``; higher is more alike.

    Parameters
    ----------
    first, second
        ``(B, H, W)``.
    similarity
        ``spearman`` (ties averaged, after quantising), ``pearson``, or ``ssim`` in two dimensions.
        For SSIM, maps are brought to [0, 1] by :func:`~metrics.ssim.unit_range`.
    absolute
        Whether maps lose their sign first.

    Returns
    -------
    Tensor
        ``(B,)`` float32 in [−1, 1]; NaN where a map is zero, not finite or (but for SSIM) constant.

    Raises
    ------
    InputError
        For another similarity, or maps of two shapes.
    """
    if first.shape != second.shape or first.ndim != 3:
        raise InputError(
            f"Expected two stacks of maps (B, H, W) of one shape, got {tuple(first.shape)} and "
            f"{tuple(second.shape)}."
        )
    made = [comparable(maps, similarity, absolute=absolute) for maps in (first, second)]
    return compared(made[0], made[1], similarity)


def comparable(maps: Tensor, similarity: Likeness, *, absolute: bool = False) -> Tensor:
    """Maps ``(B, H, W)`` as :func:`compared` takes them, on the CPU; NaN where undefined.

    Moving or mirroring one is moving or mirroring the map it came from.
    """
    check_choice("similarity", similarity, get_args(Likeness))
    values = maps.abs() if absolute else maps
    if similarity == "ssim":
        return unit_range(values, signed=not absolute)
    everywhere = torch.ones(maps.shape[1:], dtype=torch.bool)
    return normalised_rows(values, everywhere, kind=similarity).reshape(maps.shape)


def compared(first: Tensor, second: Tensor, similarity: Likeness) -> Tensor:
    """Similarity ``(B,)`` of what :func:`comparable` made."""
    if similarity == "ssim":
        everywhere = torch.ones(first.shape[1:], dtype=torch.bool)
        return ssim(first, second, everywhere).float()
    return (first.double() * second.double()).flatten(1).sum(dim=1).clamp(-1, 1).float()
