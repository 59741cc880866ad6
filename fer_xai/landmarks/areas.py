"""Facial areas in which action units show: they overlap, and follow the face."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from fer_xai.landmarks.outlines import area_polygons
from fer_xai.landmarks.points import Points, check_landmarks, face_axes, known_faces
from fer_xai.landmarks.polygons import edges_of, fill

AREAS: tuple[str, ...] = (
    "forehead",
    "inner_forehead",
    "outer_forehead",
    "inner_brows",
    "outer_brows",
    "glabella",
    "eyes",
    "upper_lids",
    "lower_lids",
    "crows_feet",
    "nose_root",
    "nose",
    "nose_sides",
    "cheeks",
    "upper_cheeks",
    "lower_cheeks",
    "nasolabial",
    "mouth",
    "mouth_corners",
    "upper_lip",
    "lower_lip",
    "below_corners",
    "chin",
    "jaw",
    "off_face",
)
"""Names of the areas, in the order of every area axis."""

_CHUNK = 64


def face_areas(landmarks: Points, *, size: int) -> Tensor:
    """Overlapping facial areas as masks.

    Forehead (whole, its middle above the inner brows, its sides), brows (inner, outer), glabella
    (between the brows), eyes and their upper and lower lids (each with its half of the eye's
    opening), crow's feet (beside the outer corners), nose, its root and its sides, cheeks (whole;
    the part under the eyes; the part beside the mouth), nasolabial furrows, mouth (the outer lips
    dilated by 15 %), its corners, upper lip (with the skin up to the nose), lower lip, the places
    below the corners, chin, jaw, and what is off the face. The face ends as in
    :func:`~fer_xai.landmarks.face_regions`, and no other area reaches beyond it.

    Parameters
    ----------
    landmarks
        ``(N, 68, 2)`` iBUG points in pixels x, y of images of side ``size``; NaN where unknown.
    size
        Side of the masks.

    Returns
    -------
    Tensor
        bool ``(N, 25, size, size)`` in the order of :data:`AREAS`: a pixel is in an area if its
        centre is. All false for a face with an unknown point, as in ``face_regions``.

    Raises
    ------
    InputError
        If the landmarks cannot be used (:func:`~fer_xai.landmarks.check_landmarks`).

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> areas = face_areas(canonical_landmarks()[None], size=64)
    >>> areas.shape
    torch.Size([1, 25, 64, 64])
    >>> here = areas[0, :, 48, 32]  # y, x
    >>> [name for name, inside in zip(AREAS, here, strict=True) if inside]
    ['mouth', 'lower_lip']
    """
    points = check_landmarks(landmarks, size=size)
    out = torch.zeros(len(points), len(AREAS), size, size, dtype=torch.bool)
    for part in torch.split(known_faces(points).nonzero()[:, 0], _CHUNK):
        out[part] = known_areas(points[part], size=size)
    return out


def known_areas(points: Tensor, *, size: int) -> Tensor:
    """:func:`face_areas` of faces that are checked, and whose points are all known.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> known_areas(torch.from_numpy(canonical_landmarks()[None]), size=32).shape
    torch.Size([1, 25, 32, 32])
    """
    axes = face_axes(points)
    outlines = _outlines()
    x, y = axes.local(points).unbind(dim=-1)  # (N, 68)
    local = torch.stack([x @ outlines.across, y @ outlines.down], dim=-1) + outlines.offset
    edges = edges_of(axes.pixels(local), outlines.counts, outlines.areas)
    masks = fill(edges, areas=len(AREAS), size=size)
    masks[:, :-1] &= masks[:, -1:]  # up to here the last is the face itself
    masks[:, -1] = ~masks[:, -1]
    return masks


class _Outlines(NamedTuple):
    """All polygons as weights of the landmarks: ``(68, V)`` for x and for y, and ``(V, 2)``."""

    across: Tensor
    down: Tensor
    offset: Tensor
    counts: tuple[int, ...]
    areas: tuple[int, ...]


@cache
def _outlines() -> _Outlines:
    """Weights of the polygons' corners, found by moving one landmark at a time."""
    p = torch.zeros(69, 68, 2)  # the first face has all of its points at the origin
    p[1:] = torch.eye(68)[..., None]
    polygons = area_polygons(p)
    corners = torch.cat([corners for _, corners in polygons], dim=1)
    weights = corners[1:] - corners[:1]  # (68, V, 2)
    return _Outlines(
        across=weights[..., 0],
        down=weights[..., 1],
        offset=corners[0],
        counts=tuple(corners.shape[1] for _, corners in polygons),
        areas=tuple(AREAS.index(name) for name, _ in polygons),
    )
