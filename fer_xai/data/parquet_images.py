"""Images inside parquet files, read a row group at a time."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fer_xai.checks import listed, quoted
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.images import read_image
from fer_xai.data.registry import Problems
from fer_xai.data.text import whole_number
from fer_xai.data.words import emotion_of_word
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

IMAGES = ("image", "img", "face", "pixels")
"""Usual names of the column of images."""


class ParquetReader:
    """Reads the images of rows; the row group that was read last is kept.

    Parameters
    ----------
    places
        File, row group and row in the group of each face.
    columns
        Name of each file's column of images.

    Examples
    --------
    >>> ParquetReader([], {})
    ParquetReader(0 faces)
    """

    def __init__(self, places: Sequence[tuple[Path, int, int]], columns: dict[Path, str]) -> None:
        self.places, self.columns = places, columns
        self._kept: tuple[Path, int] | None = None
        self._group: Any = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ParquetReader({len(self.places)} faces)"

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Pixels of one face."""
        file, group, inside = self.places[row]
        with self._lock:
            if self._kept != (file, group):
                column = self.columns[file]
                try:
                    table = pq.ParquetFile(file).read_row_group(group, columns=[column])
                except (pa.ArrowException, OSError, ValueError) as error:
                    raise _damaged(file, error) from None
                self._group, self._kept = table[column], (file, group)
            cell = self._group[inside].as_py()
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        where = f"{file}, row group {group}, row {inside}"
        if not isinstance(data, bytes):
            raise InputError(f"Expected the bytes of an image in {where}, got none.")
        try:
            return read_image(io.BytesIO(data))  # type: ignore[arg-type]
        except InputError:
            raise InputError(f"Expected a readable image in {where}: it is damaged.") from None

    def __getstate__(self) -> dict[str, Any]:
        return {"places": self.places, "columns": self.columns}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def index_parquet(
    paths: Sequence[Path],
    *,
    split: str,
    name: str,
    label: str,
    labels: Sequence[str],
    order: str,
    emotions: EmotionMap,
    problems: Problems,
) -> Faces:
    """Faces of parquet files; their ids are the file's name and the row, from 0.

    Parameters
    ----------
    paths
        The files.
    split, name
        Name of the split, and of the faces.
    label, labels
        Name of the column of labels, or those that are usual.
    order
        Native label order of codes, where the files do not tell their names.
    emotions
        Emotions of labels: by the names of the file's classes, or by codes where not all of these
        names are whole numbers.
    problems
        Collects the rows that cannot be used.

    Raises
    ------
    InputError
        If a file cannot be read, or a column is missing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     path = Path(place) / "test-00000-of-00001.parquet"
    ...     rows = pa.table({"image": [{"bytes": b"", "path": "1.png"}], "label": ["happy"]})
    ...     pq.write_table(rows, path)
    ...     index_parquet([path], split="test", name="mine", label="", labels=["label"], order="",
    ...                   emotions=EmotionMap(), problems=Problems(skip=False)).ids
    ['test-00000-of-00001.parquet:0']
    """
    places: list[tuple[Path, int, int]] = []
    rows: list[tuple[str, ...]] = []
    columns: dict[Path, str] = {}
    for path in paths:
        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None
        names = file.schema_arrow.names
        told = [column for column in ([label] if label else labels) if column in names]
        images = [column for column in IMAGES if column in names]
        if not told or not images:
            raise InputError(
                f"Expected a column image and one of labels ({label or labels[0]}) in {path}, got "
                f"{listed(names) or 'none'}: name the column of labels (#label=…)."
            )
        if twice := [column for column in (told[0], images[0]) if names.count(column) > 1]:
            raise InputError(f"Expected one column {twice[0]} in {path}, got more: delete one.")
        columns[path] = images[0]
        words, start = _class_names(file, told[0]), 0
        numbers = bool(words) and all(whole_number(word) is not None for word in words)
        if not numbers:  # else a label of the map is a name, which may be the code of another
            for code, word in enumerate(words):
                emotions.check_once(str(code), word)
        for group in range(file.num_row_groups):
            try:
                values = file.read_row_group(group, columns=[told[0]])[told[0]].to_pylist()
            except (pa.ArrowException, OSError, ValueError) as error:
                raise _damaged(path, error) from None
            for inside, value in enumerate(values):
                row = start + inside
                word = str(value).strip()
                if words and isinstance(value, int) and 0 <= value < len(words):
                    word = words[value] if numbers or word not in emotions else word
                place = f"{path}, row {row}"
                if numbers and isinstance(value, int) and not 0 <= value < len(words):
                    problems.add(
                        f"Expected a code from 0 to {len(words) - 1} in {place}, got {value}: "
                        "the file names no other class."
                    )
                    continue
                emotion = emotion_of_word(
                    word, emotions, order=order, place=place, problems=problems
                )
                if emotion is not None:
                    rows.append((f"{path.name}:{row}", place, emotion, split, "", name, ""))
                    places.append((path, group, inside))
            start += len(values)
    return Faces(
        table=pd.DataFrame(rows, columns=list(COLUMNS), dtype=object),
        reader=ParquetReader(places, columns),
        name=name,
    )


def _damaged(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(
        f"Expected a parquet file at {path}, but it cannot be read ({quoted(reason)[1:-1]}): "
        "replace the file."
    )


def _class_names(file: pq.ParquetFile, column: str) -> list[str]:
    """Names of a column's codes, by the description that Hugging Face writes into the file."""
    described = (file.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        names = json.loads(described)["info"]["features"][column]["names"] if described else []
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [str(name).strip() for name in names] if isinstance(names, list) else []
