"""Light: darker, brighter, from the side; midtones; colour. Light is linear, and sRGB is not."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.draws.streams import Streams
from fer_xai.perturb.conditions.core import CONDITIONS, Condition

_LUMA = (0.299, 0.587, 0.114)


def linear_light(images: Tensor) -> Tensor:
    """Amounts of light behind sRGB values, IEC 61966-2-1.

    Parameters
    ----------
    images
        Values in [0, 1].

    Examples
    --------
    >>> linear_light(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.2140, 1.0000])
    """
    return torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4)


def srgb(light: Tensor) -> Tensor:
    """SRGB values of amounts of light; what is brighter than white is white.

    Parameters
    ----------
    light
        Amounts, 0 or more.

    Examples
    --------
    >>> srgb(torch.tensor([0.0, 0.214, 2.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    one = light.clamp(0, 1)
    bright = 1.055 * one.clamp(min=1e-8) ** (1 / 2.4) - 0.055
    return torch.where(one <= 0.0031308, one * 12.92, bright).clamp(0, 1)


class Dark(Condition):
    """Less light all over: each stop halves it.

    Examples
    --------
    >>> Dark().changed(torch.full((1, 3, 1, 1), 0.5), 1.0, None)[0, 0, 0, 0]
    tensor(0.3608)
    """

    name, unit, most, severities = "dark", "stops less light", 8.0, (1.0, 2.0, 3.0, 4.0)
    form = "−{:g} stops"

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images with less light."""
        del sources
        return srgb(linear_light(images) * 2.0**-severity)


class Bright(Condition):
    """More light all over, beyond white in part: each stop doubles it.

    Examples
    --------
    >>> Bright().changed(torch.full((1, 3, 1, 1), 0.5), 1.0, None)[0, 0, 0, 0]
    tensor(0.6858)
    """

    name, unit, most, severities = "bright", "stops more light", 8.0, (0.5, 1.0, 1.5, 2.0)
    form = "+{:g} stops"

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images with more light."""
        del sources
        return srgb(linear_light(images) * 2.0**severity)


class Gamma(Condition):
    """Darker midtones, black and white as they are: values to the power of two to the severity.

    Examples
    --------
    >>> Gamma().changed(torch.full((1, 3, 1, 1), 0.5), 1.0, None)[0, 0, 0, 0]
    tensor(0.2500)
    """

    name, unit, most, severities = "gamma", "doublings of the exponent", 3.0, (0.25, 0.5, 1.0, 1.5)

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images with darker midtones."""
        del sources
        return images ** (2.0**severity)

    def label(self, severity: float, side: int) -> str:
        """The exponent."""
        del side
        return f"γ {2.0**severity:.2g}"


class SideLight(Condition):
    """Light from one side, left or right by the face: it falls evenly to the other edge.

    Examples
    --------
    >>> from fer_xai.draws.streams import streams
    >>> lit = SideLight().changed(torch.ones(1, 3, 4, 4), 100.0, streams([(0, "a face")]))
    >>> lit[0, 0, 0].sort().values.round(decimals=2)
    tensor([0.3900, 0.6500, 0.8100, 0.9400])
    """

    name, unit, most = "side_light", "% of the light lost at the far edge", 100.0
    severities = (25.0, 50.0, 75.0, 100.0)

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images that are lit from the side."""
        width = images.shape[-1]
        across = (torch.arange(width, device=images.device, dtype=images.dtype) + 0.5) / width
        left = sources.bernoulli(0.5, device=images.device)[:, None]  # (B, 1)
        far = torch.where(left, across, 1 - across)[:, None, None]  # (B, 1, 1, W)
        return srgb(linear_light(images) * (1 - severity / 100 * far))


class Grey(Condition):
    """Colour taken away, with its luma kept.

    Examples
    --------
    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> Grey().changed(red, 100.0, None).flatten()
    tensor([0.2990, 0.2990, 0.2990])
    """

    name, unit, most = "grey", "% of the colour lost", 100.0
    severities = (25.0, 50.0, 75.0, 100.0)

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images with less colour."""
        del sources
        weights = torch.tensor(_LUMA, device=images.device, dtype=images.dtype)
        luma = (images * weights[:, None, None]).sum(dim=1, keepdim=True)
        return images.lerp(luma.expand_as(images), severity / 100).clamp(0, 1)


for _condition in (Dark(), Bright(), Gamma(), SideLight(), Grey()):
    CONDITIONS.register(_condition.name)(_condition)
