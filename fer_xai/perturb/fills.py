"""Fills: images that replace a face where something of it was taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from fer_xai.registry import Registry

Fill = Callable[[Tensor, Sequence[torch.Generator]], Tensor]
"""From images ``(B, 3, H, W)`` in [0, 1] and a generator each to what replaces them."""

FILLS: Registry[Fill] = Registry("fill", package="fer_xai.perturb")
BLUR = 0.1
"""Standard deviation of the blur, as a share of the image's side: at 64 pixels 6.4, which leaves
the head and takes the features."""


def fill_images(
    images: Tensor, kind: str, generators: Sequence[torch.Generator] | None = None
) -> Tensor:
    """Whole images of a fill, to be blended with the faces under a mask.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    kind
        ``black``, ``grey`` (½) or ``white``; ``mean``, each image's mean colour; ``blur``, Gaussian
        with σ a tenth of the side; ``blur_rise``, after RISE's insertion, by its 11×11 kernel, but
        with the image mirrored at its border; ``noise``, uniform in [0, 1].
    generators
        Randomness of each image, for ``noise``; seeded by position by default.

    Returns
    -------
    Tensor
        ``(B, 3, H, W)``.

    Raises
    ------
    UnknownNameError
        For another kind.

    Examples
    --------
    >>> images = torch.tensor([0.0, 1.0]).expand(1, 3, 2, 2)
    >>> fill_images(images, "mean")[0, 0]
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    if generators is None:
        generators = [torch.Generator().manual_seed(index) for index in range(len(images))]
    return FILLS[kind](images, generators)


def _constant(value: float) -> Fill:
    return lambda images, _: torch.full_like(images, value)


@FILLS.register("mean")
def _mean(images: Tensor, _: Sequence[torch.Generator]) -> Tensor:
    return images.mean(dim=(-2, -1), keepdim=True).expand_as(images).contiguous()


@FILLS.register("blur")
def _blur(images: Tensor, _: Sequence[torch.Generator]) -> Tensor:
    side = min(images.shape[-2:])
    sigma = BLUR * side
    # reflection at the border reaches no further than the image itself
    reach = min(2 * round(2.5 * sigma) + 1, 2 * side - 1)
    blurred: Tensor = tv.gaussian_blur(images, [reach, reach], [sigma, sigma])
    return blurred


@FILLS.register("blur_rise")
def _blur_rise(images: Tensor, _: Sequence[torch.Generator]) -> Tensor:
    """By RISE's kernel; where RISE pads with zeros of normalised images, which are their mean
    colour, the image is mirrored.
    """
    line = _rise_kernel(min(11, 2 * min(images.shape[-2:]) - 1)).to(images)
    size, batch = len(line), images.flatten(0, 1)[:, None]  # (B·3, 1, H, W)
    padded = F.pad(batch, [size // 2] * 4, mode="reflect")
    rows = F.conv2d(padded, line.reshape(1, 1, 1, size))
    return F.conv2d(rows, line.reshape(1, 1, size, 1)).reshape(images.shape)


def _rise_kernel(size: int, sigma: float = 5.0) -> Tensor:
    """``(size,)`` float64, whose outer product with itself is RISE's kernel.

    Petsiuk et al., BMVC 2018, blur a single one in a square of the kernel's size by scipy's
    ``gaussian_filter``: the Gaussian ends at 4σ, and what reaches over the square's border is
    folded back into it, so that the kernel is much flatter than a Gaussian that is cut there.
    """
    reach = int(4 * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1)
    place = (steps + size // 2) % (2 * size)
    place = torch.where(place < size, place, 2 * size - 1 - place)
    line = torch.zeros(size, dtype=torch.float64)
    line.index_add_(0, place, torch.exp(-((steps / sigma).double() ** 2) / 2))
    return line / line.sum()


@FILLS.register("noise")
def _noise(images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    rows = [torch.rand(images.shape[1:], generator=generator) for generator in generators]
    return torch.stack(rows).to(images) if rows else torch.empty_like(images)


for _name, _value in {"black": 0.0, "grey": 0.5, "white": 1.0}.items():
    FILLS.register(_name)(_constant(_value))
