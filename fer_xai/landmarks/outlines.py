"""Outlines of the facial areas, as polygons in face coordinates.

Every corner of an area is a landmark, or a point between landmarks, moved by a share of the
distance between the eyes' centres along the line through the eyes or at right angles to it; so
areas scale with the face, turn with it, and take part in its expression. The right half is the
left one of the mirrored face.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from fer_xai.landmarks.template import MIRROR

_FOREHEAD = 0.75  # how far the forehead reaches above the brows, as in face_regions
_BROW = 0.13  # half thickness of the brows, as in face_regions
_MOUTH = 1.15  # dilation of the outer lips about their centre, as in face_regions
_CORNER = 0.17  # radius of the corners of the mouth
_SEAM = 0.01  # how far halves reach over the midline, so that no pixel on it is lost

Polygons = list[tuple[str, Tensor]]
"""Areas by name and their polygons ``(N, V, 2)``; the union counts where a name comes twice."""


def area_polygons(p: Tensor) -> Polygons:
    """Polygons of all areas; those named ``off_face`` bound the face itself.

    Parameters
    ----------
    p
        ``(N, 68, 2)`` landmarks in face coordinates: right and down from between the eyes, in
        distances of their centres.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> from fer_xai.landmarks.points import face_axes
    >>> points = torch.from_numpy(canonical_landmarks()[None])
    >>> polygons = area_polygons(face_axes(points).local(points))
    >>> polygons[0][0], polygons[0][1].shape
    ('inner_brows', torch.Size([1, 6, 2]))
    """
    flip = torch.tensor([-1.0, 1.0])
    mirrored = _half(p[:, torch.from_numpy(MIRROR)] * flip)
    return _half(p) + [(name, corners * flip) for name, corners in mirrored] + _whole(p)


def _whole(p: Tensor) -> Polygons:
    """Polygons that are one for the whole face, in face coordinates."""
    lifted = p[:, 17:27].flip(1) - torch.tensor([0.0, _FOREHEAD])  # right to left, over the brows
    outline = torch.cat([p[:, 0:17], lifted * torch.tensor([0.9, 1.0])], dim=1)
    lips = p[:, 48:60]
    centre = lips.mean(dim=1, keepdim=True)
    upper = _corners(
        (_at(p, 48), 0, 0),
        *((_at(p, k), 0, -0.13) for k in range(49, 54)),
        (_at(p, 54), 0, 0),
        *((_at(p, a, b), 0, 0) for a, b in ((63, 65), (62, 66), (61, 67))),
    )
    lower = _corners(
        (_at(p, 48), 0, 0),
        *((_at(p, a, b), 0, 0) for a, b in ((61, 67), (62, 66), (63, 65))),
        (_at(p, 54), 0, 0),
        *((_at(p, k), 0, 0.09) for k in range(55, 60)),
    )
    chin = _corners(
        (_at(p, 59), 0, 0.06),
        (_at(p, 57), 0, 0.06),
        (_at(p, 55), 0, 0.06),
        (_at(p, 9, 10), 0, 0),
        *((_at(p, k), 0, 0) for k in (9, 8, 7)),
        (_at(p, 6, 7), 0, 0),
    )
    return [
        ("off_face", outline),
        ("mouth", centre + (lips - centre) * _MOUTH),
        ("upper_lip", upper),
        ("lower_lip", lower),
        ("chin", chin),
    ]


def _half(p: Tensor) -> Polygons:
    """Polygons of the image's left half, in face coordinates; the others are its mirror."""
    brow = _at(p, 19, 20)  # where the inner half of the brow begins
    between = _at(p, 21, 22)
    up, top = -_BROW, -_FOREHEAD
    inner = _corners(
        (brow, 0, up),
        (_at(p, 20), 0, up),
        (_at(p, 21), 0.06, up),
        (_at(p, 21), 0.06, -up),
        (_at(p, 20), 0, -up),
        (brow, 0, -up),
    )
    outer = _corners(
        (_at(p, 17), -0.1, up),
        *((_at(p, k), 0, up) for k in (18, 19)),
        (brow, 0, up),
        (brow, 0, -up),
        *((_at(p, k), 0, -up) for k in (19, 18)),
        (_at(p, 17), -0.1, -up),
    )
    middle = _corners(
        (brow, 0, -0.08),
        (_at(p, 20), 0, -0.08),
        (_at(p, 21), 0, -0.08),
        (between, _SEAM, -0.08),
        (between, _SEAM, top),
        (brow, 0.04, top),
    )
    side = _corners(
        (_at(p, 17), -0.05, -0.08),
        *((_at(p, k), 0, -0.08) for k in (18, 19)),
        (brow, 0, -0.08),
        (brow, 0.04, top),
        (_at(p, 18), 0.05, top),
        (_at(p, 17), 0.05, -0.55),
    )
    glabella = _corners(
        (_at(p, 21), -0.05, -0.18),
        (between, _SEAM, -0.2),
        (_at(p, 27), _SEAM, 0.02),
        (_at(p, 27), -0.13, 0.02),
        (_at(p, 21), -0.05, 0.1),
    )
    lid_line = [(_at(p, 37, 41), 0, 0), (_at(p, 38, 40), 0, 0)]
    upper_lid = _corners(
        (_at(p, 36), -0.08, 0),
        (_at(p, 37), -0.03, -0.14),
        (_at(p, 38), 0.03, -0.14),
        (_at(p, 39), 0.06, 0),
        *reversed(lid_line),
    )
    lower_lid = _corners(
        (_at(p, 36), -0.08, 0),
        *lid_line,
        (_at(p, 39), 0.06, 0),
        (_at(p, 40), 0.03, 0.14),
        (_at(p, 41), -0.03, 0.14),
    )
    crows_feet = _corners(
        (_at(p, 36), -0.02, -0.12),
        (_at(p, 36), -0.26, -0.18),
        (_at(p, 36), -0.32, 0.04),
        (_at(p, 36), -0.26, 0.2),
        (_at(p, 36), -0.02, 0.12),
    )
    nose_root = _corners(
        (_at(p, 27), _SEAM, -0.14),
        (_at(p, 27), -0.15, -0.1),
        (_at(p, 27, 28), -0.18, 0.06),
        (_at(p, 28), -0.12, 0.06),
        (_at(p, 28), _SEAM, 0.06),
    )
    nose = _corners(
        (_at(p, 27), _SEAM, 0),
        (_at(p, 27), -0.14, 0),
        (_at(p, 31), -0.11, 0),
        (_at(p, 31), -0.04, 0.08),
        (_at(p, 33), _SEAM, 0.08),
    )
    nose_side = _corners(
        (_at(p, 28), -0.05, -0.12),
        (_at(p, 28), -0.22, -0.02),
        (_at(p, 31), -0.24, -0.1),
        (_at(p, 31), -0.17, 0.08),
        (_at(p, 31), 0.03, 0.02),
        (_at(p, 30), -0.08, -0.06),
    )
    furrow = _at(p, 31, 48)
    nasolabial = _corners(
        (_at(p, 31), -0.05, -0.06),
        (_at(p, 31), -0.2, -0.12),
        (furrow, -0.24, -0.06),
        (_at(p, 48), -0.28, -0.02),
        (_at(p, 48), -0.22, 0.14),
        (_at(p, 48), -0.08, 0.08),
        (furrow, -0.04, 0),
        (_at(p, 31), -0.03, 0.06),
    )
    cheek = _corners(
        (_at(p, 40), 0.06, 0.16),
        (_at(p, 41), 0, 0.16),
        (_at(p, 36), -0.16, 0.14),
        (_at(p, 1), 0.04, 0),
        (_at(p, 2), 0.04, 0),
        (_at(p, 3), 0.04, 0),
        (_at(p, 48), -0.2, 0.02),
        (furrow, -0.16, -0.04),
        (_at(p, 31), -0.14, -0.08),
    )
    upper_cheek = _corners(
        (_at(p, 40), 0.06, 0.12),
        (_at(p, 41), 0, 0.12),
        (_at(p, 36), -0.1, 0.1),
        (_at(p, 36), -0.28, 0.16),
        (_at(p, 36), -0.22, 0.42),
        (_at(p, 41), -0.02, 0.5),
        (_at(p, 31), -0.2, -0.04),
    )
    lower_cheek = _corners(
        (_at(p, 48), -0.04, -0.16),
        (_at(p, 48), -0.4, -0.16),
        (_at(p, 48), -0.4, 0.16),
        (_at(p, 48), -0.24, 0.24),
        (_at(p, 48), -0.04, 0.16),
    )
    below_corner = _corners(
        (_at(p, 48), -0.2, 0),
        (_at(p, 48), 0.05, 0.04),
        (_at(p, 59), -0.02, 0.06),
        (_at(p, 59, 7), -0.06, 0),
        (_at(p, 48, 6), -0.04, 0.06),
        (_at(p, 48, 5), 0, 0),
    )
    jaw = _corners(
        *((_at(p, k), 0, 0) for k in (4, 5, 6, 7, 8)),
        (_at(p, 8), _SEAM, 0),
        (_at(p, 8), _SEAM, -0.22),
        (_at(p, 7), 0.05, -0.22),
        (_at(p, 6), 0.13, -0.2),
        (_at(p, 5), 0.2, -0.14),
        (_at(p, 4), 0.22, -0.06),
    )
    angles = torch.arange(12) * (2 * pi / 12)
    ring = _CORNER * torch.stack([angles.cos(), angles.sin()], dim=-1)
    return [
        ("inner_brows", inner),
        ("outer_brows", outer),
        ("forehead", middle),
        ("forehead", side),
        ("inner_forehead", middle),
        ("outer_forehead", side),
        ("glabella", glabella),
        ("eyes", upper_lid),
        ("eyes", lower_lid),
        ("upper_lids", upper_lid),
        ("lower_lids", lower_lid),
        ("crows_feet", crows_feet),
        ("nose_root", nose_root),
        ("nose", nose),
        ("nose_sides", nose_side),
        ("nasolabial", nasolabial),
        ("cheeks", cheek),
        ("upper_cheeks", upper_cheek),
        ("lower_cheeks", lower_cheek),
        ("mouth_corners", p[:, 48:49] + ring),
        ("below_corners", below_corner),
        ("jaw", jaw),
    ]


def _at(p: Tensor, *numbers: int) -> Tensor:
    """``(N, 2)`` a landmark, or the middle of several."""
    return p[:, list(numbers)].mean(dim=1)


def _corners(*moved: tuple[Tensor, float, float]) -> Tensor:
    """``(N, V, 2)`` from places ``(N, 2)``, each moved right and down by eye distances."""
    return torch.stack([place + torch.tensor([x, y]) for place, x, y in moved], dim=1)
