"""The small network of the built-in provider: 68 points and a confidence from a grey crop."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fer_xai.landmarks.template import MIRROR, canonical_landmarks

SIDE = 64
"""Side of the crops that the network is fed, in pixels."""
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_WIDTHS = (16, 32, 64, 96, 96, 128)
_STRIDES = (2, 2, 1, 2, 1, 2)


class LandmarkNet(nn.Module):
    """Six convolutions and one linear layer: points of a crop, and whether it shows a face.

    The crop is made grey and standardised, so that neither colour nor exposure matters. The linear
    layer reads the last 4×4 map as a whole and gives what is added to the mean face, as shares of
    the crop's side.

    Examples
    --------
    >>> net = LandmarkNet().eval()
    >>> points, logits = net(torch.rand(2, 3, 64, 64))
    >>> points.shape, logits.shape
    (torch.Size([2, 68, 2]), torch.Size([2]))
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width, stride in zip(_WIDTHS, _STRIDES, strict=True):
            layers += [
                nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels * 4 * 4, 68 * 2 + 1)
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)
        self.mean: Tensor
        self.register_buffer("mean", torch.from_numpy(canonical_landmarks()))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Points ``(B, 68, 2)`` in pixels of the 64×64 crops, and logits ``(B,)`` of a face.

        Parameters
        ----------
        images
            ``(B, 3, 64, 64)`` or ``(B, 1, 64, 64)`` in [0, 1].
        """
        answer = self.head(self.features(standardised(images)).flatten(1)).float()  # (B, 137)
        points = self.mean + SIDE * answer[:, :-1].reshape(-1, 68, 2)
        return points, answer[:, -1]

    def both_ways(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The answer averaged over each crop and its mirror image.

        A mirrored crop then has exactly the mirrored points: neither side of faces is preferred.
        """
        points, logits = self(torch.cat([images, images.flip(-1)]))
        one, other = points.chunk(2)
        return (one + mirrored(other)) / 2, torch.stack(logits.chunk(2)).mean(dim=0)


def mirrored(points: Tensor, *, side: int = SIDE) -> Tensor:
    """Points ``(B, 68, 2)`` of mirrored images of a side: places and numbers change sides.

    Examples
    --------
    >>> points = torch.rand(1, 68, 2)
    >>> torch.allclose(mirrored(mirrored(points)), points, atol=1e-5)
    True
    """
    moved = points[:, torch.from_numpy(MIRROR).to(points.device)]
    return torch.stack([side - 1 - moved[..., 0], moved[..., 1]], dim=-1)


def standardised(images: Tensor) -> Tensor:
    """Crops as grey ``(B, 1, H, W)``, each with mean 0 and a standard deviation of about 1.

    Examples
    --------
    >>> grey = standardised(torch.rand(2, 3, 8, 8))
    >>> grey.shape, bool(grey.mean() < 1e-5)
    (torch.Size([2, 1, 8, 8]), True)
    """
    if images.shape[1] == 3:
        weights = images.new_tensor(_LUMA)[:, None, None]
        images = (images * weights).sum(dim=1, keepdim=True)
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    spread = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / (spread + 0.02)


def points_loss(points: Tensor, truth: Tensor, *, least: float = 1e-3) -> Tensor:
    """Mean distance over the distance of the eyes' outer corners, ``(B,)``.

    Parameters
    ----------
    points, truth
        ``(B, 68, 2)`` in pixels.
    least
        Least distance of the corners that is divided by.

    Examples
    --------
    >>> truth = torch.from_numpy(canonical_landmarks())[None]
    >>> points_loss(truth + torch.tensor([3.0, 4.0]), truth).round(decimals=3)
    tensor([0.1270])
    """
    eyes = (truth[:, 36] - truth[:, 45]).norm(dim=-1).clamp(min=least)
    distances = F.pairwise_distance(points.flatten(0, 1), truth.flatten(0, 1))
    return distances.reshape(len(points), 68).mean(dim=1) / eyes
