"""Ellipses for action units by Belharbi et al. (FG 2024), as published and scaled to the face.

Belharbi et al., "Guided interpretable facial expression recognition via spatial action unit cues",
FG 2024, arXiv 2402.00281; the ellipses are those of their code (dlib/face_landmarks/
action_units.py of sbelharbi/interpretable-fer-aus), drawn on faces that are aligned to 256 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sin, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from fer_xai.landmarks.points import face_axes
from fer_xai.landmarks.polygons import fill, polygon_edges

SIDE = 256
"""Side in pixels of the images that the radii were chosen for."""

EYES = 124.0
"""Distance of the eyes' centres in pixels on their images: .484 of the side, as on RAF-DB's aligned
faces on average."""

_CORNERS = 24


class _Span(NamedTuple):
    """Half the way from one landmark to another, and pixels added to it."""

    start: int
    stop: int
    more: float = 0
    least: float = 5
    """What stands in where the way is not positive."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse by landmarks, with lengths in pixels of their images.

    Attributes
    ----------
    x, y
        Numbers of the landmarks whose mean x and mean y are the centre's.
    wide, high
        Radii: pixels, or half the distance of two landmarks in that direction.
    right, down
        How far the centre is moved.

    Examples
    --------
    >>> Ellipse((48,), (48,), 20, 20)  # a corner of the mouth
    Ellipse(x=(48,), y=(48,), wide=20, high=20, right=0, down=0)
    """

    x: tuple[int, ...]
    y: tuple[int, ...]
    wide: float | _Span
    high: float | _Span
    right: float = 0
    down: float = 0


Table = dict[str, tuple[Ellipse, ...]]


def _both(a: int, b: int, wide: float, high: float, **moved: float) -> tuple[Ellipse, ...]:
    """The same ellipse at two landmarks."""
    return tuple(Ellipse((k,), (k,), wide, high, **moved) for k in (a, b))


def _eyes(more: float, right: tuple[int, int] = (44, 47)) -> tuple[Ellipse, ...]:
    """Boxes of the eyes, with pixels above and below; their height is that of two landmarks."""
    return tuple(
        Ellipse((a, b), (c, d), _Span(a, b), _Span(c, d, more))
        for a, b, c, d in ((36, 39, 38, 41), (42, 45, *right))
    )


_MOUTH = (Ellipse((48, 54), (51, 57), _Span(48, 54), _Span(51, 57)),)
_MOUTH_CORNERS = _both(48, 54, 20, 20)

PUBLISHED: Table = {
    "AU1": _both(20, 23, 32, 26),  # an eighth of the width, a tenth of the height
    "AU2": _both(18, 25, 32, 26),
    "AU4": (Ellipse((19, 24), (19, 24), _Span(19, 24, least=10), _Span(19, 24, least=10)),),
    "AU5": _eyes(0),
    "AU6": _both(41, 46, 26, 26, down=43),
    "AU7": _eyes(10),
    "AU9": (Ellipse((31,), (29,), 20, 20), Ellipse((35,), (29,), 20, 20)),
    "AU10": (Ellipse((48,), (50,), 20, 20), Ellipse((54,), (52,), 20, 20)),
    "AU12": _MOUTH_CORNERS,
    "AU14": (
        Ellipse((48,), (48,), 20, 20, right=-20),
        Ellipse((54,), (54,), 20, 20, right=20),
    ),
    "AU15": _MOUTH_CORNERS,
    "AU16": _both(59, 55, 20, 20),
    "AU17": (Ellipse((59, 8), (59, 8), _Span(59, 8), _Span(59, 8)),),
    "AU20": (Ellipse((48, 6), (48, 6), 20, 20), Ellipse((50, 10), (50, 10), 20, 20)),
    "AU23": _MOUTH,
    "AU24": _MOUTH,
    "AU25": _both(51, 57, 25, 10),
    "AU26": _MOUTH,
    "AU27": _MOUTH,
    "AU43": _eyes(10),
}
"""Ellipses of their code, in pixels of images of side 256."""

SCALED: Table = PUBLISHED | {
    "AU4": (Ellipse((19, 24), (19, 24), _Span(19, 24, least=10), 10),),
    "AU5": _eyes(0, right=(43, 46)),
    "AU7": _eyes(10, right=(43, 46)),
    "AU17": (Ellipse((8,), (59, 55, 8, 8), _Span(59, 55), _Span(59, 8)),),
    "AU20": (Ellipse((48, 6), (48, 6), 20, 20), Ellipse((54, 10), (54, 10), 20, 20)),
    "AU43": _eyes(10, right=(43, 46)),
}
"""The same, with what is not symmetric mended: the height for unit 4 depended on which brow is
higher, the right eye's height was not measured where the left one's was, the chin's ellipse lay to
the left of the midline, and unit 20 had its right half at landmark 50 in the place of 54."""


def published_masks(points: Tensor, *, size: int) -> Tensor:
    """Bool ``(N, 20, size, size)`` as published: upright, and as large whatever the face's size.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points = torch.from_numpy(canonical_landmarks()[None])
    >>> near, far = published_masks(points, size=64), published_masks(points / 2 + 16, size=64)
    >>> corners = list(PUBLISHED).index("AU12")
    >>> abs(int(near[0, corners].sum()) - int(far[0, corners].sum())) < 10
    True
    """
    scale = SIDE / size
    theirs = ((points + 0.5) * scale - 0.5).trunc()  # their code cuts the fractions off
    polygons = [
        # theirs are drawn with whole pixels: they reach half a pixel further than the radius
        (_polygon(theirs, ellipse, whole=True, margin=0.5) + 0.5) / scale - 0.5
        for ellipses in _distinct(PUBLISHED)
        for ellipse in ellipses
    ]
    return _fill(polygons, PUBLISHED, size)


def scaled_masks(points: Tensor, *, size: int) -> Tensor:
    """Bool ``(N, 20, size, size)``, scaled to the face and turned with it, and symmetric.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points = torch.from_numpy(canonical_landmarks()[None])
    >>> near, far = scaled_masks(points, size=64), scaled_masks(points / 2 + 16, size=64)
    >>> round(near.sum().item() / far.sum().item(), 1)
    4.0
    """
    axes = face_axes(points)
    local = axes.local(points) * EYES
    polygons = [
        axes.pixels(_polygon(local, ellipse) / EYES)
        for ellipses in _distinct(SCALED)
        for ellipse in ellipses
    ]
    return _fill(polygons, SCALED, size)


def _distinct(table: Table) -> list[tuple[Ellipse, ...]]:
    """Ellipses of the units, each set once: several units have the same."""
    return list(dict.fromkeys(table.values()))


def _fill(polygons: list[Tensor], table: Table, size: int) -> Tensor:
    sets = _distinct(table)
    areas = [number for number, ellipses in enumerate(sets) for _ in ellipses]
    masks = fill(polygon_edges(polygons, areas=areas), areas=len(sets), size=size)
    return masks[:, [sets.index(ellipses) for ellipses in table.values()]]


def _polygon(points: Tensor, ellipse: Ellipse, *, whole: bool = False, margin: float = 0) -> Tensor:
    """``(N, 24, 2)`` corners of a polygon of the ellipse's area."""
    centre = torch.stack(
        [points[:, ellipse.x, 0].mean(dim=1), points[:, ellipse.y, 1].mean(dim=1)], dim=1
    )
    centre = centre + torch.tensor([ellipse.right, ellipse.down])
    radii = torch.stack(
        [_radius(points[..., 0], ellipse.wide), _radius(points[..., 1], ellipse.high)], dim=1
    )
    if whole:
        centre, radii = centre.trunc(), radii.trunc()
    angles = torch.arange(_CORNERS) * (2 * pi / _CORNERS)
    outward = sqrt((2 * pi / _CORNERS) / sin(2 * pi / _CORNERS))
    circle = outward * torch.stack([angles.cos(), angles.sin()], dim=1)
    return centre[:, None] + (radii + margin)[:, None] * circle


def _radius(values: Tensor, length: float | _Span) -> Tensor:
    """``(N,)`` a radius along one direction, from coordinates ``(N, 68)``."""
    if not isinstance(length, _Span):
        return torch.full_like(values[:, 0], length)
    half = (values[:, length.stop] - values[:, length.start]) / 2 + length.more
    return torch.where(half >= 1, half, torch.full_like(half, length.least))
