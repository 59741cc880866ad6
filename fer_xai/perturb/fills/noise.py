"""Noise that has nothing of the face."""

from __future__ import annotations

from torch import Tensor

from fer_xai.draws.sources import Sources, uniform_rows
from fer_xai.perturb.fills.core import FILLS, ImageFill


class Noise(ImageFill):
    """Uniform noise in [0, 1], drawn for each face by itself.

    Examples
    --------
    >>> import torch
    >>> one, two = (Noise().image(torch.zeros(1, 3, 2, 2)) for _ in range(2))
    >>> torch.equal(one, two)  # seeded by the face's position
    True
    """

    name = "noise"
    random = True

    def paint(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Tensor:
        """Numbers of the generators."""
        del regions
        return uniform_rows(generators, *images.shape[1:], device=images.device).to(images)


FILLS.register(Noise.name)(Noise())
