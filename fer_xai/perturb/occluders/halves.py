"""Halves of the face, which turn with it."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.perturb.occluders.core import OCCLUDERS, Occluder
from fer_xai.perturb.occluders.frame import FaceFrame
from fer_xai.perturb.occluders.shapes import line


class Half(Occluder):
    """One half of the face.

    The upper and the lower half meet at the middle of the nose's bridge, parallel to the line
    through the eyes; the left and the right one, as they are seen in the image, at the line from
    the nose's root to the chin. Of other sizes it is what lies beyond a parallel to that line.

    Parameters
    ----------
    name
        ``upper``, ``lower``, ``left`` or ``right``.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (Half("upper").distance(frame)[0, [5, 60], 32] < 0).tolist()
    [True, False]
    >>> (Half("left").distance(frame)[0, 32, [5, 60]] < 0).tolist()
    [True, False]
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def meaning(self) -> str:
        """Which half, for the tables of the documentation."""
        seen = ", as it is seen in the image" if self.name in ("left", "right") else ""
        return f"The {self.name} half of the face{seen}"

    def distance(self, frame: FaceFrame) -> Tensor:
        """Beyond the line that halves the face."""
        if self.name in ("upper", "lower"):
            towards = torch.tensor([0.0, 1.0]).expand(len(frame), 2)
            at = frame.points[:, 29]
        else:
            at = frame.points[:, 27]
            middle = frame.points[:, 8] - at
            middle = middle / middle.norm(dim=1, keepdim=True).clamp(min=1e-6)
            towards = torch.stack([middle[:, 1], -middle[:, 0]], dim=1)
        sign = 1 if self.name in ("upper", "left") else -1
        return line(frame.u, frame.v, at, sign * towards)


for _name in ("upper", "lower", "left", "right"):
    OCCLUDERS.register(_name)(Half(_name))
