"""Areas of emotions, by codebook and edition, and the choices that the endpoint is asked under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.landmarks import CODEBOOKS, EDITIONS, emotion_areas
from fer_xai.landmarks.codebooks import Codebook, find_codebook

Rows = slice | NDArray[np.int64]
"""Which faces: a part of them, or their positions."""
SIZE = 64
"""Side of the maps and areas that are compared, in pixels."""
DECLARED = "as declared"
"""The choice of the primary endpoint."""
SIGNED = "gradcam_signed"
"""Grad-CAM without its ReLU, a sensitivity of Grad-CAM."""
WITHOUT_RELU = "without the ReLU, Pearson of signed maps"
"""The choice that only these maps are asked under: all others read positive values alone."""
OTHERWISE_CONFUSED = ("surprise", "fear")
"""Two emotions whose areas overlap most: every unit of surprise is one of fear's."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way of asking the endpoint.

    Attributes
    ----------
    name
        What tables call it.
    edition, codebook
        Whose areas.
    similarity
        Similarity of :func:`metrics.emotion_contrast`.
    without_shared
        Whether pixels that fear and surprise share are left out of both.
    without_pair
        Whether the pair of fear and surprise is left out of the mean over pairs.

    Examples
    --------
    >>> Choice(name="edition: pyfeat", edition="pyfeat", codebook="emfacs").areas_key
    ('pyfeat', 'emfacs', False)
    """

    name: str
    edition: str
    codebook: str
    similarity: str = "cosine"
    without_shared: bool = False
    without_pair: bool = False

    @property
    def areas_key(self) -> tuple[str, str, bool]:
        """What its areas depend on."""
        return self.edition, self.codebook, self.without_shared


def emotions_of(codebook: str | Path | Codebook) -> tuple[str, ...]:
    """Emotions of the six that a codebook has units for.

    Raises
    ------
    InputError
        If it has fewer than two of them.

    Examples
    --------
    >>> emotions_of({"fear": [1, 2], "joy": [6, 12]})
    ('happiness', 'fear')
    """
    book = find_codebook(codebook)
    found = tuple(name for name in SIX if name in book)
    if len(found) < 2:
        raise InputError(
            f"Expected a codebook of two or more of {', '.join(SIX)}, got one of "
            f"{', '.join(book)}: the endpoint tells emotions apart."
        )
    return found


def choices(edition: str, codebook: str, emotions: Sequence[str]) -> list[Choice]:
    """The declared choice, and what is looked at beside it: each differs in one thing.

    Examples
    --------
    >>> [choice.name for choice in choices("fer_xai", "emfacs", ["happiness", "fear"])][:3]
    ['as declared', 'Pearson', 'without the ReLU, Pearson of signed maps']
    """
    found = [Choice(name=DECLARED, edition=edition, codebook=codebook)]
    found.append(Choice(name="Pearson", edition=edition, codebook=codebook, similarity="pearson"))
    found.append(
        Choice(name=WITHOUT_RELU, edition=edition, codebook=codebook, similarity="pearson_signed")
    )
    found += [
        Choice(name=f"edition: {other}", edition=other, codebook=codebook)
        for other in EDITIONS
        if other != edition
    ]
    found += [
        Choice(name=f"codebook: {other}", edition=edition, codebook=other)
        for other in CODEBOOKS
        if other != codebook
    ]
    if set(OTHERWISE_CONFUSED) <= set(emotions) and len(emotions) > 2:
        found += [
            Choice(
                name="without the pair of fear and surprise",
                edition=edition,
                codebook=codebook,
                without_pair=True,
            ),
            Choice(
                name="without what fear and surprise share",
                edition=edition,
                codebook=codebook,
                without_shared=True,
            ),
        ]
    return found


class EmotionAreas:
    """Areas of all faces under every choice, kept as bits.

    Parameters
    ----------
    points
        ``(N, 68, 2)`` landmarks in pixels of images of side :data:`SIZE`.
    emotions
        Emotions in the order of the areas.
    asked
        The choices; the first is the declared one.

    Attributes
    ----------
    refused
        Why choices have no areas, by name.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points = canonical_landmarks()[None]
    >>> asked = choices("fer_xai", "emfacs", SIX)
    >>> EmotionAreas(points, SIX, asked[:1]).of(asked[0]).shape
    torch.Size([1, 6, 64, 64])
    """

    def __init__(
        self, points: NDArray[np.float32], emotions: Sequence[str], asked: Sequence[Choice]
    ) -> None:
        self.emotions = tuple(emotions)
        self.refused: dict[str, str] = {}
        self._bits: dict[tuple[str, str, bool], NDArray[np.uint8]] = {}
        self.choices: list[Choice] = []
        for choice in asked:
            try:
                self._add(choice, points)
                self.choices.append(choice)
            except InputError as refusal:
                if choice.name == DECLARED:
                    raise
                self.refused[choice.name] = str(refusal)

    def _add(self, choice: Choice, points: NDArray[np.float32]) -> None:
        if choice.areas_key not in self._bits:
            areas = emotion_areas(
                points,
                size=SIZE,
                emotions=self.emotions,
                codebook=choice.codebook,
                edition=choice.edition,
                without_shared=OTHERWISE_CONFUSED if choice.without_shared else False,
            )
            self._bits[choice.areas_key] = np.packbits(areas.flatten(2).numpy(), axis=2)

    def of(self, choice: Choice, rows: Rows = slice(None)) -> Tensor:
        """Bool ``(n, C, SIZE, SIZE)`` of some faces."""
        bits = np.unpackbits(self._bits[choice.areas_key][rows], axis=2)
        return torch.from_numpy(bits.astype(bool)).reshape(*bits.shape[:2], SIZE, SIZE)

    def own(self, targets: Tensor, rows: Rows = slice(None)) -> Tensor:
        """Bool ``(n, SIZE, SIZE)``: the declared area of the targets ``(n,)`` of some faces."""
        areas = self.of(self.choices[0], rows)
        return areas[torch.arange(len(areas)), targets]
