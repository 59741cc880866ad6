"""A hand before mouth and cheek."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.perturb.occluders.core import OCCLUDERS, Occluder
from fer_xai.perturb.occluders.frame import FaceFrame
from fer_xai.perturb.occluders.shapes import capsule, ellipse, union

_SKIN = (
    *((28, 29, 0.5), (29, 30, 0.5), (41, 48, 0.35), (46, 54, 0.35), (41, 31, 0.6), (46, 35, 0.6)),
    *((14, 35, 0.5), (15, 46, 0.5), (2, 31, 0.5), (1, 41, 0.5)),
)
"""Places whose colour is the skin's, where no beard grows: two points, and how far between."""
_FINGERS = ((-0.33, 0.78), (-0.11, 0.96), (0.11, 0.92), (0.32, 0.7))
"""Place of each finger across the hand, and its length, in units of height."""
_FINGER = 0.112  # half width


class Hand(Occluder):
    """A hand of the colour of the face, with its fingers before the mouth and its palm on a cheek.

    It comes from below, on the side that is to the right in the image.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (Hand().distance(frame)[0, [20, 48], 32] < 0).tolist()
    [False, True]
    """

    name = "hand"
    within_face = False
    drawn = True

    def distance(self, frame: FaceFrame) -> Tensor:
        """From palm, wrist, thumb and four fingers."""
        return union(*_parts(frame))

    def anchor(self, frame: FaceFrame) -> Tensor:
        """The middle of the mouth."""
        return frame.points[:, 48:60].mean(dim=1)

    def look(self, images: Tensor, frame: FaceFrame) -> Tensor:
        """The colour of nose and upper cheeks, darker between the fingers and at the edge."""
        places = [
            frame.points[:, one].lerp(frame.points[:, other], far) for one, other, far in _SKIN
        ]
        tone = frame.colour(images, torch.stack(places, dim=1)).cpu().float()  # (B, 3)
        palm, wrist, thumb, *fingers = _parts(frame)
        soft = (1.5 * frame.pixel).clamp(min=0.06)[:, None, None]

        def rounded(part: Tensor) -> Tensor:
            """Light on a part: none at its edge, all in its middle."""
            return (-part / soft).clamp(0, 1)

        light = torch.maximum(rounded(union(palm, wrist)), rounded(thumb))
        tips = union(*fingers)
        light = torch.where(tips < 0, rounded(tips), light)  # fingers lie on top
        shade = 0.66 + 0.3 * light
        warm = torch.tensor([1.03, 0.98, 0.96])
        colours = tone[:, None, None] * warm * shade[..., None]
        return colours.clamp(0, 1).movedim(-1, 1).to(images)


def _parts(frame: FaceFrame) -> list[Tensor]:
    """Distances from palm, wrist, thumb and fingers."""
    p, tall = frame.points, frame.tall[:, None]
    mouth = p[:, 48:60].mean(dim=1)
    heel = p[:, 10].lerp(p[:, 11], 0.5)  # of the hand, on the jaw
    towards = mouth - heel
    towards = towards + torch.tensor([0.0, -0.12]) * tall
    ahead = towards / towards.norm(dim=1, keepdim=True).clamp(min=1e-3)
    across = torch.stack([-ahead[:, 1], ahead[:, 0]], dim=1)
    knuckles = heel.lerp(mouth, 0.42)
    fingers = []
    for place, length in _FINGERS:
        root = knuckles + place * tall * across - 0.06 * tall * ahead
        turned = ahead + 0.16 * place * across  # fingers spread a little
        tip = root + (length - _FINGER) * tall * turned
        fingers.append(capsule(frame.u, frame.v, root, tip, _FINGER * tall[:, 0]))
    sides = torch.tensor([0.46, 0.43]) * tall
    palm = ellipse(frame.u, frame.v, knuckles - 0.3 * tall * ahead, sides, ahead)
    below = torch.tensor([0.25, 1.3]) * tall
    wrist = capsule(frame.u, frame.v, heel - 0.2 * tall * ahead, heel + below, 0.3 * tall[:, 0])
    up = 0.62 * across + 0.5 * ahead
    start = knuckles + tall * (0.3 * across - 0.35 * ahead)
    thumb = capsule(frame.u, frame.v, start, start + 0.62 * tall * up, 0.12 * tall[:, 0])
    return [palm, wrist, thumb, *fingers]


OCCLUDERS.register(Hand.name)(Hand())
