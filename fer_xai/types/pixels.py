"""Pixels that a reader returns, in one form and at one size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from fer_xai.checks import quoted
from fer_xai.errors import InputError


def as_pixels(image: object, *, face: str) -> NDArray[np.uint8]:
    """Pixels that a reader returned as uint8 ``(H, W, 3)``.

    Raises
    ------
    InputError
        For another shape, values outside 0 to 255 or floats outside [0, 1].

    Examples
    --------
    >>> as_pixels([[0.0, 1.0]], face="a").tolist()  # (1, 2), grey
    [[[0, 0, 0], [255, 255, 255]]]
    """
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise InputError(
            f"Expected pixels (H, W, 3) or grey (H, W) from the reader of {quoted(face)}, got "
            f"{_described(image)}: convert the image to RGB, channels last."
        )
    if array.dtype == np.uint8:
        return array if array.flags.writeable else array.copy()  # torch warns of read-only ones
    kind, low, high = array.dtype.kind, 0.0, 0.0
    if kind in "iuf":
        low, high = float(array.min()), float(array.max())
    if kind in "iu" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if kind == "f" and low >= 0 and high <= 1:  # never true with NaN
        return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    values = f" from {low:.4g} to {high:.4g}" if kind in "iuf" else ""
    raise InputError(
        f"Expected pixels as uint8, or as floats in [0, 1], from the reader of {quoted(face)}, got "
        f"{array.dtype}{values}: return image.astype(np.uint8) of values from 0 to 255."
    )


def _described(image: object) -> str:
    shape = getattr(image, "shape", None)
    return type(image).__name__ if shape is None else f"shape {tuple(shape)}"


def resized(image: NDArray[np.uint8], size: int) -> Tensor:
    """Pixels uint8 ``(H, W, 3)`` as ``(3, size, size)``.

    Examples
    --------
    >>> resized(np.full((4, 6, 3), 255, np.uint8), 2).tolist()[0]
    [[255, 255], [255, 255]]
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)  # (3, H, W)
    if pixels.shape[1:] != (size, size):
        pixels = tv.resize(pixels, [size, size], antialias=True)
    return pixels
