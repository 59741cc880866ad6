"""The provider ``template``: the canonical face, wherever the real one is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_xai.detect.provider import PROVIDERS, Found, ImageProvider, Pixels
from fer_xai.landmarks.template import FRAME, canonical_landmarks


class Template(ImageProvider):
    """The canonical landmarks, scaled to each crop: a guess, and marked as one.

    Examples
    --------
    >>> points, confidence = PROVIDERS["template"].locate([np.zeros((128, 64, 3), np.uint8)])
    >>> points.shape, confidence
    ((1, 68, 2), array([nan], dtype=float32))
    """

    name = "template"
    approximate = True
    cached = False
    version = "1"

    def locate(self, images: Sequence[Pixels]) -> Found:
        """The same points for every crop, in shares of its sides; no confidence."""
        sides = np.array([image.shape[1::-1] for image in images], dtype=np.float32).reshape(-1, 2)
        shares = (canonical_landmarks() + 0.5) / FRAME
        points = shares[None] * sides[:, None] - 0.5
        return points.astype(np.float32), np.full(len(images), np.nan, dtype=np.float32)


PROVIDERS.register("template")(Template())
