"""The mean colour of each face."""

from __future__ import annotations

from torch import Tensor

from fer_xai.draws.sources import Sources
from fer_xai.perturb.fills.core import FILLS, ImageFill


class Mean(ImageFill):
    """Each image's own mean colour.

    Examples
    --------
    >>> import torch
    >>> Mean().image(torch.tensor([0.0, 1.0]).expand(1, 3, 2, 2))[0, 0]
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """

    name = "mean"

    def paint(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Tensor:
        """The mean over all pixels, in each channel."""
        del generators, regions
        return images.mean(dim=(-2, -1), keepdim=True).expand_as(images).contiguous()


FILLS.register(Mean.name)(Mean())
