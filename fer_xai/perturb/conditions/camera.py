"""The camera and what stores its images: blur, noise, JPEG, resolution."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from fer_xai.draws.streams import Streams
from fer_xai.perturb.conditions.core import CONDITIONS, Condition


class Blur(Condition):
    """Gaussian blur, mirrored at the border.

    Examples
    --------
    >>> stripes = torch.tensor([0.0, 1.0]).repeat(10).expand(1, 3, 20, 20)
    >>> Blur().changed(stripes, 5.0, None)[0, 0, 10, 10] < 0.55
    tensor(True)
    """

    name, unit, most, severities = "blur", "% of the side (σ)", 30.0, (1.0, 2.0, 4.0, 8.0)

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Blurred images."""
        del sources
        side = images.shape[-1]
        sigma = severity / 100 * side
        reach = min(2 * max(1, round(3 * sigma)) + 1, 2 * side - 1)  # it is mirrored but once
        blurred: Tensor = tv.gaussian_blur(images, [reach, reach], [sigma, sigma])
        return blurred.clamp(0, 1)

    def label(self, severity: float, side: int) -> str:
        """The severity in pixels, too."""
        return f"σ {severity:g} % ({severity / 100 * side:.2g} px)"


class Noise(Condition):
    """Gaussian noise on each pixel and channel, one draw a face, grown with the severity.

    Examples
    --------
    >>> from fer_xai.draws.streams import streams
    >>> grey = torch.full((1, 3, 64, 64), 0.5)
    >>> round(float(Noise().changed(grey, 10.0, streams([(0, "a face")])).std()), 2)
    0.1
    """

    name, unit, most = "noise", "% of the range (standard deviation)", 100.0
    severities = (4.0, 8.0, 16.0, 32.0)
    form = "sd {:g} %"

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Noisy images; values beyond black and white are cut."""
        drawn = sources.randn(*images.shape[1:], device=images.device).to(images.dtype)
        return (images + severity / 100 * drawn).clamp(0, 1)


class Jpeg(Condition):
    """JPEG at a quality of 100 less the severity, of images of eight bits.

    Examples
    --------
    >>> flat = torch.full((1, 3, 16, 16), 0.5)
    >>> float((Jpeg().changed(flat, 90.0, None) - flat).abs().max()) < 0.02
    True
    """

    name, unit, most, severities = "jpeg", "below quality 100", 99.0, (50.0, 80.0, 90.0, 95.0)

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images written and read again by Pillow, one by one, on the CPU."""
        del sources
        pixels = (images.detach().cpu() * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        read = [_stored(one.numpy(), self.quality(severity)) for one in pixels]
        made = torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2)
        return (made.to(images.dtype) / 255).to(images.device)

    @staticmethod
    def quality(severity: float) -> int:
        """Quality as encoders count it, 1 to 100."""
        return max(1, round(100 - severity))

    def label(self, severity: float, side: int) -> str:
        """The quality."""
        del side
        return f"quality {self.quality(severity)}"


class Resolution(Condition):
    """Fewer pixels: brought down and up again, each unit half the side.

    What an image does not hold cannot be given back: the finest level is the image as it is.

    Examples
    --------
    >>> checks = torch.eye(2).repeat(8, 8).expand(1, 3, 16, 16)
    >>> Resolution().changed(checks, 2.0, None)[0, 0, 8, 8]
    tensor(0.5000)
    >>> Resolution().label(1.0, side=64), round(Resolution.severity_of(24, side=64), 2)
    ('32 px', 1.42)
    """

    name, unit, most, severities = "resolution", "halvings of the side", 6.0, (0.5, 1.0, 1.5, 2.0)

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images of fewer pixels, at the same size."""
        del sources
        side = images.shape[-1]
        few = self.pixels(severity, side)
        if few == side:
            return images
        small = F.interpolate(
            images, size=(few, few), mode="bilinear", antialias=True, align_corners=False
        )
        full = F.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
        return full.clamp(0, 1)

    @staticmethod
    def pixels(severity: float, side: int) -> int:
        """Side in pixels that is left, at least 2."""
        return max(2, round(side * 2.0**-severity))

    @staticmethod
    def severity_of(pixels: int, *, side: int) -> float:
        """The severity that leaves a side of so many pixels."""
        return float(torch.log2(torch.tensor(side / pixels, dtype=torch.float64)).clamp(min=0))

    def label(self, severity: float, side: int) -> str:
        """The side in pixels."""
        return f"{self.pixels(severity, side)} px"


def _stored(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Pixels ``(H, W, 3)`` written as JPEG and read again."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


for _condition in (Blur(), Noise(), Jpeg(), Resolution()):
    CONDITIONS.register(_condition.name)(_condition)
