"""Networks whose reasons are known: they look for a mark, and say happiness where they see it.

Marks are patches of pure colours that no built-in face has. With one mark a network reads one
region; with two in XOR it reads a pair, in which what one mark says depends on the other.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models.fer_model import FERModel

MAGENTA, CYAN = (1.0, 0.0, 1.0), (0.0, 1.0, 1.0)
"""Colours of the two marks."""
ENOUGH = 0.002
"""Share of the image's pixels that a mark counts as one with, 8 of 64 × 64."""
Rule = Literal["one", "xor"]


class MarkReader(nn.Module):
    """A convolution that knows two colours, then sums of what it saw.

    Logit of happiness: how much magenta it saw, or for ``xor`` a + b − 2·max(0, a + b − 1), where
    a and b, of magenta and cyan, saturate at 1; all other logits are zero.

    Examples
    --------
    >>> net, images = MarkReader("one"), torch.full((2, 3, 16, 16), 0.5)
    >>> images[1, :, 4:8, 4:8] = torch.tensor(MAGENTA)[:, None, None]
    >>> (net(images)[:, 0] > 0).tolist()
    [False, True]
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.colours = nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            for channel, (red, green, blue) in enumerate((MAGENTA, CYAN)):
                signs = torch.tensor([2 * red - 1, 2 * green - 1, 2 * blue - 1])
                self.colours.weight[channel, :, 0, 0] = 1.25 * signs
            # 1 for the pure colour, still above 0 half way from it to grey
            nn.init.constant_(cast("Tensor", self.colours.bias), -1.5)
        self.seen = nn.ReLU()
        self.pool = nn.AvgPool2d(4)
        self.mix = nn.Conv2d(2, 2, 1, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(2)[:, :, None, None])
        self.map = nn.ReLU()
        self.amount = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.amount.weight.copy_(torch.eye(2) / ENOUGH)
        self.above, self.both = nn.ReLU(), nn.ReLU()
        self.head = nn.Linear(2 if rule == "xor" else 1, len(SIX), bias=False)
        self.rule = rule
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.weight[0] = torch.tensor([1.0, -2.0] if rule == "xor" else [1.0])

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, 6)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        cells = self.map(self.mix(self.pool(self.seen(self.colours(x)))))
        amount = self.amount(cells.mean(dim=(2, 3)))  # (B, 2)
        if self.rule == "one":
            logits: Tensor = self.head(amount[:, :1])
            return logits
        marks = amount - self.above(amount - 1)  # saturated at 1
        total = marks.sum(dim=1, keepdim=True)
        both: Tensor = self.head(torch.cat([total, self.both(total - 1)], dim=1))
        return both


def planted_model(rule: Rule) -> FERModel:
    """A network that says happiness where it sees the mark of ``one``, or one of two in ``xor``.

    Examples
    --------
    >>> model = planted_model("xor")
    >>> model.name, model.emotions[0]
    ('plant-xor', 'happiness')
    """
    net = MarkReader(rule)
    return FERModel(
        net,
        emotions=SIX,
        size=64,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        cam_layer="map",
        name=f"plant-{rule}",
    ).eval()


def marked(images: Tensor, regions: Tensor, colour: tuple[float, float, float]) -> Tensor:
    """Images ``(B, 3, H, W)`` with a mark of a twelfth of their side in the middle of a region.

    Parameters
    ----------
    images
        In [0, 1].
    regions
        Bool ``(B, H, W)``: where the mark lies, around the region's pixel nearest its centre.
    colour
        Colour of the mark.

    Raises
    ------
    InputError
        If an image has no such region.

    Examples
    --------
    >>> region = torch.zeros(1, 24, 24, dtype=torch.bool)
    >>> region[0, 6:11, 6:11] = True
    >>> images = marked(torch.full((1, 3, 24, 24), 0.5), region, MAGENTA)
    >>> (images[0, 1] == 0).nonzero().tolist()  # no green is left there
    [[7, 7], [7, 8], [8, 7], [8, 8]]
    """
    if not bool(regions.flatten(1).any(dim=1).all()):
        raise InputError("Expected a region to mark in every image, but in some it has no pixels.")
    out, side = images.clone(), max(2, round(images.shape[-1] / 12))
    for face, region in enumerate(regions):
        places = region.nonzero().float()  # (P, 2)
        middle = places[(places - places.mean(dim=0)).norm(dim=1).argmin()].long()
        top, left = (middle - side // 2).clamp(min=0).tolist()
        inside = region[top : top + side, left : left + side]
        for channel, value in enumerate(colour):
            out[face, channel, top : top + side, left : left + side][inside] = value
    return out
