"""Moves of a face that an explanation should follow: flip, shifts, turns, light."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Move:
    """A change of the image and what it does to positions.

    ``image`` acts on ``(N, C, H, W)`` in [0, 1]; ``place`` moves maps likewise (identity where
    positions stay). ``theta`` ``(2, 3)`` maps normalised places back, for affine moves.

    Examples
    --------
    >>> flip = moves(0.25)[0]
    >>> maps = torch.tensor([[[[0.0, 1.0]]]])
    >>> flip.name, flip.place(maps).tolist(), torch.equal(flip.place(flip.place(maps)), maps)
    ('flip', [[[[1.0, 0.0]]]], True)
    """

    name: str
    image: Callable[[Tensor], Tensor]
    place: Callable[[Tensor], Tensor]
    theta: Tensor | None = None


def moves(cell: float) -> list[Move]:
    """The moves of the consistency study.

    Parameters
    ----------
    cell
        Side of a CAM cell as a share of the image: faces are shifted by one cell, since a coarse
        map follows smaller shifts by not moving at all.

    Returns
    -------
    list of Move
        A mirroring, two shifts, two rotations and two changes of brightness.

    Examples
    --------
    >>> [move.name for move in moves(0.25)][:4]
    ['flip', 'shift right by a cell', 'shift left by a cell', 'rotate +10°']
    """
    found = [Move(name="flip", image=_flip, place=_flip)]
    for name, sign in (("shift right", 1.0), ("shift left", -1.0)):
        found.append(_warp_move(f"{name} by a cell", shift=sign * cell, angle=0.0))
    for angle in (10.0, -10.0):
        found.append(_warp_move(f"rotate {angle:+.0f}°", shift=0.0, angle=angle))
    for factor in (1.1, 0.9):
        found.append(
            Move(
                name=f"brightness {factor - 1:+.0%}",
                image=lambda x, f=factor: (x * f).clamp(0, 1),  # type: ignore[misc]
                place=lambda x: x,
            )
        )
    return found


def _flip(x: Tensor) -> Tensor:
    return x.flip(-1)


def _warp_move(name: str, *, shift: float, angle: float) -> Move:
    turn = math.radians(angle)
    theta = torch.tensor(
        [[math.cos(turn), -math.sin(turn), -2 * shift], [math.sin(turn), math.cos(turn), 0.0]]
    )

    def warp(x: Tensor) -> Tensor:
        grid = F.affine_grid(theta.expand(len(x), 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    return Move(name=name, image=warp, place=warp, theta=theta)


def inside(move: Move, size: int) -> Tensor:
    """``(size, size)`` bool: pixels of the moved image that come from inside the original.

    Examples
    --------
    >>> right = moves(0.25)[1]
    >>> inside(right, 4)[0]  # its first column comes from outside
    tensor([False,  True,  True,  True])
    """
    if move.theta is None:
        return torch.ones(size, size, dtype=torch.bool)
    grid = F.affine_grid(move.theta[None], [1, 1, size, size], align_corners=False)
    return (grid[0].abs() <= 1).all(dim=-1)
