"""Sunglasses: two dark lenses with a bridge and temples."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.perturb.occluders.core import OCCLUDERS, Occluder
from fer_xai.perturb.occluders.frame import FaceFrame
from fer_xai.perturb.occluders.shapes import capsule, ellipse, union

_WIDTH = 1.8  # of the lens, over the eye's
_HEIGHT = 0.3  # half height of the lens, in units of height
_LOWER = 0.08  # how far the lens's centre lies below the eye's
_RIM = 0.045


class Sunglasses(Occluder):
    """Sunglasses: two dark lenses with a bridge, and temples that reach to the ears.

    Lenses have the width of the eyes they cover, so that the farther one is narrower on a head
    that is turned aside.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (Sunglasses().distance(frame)[0, [24, 48], 17] < 0).tolist()
    [True, False]
    """

    name = "sunglasses"
    within_face = False
    drawn = True

    def distance(self, frame: FaceFrame) -> Tensor:
        """From lenses, bridge and temples."""
        lenses, bridge, temples = _parts(frame)
        return union(*lenses, bridge, *temples)

    def look(self, images: Tensor, frame: FaceFrame) -> Tensor:
        """Lenses that brighten downwards, with a streak of light, in a black frame."""
        lenses, _, _ = _parts(frame)
        lens = union(*lenses)
        inner = (-(lens + _RIM) / frame.pixel[:, None, None]).clamp(0, 1)  # 1 within the rim
        down = ((frame.v + 0.2) / 0.6).clamp(0, 1)
        streak = _streak(frame)
        shade = inner * (0.05 + 0.15 * down + 0.22 * streak)
        tint = torch.tensor([1.0, 0.93, 0.9]) * 0.95
        black = torch.tensor([0.03, 0.03, 0.035])
        return (black + shade[..., None] * tint).movedim(-1, 1).to(images)


def _parts(frame: FaceFrame) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Distances from both lenses, the bridge, and both temples."""
    low = torch.tensor([0.0, _LOWER]) * frame.tall[:, None]
    thick = 0.5 * frame.pixel  # at least a pixel, however small the face
    lenses, temples, inner = [], [], []
    for start, end, ear in ((36, 39, 0), (42, 45, 16)):
        corners = frame.points[:, [start, end]]
        half = (corners[:, 1] - corners[:, 0]).norm(dim=1) / 2 * _WIDTH
        centre = corners.mean(dim=1) + low
        sides = torch.stack([half, _HEIGHT * frame.tall], dim=1)
        axis = torch.tensor([1.0, 0.0]).expand(len(frame), 2)
        lenses.append(_rounded(frame, centre, sides, axis))
        away = -1.0 if ear == 0 else 1.0
        edge = centre + torch.stack([away * 0.93 * half, -0.45 * sides[:, 1]], dim=1)
        inner.append(centre - torch.stack([away * 0.93 * half, 0.3 * sides[:, 1]], dim=1))
        # the ear lies outwards of the lens, if the head does not hide it
        place = frame.points[:, ear]
        outward = torch.where(away * (place[:, 0] - edge[:, 0]) > 0, place[:, 0], edge[:, 0])
        end_of = torch.stack([outward, edge[:, 1].lerp(place[:, 1], 0.3)], dim=1)
        temples.append(capsule(frame.u, frame.v, edge, end_of, thick.clamp(min=0.04)))
    bridge = capsule(frame.u, frame.v, inner[0], inner[1], thick.clamp(min=0.045))
    return lenses, bridge, temples


def _rounded(frame: FaceFrame, centre: Tensor, sides: Tensor, axis: Tensor) -> Tensor:
    """Distance from a lens: an ellipse that a wider, flatter one makes squarer at the top."""
    round_one = ellipse(frame.u, frame.v, centre, sides, axis)
    up = torch.stack([0 * sides[:, 0], 0.3 * sides[:, 1]], dim=1)
    flat = ellipse(frame.u, frame.v, centre - up, sides * torch.tensor([1.02, 0.7]), axis)
    return union(round_one, flat)


def _streak(frame: FaceFrame) -> Tensor:
    """How much light falls on each place of the lenses: a slanted band on each."""
    found = torch.zeros_like(frame.u)
    for eye in (slice(36, 42), slice(42, 48)):
        middle = frame.points[:, eye].mean(dim=1)
        slant = (frame.u - middle[:, :1, None]) + 0.8 * (frame.v - middle[:, 1:, None])
        found = torch.maximum(found, (1 - ((slant + 0.1) / 0.07).abs()).clamp(min=0))
    return found


OCCLUDERS.register(Sunglasses.name)(Sunglasses())
