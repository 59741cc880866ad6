"""The canonical face: where a registered face's 68 points lie in a 64×64 frame."""

import numpy as np
from numpy.typing import NDArray

FRAME = 64
"""Side of the canonical frame in pixels."""

INNER = np.arange(17, 68)
"""Brows, nose, eyes and mouth: the points that registration is fitted to (the jaw is not: it is
hidden by crops and moves with speech)."""

MIRROR: NDArray[np.int64] = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        27,
        28,
        29,
        30,
        *range(35, 30, -1),
        45,
        44,
        43,
        42,
        47,
        46,
        39,
        38,
        37,
        36,
        41,
        40,
        *range(54, 47, -1),
        *range(59, 54, -1),
        *range(64, 59, -1),
        67,
        66,
        65,
    ]
)
"""Number of each iBUG point in the mirrored face."""

# Mean of the 68 points over RAF-DB's training faces (64×64 copies), made symmetric: left half, and
# the points on the midline.
_LEFT = {
    0: (0.0, 17.0),
    1: (0.3, 28.2),
    2: (0.7, 33.7),
    3: (3.6, 45.9),
    4: (6.3, 51.2),
    5: (9.5, 55.2),
    6: (17.1, 61.3),
    7: (25.5, 65.4),
    8: (31.5, 66.1),
    17: (3.0, 14.2),
    18: (7.5, 13.6),
    19: (11.9, 12.6),
    20: (17.7, 12.9),
    21: (24.4, 13.6),
    27: (31.5, 20.3),
    28: (31.5, 26.1),
    29: (31.5, 31.3),
    30: (31.5, 34.6),
    31: (24.8, 37.8),
    32: (27.6, 39.4),
    33: (31.5, 39.4),
    36: (9.6, 21.8),
    37: (12.9, 20.5),
    38: (18.0, 20.3),
    39: (22.9, 22.5),
    40: (18.8, 23.2),
    41: (13.8, 23.2),
    48: (18.1, 47.4),
    49: (23.4, 44.8),
    50: (27.5, 44.1),
    51: (31.5, 44.5),
    57: (31.5, 54.1),
    58: (27.5, 53.7),
    59: (24.0, 52.5),
    60: (20.0, 47.3),
    61: (28.4, 46.8),
    62: (31.5, 46.9),
    66: (31.5, 50.2),
    67: (28.2, 50.0),
}


def canonical_landmarks() -> NDArray[np.float32]:
    """``(68, 2)`` points of the canonical face in its 64×64 frame, pixels x, y.

    The mean of RAF-DB, symmetric, shrunk by a tenth so that the chin lies inside the frame.

    Examples
    --------
    >>> points = canonical_landmarks()
    >>> points.shape, bool(np.allclose(points[MIRROR, 0], 63 - points[:, 0]))
    ((68, 2), True)
    """
    points = np.zeros((68, 2))
    for index, (x, y) in _LEFT.items():
        points[index] = (x, y)
        points[MIRROR[index]] = (63 - x, y)
    centre = np.array([31.5, 33.0])
    return ((points - centre) * 0.9 + centre).astype(np.float32)
