"""Features of the face: eyes, brows, nose and mouth, of the sizes that facial regions have."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.perturb.occluders.core import OCCLUDERS, Occluder
from fer_xai.perturb.occluders.frame import FaceFrame
from fer_xai.perturb.occluders.shapes import capsule, ellipse, polygon, union

_BROW = 0.13  # half thickness of the brow band, as in face_regions
_MOUTH = 1.15  # dilation of the outer lips about their centre


class Eyes(Occluder):
    """Both eyes, as ellipses about their corners.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (Eyes().distance(frame)[0, 22, [17, 32, 46]] < 0).tolist()
    [True, False, True]
    """

    name = "eyes"

    def distance(self, frame: FaceFrame) -> Tensor:
        """From the nearer of two ellipses, 1.3 times as wide as the eyes and 0.7 of that high."""
        shapes = []
        for outer, inner in ((36, 39), (42, 45)):
            start, end = frame.points[:, outer], frame.points[:, inner]
            half = ((end - start).norm(dim=1) / 2).clamp(min=1e-3)
            sides = torch.stack([1.3 * half, 0.91 * half], dim=1)
            axis = (end - start) / (2 * half)[:, None]
            shapes.append(ellipse(frame.u, frame.v, (start + end) / 2, sides, axis))
        return union(*shapes)


class Brows(Occluder):
    """Both brows, as bands along their points.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (Brows().distance(frame)[0, 15, [12, 32, 52]] < 0).tolist()
    [True, False, True]
    """

    name = "brows"

    def distance(self, frame: FaceFrame) -> Tensor:
        """From the lines through the brows' points, less half the band's thickness."""
        lines = [
            capsule(frame.u, frame.v, frame.points[:, k], frame.points[:, k + 1], _BROW)
            for start in (17, 22)
            for k in range(start, start + 4)
        ]
        return union(*lines)


class Nose(Occluder):
    """The nose, from its root to below the nostrils.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (Nose().distance(frame)[0, 34, [10, 32, 54]] < 0).tolist()
    [False, True, False]
    """

    name = "nose"

    def distance(self, frame: FaceFrame) -> Tensor:
        """From a polygon that is narrow at the root and wide at the wings."""
        root, left, right = (frame.points[:, k] for k in (27, 31, 35))
        wing = (right - left).norm(dim=1).clamp(min=0.1)[:, None]
        side, low = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.08])
        corners = [
            root - 0.14 * side,
            root + 0.14 * side,
            right + 0.25 * wing * side,
            right + 0.1 * wing * side + low,
            left - 0.1 * wing * side + low,
            left - 0.25 * wing * side,
        ]
        return polygon(frame.u, frame.v, torch.stack(corners, dim=1))


class Mouth(Occluder):
    """The mouth: the outer lips, and a little around them.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> (Mouth().distance(frame)[0, 47, [10, 32, 54]] < 0).tolist()
    [False, True, False]
    """

    name = "mouth"

    def distance(self, frame: FaceFrame) -> Tensor:
        """From the polygon of the lips, dilated by 15 % about its centre."""
        lips = frame.points[:, 48:60]
        centre = lips.mean(dim=1, keepdim=True)
        return polygon(frame.u, frame.v, centre + (lips - centre) * _MOUTH)


for _occluder in (Eyes(), Brows(), Nose(), Mouth()):
    OCCLUDERS.register(_occluder.name)(_occluder)
