"""FER2013 (Goodfellow et al. 2013): 48×48 grey, as csv or as folders.

``fer2013.csv`` (``emotion,pixels,Usage``), ``icml_face_data.csv`` (``emotion, Usage, pixels``, with
its leading spaces), either of them in a folder ``fer2013`` as torchvision has it, ``train.csv`` of
the challenge (``emotion,pixels``; its ``test.csv`` has no labels), or copies in folders
``train/angry/…``. Usage Training, PublicTest and PrivateTest are the splits train, valid and test:
28,709, 3,589 and 3,589 faces.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.cards import Card, described
from fer_xai.data.datasets.folder import index_folder
from fer_xai.data.fer2013_rows import USAGES, greys, reader_of, records
from fer_xai.data.label_list import CodeRange
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

_FILES = ("fer2013.csv", "icml_face_data.csv")

CARD = Card(
    title="FER2013",
    layout="`[fer2013/]fer2013.csv`, `[fer2013/]icml_face_data.csv`, `train.csv`, or folders",
    licence="research",
    source="Goodfellow et al., ICONIP 2013",
    splits=("train", "valid", "test"),
    counts={
        "train": {
            **{"anger": 3995, "disgust": 436, "fear": 4097, "happiness": 7215},
            **{"sadness": 4830, "surprise": 3171, "neutral": 4965},
        },
        "valid": {
            **{"anger": 467, "disgust": 56, "fear": 496, "happiness": 895},
            **{"sadness": 653, "surprise": 415, "neutral": 607},
        },
        "test": {
            **{"anger": 491, "disgust": 55, "fear": 528, "happiness": 879},
            **{"sadness": 594, "surprise": 416, "neutral": 626},
        },
    },
)


@DATASETS.register("fer2013")
@described(CARD)
def fer2013(root: Path, *, split: str, problems: Problems) -> Faces:
    """Index a csv file, a folder that holds one, or folder copies.

    Raises
    ------
    InputError
        If neither is found, the file is no text, columns are missing, a row has another usage,
        label or number of pixels, or a code lies outside 0–6 (which means another order).

    Examples
    --------
    >>> import tempfile
    >>> row = {"emotion": 3, "pixels": "0 " * 48**2, "Usage": "PrivateTest"}  # 3 means happy
    >>> with tempfile.TemporaryDirectory() as root:
    ...     pd.DataFrame([row]).to_csv(Path(root) / "fer2013.csv", index=False)
    ...     fer2013(Path(root), split="test", problems=Problems(skip=False))
    Faces(fer2013: 1 face (happiness 1))
    """
    path = root
    if root.is_dir():
        bases = (root, root / "fer2013")
        names = (*_FILES, "train.csv") if split == "train" else _FILES
        found = [base / name for base in bases for name in names if (base / name).is_file()]
        if not found:
            if (root / "test.csv").is_file() and (root / "train.csv").is_file():
                raise InputError(
                    f"Expected {' or '.join(_FILES)} under {root} for split {split}, found "
                    "train.csv and test.csv alone, of which the second has no labels."
                )
            return index_folder(root, split=split, name="fer2013", problems=problems)
        path = found[0]
    if split not in USAGES:
        raise InputError(f"Expected split train, valid or test for fer2013, got {split!r}.")
    codes = CodeRange(order=NATIVE_ORDERS["fer2013"], first=0)
    rows: list[tuple[str, ...]] = []
    pixels: list[NDArray[np.uint8]] = []
    for record in records(path, problems):
        code = record.code
        emotion = None if code is None else codes.emotion(code, row=record.number)
        if record.usage != USAGES[split]:
            continue
        if code is None:
            problems.add(
                f"Expected an emotion {codes.words} in {record.place}, got {record.told_code}."
            )
            continue
        grey = greys(record, problems)
        if emotion is not None and grey is not None:
            pixels.append(grey)
            name = f"{path.name}:{record.number}"
            rows.append((name, record.place, emotion, split, "", "fer2013", ""))
    codes.check(path)
    return Faces(
        table=pd.DataFrame(rows, columns=list(COLUMNS), dtype=object),
        reader=reader_of(pixels),
        name="fer2013",
    )
