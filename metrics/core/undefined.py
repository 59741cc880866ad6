"""Undefined maps (NaN or infinite anywhere): scored as NaN, without effect on other faces."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.checks import check_tensor
from fer_xai.errors import InputError
from fer_xai.types import undefined_maps


def without_undefined(maps: Tensor) -> Tensor:
    """Maps ``(B, H, W)`` with zeros in place of undefined ones, so that all faces can be passed.

    Examples
    --------
    >>> without_undefined(torch.tensor([[[1.0, 2.0]], [[torch.inf, 0.0]]])).tolist()
    [[[1.0, 2.0]], [[0.0, 0.0]]]
    """
    undefined = undefined_maps(maps)
    return torch.where(undefined[:, None, None], 0, maps) if bool(undefined.any()) else maps


def nan_where_undefined(values: Tensor, maps: Tensor) -> Tensor:
    """Values ``(B, …)``, on the CPU, of maps ``(B, H, W)``, with NaN for undefined maps.

    Examples
    --------
    >>> maps = torch.tensor([[[1.0, 2.0]], [[torch.inf, 0.0]]])
    >>> nan_where_undefined(torch.tensor([0.5, 0.5]), maps)
    tensor([0.5000,    nan])
    """
    undefined = undefined_maps(maps).cpu()
    return torch.where(undefined.view(len(values), *[1] * (values.ndim - 1)), torch.nan, values)


def as_doubles(maps: Tensor) -> Tensor:
    """Maps ``(B, H, W)`` as float64 on the CPU, with NaN for undefined ones.

    Raises
    ------
    InputError
        For anything but maps ``(B, H, W)``.

    Examples
    --------
    >>> as_doubles(torch.tensor([[[1.0, torch.inf]]]))
    tensor([[[nan, nan]]], dtype=torch.float64)
    """
    check_tensor("maps", maps, "(B, H, W)")
    if maps.ndim != 3:
        raise InputError(f"Expected maps (B, H, W), got {tuple(maps.shape)}.")
    own = maps.cpu().double()
    return nan_where_undefined(own, own)
