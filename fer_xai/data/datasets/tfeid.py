"""TFEID (Chen & Yen 2007): 40 Taiwanese models; 268 photographs are commonly used.

Names end with a code of the expression: ``ng ag dg fg hg sg pg`` for neutral, anger, disgust, fear,
happiness, sadness and surprise, and ``cg`` for contempt; copies that circulate end with the word
(``f01_dfh_happiness.jpg``). They begin with the gender and number of the model. There is no split.
The naming is that of the copies: its authors document none. For research, by request.
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

CODES = {
    **{"ng": "neutral", "ag": "anger", "dg": "disgust", "fg": "fear"},
    **{"hg": "happiness", "sg": "sadness", "pg": "surprise", "cg": "contempt"},
}
"""Emotions by the codes that end file names."""
_WORDS = "|".join(CODES.values())
_NAME = re.compile(
    rf"(?P<subject>[fm]\d{{2}})(?:_\w+?)??_?(?:(?P<code>{'|'.join(CODES)})|(?P<word>{_WORDS}))\.\w+",
    re.IGNORECASE,
)

CARD = Card(
    title="TFEID",
    layout="`f01_dfh_hg.jpg` or `f01_dfh_happiness.jpg` in any folder below",
    licence="research, by request",
    source="Chen & Yen 2007",
    counts={
        WHOLE: {
            **{"anger": 34, "disgust": 40, "fear": 40, "happiness": 40},
            **{"neutral": 39, "sadness": 39, "surprise": 36},
        }
    },
    persons="40, by file names",
)


@DATASETS.register("tfeid")
@described(CARD)
def tfeid(root: Path, *, split: str, problems: Problems, test_share: str = "") -> Faces:
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
    ...     (Path(root) / "f01_dfh_pg.jpg").touch()
    ...     faces = tfeid(Path(root), split="test", problems=Problems(skip=False))
    >>> faces, faces.persons
    (Faces(tfeid: 1 face (surprise 1)), ['F01'])
    """
    images = named_images(root, _NAME.fullmatch, example="f01_dfh_hg.jpg", problems=problems)
    rows = []
    for below, path, name in images:
        code, word = name["code"], name["word"]
        emotion = CODES[code.lower()] if code else parse_emotion(word)
        rows.append((below, path, emotion, split, name["subject"].upper(), "tfeid", ""))
    faces = faces_from_files(rows, name="tfeid")
    return without_splits(faces, split=split, test_share=test_share, problems=problems)
