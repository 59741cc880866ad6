"""Frames of heat maps: how much of a region lies where the codebook shows an emotion."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from studies.reporting.style import INK

FRAMED = 0.1
"""Share of a region from which on it is framed."""
RULE = (
    f"Frames: regions of which {100 * FRAMED:.0f} % or more lie in the area where the codebook "
    "shows the emotion; the more of a region does, the thicker its frame (in the thickest, all of "
    "it does)."
)
"""What captions say of the frames."""


def frame_width(share: float) -> float:
    """Width of a frame in points; 0 for none.

    Examples
    --------
    >>> [round(frame_width(share), 2) for share in (0.05, 0.1, 0.5, 1.0, float("nan"))]
    [0.0, 0.6, 1.84, 3.4, 0.0]
    """
    if not math.isfinite(share) or share < FRAMED:
        return 0.0
    return 0.6 + 2.8 * ((share - FRAMED) / (1 - FRAMED))


def framed(axis: Axes, x: int, y: int, share: float) -> None:
    """Frame the cell of a heat map in column ``x`` and row ``y``, where its share is enough.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, axis = plt.subplots()
    >>> framed(axis, 0, 0, 0.5)
    >>> framed(axis, 1, 0, 0.05)
    >>> len(axis.patches)
    1
    >>> plt.close(figure)
    """
    width = frame_width(share)
    if width:
        cell = Rectangle((x + 0.05, y + 0.06), 0.9, 0.88, fill=False, ec=INK, lw=width)
        axis.add_patch(cell)
