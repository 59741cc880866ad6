"""Polygons to masks: many faces, areas and pixels at once.

An edge meets a row of pixels in one place, so that a row costs one addition an edge rather than
one test a pixel; the sum along the row then says how often each pixel is wound round. A pixel lies
in an area if its centre does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Edges:
    """Directed edges of closed outlines.

    Attributes
    ----------
    start, end
        ``(N, E, 2)`` points x, y in pixels.
    area
        ``(E,)`` number of the area that each edge bounds.
    turn
        ``(N, E)`` int8, +1 or −1: in which sense an edge is counted.

    Examples
    --------
    >>> square = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]])
    >>> polygon_edges([square], areas=[0]).start.shape
    torch.Size([1, 4, 2])
    """

    start: Tensor
    end: Tensor
    area: Tensor
    turn: Tensor


def polygon_edges(polygons: Sequence[Tensor], *, areas: Sequence[int]) -> Edges:
    """Edges of polygons; those of one area make up their union.

    Parameters
    ----------
    polygons
        Each ``(N, V, 2)`` corners in order, in pixels x, y, or in the units of the caller.
    areas
        Number of each polygon's area.

    Examples
    --------
    >>> square = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]])
    >>> edges = polygon_edges([square, square.flip(1)], areas=[0, 0])  # one runs the other way
    >>> edges.turn.tolist()
    [[1, 1, 1, 1, -1, -1, -1, -1]]
    """
    start, end, area, turn = [], [], [], []
    for polygon, number in zip(polygons, areas, strict=True):
        after = polygon.roll(-1, dims=1)
        twice = (polygon[..., 0] * after[..., 1] - polygon[..., 1] * after[..., 0]).sum(dim=1)
        start.append(polygon)
        end.append(after)
        area.append(torch.full((polygon.shape[1],), number))
        sense = torch.where(twice < 0, -1, 1).to(torch.int8)
        turn.append(sense[:, None].expand(-1, polygon.shape[1]))
    return Edges(
        start=torch.cat(start, dim=1),
        end=torch.cat(end, dim=1),
        area=torch.cat(area),
        turn=torch.cat(turn, dim=1),
    )


def fill(edges: Edges, *, areas: int, size: int) -> Tensor:
    """Bool ``(N, areas, size, size)``: the pixels whose centres lie inside of an area's outlines.

    Parameters
    ----------
    edges
        Edges in pixels.
    areas
        Number of areas.
    size
        Side of the masks.

    Examples
    --------
    >>> square = torch.tensor([[[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]]])
    >>> fill(polygon_edges([square], areas=[0]), areas=1, size=4)[0, 0].int()
    tensor([[0, 0, 0, 0],
            [0, 1, 1, 0],
            [0, 1, 1, 0],
            [0, 0, 0, 0]], dtype=torch.int32)
    """
    n = len(edges.start)
    x0, y0 = edges.start.unbind(dim=-1)  # (N, E)
    x1, y1 = edges.end.unbind(dim=-1)
    first = torch.minimum(y0, y1).ceil().clamp(0, size)
    last = torch.maximum(y0, y1).ceil().clamp(0, size)  # the row after the last
    most = int((last - first).max()) if first.numel() else 0
    down = torch.where(y1 > y0, edges.turn, -edges.turn)
    rise = torch.where(y1 == y0, torch.ones_like(y0), y1 - y0)
    slope = (x1 - x0) / rise
    faces = torch.arange(n)[:, None]
    base = (faces * areas + edges.area) * size  # (N, E)
    winding = torch.zeros(n * areas * size * (size + 1), dtype=torch.int8)
    for step in range(most):
        row = first + step
        meets = row < last
        column = (x0 + (row - y0) * slope).ceil().clamp(0, size)
        at = (base + row.clamp(max=size - 1).long()) * (size + 1) + column.long()
        winding.index_add_(0, at[meets], down[meets])
    rows = winding.reshape(n, areas, size, size + 1)
    return rows.cumsum(dim=-1, dtype=torch.int8)[..., :size] != 0
