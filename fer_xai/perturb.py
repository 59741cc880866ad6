"""What stands in an image where something was taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from fer_xai.registry import Registry

Fill = Callable[[Tensor, Sequence[torch.Generator]], Tensor]
"""From images ``(B, 3, H, W)`` in [0, 1] and a generator each to what replaces them."""

FILLS: Registry[Fill] = Registry(
    "fill",
    dict.fromkeys(("black", "grey", "white", "mean", "blur", "blur_rise", "noise"), __name__),
)
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
        with σ a tenth of the side; ``blur_rise``, 11×11 Gaussian with σ = 5 pixels, as RISE's
        insertion has it; ``noise``, uniform in [0, 1].
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
    reach = min(11, 2 * (min(images.shape[-2:]) - 1) + 1)
    blurred: Tensor = tv.gaussian_blur(images, [reach, reach], [5.0, 5.0])
    return blurred


@FILLS.register("noise")
def _noise(images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    rows = [torch.rand(images.shape[1:], generator=generator) for generator in generators]
    return torch.stack(rows).to(images) if rows else torch.empty_like(images)


for _name, _value in {"black": 0.0, "grey": 0.5, "white": 1.0}.items():
    FILLS.register(_name)(_constant(_value))
