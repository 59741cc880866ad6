"""One colour for all faces."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.draws.sources import Sources
from fer_xai.perturb.fills.core import FILLS, ImageFill


class Constant(ImageFill):
    """One brightness everywhere.

    Parameters
    ----------
    name
        Name of the fill.
    value
        Value of all channels, in [0, 1].

    Examples
    --------
    >>> FILLS["grey"].image(torch.zeros(1, 3, 1, 1)).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """

    same_for_all = True

    def __init__(self, name: str, value: float) -> None:
        self.name, self.value = name, value

    @property
    def meaning(self) -> str:
        """The brightness, for the tables of the documentation."""
        return f"Brightness {self.value:g} everywhere"

    def paint(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Tensor:
        """The colour, in images of the same shape."""
        del generators, regions
        return torch.full_like(images, self.value)


for _fill in (Constant("black", 0.0), Constant("grey", 0.5), Constant("white", 1.0)):
    FILLS.register(_fill.name)(_fill)
