"""Areas of the emotions on training faces, which maps are aligned with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.landmarks.codebooks import emotion_areas
from fer_xai.types import Faces

SIDE = 64
"""Side of the images in whose pixels areas are drawn."""
_CHUNK = 512


def located(faces: Faces) -> NDArray[np.bool_]:
    """``(N,)``: faces whose landmarks are known.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> located(synthetic_faces(2))
    array([ True,  True])
    """
    if faces.landmarks is None:
        return np.zeros(len(faces), dtype=bool)
    return np.asarray(np.isfinite(faces.landmarks).all(axis=(1, 2)), dtype=bool)


class AreaBits:
    """Areas of all emotions on faces, a bit a pixel; empty on faces without landmarks.

    Parameters
    ----------
    faces
        Faces, of which some have landmarks.
    emotions
        Emotions in the order of the areas.
    edition, codebook
        As in :class:`training.alignment.Alignment`.

    Attributes
    ----------
    bits
        ``(N, C, SIDE · SIDE / 8)`` uint8.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> areas = AreaBits(synthetic_faces(3), ["happiness", "fear"])
    >>> areas[torch.tensor([2, 0])].shape, areas.bits.nbytes
    (torch.Size([2, 2, 64, 64]), 3072)
    """

    def __init__(
        self,
        faces: Faces,
        emotions: Sequence[str],
        *,
        edition: str = "fer_xai",
        codebook: str = "emfacs",
    ) -> None:
        points = np.full((len(faces), 68, 2), np.nan, dtype=np.float32)
        if located(faces).any():
            points = faces.landmarks_at(SIDE)
        parts = [np.zeros((0, len(emotions), SIDE**2 // 8), dtype=np.uint8)]
        for start in range(0, len(faces), _CHUNK):
            areas = emotion_areas(
                points[start : start + _CHUNK],
                size=SIDE,
                emotions=emotions,
                edition=edition,
                codebook=codebook,
            )
            parts.append(np.packbits(areas.flatten(2).numpy(), axis=2))
        self.bits = np.concatenate(parts)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Areas ``(n, C, SIDE, SIDE)`` of some faces, 0 or 1, float32."""
        bits = np.unpackbits(self.bits[rows.numpy()], axis=2)
        return torch.from_numpy(bits).float().unflatten(2, (SIDE, SIDE))

    @property
    def digest(self) -> str:
        """SHA-256 of the areas, by which runs of other landmarks or editions are told apart."""
        return hashlib.sha256(self.bits.tobytes()).hexdigest()
