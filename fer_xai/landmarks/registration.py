"""Registration: maps of different faces, brought to one canonical face frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from torch import Tensor
from torch.nn import functional as F

from fer_xai.errors import InputError
from fer_xai.landmarks.points import check_landmarks
from fer_xai.landmarks.regions import face_regions
from fer_xai.landmarks.template import FRAME, INNER, canonical_landmarks

Kind = Literal["similarity", "affine", "none"]


def similarity_transforms(
    source: NDArray[np.float32], target: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Least-squares similarity (scale, rotation, shift; no reflection) a face.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    PAMI 1991, in closed form for the plane.

    Parameters
    ----------
    source
        ``(N, V, 2)`` points.
    target
        ``(V, 2)`` points they are brought to.

    Returns
    -------
    ndarray
        ``(N, 2, 3)`` matrices M with M·(x, y, 1) in the target's frame; NaN where a point is NaN.

    Examples
    --------
    >>> square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], dtype=np.float32)
    >>> back = similarity_transforms(2 * square[None] + 1, square)
    >>> (back[0] @ [3, 5, 1]).tolist()
    [1.0, 2.0]
    """
    a = source.astype(np.float64)
    b = target.astype(np.float64)
    centre_a, centre_b = a.mean(axis=1, keepdims=True), b.mean(axis=0)
    a, b = a - centre_a, b - centre_b
    spread = (a**2).sum(axis=(1, 2))
    cos = (a * b).sum(axis=(1, 2)) / spread
    sin = (a[..., 0] * b[:, 1] - a[..., 1] * b[:, 0]).sum(axis=1) / spread
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)  # (N, 2, 2)
    shift = centre_b - np.einsum("nij,nj->ni", linear, centre_a[:, 0])
    return np.concatenate([linear, shift[:, :, None]], axis=2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Registration:
    """How to sample each face's map so that it comes out on the canonical face.

    Attributes
    ----------
    grid
        ``(N, 64, 64, 2)`` pixel x, y in each face's own image, for every canonical pixel.
    valid
        ``(N, 64, 64)`` bool: which of them lie inside the image.
    known
        ``(N,)`` bool: faces that could be registered.
    mask
        ``(64, 64)`` bool: the canonical face, where at least 99 % of the known faces are valid;
        the same pixels for all, so that similarities are comparable.
    size
        Side of the images that ``grid`` refers to.

    Examples
    --------
    >>> found = register(2 * canonical_landmarks()[None] + 3, size=140)  # twice as large, and moved
    >>> x = torch.arange(140.0).expand(1, 140, 140)
    >>> found.apply(x)[0, 0, :3].round(decimals=3)  # the columns that they are taken from
    tensor([3., 5., 7.])
    """

    grid: Tensor
    valid: Tensor
    known: Tensor
    mask: Tensor
    size: int

    def apply(self, maps: Tensor) -> Tensor:
        """Maps ``(N, size, size)`` or ``(N, K, size, size)`` in the canonical frame.

        Bilinear; beyond the image's border its edge is repeated. Unknown faces become NaN.
        """
        stacked = maps[:, None] if maps.ndim == 3 else maps
        if stacked.shape[-2:] != (self.size, self.size) or len(stacked) != len(self.grid):
            raise InputError(
                f"Expected {len(self.grid)} maps of side {self.size}, got {tuple(maps.shape)}."
            )
        grid = torch.nan_to_num(self.grid) * (2 / (self.size - 1)) - 1
        out = F.grid_sample(stacked, grid, padding_mode="border", align_corners=True)
        out[~self.known] = torch.nan
        return out[:, 0] if maps.ndim == 3 else out


def register(
    landmarks: NDArray[np.float32], *, size: int, kind: Kind = "similarity"
) -> Registration:
    """Registration of faces to the canonical frame by their landmarks.

    Parameters
    ----------
    landmarks
        ``(N, 68, 2)`` pixels x, y of images of side ``size``; NaN where unknown.
    size
        Side of the images and maps.
    kind
        ``similarity``: fitted to brows, nose, eyes and mouth. ``affine``: after that, piecewise
        affine over the Delaunay triangles of all 68 points and the frame's border, so that every
        landmark comes to lie on its canonical place. ``none``: the image scaled to the frame,
        as if every face were the template.

    Raises
    ------
    InputError
        For another kind, if no face has landmarks, or if they cannot be used
        (:func:`~fer_xai.landmarks.check_landmarks`).

    Returns
    -------
    Registration
        The grid that maps are sampled on, and the mask on which they are compared.

    Examples
    --------
    >>> faces = np.stack([canonical_landmarks(), np.full((68, 2), np.nan, np.float32)])
    >>> found = register(faces, size=64)
    >>> found.known, found.grid.shape
    (tensor([ True, False]), torch.Size([2, 64, 64, 2]))
    """
    if kind not in ("similarity", "affine", "none"):
        raise InputError(f"Expected registration similarity, affine or none, got {kind!r}.")
    if kind != "none":
        check_landmarks(landmarks, size=size)
    n = len(landmarks)
    y, x = np.meshgrid(np.arange(FRAME), np.arange(FRAME), indexing="ij")
    frame = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float64)  # (P, 2)
    template = canonical_landmarks()
    if kind == "none":
        known = np.ones(n, dtype=bool)
        scaled = (frame + 0.5) * size / FRAME - 0.5
        grid = np.broadcast_to(scaled, (n, len(frame), 2)).copy()
    else:
        known = np.asarray(np.isfinite(landmarks).all(axis=(1, 2)))
        if not known.any():
            raise InputError(
                "Expected landmarks for some faces, got none: pass a file with --landmarks, or "
                "choose registration none."
            )
        back = _inverse(similarity_transforms(landmarks[:, INNER], template[INNER]))
        if kind == "similarity":
            grid = np.einsum("nij,pj->npi", back[:, :, :2], frame) + back[:, None, :, 2]
        else:
            grid = _piecewise(landmarks, template, back, frame)
    inside = (grid > -0.5) & (grid < size - 0.5)
    valid = inside.all(axis=2) & known[:, None]
    hull = ~face_regions(template[None], size=FRAME)[0, -1].numpy().reshape(-1)
    mask = hull & (valid[known].mean(axis=0) >= 0.99)
    return Registration(
        grid=torch.from_numpy(grid.astype(np.float32)).reshape(n, FRAME, FRAME, 2),
        valid=torch.from_numpy(valid).reshape(n, FRAME, FRAME),
        known=torch.from_numpy(known),
        mask=torch.from_numpy(mask).reshape(FRAME, FRAME),
        size=size,
    )


def _inverse(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverses of ``(N, 2, 3)`` similarities."""
    out = np.full_like(matrices, np.nan)
    fine = np.isfinite(matrices).all(axis=(1, 2))
    linear = np.linalg.inv(matrices[fine, :, :2])
    out[fine, :, :2] = linear
    out[fine, :, 2] = -np.einsum("nij,nj->ni", linear, matrices[fine, :, 2])
    return out


def _piecewise(
    landmarks: NDArray[np.float32],
    template: NDArray[np.float32],
    back: NDArray[np.float64],
    frame: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Source points ``(N, P, 2)`` of canonical pixels, affine within each template triangle."""
    border = np.array([[x, y] for x in (-8, 31.5, 71) for y in (-8, 31.5, 71)])
    border = np.delete(border, 4, axis=0)  # not the centre
    corners = np.concatenate([template, border])
    placed = np.einsum("nij,pj->npi", back[:, :, :2], border) + back[:, None, :, 2]
    source = np.concatenate([landmarks, placed], axis=1)  # (N, 76, 2)
    mesh = Delaunay(corners)
    triangle = mesh.find_simplex(frame)
    transform = mesh.transform[triangle]  # (P, 3, 2)
    first = np.einsum("pij,pj->pi", transform[:, :2], frame - transform[:, 2])
    weights = np.concatenate([first, 1 - first.sum(axis=1, keepdims=True)], axis=1)  # (P, 3)
    return np.einsum("pk,npkc->npc", weights, source[:, mesh.simplices[triangle]])
