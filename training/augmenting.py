"""Augmentation of a whole batch at once, on its device, each face by random numbers of its own."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Kind = Literal["standard", "flip"]

FLIPPED = 0.5
DEGREES = 12.0
"""Largest rotation either way."""
SHIFT = 0.08
"""Largest translation either way, as a share of the side; whole pixels."""
SCALE = (0.88, 1.12)
BRIGHTNESS = CONTRAST = (0.7, 1.3)
ERASED = 0.25
"""Share of the faces that lose a rectangle."""
ERASED_AREA, ERASED_RATIO = (0.02, 0.2), (0.3, 3.3)
"""Rectangle: share of the image, and height over width (log-uniform)."""

NUMBERS = (
    "flip",
    "angle",
    "right",
    "down",
    "scale",
    "brightness",
    "contrast",
    "order",
    "erase",
    "area",
    "ratio",
    "top",
    "left",
)
"""What each face's random numbers decide."""


def draws(n: int, *, seed: int, epoch: int) -> Tensor:
    """The random numbers of an epoch, ``(n, len(NUMBERS))`` uniform in [0, 1), a row a face.

    A face's row depends on seed, epoch and its index alone, so that a resumed run, another order
    or another number of processes sees the same augmentation.

    Examples
    --------
    >>> numbers = draws(3, seed=0, epoch=1)
    >>> numbers.shape == (3, len(NUMBERS)), torch.equal(draws(2, seed=0, epoch=1), numbers[:2])
    (True, True)
    """
    generator = np.random.default_rng([seed, epoch])
    return torch.from_numpy(generator.random((n, len(NUMBERS)), dtype=np.float32))


def augment(images: Tensor, numbers: Tensor, *, kind: Kind) -> Tensor:
    """Flip, turn, shift, scale, re-light and erase, each face by its own numbers.

    The transforms are those of torchvision's ``RandomHorizontalFlip``, ``RandomAffine`` (bilinear,
    black outside), ``ColorJitter`` (brightness and contrast, in random order) and
    ``RandomErasing``, for all faces at once, so that a GPU does not wait for them.

    Parameters
    ----------
    images
        ``(B, C, H, W)`` floats in [0, 1].
    numbers
        ``(B, len(NUMBERS))`` from :func:`draws`, on any device.
    kind
        ``standard``, or ``flip`` for the flip alone.

    Returns
    -------
    Tensor
        ``(B, C, H, W)`` in [0, 1].

    Examples
    --------
    >>> numbers = draws(9, seed=0, epoch=3)
    >>> augment(torch.rand(2, 3, 64, 64), numbers[[7, 4]], kind="standard").shape
    torch.Size([2, 3, 64, 64])
    """
    numbers = numbers.to(images.device, images.dtype)
    drawn = dict(zip(NUMBERS, numbers.T, strict=True))
    flipped = drawn["flip"] < FLIPPED
    if kind == "flip":
        return torch.where(_faces(flipped), images.flip(-1), images)
    moved = F.grid_sample(images, _sources(images, drawn, flipped), align_corners=False)
    lit = _relit(moved, drawn)
    return lit.masked_fill_(_erased(images, drawn)[:, None], 0.0)


def move_areas(areas: Tensor, numbers: Tensor, *, kind: Kind) -> Tensor:
    """Areas of faces, flipped, turned, shifted and scaled as :func:`augment` does the images.

    What :func:`augment` erases is taken out of them: nothing is to be seen there.

    Parameters
    ----------
    areas
        ``(B, C, H, W)`` in [0, 1], at the images' side or another one. At another one a shift is
        rounded to whole pixels of the areas.
    numbers, kind
        As for :func:`augment`.

    Returns
    -------
    Tensor
        ``(B, C, H, W)`` in [0, 1].

    Examples
    --------
    >>> numbers = draws(2, seed=0, epoch=3)
    >>> left = (torch.arange(8) < 4).float().expand(2, 1, 8, 8)
    >>> moved = move_areas(left, numbers, kind="flip")[:, 0, 0, 0]
    >>> torch.equal(moved == 0, numbers[:, NUMBERS.index("flip")] < FLIPPED)
    True
    """
    numbers = numbers.to(areas.device, areas.dtype)
    drawn = dict(zip(NUMBERS, numbers.T, strict=True))
    flipped = drawn["flip"] < FLIPPED
    if kind == "flip":
        return torch.where(_faces(flipped), areas.flip(-1), areas)
    moved = F.grid_sample(areas, _sources(areas, drawn, flipped), align_corners=False)
    return moved.masked_fill_(_erased(areas, drawn)[:, None], 0.0)


def _sources(images: Tensor, drawn: dict[str, Tensor], flipped: Tensor) -> Tensor:
    """Where each pixel comes from, ``(B, H, W, 2)`` in grid_sample's units."""
    height, width = images.shape[-2:]
    turn = torch.deg2rad(_between((-DEGREES, DEGREES), drawn["angle"]))
    scale = _between(SCALE, drawn["scale"])
    right = (_between((-SHIFT, SHIFT), drawn["right"]) * width).round()
    down = (_between((-SHIFT, SHIFT), drawn["down"]) * height).round()
    # pixels from the centre; sums of products, since autocast would round a matrix product
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
    y = torch.arange(height, device=images.device, dtype=images.dtype) - (height - 1) / 2
    x = x[None, None, :] - right[:, None, None]
    y = y[None, :, None] - down[:, None, None]
    cos, sin = (turn.cos() / scale)[:, None, None], (turn.sin() / scale)[:, None, None]
    mirror = (1 - 2 * flipped.to(images.dtype))[:, None, None]
    from_x, from_y = mirror * (cos * x + sin * y), cos * y - sin * x
    return torch.stack([from_x * (2 / width), from_y * (2 / height)], dim=-1)


def _relit(images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Brightness scales a face, contrast scales what differs from its mean; either comes first."""
    brightness = _between(BRIGHTNESS, drawn["brightness"])
    contrast = _between(CONTRAST, drawn["contrast"])
    brightness_first = drawn["order"] < 0.5
    for is_contrast in (~brightness_first, brightness_first):
        factor = torch.where(is_contrast, contrast, brightness)
        offset = torch.where(is_contrast, (1 - contrast) * _mean_luma(images), 0.0)
        images = torch.addcmul(_faces(offset), images, _faces(factor)).clamp_(0, 1)
    return images


def _mean_luma(images: Tensor) -> Tensor:
    """``(B,)``, by the weights of ITU-R BT.601 for three channels."""
    means = images.mean(dim=(2, 3))
    if images.shape[1] != 3:
        return means.mean(dim=1)
    red, green, blue = means.unbind(dim=1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def _erased(images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """``(B, H, W)``: the pixels that are lost."""
    height, width = images.shape[-2:]
    area = _between(ERASED_AREA, drawn["area"]) * height * width
    low, high = (math.log(bound) for bound in ERASED_RATIO)
    ratio = _between((low, high), drawn["ratio"]).exp()
    tall = (area * ratio).sqrt().round().clamp(max=height)
    wide = (area / ratio).sqrt().round().clamp(max=width)
    top = (drawn["top"] * (height - tall + 1)).floor()
    left = (drawn["left"] * (width - wide + 1)).floor()
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    across = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    along = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    chosen = (drawn["erase"] < ERASED)[:, None, None]
    return chosen & along[:, :, None] & across[:, None, :]


def _between(bounds: tuple[float, float], share: Tensor) -> Tensor:
    low, high = bounds
    return low + (high - low) * share


def _faces(values: Tensor) -> Tensor:
    """One value a face, to spread over its pixels."""
    return values[:, None, None, None]
