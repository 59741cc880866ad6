"""How images are fed to a network: crop, resizing, and normalisation by name or by numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal, get_args

from torch import Tensor
from torch.nn import functional as F

from fer_xai.errors import InputError, UnknownNameError, did_you_mean

IMAGENET_MEAN: tuple[float, float, float] = (0.485, 0.456, 0.406)
IMAGENET_STD: tuple[float, float, float] = (0.229, 0.224, 0.225)
LUMA: tuple[float, float, float] = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights, those of Pillow's and torchvision's greyscale."""

ColourOrder = Literal["rgb", "bgr"]
Resize = Literal["bilinear", "bicubic", "area", "nearest"]
RESIZES: tuple[str, ...] = get_args(Resize)
COLOUR_ORDERS: tuple[str, ...] = get_args(ColourOrder)

NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "half": ((0.5,) * 3, (0.5,) * 3),
    "raw": ((0.0,) * 3, (1 / 255,) * 3),
    "none": ((0.0,) * 3, (1.0,) * 3),
}
"""Mean and deviation by name: ``half`` feeds [−1, 1], ``raw`` [0, 255], ``none`` [0, 1]."""

_MOST_CROPPED = 0.45
_LEAST_CROPPED = -1.0


def normalisation_of(
    name: str | None,
    mean: float | Sequence[float] | None,
    std: float | Sequence[float] | None,
    *,
    channels: int,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel that a network is fed.

    Parameters
    ----------
    name
        A name of :data:`NORMALISATIONS`. One channel gets the average of the three.
    mean, std
        Numbers instead of a name, one a channel or one for all; ImageNet's where neither is given.
    channels
        Number of channels.

    Raises
    ------
    InputError
        For an unknown name, a name beside numbers that say something else, or numbers that cannot
        be subtracted and divided by.

    Examples
    --------
    >>> normalisation_of("half", None, None, channels=1)
    ((0.5,), (0.5,))
    >>> normalisation_of(None, 0.5, (1, 1, 1), channels=3)
    ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    """
    if name is not None and name not in NORMALISATIONS:
        close = did_you_mean(str(name), NORMALISATIONS)
        raise UnknownNameError(
            f"Expected a normalisation {', '.join(NORMALISATIONS)}, or mean and std as numbers, "
            f"got {name!r}{f': {close}' if close else '.'}"
        )
    named = [_of_channels(values, channels) for values in NORMALISATIONS[name or "imagenet"]]
    given = [
        default if values is None else _numbers(what, values, channels)
        for what, values, default in (("mean", mean, named[0]), ("std", std, named[1]))
    ]
    if name is not None and not alike(given, named):
        raise InputError(
            f"Expected either a normalisation by name or mean and std, got {name!r} beside mean "
            f"{given[0]} and std {given[1]}: leave one of them out."
        )
    return given[0], given[1]


def alike(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> bool:
    """Whether two means and deviations are the same but for float32's rounding.

    >>> alike(((0.5,), (1 / 255,)), ((0.5,), (0.003921569,)))
    True
    """
    pairs = zip((*one[0], *one[1]), (*other[0], *other[1]), strict=True)
    return all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-7) for a, b in pairs)


def name_of(mean: Sequence[float], std: Sequence[float]) -> str | None:
    """Name of a normalisation, if it has one.

    Parameters
    ----------
    mean, std
        One number a channel, possibly rounded to single precision.

    Examples
    --------
    >>> name_of((0.5,) * 3, (0.5,) * 3), name_of((0.5,) * 3, (0.25,) * 3)
    ('half', None)
    """
    for name, known in NORMALISATIONS.items():
        pairs = zip((mean, std), known, strict=True)
        if all(_close(own, _of_channels(theirs, len(mean))) for own, theirs in pairs):
            return name
    return None


def _close(own: Sequence[float], other: Sequence[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(own, other, strict=True))


def _of_channels(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """Three channels' values for as many channels as there are."""
    if channels == len(values):
        return tuple(values)
    if len(set(values)) == 1:
        return (values[0],) * channels
    return (round(sum(values) / len(values), 6),) * channels


def _numbers(what: str, values: float | Sequence[float], channels: int) -> tuple[float, ...]:
    """One number a channel; a single number counts for all."""
    listed: Any = values.tolist() if hasattr(values, "tolist") else values
    listed = [listed] * channels if isinstance(listed, Real) else listed
    numbers = isinstance(listed, Sequence) and not isinstance(listed, str | bytes)
    if not numbers or not all(isinstance(one, Real) for one in listed):
        raise InputError(f"Expected {what} as numbers, one a channel, got {values!r}.")
    if len(listed) != channels:
        wanted = "three values" if channels == 3 else "one value"
        advice = (
            "" if channels == 3 else "; a network that takes three equal channels is channels=3"
        )
        if channels == 3 and len(listed) == 1:
            advice = "; a network that takes one channel is channels=1"
        raise InputError(f"Expected {wanted} in {what}, one a channel, got {values}{advice}.")
    if not all(map(math.isfinite, listed)) or (what == "std" and min(listed) <= 0):
        above = " above 0" if what == "std" else ""
        raise InputError(f"Expected finite values{above} in {what}, got {values}.")
    return tuple(map(float, listed))


def check_crop(crop: object) -> float:
    """Share of the side that is cut off at each side, from −1 to .45.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_crop(0.1)
    0.1
    """
    number = float(crop) if isinstance(crop, Real) else math.nan
    if not _LEAST_CROPPED <= number <= _MOST_CROPPED:
        raise InputError(
            f"Expected crop from {_LEAST_CROPPED:g} (a margin as wide as the image) to "
            f"{_MOST_CROPPED:g}, the share of the side that is cut off at each side, got {crop!r}."
        )
    return number


def cropped(images: Tensor, crop: float) -> Tensor:
    """Images without a margin, or with a wider one whose pixels repeat the border.

    Parameters
    ----------
    images
        ``(B, C, H, W)``.
    crop
        Share of the side that is cut off at each side, rounded to whole pixels; negative ones add.

    Examples
    --------
    >>> import torch
    >>> images = torch.arange(4.0).expand(1, 1, 4, 4)
    >>> cropped(images, 0.25)[0, 0], cropped(images, -0.25)[0, 0, 0]
    (tensor([[1., 2.], [1., 2.]]), tensor([0., 0., 1., 2., 3., 3.]))
    """
    height, width = images.shape[-2:]
    rows, columns = round(crop * height), round(crop * width)
    if not (rows or columns):
        return images
    if crop > 0:
        return images[..., rows : height - rows, columns : width - columns]
    return F.pad(images, (-columns, -columns, -rows, -rows), mode="replicate")


def resized(images: Tensor, size: int, how: str) -> Tensor:
    """Images at a square size; those that have it come back as they are.

    Parameters
    ----------
    images
        ``(B, C, H, W)``.
    size
        Side in pixels.
    how
        ``bilinear`` and ``bicubic`` shrink without aliasing (as Pillow does), ``area`` averages
        over the pixels of a cell, ``nearest`` takes the pixel at its middle.

    Examples
    --------
    >>> import torch
    >>> images = torch.arange(4.0).expand(1, 1, 4, 4)
    >>> resized(images, 2, "area")[0, 0, 0], resized(images, 2, "nearest")[0, 0, 0]
    (tensor([0.5000, 2.5000]), tensor([1., 3.]))
    """
    if images.shape[-2:] == (size, size):
        return images
    if how in ("area", "nearest"):
        mode = "area" if how == "area" else "nearest-exact"
        return F.interpolate(images, size=(size, size), mode=mode)
    made = F.interpolate(images, size=(size, size), mode=how, align_corners=False, antialias=True)
    return made.clamp(0, 1) if how == "bicubic" else made  # cubic curves overshoot


def overridden(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a FERModel with some changed, its normalisation as a whole.

    A name replaces mean and std, and numbers replace a name. Other channels get the normalisation
    of the same name, or the average of the numbers.

    Parameters
    ----------
    settings, changes
        Arguments by name.

    Examples
    --------
    >>> overridden({"normalisation": "half"}, {"mean": (0.0,) * 3})
    {'mean': (0.0, 0.0, 0.0), 'std': (0.5, 0.5, 0.5)}
    """
    found = dict(settings)
    channels = int(changes.get("channels", found.get("channels", 3)))
    name = found.get("normalisation")
    numbers = [key for key in ("mean", "std") if changes.get(key) is not None]
    if changes.get("normalisation") is not None:
        found = {key: value for key, value in found.items() if key not in ("mean", "std")}
    elif numbers:
        found.pop("normalisation", None)
        if name is not None:
            found |= dict(zip(("mean", "std"), NORMALISATIONS[name], strict=True))
    elif "channels" in changes and name is not None:
        found.pop("mean", None)
        found.pop("std", None)
    for key in ("mean", "std"):
        if isinstance(found.get(key), Sequence):
            found[key] = _of_channels(found[key], channels)
    return found | dict(changes)
