"""Faces to place, turn and mirror, for the tests of landmarks."""

import numpy as np

from fer_xai.landmarks import canonical_landmarks
from fer_xai.landmarks.template import MIRROR

FACE = canonical_landmarks()[None]
"""``(1, 68, 2)`` in 64×64."""


def placed(angle=0.0, scale=1.0, shift=(0.0, 0.0)):
    """The canonical face turned about the centre of its 64×64 frame, scaled and moved."""
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    return (scale * (FACE - 31.5) @ turn.T + 31.5 + np.array(shift)).astype(np.float32)


def mirrored(points, size=64):
    """Points of the mirrored images."""
    out = points[:, MIRROR].copy()
    out[..., 0] = size - 1 - out[..., 0]
    return out


def centroid(mask):
    """Mean x, y of the pixels of a mask ``(H, W)``."""
    y, x = np.nonzero(mask.numpy())
    return np.array([x.mean(), y.mean()])


def iou(a, b):
    """Pixels in both over pixels in either."""
    return float((a & b).sum() / (a | b).sum())
