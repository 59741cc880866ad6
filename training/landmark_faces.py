"""Faces that the landmark network is trained on: built-in ones of every style, and grey crops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
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
    points = [part.landmarks for part in parts if part.landmarks is not None]
    return Faces(
        table=pd.concat([part.table for part in parts], ignore_index=True),
        reader=_Joined(parts),
        name=SYNTHETIC,
        landmarks=np.concatenate(points),
    )


class _Joined:
    """Reads faces of several sets, one after the other, in the order of their rows."""

    def __init__(self, parts: Sequence[Faces]) -> None:
        self.parts, self.ends = parts, np.cumsum([len(part) for part in parts])

    def __call__(self, row: int) -> NDArray[np.uint8]:
        return next(self.many(np.array([row])))

    def many(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        owners = np.searchsorted(self.ends, rows, side="right")
        for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(owners)) + 1):
            if not len(run):
                continue
            part = self.parts[owners[run[0]]]
            within = rows[run] - (self.ends[owners[run[0]]] - len(part))
            yield from part.subset(within).pixels(SIDE).permute(0, 2, 3, 1).numpy()


def grey_crops(faces: Faces) -> Tensor:
    """Faces as grey crops ``(N, 1, 64, 64)`` uint8, all of them: a training draws from them.

    They take 4 KiB a face, a third of their pixels, which are read in batches.

    Examples
    --------
    >>> grey_crops(synthetic_faces(2)).shape
    torch.Size([2, 1, 64, 64])
    """
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    grey = [
        (part.pixels * weights).sum(dim=1, keepdim=True).round().to(torch.uint8)
        for part in faces.batches(size=SIDE)
    ]
    return torch.cat(grey)
