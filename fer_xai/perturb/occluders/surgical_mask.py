"""A surgical mask, from the bridge of the nose to the chin."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.perturb.occluders.core import OCCLUDERS, Occluder
from fer_xai.perturb.occluders.frame import FaceFrame
from fer_xai.perturb.occluders.shapes import capsule, polygon, union

_BLUE = torch.tensor([0.64, 0.82, 0.91])
_WHITE = torch.tensor([0.93, 0.94, 0.95])
_LOOP = 0.02  # half width of the ear loops
_JAW = tuple(range(2, 15))  # points of the jaw between the mask's upper corners


class SurgicalMask(Occluder):
    """A light blue mask from the bridge of the nose to below the chin, with folds and ear loops.

    It follows the jaw, so that it is narrower on the far side of a head that is turned aside.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (SurgicalMask().distance(frame)[0, [20, 48], 32] < 0).tolist()
    [False, True]
    """

    name = "surgical_mask"
    within_face = False
    drawn = True

    def distance(self, frame: FaceFrame) -> Tensor:
        """From the mask and its loops."""
        return union(polygon(frame.u, frame.v, _outline(frame)), *_loops(frame))

    def anchor(self, frame: FaceFrame) -> Tensor:
        """Below the nose."""
        return frame.points[:, 33].lerp(frame.points[:, 51], 0.5)

    def look(self, images: Tensor, frame: FaceFrame) -> Tensor:
        """Blue, darker to the sides, with three folds and a paler hem; the loops are white."""
        body = polygon(frame.u, frame.v, _outline(frame))
        top, chin = frame.points[:, 28, 1], frame.points[:, 8, 1]
        down = (frame.v - top[:, None, None]) / (chin - top).clamp(min=0.3)[:, None, None]
        middle = frame.points[:, 33, 0]
        reach = (frame.points[:, 13, 0] - frame.points[:, 3, 0]).abs().clamp(min=0.3) / 2
        aside = (frame.u - middle[:, None, None]) / reach[:, None, None]
        sag = down - 0.06 * (1 - aside**2)  # folds hang in the middle
        soft = (1.5 * frame.pixel).clamp(min=0.035)[:, None, None]  # not finer than pixels
        folds = torch.zeros_like(down)
        for place in (0.38, 0.55, 0.72):
            folds = torch.maximum(folds, (1 - (sag - place).abs() / soft).clamp(min=0))
        shade = 1 - 0.16 * aside.abs().clamp(max=1.2) ** 2 - 0.13 * folds
        hem = (1 - (body + 0.03).abs() / soft).clamp(0, 1)[..., None]
        cloth = (_BLUE * shade[..., None]).lerp(_WHITE * 0.97, 0.5 * hem)
        inside = (0.5 - body / frame.pixel[:, None, None]).clamp(0, 1)[..., None]
        return _WHITE.expand_as(cloth).lerp(cloth, inside).movedim(-1, 1).clamp(0, 1).to(images)


def _outline(frame: FaceFrame) -> Tensor:
    """Corners ``(B, V, 2)`` of the mask without its loops."""
    p = frame.points
    jaw = p[:, list(_JAW)]
    centre = p[:, 33:34]
    jaw = centre + (jaw - centre) * 1.03  # cloth stands off the skin
    lower = torch.linspace(-1, 1, len(_JAW)).abs()
    drop = torch.stack([0 * lower, 0.1 * (1 - lower)], dim=1)
    bridge = p[:, 28] + torch.tensor([0.0, 0.03])
    upper = []
    for cheek, wing in ((14, 35), (2, 31)):  # along the upper edge, from the right to the left
        side = p[:, cheek].lerp(p[:, wing], 0.12)
        corner = torch.stack([side[:, 0], p[:, cheek, 1]], dim=1)
        between = corner.lerp(bridge, 0.6)
        rise = torch.stack([between[:, 0], between[:, 1].lerp(bridge[:, 1], 0.25)], dim=1)
        upper.append((corner, rise))
    (_, right), (_, left) = upper
    nose = [bridge + torch.tensor([0.1, 0.0]), bridge - torch.tensor([0.1, 0.0])]
    edge = torch.stack([right, *nose, left], dim=1)
    return torch.cat([jaw + drop, edge], dim=1)


def _loops(frame: FaceFrame) -> list[Tensor]:
    """Distances from two loops on each side, from the mask's corners to the ears."""
    p = frame.points
    thick = (0.35 * frame.pixel).clamp(min=_LOOP)
    found = []
    for ear, upper, lower in ((0, 2, 5), (16, 14, 11)):
        inward = p[:, 33] - p[:, upper]
        start = p[:, upper] + 0.03 * inward
        end = p[:, lower] + 0.05 * (p[:, 33] - p[:, lower])
        found += [
            capsule(frame.u, frame.v, start, p[:, ear].lerp(p[:, upper], 0.25), thick),
            capsule(frame.u, frame.v, end, p[:, ear].lerp(p[:, upper], 0.45), thick),
        ]
    return found


OCCLUDERS.register(SurgicalMask.name)(SurgicalMask())
