"""FER2013 (Goodfellow et al. 2013): 48×48 grey, as csv or as folders.

``fer2013.csv`` (``emotion,pixels,Usage``), ``icml_face_data.csv`` (``emotion, Usage, pixels``, with
its leading spaces), or copies in folders ``train/angry/…``. Usage Training, PublicTest and
PrivateTest are the splits train, valid and test.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.folder import index_folder
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

_USAGE = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
_FILES = ("fer2013.csv", "icml_face_data.csv")
_SIDE = 48
_GREYS = {str(value) for value in range(256)}


@DATASETS.register("fer2013")
def fer2013(root: Path, *, split: str, problems: Problems) -> Faces:
    """Index a csv file, a folder that holds one, or folder copies.

    Raises
    ------
    InputError
        If neither is found, columns are missing, or a row has another usage, label or number of
        pixels.
    """
    path = root
    if root.is_dir():
        found = next((root / name for name in _FILES if (root / name).is_file()), None)
        if found is None:
            return index_folder(root, split=split, name="fer2013", problems=problems)
        path = found
    if split not in _USAGE:
        raise InputError(f"Expected split train, valid or test for fer2013, got {split!r}.")
    order = NATIVE_ORDERS["fer2013"]
    rows: list[tuple[str, ...]] = []
    pixels: list[NDArray[np.uint8]] = []
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        columns = {name.strip(): name for name in reader.fieldnames or []}
        missing = [name for name in ("emotion", "pixels", "Usage") if name not in columns]
        if missing:
            raise InputError(
                f"Expected columns emotion, pixels and Usage in {path}, but {', '.join(missing)} "
                f"{'are' if len(missing) > 1 else 'is'} missing."
            )
        for number, row in enumerate(reader, start=2):
            where = f"{path}, row {number}"
            code, text, usage = (  # None where the row is too short
                (row[columns[name]] or "").strip() for name in ("emotion", "pixels", "Usage")
            )
            if usage != _USAGE[split]:
                if usage not in _USAGE.values():
                    problems.add(
                        f"Expected Usage {', '.join(_USAGE.values())} in {where}, got {usage!r}."
                    )
                continue
            if not code.isdigit() or int(code) >= len(order):
                problems.add(f"Expected an emotion 0–{len(order) - 1} in {where}, got {code!r}.")
                continue
            words = text.split()
            odd = sorted(set(words) - _GREYS)
            if len(words) != _SIDE**2 or odd:
                problems.add(
                    f"Expected {_SIDE**2} pixels 0–255 in {where}, got {len(words)} values"
                    f"{f', {odd[0]!r} among them' if odd else ''}."
                )
                continue
            grey = np.array(words, dtype=np.uint8).reshape(_SIDE, _SIDE)
            pixels.append(np.repeat(grey[:, :, None], 3, axis=2))
            name = f"{path.name}:{number}"
            rows.append((name, where, order[int(code)], split, "", "fer2013", ""))
    return Faces(
        table=pd.DataFrame(rows, columns=list(COLUMNS), dtype=object),
        reader=lambda row: pixels[row],
        name="fer2013",
    )
