"""Shapes in a face's coordinates: the distance of every pixel from their edge, negative inside."""

from __future__ import annotations

import torch
from torch import Tensor


def ellipse(u: Tensor, v: Tensor, centre: Tensor, half: Tensor, axis: Tensor) -> Tensor:
    """Distance ``(B, H, W)`` from an ellipse, right to first order at its edge.

    Parameters
    ----------
    u, v
        ``(B, H, W)`` coordinates of the pixels.
    centre, half
        ``(B, 2)`` centre and half axes.
    axis
        ``(B, 2)`` direction of the first axis, of length 1.

    Examples
    --------
    >>> u = torch.tensor([[[0.0, 2.0, 4.0]]])
    >>> origin, right = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    >>> ellipse(u, 0 * u, origin, torch.tensor([[2.0, 1.0]]), right)[0, 0].sign().tolist()
    [-1.0, 0.0, 1.0]
    """
    x, y = u - _wide(centre[:, 0]), v - _wide(centre[:, 1])
    across, along = _wide(axis[:, 0]), _wide(axis[:, 1])
    width, height = (_wide(side.clamp(min=1e-3)) for side in half.unbind(dim=1))
    s, t = (x * across + y * along) / width, (y * across - x * along) / height
    gauge = torch.hypot(s, t)
    slope = torch.hypot(s / width, t / height).clamp(min=1e-6)
    return gauge * (gauge - 1) / slope - (gauge == 0) * torch.minimum(width, height)


def capsule(u: Tensor, v: Tensor, start: Tensor, end: Tensor, radius: Tensor | float) -> Tensor:
    """Distance ``(B, H, W)`` from all points within a radius of a line.

    Parameters
    ----------
    u, v
        ``(B, H, W)`` coordinates of the pixels.
    start, end
        ``(B, 2)`` ends of the line.
    radius
        A number, or ``(B,)``.

    Examples
    --------
    >>> u = torch.tensor([[[0.0, 2.0, 4.0]]])
    >>> start, end = torch.tensor([[0.0, 0.0], [1.0, 0.0]])[:, None]
    >>> capsule(u, 0 * u, start, end, 1.0)[0, 0].tolist()
    [-1.0, 0.0, 2.0]
    """
    x, y = u - _wide(start[:, 0]), v - _wide(start[:, 1])
    dx, dy = (_wide(side) for side in (end - start).unbind(dim=1))
    t = ((x * dx + y * dy) / (dx * dx + dy * dy).clamp(min=1e-12)).clamp(0, 1)
    edge = _wide(radius) if isinstance(radius, Tensor) else radius
    return torch.hypot(x - t * dx, y - t * dy) - edge


def polygon(u: Tensor, v: Tensor, corners: Tensor) -> Tensor:
    """Distance ``(B, H, W)`` from a closed polygon.

    Parameters
    ----------
    u, v
        ``(B, H, W)`` coordinates of the pixels.
    corners
        ``(B, V, 2)``, in order.

    Examples
    --------
    >>> u = torch.tensor([[[0.5, 2.0]]])
    >>> square = torch.tensor([[[0.0, -1.0], [1.0, -1.0], [1.0, 1.0], [0.0, 1.0]]])
    >>> polygon(u, 0 * u, square)[0, 0].tolist()
    [-0.5, 1.0]
    """
    nearest = torch.full_like(u, torch.inf)
    for place in range(corners.shape[1]):
        nearest = torch.minimum(nearest, capsule(u, v, corners[:, place - 1], corners[:, place], 0))
    return torch.where(inside(u, v, corners), -nearest, nearest)


def inside(u: Tensor, v: Tensor, corners: Tensor) -> Tensor:
    """Bool ``(B, H, W)``: which pixels lie in a closed polygon, by counting crossings.

    Parameters
    ----------
    u, v, corners
        As for :func:`polygon`.

    Examples
    --------
    >>> u = torch.tensor([[[0.5, 2.0]]])
    >>> square = torch.tensor([[[0.0, -1.0], [1.0, -1.0], [1.0, 1.0], [0.0, 1.0]]])
    >>> inside(u, 0 * u, square).tolist()
    [[[True, False]]]
    """
    found = torch.zeros_like(u, dtype=torch.bool)
    for place in range(corners.shape[1]):
        (ax, ay), (bx, by) = (
            [_wide(side) for side in corners[:, at].unbind(dim=1)] for at in (place - 1, place)
        )
        rise = torch.where(by == ay, 1.0, by - ay)
        found ^= ((ay > v) != (by > v)) & (u < ax + (v - ay) * ((bx - ax) / rise))
    return found


def line(u: Tensor, v: Tensor, at: Tensor, towards: Tensor) -> Tensor:
    """Distance ``(B, H, W)`` beyond a line.

    Parameters
    ----------
    u, v
        ``(B, H, W)`` coordinates of the pixels.
    at
        ``(B, 2)`` a place on the line.
    towards
        ``(B, 2)`` direction at right angles to the line, of length 1, in which the distance grows.

    Examples
    --------
    >>> u = torch.tensor([[[0.0, 2.0]]])
    >>> line(u, 0 * u, torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]]))[0, 0].tolist()
    [-1.0, 1.0]
    """
    x, y = _wide(towards[:, 0]), _wide(towards[:, 1])
    return (u - _wide(at[:, 0])) * x + (v - _wide(at[:, 1])) * y


def union(*distances: Tensor) -> Tensor:
    """Distance ``(B, H, W)`` from several shapes together.

    Examples
    --------
    >>> union(torch.tensor([1.0]), torch.tensor([-1.0]))
    tensor([-1.])
    """
    found = distances[0]
    for distance in distances[1:]:
        found = torch.minimum(found, distance)
    return found


def _wide(values: Tensor) -> Tensor:
    """Values ``(B,)`` as ``(B, 1, 1)``."""
    return values[:, None, None]
