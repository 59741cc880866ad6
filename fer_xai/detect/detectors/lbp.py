"""The detector that needs no download: scikit-image's cascade of local binary patterns."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.detect.boxes import DETECTORS, Detector

SMALLEST = 32
"""Smallest side of a face that is looked for, in pixels."""
SCALE_STEP = 1.2
"""Each size that is looked for is this many times the one before."""


class LbpCascade(Detector):
    """Frontal faces by a cascade of local binary patterns, which scikit-image brings along.

    Fast and old: it misses faces that are turned, small or dark. Liao et al., "Learning Multi-scale
    Block Local Binary Patterns for Face Recognition", ICB 2007.

    Examples
    --------
    >>> DETECTORS["lbp"].boxes(np.zeros((8, 8, 3), np.uint8)).shape
    (0, 4)
    """

    name = "lbp"

    def boxes(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Boxes of faces of 32 pixels or more."""
        height, width = image.shape[:2]
        side = min(height, width)
        if side < SMALLEST:
            return np.empty((0, 4))
        found = _cascade().detect_multi_scale(
            img=image,
            scale_factor=SCALE_STEP,
            step_ratio=1,
            min_size=(SMALLEST, SMALLEST),
            max_size=(side, side),
            min_neighbor_number=4,
        )
        return np.array(
            [(at["c"], at["r"], at["c"] + at["width"], at["r"] + at["height"]) for at in found],
            dtype=np.float64,
        ).reshape(-1, 4)


@cache
def _cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


DETECTORS.register("lbp")(LbpCascade())
