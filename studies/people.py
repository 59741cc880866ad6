"""Built-in faces that are each another person's."""

from __future__ import annotations

from fer_xai.data.synthetic.dataset import synthetic_faces
from fer_xai.data.synthetic.sampler import FACES_PER_SUBJECT
from fer_xai.types import Faces

STYLE = "studio"
"""None of its faces has a pixel near the colours of marks."""
SIZE = 64


def people(n: int, *, seed: int) -> Faces:
    """Built-in faces to be marked, ``n`` of as many persons, whose emotions take turns."""
    step = FACES_PER_SUBJECT + 1
    every = synthetic_faces(step * n, style=STYLE, size=SIZE, seed=seed)
    return every.subset(range(0, step * n, step))
