"""Moves of a face in the plane: where its landmarks come to lie, and its map brought back."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def moved_points(points: Tensor, theta: Tensor, *, side: int) -> Tensor:
    """Where points of images come to lie in images that were moved.

    Parameters
    ----------
    points
        ``(B, V, 2)`` pixels x, y of the images before.
    theta
        ``(B, 2, 3)`` of :class:`Degraded`.
    side
        Side of the images in pixels.

    Returns
    -------
    Tensor
        ``(B, V, 2)`` pixels x, y of the moved images.

    Examples
    --------
    >>> right = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]])  # by a quarter of the side
    >>> moved_points(torch.tensor([[[1.0, 2.0]]]), right, side=8)
    tensor([[[3., 2.]]])
    """
    placed = (2 * points.double() + 1) / side - 1
    back = theta.double().to(points.device)
    found = torch.linalg.solve(back[:, None, :, :2], (placed - back[:, None, :, 2])[..., None])
    return ((found[..., 0] + 1) * side / 2 - 0.5).to(points.dtype)


def moved_back(maps: Tensor, theta: Tensor | None) -> Tensor:
    """Maps of moved images in the frame of the images before, zero beyond their border.

    Parameters
    ----------
    maps
        ``(B, S, S)``.
    theta
        ``(B, 2, 3)`` of :class:`Degraded`; None where nothing moved.

    Returns
    -------
    Tensor
        ``(B, S, S)``.

    Examples
    --------
    >>> right = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]])
    >>> moved_back(torch.tensor([[[0.0, 0.0, 1.0, 0.0]] * 4]), right)[0, 0]
    tensor([0., 1., 0., 0.])
    """
    if theta is None:
        return maps
    return sampled(maps[:, None], inverse(theta), border="zeros")[:, 0]


def inside(theta: Tensor | None, *, faces: int, side: int) -> Tensor:
    """Which places of the images before can still be seen after the move.

    Parameters
    ----------
    theta
        ``(B, 2, 3)`` of :class:`Degraded`; None where nothing moved.
    faces
        The number B.
    side
        Side of the images in pixels.

    Returns
    -------
    Tensor
        Bool ``(B, side, side)``.

    Examples
    --------
    >>> right = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]])
    >>> inside(right, faces=1, side=4)[0, 0]
    tensor([ True,  True,  True, False])
    """
    if theta is None:
        return torch.ones(faces, side, side, dtype=torch.bool)
    grid = F.affine_grid(inverse(theta.cpu()), [faces, 1, side, side], align_corners=False)
    reach = 1 - 1 / side + 1e-5  # centres of the outermost pixels: beyond them a map is not known
    return (grid.abs() <= reach).all(dim=-1)


def turning(angle: Tensor) -> Tensor:
    """``(B, 2, 3)`` maps that turn images about their centre.

    Parameters
    ----------
    angle
        ``(B,)`` degrees.

    Examples
    --------
    >>> turning(torch.tensor([90.0])).round().abs()
    tensor([[[0., 1., 0.],
             [1., 0., 0.]]])
    """
    turn = angle.double() * (math.pi / 180)
    cos, sin, zero = turn.cos(), turn.sin(), torch.zeros_like(turn)
    rows = [torch.stack([cos, -sin, zero], dim=1), torch.stack([sin, cos, zero], dim=1)]
    return torch.stack(rows, dim=1).float()


def inverse(theta: Tensor) -> Tensor:
    """Affine maps ``(B, 2, 3)`` the other way round.

    Examples
    --------
    >>> inverse(torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]]))[0, :, 2].abs()
    tensor([0.5000, 0.0000])
    """
    linear = torch.linalg.inv(theta[:, :, :2].double())
    shift = -(linear @ theta[:, :, 2:].double())
    return torch.cat([linear, shift], dim=2).to(theta.dtype)


def sampled(images: Tensor, theta: Tensor, *, border: str) -> Tensor:
    """Images ``(B, C, S, S)`` whose places come from those that affine maps name, bilinear.

    Parameters
    ----------
    images
        The images before.
    theta
        ``(B, 2, 3)``.
    border
        What lies beyond the image: its ``border``, repeated, or ``zeros``.

    Examples
    --------
    >>> right = torch.tensor([[[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]])
    >>> sampled(torch.tensor([[[[1.0, 2.0]] * 2]]), right, border="border")[0, 0, 0]
    tensor([1., 1.])
    """
    grid = F.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=border, align_corners=False)
