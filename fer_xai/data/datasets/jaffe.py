"""JAFFE (Lyons et al., FG 1998): 213 photographs of ten Japanese women, seven expressions.

``KA.AN1.39.tiff``: initials of the poser, expression (AN DI FE HA NE SA SU) and its number, number
of the image. 256×256 grey. There is no split; ten persons. For non-commercial research, see
https://zenodo.org/records/3451524.
"""

from __future__ import annotations

import re
from pathlib import Path

from fer_xai.data.cards import WHOLE, Card, described
from fer_xai.data.images import faces_from_files
from fer_xai.data.named_files import named_images
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.unsplit import without_splits
from fer_xai.emotions import parse_emotion
from fer_xai.types import Faces

_NAME = re.compile(r"([A-Z]{2})\.(AN|DI|FE|HA|NE|SA|SU)\d\.\d{1,3}\.\w+", re.IGNORECASE)

CARD = Card(
    title="JAFFE",
    layout="`KA.AN1.39.tiff` in any folder below",
    licence="non-commercial research",
    source="Lyons, Akamatsu, Kamachi & Gyoba, FG 1998",
    counts={
        WHOLE: {
            **{"anger": 30, "disgust": 29, "fear": 32, "happiness": 31},
            **{"neutral": 30, "sadness": 31, "surprise": 30},
        }
    },
    persons="10, by file names",
)


@DATASETS.register("jaffe")
@described(CARD)
def jaffe(root: Path, *, split: str, problems: Problems, test_share: str = "") -> Faces:
    """Index the images, by their names.

    Parameters
    ----------
    root
        The folder, which may hold others.
    split
        train, valid or test.
    problems
        Collects what cannot be used.
    test_share
        Share of the persons to be tested on; see :func:`fer_xai.data.unsplit.without_splits`.

    Raises
    ------
    InputError
        If there are no images of these names, or one comes twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     (Path(root) / "KA.AN1.39.tiff").touch()
    ...     faces = jaffe(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.persons
    (Faces(jaffe: 1 face (anger 1)), ['KA'])
    """
    images = named_images(root, _NAME.fullmatch, example="KA.AN1.39.tiff", problems=problems)
    rows = [
        (below, path, parse_emotion(name[2]), split, name[1].upper(), "jaffe", "")
        for below, path, name in images
    ]
    faces = faces_from_files(rows, name="jaffe")
    return without_splits(faces, split=split, test_share=test_share, problems=problems)
