"""Other ways to feed a network: the ones that public models of the field want or are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fer_xai.models import FERModel
from fer_xai.models.feeding import NORMALISATIONS, alike, normalisation_of

COLOURS, RANGE, GREY, SIZE, CROP, TURN = (
    "colour order",
    "range and normalisation",
    "greyscale",
    "size",
    "crop",
    "upright faces",
)
CHECKS: tuple[str, ...] = (COLOURS, RANGE, GREY, SIZE, CROP, TURN)
"""Checks of the input, one for each argument that may be declared wrongly."""

SIZES: tuple[int, ...] = (48, 64, 112, 224)
"""Pixels a side that public models want."""
CROPS: tuple[float, ...] = (0.083, -0.1)
"""Shares cut off each side: of faces cropped 20 % wider than the model's, and 17 % tighter."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One other way to feed a network.

    Attributes
    ----------
    check
        The check that it belongs to.
    words
        What it is, in a few words.
    changes
        Arguments of :class:`fer_xai.FERModel` that differ from the declared ones.
    turns
        Quarter turns of the images, anticlockwise.
    costly
        Whether the network sees more than four times as many pixels.

    Examples
    --------
    >>> Alternative(check="colour order", words="BGR", changes={"colour_order": "bgr"}).turns
    0
    """

    check: str
    words: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    turns: int = 0
    costly: bool = False


def alternatives(model: FERModel) -> list[Alternative]:
    """Other ways to feed a model than the declared one.

    A model that sees grey is not asked for the order of colours. Sizes are those of
    :data:`SIZES`; a network that cannot take one is asked no more (see :mod:`fer_xai.wiring`).

    Examples
    --------
    >>> from torch import nn
    >>> model = FERModel(nn.Flatten(), emotions="rafdb", size=224, normalisation="half")
    >>> [one.words for one in alternatives(model)][:4]
    ['BGR', 'imagenet', 'raw', 'none']
    """
    wiring = model.wiring
    grey = bool(wiring["greyscale"]) or wiring["channels"] == 1
    found = []
    if not grey:
        other = {"rgb": "bgr", "bgr": "rgb"}[wiring["colour_order"]]
        found.append(
            Alternative(check=COLOURS, words=other.upper(), changes={"colour_order": other})
        )
    declared = (tuple(wiring["mean"]), tuple(wiring["std"]))
    for name in NORMALISATIONS:
        numbers = normalisation_of(name, None, None, channels=wiring["channels"])
        if not alike(numbers, declared):
            changes = {"normalisation": name, "mean": None, "std": None}
            found.append(Alternative(check=RANGE, words=name, changes=changes))
    if wiring["channels"] == 3:
        words = "colour" if grey else "three equal channels of grey"
        found.append(Alternative(check=GREY, words=words, changes={"greyscale": not grey}))
    found += [
        Alternative(
            check=SIZE,
            words=f"{size} pixels",
            changes={"size": size},
            costly=size > 2 * wiring["size"],
        )
        for size in SIZES
        if size != wiring["size"]
    ]
    found += [
        Alternative(
            check=CROP,
            words=f"{abs(crop):.0%} of each side {'cut off' if crop > 0 else 'added'}",
            changes={"crop": round(wiring["crop"] + crop, 3)},
        )
        for crop in CROPS
        if -1 < wiring["crop"] + crop < 0.45
    ]
    names = ("a quarter turn anticlockwise", "upside down", "a quarter turn clockwise")
    found += [
        Alternative(check=TURN, words=words, turns=turns) for turns, words in enumerate(names, 1)
    ]
    return found
