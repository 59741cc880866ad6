"""Batches for training the landmark network: moved, relit, covered faces, and no faces."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.detect.network import SIDE, mirrored

DEGREES = 25.0
"""Largest rotation either way; small ones are more frequent."""
SHIFT = 0.1
"""Largest shift either way, as a share of the side."""
SCALE = (0.75, 1.25)
COVERED = 0.3
"""Share of the faces that a patch covers in part."""
PATCH = (0.15, 0.5)
"""Sides of a patch, as shares of the crop's."""
SOFT = 0.4
"""Share of the faces that are blurred, or read at a lower resolution."""
NOISE = 0.04


def generator_for(*numbers: int) -> torch.Generator:
    """Random numbers that depend on the whole numbers alone: seed, epoch, batch.

    Examples
    --------
    >>> first, again = (torch.rand(1, generator=generator_for(0, 3)) for _ in range(2))
    >>> torch.equal(first, again)
    True
    """
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator().manual_seed(seed)


def moved(images: Tensor, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Faces flipped, turned, scaled and shifted at random, and their points.

    Parameters
    ----------
    images
        ``(B, 1, 64, 64)`` in [0, 1].
    points
        ``(B, 68, 2)`` in pixels of the crops.
    generator
        Random numbers.

    Returns
    -------
    images, points
        The same shapes. What comes from outside a crop is black in one half of the faces, and
        the crop's edge repeated in the other.

    Examples
    --------
    >>> images, points = torch.rand(2, 1, 64, 64), 64 * torch.rand(2, 68, 2)
    >>> [tuple(part.shape) for part in moved(images, points, generator_for(0))]
    [(2, 1, 64, 64), (2, 68, 2)]
    """
    n = len(images)
    flip = torch.rand(n, generator=generator) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    points = torch.where(flip[:, None, None], mirrored(points), points)

    angle = math.radians(DEGREES) * (torch.rand(3, n, generator=generator).mean(dim=0) * 2 - 1)
    low, high = SCALE
    scale = low + (high - low) * torch.rand(2, n, generator=generator).mean(dim=0)
    shift = SIDE * SHIFT * (2 * torch.rand(n, 2, generator=generator) - 1)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], dim=1)
    centre = (SIDE - 1) / 2
    forward = scale[:, None, None] * turn  # (B, 2, 2)
    points = torch.einsum("bij,bvj->bvi", forward, points - centre) + centre + shift[:, None]

    back = turn.transpose(1, 2) / scale[:, None, None]
    offset = -torch.einsum("bij,bj->bi", back, shift) * (2 / SIDE)
    grid = F.affine_grid(torch.cat([back, offset[:, :, None]], dim=2), list(images.shape), False)
    half = n // 2
    parts = [
        F.grid_sample(images[part], grid[part], padding_mode=mode, align_corners=False)
        for part, mode in ((slice(half), "zeros"), (slice(half, None), "border"))
    ]
    return torch.cat(parts), points


def worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Faces relit, softened, covered in part and made noisy, at random.

    Examples
    --------
    >>> worn(torch.rand(3, 1, 64, 64), generator_for(0)).shape
    torch.Size([3, 1, 64, 64])
    """
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)

    images = (images.clamp(min=1e-4) ** uniform(-0.5, 0.5).exp()) * uniform(0.7, 1.2)
    ramp = torch.linspace(-1, 1, SIDE)  # light from a side
    images = images * (1 + uniform(-0.3, 0.3) * ramp + uniform(-0.2, 0.2) * ramp[:, None])
    small = F.avg_pool2d(images, 2)
    soft = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    share = uniform(0, 1) * (uniform(0, 1) < SOFT)
    images = images + share * (soft - images)

    tall, wide = (SIDE * uniform(*PATCH) for _ in range(2))
    top, left = ((SIDE - side) * uniform(0, 1) for side in (tall, wide))
    rows, columns = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    patch = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    patch &= uniform(0, 1) < COVERED
    texture = uniform(0, 1) + 0.3 * torch.rand(n, 1, 4, 4, generator=generator)
    images = torch.where(patch, F.interpolate(texture, size=SIDE, mode="bilinear"), images)
    noise = torch.randn(images.shape, generator=generator)
    return (images + uniform(0, NOISE) * noise).clamp(0, 1)


def no_faces(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crops without a face, of the same number: four kinds take turns.

    Cells of a face in random order; clouds and noise; faces upside down; small parts of a face,
    such as cheeks, hair and background, enlarged.

    Examples
    --------
    >>> no_faces(torch.rand(5, 1, 64, 64), generator_for(0)).shape
    torch.Size([5, 1, 64, 64])
    """
    makers = (_shuffled, _clouds, _upside_down, _parts)
    found = torch.empty_like(images)
    for kind, make in enumerate(makers):
        if len(chosen := images[kind :: len(makers)]):
            found[kind :: len(makers)] = make(chosen, generator)
    return found


def _shuffled(images: Tensor, generator: torch.Generator) -> Tensor:
    cells = 4
    side = SIDE // cells
    parts = F.unfold(images, side, stride=side)  # (B, side², cells²)
    orders = torch.rand(len(images), cells**2, generator=generator).argsort(dim=1)
    parts = parts.gather(2, orders[:, None].expand_as(parts))
    return F.fold(parts, SIDE, side, stride=side)


def _clouds(images: Tensor, generator: torch.Generator) -> Tensor:
    total = torch.zeros_like(images)
    for cells in (2, 4, 8, 16, 64):
        layer = torch.randn(len(images), 1, cells, cells, generator=generator)
        weight = torch.rand(len(images), 1, 1, 1, generator=generator)
        total += weight * F.interpolate(layer, size=SIDE, mode="bilinear", align_corners=False)
    spread = 0.25 * torch.rand(len(images), 1, 1, 1, generator=generator)
    return (0.5 + spread * total).clamp(0, 1)


def _upside_down(images: Tensor, generator: torch.Generator) -> Tensor:
    del generator
    return images.flip(-2)


def _parts(images: Tensor, generator: torch.Generator) -> Tensor:
    n = len(images)
    zoom = 0.15 + 0.2 * torch.rand(n, generator=generator)  # share of the side that is seen
    reach = 1 - zoom
    places = reach[:, None] * (2 * torch.rand(n, 2, generator=generator) - 1)
    blank = torch.zeros(n)
    rows = [
        torch.stack([zoom, blank, places[:, 0]], 1),
        torch.stack([blank, zoom, places[:, 1]], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
