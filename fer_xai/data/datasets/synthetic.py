"""Built-in faces as a dataset: ``synthetic``, or ``synthetic:STYLE``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.synthetic.conditions import degraded_params
from fer_xai.data.synthetic.params import FaceParams
from fer_xai.data.synthetic.render import face_landmarks, render
from fer_xai.data.synthetic.sampler import FACES_PER_SUBJECT, sample
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

SPLIT_SIZES: dict[str, int] = {"train": 7200, "valid": 600, "test": 600}
_CHUNK = 256
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Weights of the channels in a skin's luminance."""
SKIN_CUTS = np.array([0.684, 0.498])
"""Luminances that part light, medium and dark skins into thirds of the persons."""
_SKINS = ("light", "medium", "dark")
MEDIAN_AGE = 0.25
"""Half of the persons have deeper lines than this."""


@DATASETS.register("synthetic")
def synthetic(root: Path, *, split: str, problems: Problems) -> Faces:
    """The built-in benchmark; ``root`` names the style (``wild`` if empty).

    Raises
    ------
    InputError
        For another split than train, valid or test, or an unknown style.

    Examples
    --------
    >>> synthetic(Path("tablet"), split="test", problems=Problems(skip=False))
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Expected a style of built-in faces (...), got 'tablet'.
    """
    del problems  # there are none
    if split not in SPLIT_SIZES:
        raise InputError(f"Expected split train, valid or test for synthetic, got {split!r}.")
    style = root.name or "wild"
    return synthetic_faces(SPLIT_SIZES[split], style=style, split=split)


def synthetic_faces(
    n: int, *, style: str = "wild", split: str = "test", size: int = 64, seed: int = 0
) -> Faces:
    """Built-in faces, rendered when their pixels are first asked for.

    Parameters
    ----------
    n
        Number of faces; the first n of an endless sequence.
    style
        A name of :data:`fer_xai.data.synthetic.STYLES`.
    split
        Splits share no person.
    size
        Side of the images in pixels.
    seed
        Seed of all random draws.

    Examples
    --------
    >>> faces = synthetic_faces(2, style="studio", size=32)
    >>> faces
    Faces(synthetic-studio: 2 faces (happiness 1, surprise 1), 2 with landmarks)
    >>> faces.ids[1], faces.pixels(32).shape
    ('studio-test-00001', torch.Size([2, 3, 32, 32]))
    """
    params, labels, subjects = sample(n, style=style, split=split, seed=seed)
    rows = [
        (
            f"{style}-{split}-{index:05d}",
            f"synthetic:{style}/{split}/{index:05d}",
            EMOTIONS[label],
            split,
            f"{style}-{split}-{subject}",
            f"synthetic-{style}",
            "",
        )
        for index, (label, subject) in enumerate(zip(labels, subjects, strict=True))
    ]
    return Faces(
        table=pd.DataFrame(rows, columns=list(COLUMNS), dtype=object),
        reader=_Reader(params, size, style),
        name="synthetic" if style == "wild" else f"synthetic-{style}",
        landmarks=face_landmarks(params, size=size),
    )


class _Reader:
    """Renders the faces asked for, in batches where there are many."""

    attributes = ("style", "skin", "glasses", "beard", "grown")

    def __init__(self, params: FaceParams, size: int, style: str = "") -> None:
        self.params, self.size, self.style = params, size, style

    def attribute(self, name: str, rows: NDArray[np.int64]) -> list[str]:
        """Groups of faces by what is drawn once for a person; the style is that of all."""
        own = self.params[rows]
        if name == "style":
            return [self.style] * len(rows)
        if name == "skin":
            return [_SKINS[int((one < SKIN_CUTS).sum())] for one in own.skin @ LUMINANCE]
        shown = {"glasses": own.glasses > 0, "beard": own.beard > 0, "grown": own.age > MEDIAN_AGE}
        return ["yes" if one else "no" for one in shown[name]]

    def __call__(self, row: int) -> NDArray[np.uint8]:
        return next(self.many(np.array([row])))

    def many(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        for start in range(0, len(rows), _CHUNK):
            yield from render(self.params[rows[start : start + _CHUNK]], size=self.size).images


def is_built_in(faces: Faces) -> bool:
    """Whether faces are rendered, so that they can be rendered anew.

    Examples
    --------
    >>> is_built_in(synthetic_faces(1))
    True
    """
    return isinstance(faces.reader, _Reader)


def degraded_faces(faces: Faces, condition: str, severity: float, *, seed: int = 0) -> Faces:
    """Built-in faces rendered anew under a condition: the same persons, names and labels.

    Parameters
    ----------
    faces
        Built-in faces.
    condition
        Name of :data:`fer_xai.data.synthetic.conditions.RENDERED`.
    severity
        Severity in the condition's unit; at 0 the faces are as they were, bit by bit.
    seed
        Seed of the side that a face turns to, or is lit from.

    Returns
    -------
    Faces
        With exact landmarks.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown condition, a severity out of range, or faces that are not built in.

    Examples
    --------
    >>> faces = synthetic_faces(2, size=16)
    >>> turned = degraded_faces(faces, "yaw", 20.0)
    >>> turned.ids == faces.ids, bool((turned.pixels(16) == faces.pixels(16)).all())
    (True, False)
    """
    if not isinstance(faces.reader, _Reader):
        raise InputError(
            f"Expected built-in faces for the condition {condition}, which is rendered, got "
            f"{faces.name}: leave the condition out, or use the data set synthetic."
        )
    assert faces.rows is not None
    own, size = faces.reader.params[faces.rows], faces.reader.size
    params = degraded_params(own, condition, severity, ids=faces.ids, seed=seed)
    return Faces(
        table=faces.table,
        reader=_Reader(params, size, faces.reader.style),
        name=faces.name,
        landmarks=face_landmarks(params, size=size),
    )


PEOPLE_STYLE = "studio"
"""None of its faces has a pixel near the colours of marks."""
PEOPLE_SIZE = 64


def people(n: int, *, seed: int) -> Faces:
    """Built-in faces to be marked, ``n`` of as many persons, whose emotions take turns.

    Examples
    --------
    >>> faces = people(2, seed=0)
    >>> faces.table["subject"].tolist(), faces.emotions
    (['studio-test-0', 'studio-test-1'], ('happiness', 'surprise'))
    """
    step = FACES_PER_SUBJECT + 1
    every = synthetic_faces(step * n, style=PEOPLE_STYLE, size=PEOPLE_SIZE, seed=seed)
    return every.subset(range(0, step * n, step))
