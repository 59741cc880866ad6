"""FER2013 (Goodfellow et al. 2013): 48×48 grey, as csv or as folders.

``fer2013.csv`` (``emotion,pixels,Usage``), ``icml_face_data.csv`` (``emotion, Usage, pixels``, with
its leading spaces), or copies in folders ``train/angry/…``. Usage Training, PublicTest and
PrivateTest are the splits train, valid and test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data.datasets.folder import index_folder
from fer_xai.data.label_list import CodeRange
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.text import cells, text_lines, whole_number
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

_USAGE = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
_FILES = ("fer2013.csv", "icml_face_data.csv")
_COLUMNS = ("emotion", "pixels", "Usage")
_SIDE = 48
_GREYS = {str(value) for value in range(256)}


@DATASETS.register("fer2013")
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
    >>> row = {"emotion": 3, "pixels": "0 " * _SIDE**2, "Usage": "PrivateTest"}  # 3 means happy
    >>> with tempfile.TemporaryDirectory() as root:
    ...     pd.DataFrame([row]).to_csv(Path(root) / "fer2013.csv", index=False)
    ...     fer2013(Path(root), split="test", problems=Problems(skip=False))
    Faces(fer2013: 1 face (happiness 1))
    """
    path = root
    if root.is_dir():
        found = next((root / name for name in _FILES if (root / name).is_file()), None)
        if found is None:
            return index_folder(root, split=split, name="fer2013", problems=problems)
        path = found
    if split not in _USAGE:
        raise InputError(f"Expected split train, valid or test for fer2013, got {split!r}.")
    codes = CodeRange(order=NATIVE_ORDERS["fer2013"], first=0)
    lines = text_lines(path, what="a CSV with columns emotion, pixels and Usage")
    columns = _columns(path, next(lines, (1, ""))[1])
    rows: list[tuple[str, ...]] = []
    pixels: list[NDArray[np.uint8]] = []
    for record, (number, line) in enumerate(lines, start=2):
        where = f"{path}, row {number}"
        row = cells(line)
        if row is None or len(row) > len(columns):
            what = "quotes that do not close" if row is None else f"{len(row)} cells"
            problems.add(f"Expected {len(columns)} cells in {where}, got {what}: {quoted(line)}.")
            continue
        row += [""] * (len(columns) - len(row))  # what a row that is too short lacks is empty
        code, text, usage = (row[columns.index(name)] for name in _COLUMNS)
        label = whole_number(code)
        emotion = None if label is None else codes.emotion(label, row=number)
        if usage != _USAGE[split]:
            if usage not in _USAGE.values():
                problems.add(
                    f"Expected Usage {', '.join(_USAGE.values())} in {where}, got {quoted(usage)}."
                )
            continue
        if label is None:
            problems.add(f"Expected an emotion {codes.words} in {where}, got {quoted(code)}.")
            continue
        words = text.split()
        odd = sorted(set(words) - _GREYS)
        if len(words) != _SIDE**2 or odd:
            problems.add(
                f"Expected {_SIDE**2} pixels 0–255 in {where}, got {len(words)} values"
                f"{f', {quoted(odd[0])} among them' if odd else ''}."
            )
            continue
        if emotion is not None:
            grey = np.array(words, dtype=np.uint8).reshape(_SIDE, _SIDE)
            pixels.append(np.repeat(grey[:, :, None], 3, axis=2))
            rows.append((f"{path.name}:{record}", where, emotion, split, "", "fer2013", ""))
    codes.check(path)
    return Faces(
        table=pd.DataFrame(rows, columns=list(COLUMNS), dtype=object),
        reader=lambda row: pixels[row],
        name="fer2013",
    )


def _columns(path: Path, header: str) -> list[str]:
    """Names of the columns, each of the three that are needed once."""
    columns = cells(header) or []
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise InputError(
            f"Expected columns emotion, pixels and Usage in {path}, but {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing."
        )
    twice = [name for name in _COLUMNS if columns.count(name) > 1]
    if twice:
        raise InputError(f"Expected one column {twice[0]} in {path}, got more: delete one.")
    return columns
