"""Noise that has nothing of the face."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_xai.perturb.fills.core import FILLS, ImageFill


class Noise(ImageFill):
    """Uniform noise in [0, 1], drawn for each face by itself.

    Examples
    --------
    >>> one, two = (Noise().image(torch.zeros(1, 3, 2, 2)) for _ in range(2))
    >>> torch.equal(one, two)  # seeded by the face's position
    True
    """

    name = "noise"
    random = True

    def paint(
        self, images: Tensor, generators: Sequence[torch.Generator], regions: Tensor | None
    ) -> Tensor:
        """Numbers of the generators, drawn on the CPU."""
        del regions
        rows = [torch.rand(images.shape[1:], generator=generator) for generator in generators]
        return torch.stack(rows).to(images) if rows else torch.empty_like(images)


FILLS.register(Noise.name)(Noise())
