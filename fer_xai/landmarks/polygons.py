"""Polygons to masks: many faces, areas and pixels at once.

An edge meets a column of pixels in one place, so that a column costs one addition an edge rather
than one test a pixel; the sum down the column then says how often each pixel is wound round. A
pixel lies in an area if its centre does.
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
    return edges_of(
        torch.cat(list(polygons), dim=1), [polygon.shape[1] for polygon in polygons], areas
    )


def edges_of(corners: Tensor, counts: Sequence[int], areas: Sequence[int]) -> Edges:
    """Edges of polygons whose corners ``(N, V, 2)`` follow each other in one tensor.

    Parameters
    ----------
    corners
        Corners of all polygons.
    counts
        Number of corners of each polygon.
    areas
        Number of each polygon's area.

    Examples
    --------
    >>> edges_of(torch.rand(1, 7, 2), [3, 4], areas=[0, 1]).area
    tensor([0, 0, 0, 1, 1, 1, 1])
    """
    each = torch.tensor(counts)
    polygon = torch.repeat_interleave(torch.arange(len(counts)), each)  # (V,)
    after = torch.arange(len(polygon)) + 1
    ends = each.cumsum(dim=0)
    after[ends - 1] = ends - each
    end = corners[:, after]
    cross = corners[..., 0] * end[..., 1] - corners[..., 1] * end[..., 0]
    twice = torch.zeros(len(corners), len(counts)).index_add_(1, polygon, cross)
    sense = torch.where(twice < 0, -1, 1).to(torch.int8)
    return Edges(start=corners, end=end, area=torch.tensor(areas)[polygon], turn=sense[:, polygon])


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
    first = torch.minimum(x0, x1).ceil().clamp(0, size)
    last = torch.maximum(x0, x1).ceil().clamp(0, size)  # the column after the last
    turn = torch.where(x1 > x0, edges.turn, -edges.turn)
    slope = (y1 - y0) / torch.where(x1 == x0, torch.ones_like(x0), x1 - x0)
    base = (torch.arange(n)[:, None] * areas + edges.area) * size  # (N, E)
    winding = torch.zeros(n * areas * size * size, dtype=torch.int8)
    for step in range(int((last - first).max()) if n else 0):
        column = first + step
        row = (y0 + (column - x0) * slope).ceil().clamp(min=0)
        # what lies below the image turns nothing in it
        meets = ((column < last) & (row < size)).flatten().nonzero()[:, 0]
        rows_met, columns_met = (value.take(meets).long() for value in (row, column))
        winding.index_add_(0, (base.take(meets) + rows_met) * size + columns_met, turn.take(meets))
    rows = winding.reshape(n, areas, size, size)
    for below in range(1, size):  # a running sum, whole rows at a time
        rows[:, :, below] += rows[:, :, below - 1]
    return rows.bool()
