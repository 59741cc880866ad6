"""Blurs: the face without its details, by a wide Gaussian or by RISE's kernel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from fer_xai.draws.sources import Sources
from fer_xai.perturb.fills.core import FILLS, ImageFill

BLUR = 0.1
"""Standard deviation of the blur, as a share of the image's side: at 64 pixels 6.4, which leaves
the head and takes the features."""


class Blur(ImageFill):
    """The face under a Gaussian blur, σ a tenth of its side.

    Examples
    --------
    >>> stripes = torch.tensor([0.0, 1.0]).repeat(10).expand(1, 3, 20, 20)
    >>> float(Blur().image(stripes)[0, 0, 10, 10].round(decimals=2))
    0.5
    """

    name = "blur"

    def paint(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Tensor:
        """The blurred images, which are mirrored at their border."""
        del generators, regions
        side = min(images.shape[-2:])
        sigma = BLUR * side
        # reflection at the border reaches no further than the image itself
        reach = min(2 * round(2.5 * sigma) + 1, 2 * side - 1)
        blurred: Tensor = tv.gaussian_blur(images, [reach, reach], [sigma, sigma])
        return blurred


class BlurRise(ImageFill):
    """The face under the 11×11 blur of RISE's insertion, mirrored at its border.

    RISE pads with zeros of normalised images, which are their mean colour.

    Examples
    --------
    >>> float(BlurRise().image(torch.full((1, 3, 20, 20), 0.25))[0, 0, 0, 0].round(decimals=4))
    0.25
    """

    name = "blur_rise"

    def paint(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Tensor:
        """The blurred images, which are mirrored at their border."""
        del generators, regions
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


for _fill in (Blur(), BlurRise()):
    FILLS.register(_fill.name)(_fill)
