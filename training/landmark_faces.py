"""Faces that the landmark network is trained on: built-in ones of every style, and grey crops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.data.synthetic.styles import STYLES
from fer_xai.detect.network import SIDE
from fer_xai.types import Faces

SYNTHETIC = "synthetic"
FACES_A_STYLE = {"train": 1440, "test": 120}
"""Built-in faces of each style that are trained on, and tested on."""


def built_in_faces(split: str, *, limit: int | None = None) -> Faces:
    """Built-in faces of every style, in one table, with their exact points.

    Examples
    --------
    >>> built_in_faces("test", limit=10)
    Faces(synthetic: 10 faces (happiness 5, surprise 5), 10 with landmarks)
    """
    each = FACES_A_STYLE[split] if limit is None else max(1, limit // len(STYLES))
    parts = [synthetic_faces(each, style=style, split=split) for style in STYLES]
    pixels = np.concatenate([part.pixels(SIDE).permute(0, 2, 3, 1).numpy() for part in parts])
    points = [part.landmarks for part in parts if part.landmarks is not None]
    return Faces(
        table=pd.concat([part.table for part in parts], ignore_index=True),
        reader=lambda row: pixels[row],
        name=SYNTHETIC,
        landmarks=np.concatenate(points),
    )


def grey_crops(faces: Faces) -> Tensor:
    """Faces as grey crops ``(N, 1, 64, 64)`` uint8.

    Examples
    --------
    >>> grey_crops(synthetic_faces(2)).shape
    torch.Size([2, 1, 64, 64])
    """
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    grey = [
        (part.pixels * weights).sum(dim=1, keepdim=True).round().to(torch.uint8)
        for part in faces.batches(512, size=SIDE)
    ]
    return torch.cat(grey)
