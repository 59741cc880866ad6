"""Linear imputation: each removed pixel is predicted from its neighbours, with noise."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from fer_xai.checks import quoted
from fer_xai.draws.sources import Sources, normal_rows
from fer_xai.errors import InputError
from fer_xai.perturb.fills.core import FILLS, Fill, fill_images
from fer_xai.perturb.fills.imputation import linear_imputation
from fer_xai.perturb.fills.prepared import Prepared

NOISE = 0.01
"""Standard deviation of what is added to imputed pixels, as in the reference implementation."""


class Linear(Fill):
    """Each removed pixel becomes a weighted mean of its neighbours, with noise (ROAD).

    :func:`~fer_xai.perturb.fills.imputation.linear_imputation` says how. Noise is drawn once for
    each face, so that all masks of a face share it, and values that it moves out of [0, 1] stay so.
    Where every pixel is removed, the mean colour stands in, with noise.

    Parameters
    ----------
    noise
        Standard deviation of the noise that is added to each channel of a removed pixel, 0 or more.

    Examples
    --------
    >>> image = torch.tensor([0.0, 0.0, 1.0]).expand(1, 3, 3, 3)
    >>> middle = torch.tensor([False, True, False]).expand(1, 3, 3)
    >>> Linear(noise=0).blend(image, middle)[0, 0, 0].round(decimals=4)
    tensor([0.0000, 0.5000, 1.0000])
    >>> Linear(noise=0.02)
    Linear('linear:0.02')
    """

    soft = False

    def __init__(self, noise: float = NOISE) -> None:
        self.noise = noise
        self.name = "linear" if noise == NOISE else f"linear:{noise!r}"
        self.random = noise > 0

    def with_option(self, option: str) -> Fill:
        """The fill with other noise; that of the reference implementation if nothing is named.

        Raises
        ------
        InputError
            For anything that is no standard deviation.
        """
        try:
            noise = float(option) if option else NOISE
        except ValueError:
            noise = math.nan
        if not 0 <= noise < math.inf:
            raise InputError(
                f"Expected a fill like linear:{NOISE:g}, with the standard deviation of its noise, "
                f"got {quoted(f'linear:{option}')}."
            )
        return Linear(noise)

    def ready(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Prepared:
        """The faces with noise that is drawn for them."""
        del regions
        return _Imputed(self, images, generators)


class _Imputed(Prepared):
    """Faces with the noise that is added where their pixels are imputed."""

    def __init__(self, fill: Linear, images: Tensor, generators: Sources) -> None:
        self.fill, self.images = fill, images
        self.drawn: Tensor | None = None  # (B, 3, H, W), standard normal
        if fill.random:
            drawn = normal_rows(generators, *images.shape[1:], device=images.device)
            self.drawn = torch.empty_like(images).copy_(drawn)

    @cached_property
    def whole(self) -> Tensor:
        mean = fill_images(self.images, "mean")
        return mean if self.drawn is None else mean.add_(self.drawn, alpha=self.fill.noise)

    def blend(self, gone: Tensor, faces: Tensor | None = None) -> Tensor:
        if gone.dtype != torch.bool:
            raise InputError(
                f"Expected a bool mask for the fill {self.fill.name!r}, which imputes whole "
                f"pixels, got {gone.dtype}: compare it, mask > 0.5, or choose another fill."
            )
        mask = gone[:, 0] if gone.ndim == 4 else gone
        images = linear_imputation(self.images if faces is None else self.images[faces], mask)
        if self.drawn is None:
            return images
        drawn = self.drawn if faces is None else self.drawn[faces]
        return images.addcmul_(drawn, mask[:, None], value=self.fill.noise)


FILLS.register("linear")(Linear())
