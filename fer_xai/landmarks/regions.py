"""Facial regions from 68 landmarks: a partition of the image, in proportion to the face.

Lengths are in units of the distance between the eyes' centres, so regions scale with the face;
directions follow the line through the eyes, so they turn with it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.landmarks.points import Points, check_landmarks, face_axes, known_faces

REGIONS: tuple[str, ...] = (
    "forehead",
    "brows",
    "eyes",
    "nose",
    "cheeks",
    "mouth",
    "chin_jaw",
    "off_face",
)
"""Names of the regions, in the order of every region axis."""

_FOREHEAD = 0.75  # how far the forehead reaches above the brows
_BROW = 0.13  # half thickness of the brow band
_MOUTH = 1.15  # dilation of the outer lips about their centre
_CHUNK = 64


def face_regions(landmarks: Points, *, size: int) -> Tensor:
    """Regions of faces as masks.

    Mouth: the outer lips, dilated by 15 %. Eyes: ellipses 1.3 times as wide as the eye and 0.7 of
    that high. Brows: a band along their points. Nose: from its root to below the nostrils.
    Forehead: above the brows, up to 0.75 eye distances. Chin and jaw: below the mouth's corners.
    Cheeks: the rest of the face. Where regions overlap the earlier in mouth, eyes, brows, nose,
    forehead, chin wins.

    Parameters
    ----------
    landmarks
        ``(N, 68, 2)`` iBUG points in pixels x, y of images of side ``size``.
    size
        Side of the masks.

    Returns
    -------
    Tensor
        bool ``(N, 8, size, size)`` in the order of :data:`REGIONS`: exactly one is true a pixel,
        and none for a face with an unknown point.

    Raises
    ------
    InputError
        If the landmarks are not ``(N, 68, 2)``, or a face's are wholly outside of its image or
        mirrored (:func:`~fer_xai.landmarks.check_landmarks`).

    Examples
    --------
    >>> from fer_xai.landmarks.template import canonical_landmarks
    >>> regions = face_regions(canonical_landmarks()[None], size=64)
    >>> regions.shape, bool((regions.sum(dim=1) == 1).all())
    (torch.Size([1, 8, 64, 64]), True)
    >>> bool(regions[0, REGIONS.index("mouth"), 48, 32])  # y, x
    True
    """
    points = check_landmarks(landmarks, size=size)
    out = torch.zeros(len(points), len(REGIONS), size, size, dtype=torch.bool)
    rows = known_faces(points).nonzero()[:, 0]
    for part in torch.split(rows, _CHUNK):
        out[part] = _partition(points[part], size)
    return out


def _partition(points: Tensor, size: int) -> Tensor:
    """Bool ``(N, 8, size, size)`` of faces whose points are all known."""
    axes = face_axes(points)
    grid = torch.arange(size, dtype=torch.float32)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    pixels = torch.stack([x.reshape(-1), y.reshape(-1)], dim=1)  # (P, 2)

    at = axes.local(pixels[None].expand(len(points), -1, -1))  # (N, P, 2)
    p = axes.local(points)  # (N, 68, 2)

    lifted = p[:, 17:27].flip(1) - torch.tensor([0.0, _FOREHEAD])  # right to left, over the brows
    lifted = lifted * torch.tensor([0.9, 1.0])
    face = _inside(at, torch.cat([p[:, 0:17], lifted], dim=1))
    lips = p[:, 48:60]
    centre = lips.mean(dim=1, keepdim=True)
    mouth = _inside(at, centre + (lips - centre) * _MOUTH)
    eyes = torch.zeros_like(face)
    for corners in ((36, 39), (42, 45)):
        a, b = p[:, corners[0]], p[:, corners[1]]
        middle, half = (a + b) / 2, ((b - a).norm(dim=1) / 2).clamp(min=1e-3)
        axis = (b - a) / (2 * half)[:, None]
        q = at - middle[:, None]
        s = (q * axis[:, None]).sum(-1) / (1.3 * half[:, None])
        t = (q[..., 1] * axis[:, :1] - q[..., 0] * axis[:, 1:]) / (0.91 * half[:, None])
        eyes |= s * s + t * t <= 1
    brows = torch.zeros_like(face)
    for start in (17, 22):
        for k in range(start, start + 4):
            brows |= _distance(at, p[:, k], p[:, k + 1]) <= _BROW
    wing = (p[:, 35] - p[:, 31]).norm(dim=1).clamp(min=0.1)[:, None]
    side = torch.tensor([1.0, 0.0])
    low = torch.tensor([0.0, 0.08])
    nose = _inside(
        at,
        torch.stack(
            [
                p[:, 27] - 0.14 * side,
                p[:, 27] + 0.14 * side,
                p[:, 35] + 0.25 * wing * side,
                p[:, 35] + 0.1 * wing * side + low,
                p[:, 31] - 0.1 * wing * side + low,
                p[:, 31] - 0.25 * wing * side,
            ],
            dim=1,
        ),
    )
    forehead = at[..., 1] < p[:, 17:27, 1].mean(dim=1, keepdim=True)
    chin = at[..., 1] > (p[:, 48, 1] + p[:, 54, 1])[:, None] / 2
    taken = ~face
    found = {"off_face": ~face}
    layers = {
        "mouth": mouth,
        "eyes": eyes,
        "brows": brows,
        "nose": nose,
        "forehead": forehead,
        "chin_jaw": chin,
    }
    for name, mask in layers.items():
        found[name] = mask & ~taken
        taken = taken | mask
    found["cheeks"] = ~taken
    stacked = torch.stack([found[name] for name in REGIONS], dim=1)  # (N, 8, P)
    return stacked.reshape(len(points), len(REGIONS), size, size)


def _inside(at: Tensor, polygon: Tensor) -> Tensor:
    """``(N, P)``: which points lie in a closed polygon ``(N, V, 2)``, by counting crossings."""
    inside = torch.zeros(at.shape[:2], dtype=torch.bool)
    x, y = at[..., 0], at[..., 1]
    for k in range(polygon.shape[1]):
        a, b = polygon[:, k - 1], polygon[:, k]
        straddles = (a[:, 1:] > y) != (b[:, 1:] > y)
        rise = b[:, 1:] - a[:, 1:]
        rise = torch.where(rise == 0, torch.full_like(rise, 1e-12), rise)
        cross = a[:, :1] + (y - a[:, 1:]) * (b[:, :1] - a[:, :1]) / rise
        inside ^= straddles & (x < cross)
    return inside


def _distance(at: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``(N, P)`` distances to the segment from ``a`` to ``b``, each ``(N, 2)``."""
    along = (b - a)[:, None]
    length = (along**2).sum(-1).clamp(min=1e-12)
    t = (((at - a[:, None]) * along).sum(-1) / length).clamp(0, 1)
    return (at - a[:, None] - t[..., None] * along).norm(dim=-1)
