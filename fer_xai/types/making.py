"""Tables and readers of faces that come from tensors, a dataset of PyTorch or a list of files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length, quoted
from fer_xai.emotions import EMOTIONS, parse_emotion, parse_order
from fer_xai.errors import InputError
from fer_xai.types.image_files import ImageFiles
from fer_xai.types.tables import COLUMNS


@dataclass(frozen=True, kw_only=True)
class Made:
    """A table of faces, and the reader of its rows.

    Examples
    --------
    >>> Made(table=pd.DataFrame(columns=list(COLUMNS)), reader=lambda row: np.zeros((8, 8)))
    Made(table=Empty DataFrame...
    """

    table: pd.DataFrame
    reader: Callable[[int], NDArray[Any]]


def of_tensors(
    images: Tensor,
    labels: Sequence[str] | Sequence[int] | Tensor,
    *,
    name: str,
    ids: Sequence[str] | None,
    columns: Mapping[str, Sequence[str]],
) -> Made:
    """Faces in memory; see :meth:`fer_xai.types.Faces.from_tensors`.

    Examples
    --------
    >>> import torch
    >>> made = of_tensors(torch.zeros(1, 3, 8, 8), [5], name="mine", ids=None, columns={})
    >>> made.table["emotion"].tolist(), made.reader(0).shape
    (['fear'], (8, 8, 3))
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] not in (1, 3):
        got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise InputError(f"Expected images as a tensor (N, 3, H, W) or (N, 1, H, W), got {got}.")
    check_length("labels", len(labels), len(images))
    emotions = [_emotion(label, EMOTIONS) for label in _plain(labels)]
    fixed = {"id": ids if ids is not None else [f"{name}-{k}" for k in range(len(images))]}
    for column, values in {**fixed, **columns}.items():
        check_length(f"values of {column}", len(values), len(images))
    if {"path", "emotion"} & set(columns):
        raise InputError("Expected no column path or emotion beside tensors and their labels.")
    table = _table({**fixed, **columns, "emotion": emotions}, len(images))
    pixels = images.detach().cpu()
    return Made(table=table, reader=lambda row: pixels[row].movedim(0, -1).numpy())


def of_dataset(
    dataset: Any,
    *,
    emotions: str | Sequence[str] | None,
    name: str,
    labels: Sequence[int] | Sequence[str] | None,
) -> Made:
    """Faces of a PyTorch dataset; see :meth:`fer_xai.types.Faces.from_dataset`.

    Examples
    --------
    >>> made = of_dataset(
    ...     [(np.zeros((8, 8, 3)), "happy")], emotions=None, name="mine", labels=None
    ... )
    >>> made.table["emotion"].tolist()
    ['happiness']
    """
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise InputError(
            f"Expected a dataset with a length and items by index, got {type(dataset).__name__}: "
            "read an iterable one into a list first."
        )
    count = len(dataset)
    given = labels if labels is not None else getattr(dataset, "targets", None)
    if given is None:
        given = [_item(dataset, index)[1] for index in range(count)]
    check_length("labels", len(given), count)
    told = emotions if emotions is not None else getattr(dataset, "classes", None)
    order = None if told is None else parse_order(told)
    names = [_emotion(label, order) for label in _plain(given)]

    def read(row: int) -> NDArray[Any]:
        image = _item(dataset, row)[0]
        if isinstance(image, Tensor):
            return image.detach().cpu().movedim(0, -1).numpy() if image.ndim == 3 else image.numpy()
        return np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)

    ids = [f"{name}-{index}" for index in range(count)]
    return Made(table=_table({"id": ids, "emotion": names}, count), reader=read)


def of_csv(
    path: Path,
    *,
    root: str | Path | None,
    emotions: str | Sequence[str] | None,
    names: Mapping[str, str],
) -> Made:
    r"""Faces of a list; see :meth:`fer_xai.types.Faces.from_csv`.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = place.write_text("path,emotion\n../a.png,fear\n")
    >>> of_csv(place, root=None, emotions=None, names={})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected paths below ..., row 2, ... leads out of it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = [str(column).strip() for column in reader.fieldnames or ()]
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"Expected a list of images as comma-separated text (UTF-8), but {path} cannot be read "
            f"({reason})."
        ) from None
    base = path.parent if root is None else Path(root).expanduser()
    if not base.is_dir():
        raise InputError(f"Expected the folder of the images of {path}, but {base} is none.")
    calls = {column: names.get(column, column) for column in COLUMNS}
    for column in ("path", "emotion"):
        if calls[column] not in header:
            raise InputError(
                f"Expected a column {quoted(calls[column])} in {path}, got {', '.join(header)}: "
                f'say what it is called by names={{"{column}": …}}.'
            )
    order = None if emotions is None else parse_order(emotions)
    codes = {str(row.get(calls["emotion"]) or "").strip() for _, row in rows}
    if emotions == "rafdb" and "0" not in codes and any(text.isdecimal() for text in codes):
        raise InputError(
            f"Expected codes from 0 in {path}, got none that is 0: codes of RAF-DB's own lists "
            "begin with 1, and would all be taken for another emotion; write them less 1, or as "
            "words."
        )
    files, found = [], []
    for number, row in rows:
        if None in row or None in row.values():
            raise InputError(f"Expected {len(header)} cells in {path}, row {number}, got others.")
        told = row[calls["path"]].strip()
        place = Path(told.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or not told:
            raise InputError(
                f"Expected paths below {base} in {path}, row {number}, but {quoted(told)} leads "
                "out of it."
            )
        files.append(str(base / place))
        try:
            found.append(_emotion(row[calls["emotion"]].strip(), order))
        except InputError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
    known = {column: calls[column] for column in COLUMNS if calls[column] in header}
    others = {column: column for column in header if column and column not in calls.values()}
    columns = {
        column: [row[name].strip() for _, row in rows] for column, name in (known | others).items()
    }
    columns.setdefault("id", columns["path"])
    columns |= {"path": files, "emotion": found}
    return Made(table=_table(columns, len(rows)), reader=ImageFiles(files))


def _plain(labels: Sequence[Any] | Tensor) -> list[Any]:
    return labels.tolist() if isinstance(labels, Tensor | np.ndarray) else list(labels)


def _emotion(label: Any, order: Sequence[str] | None) -> str:
    """Emotion of a name or a number."""
    text = str(label).strip()
    if isinstance(label, int | np.integer) or text.isdecimal():
        if order is None:
            raise InputError(
                f"Expected the order of the emotions for labels that are numbers, such as {text}: "
                "hand it in as emotions=…"
            )
        if isinstance(label, bool) or not 0 <= int(text) < len(order):
            raise InputError(
                f"Expected labels 0 to {len(order) - 1} ({', '.join(order)}), got {text}."
            )
        return order[int(text)]
    return parse_emotion(text)


def _item(dataset: Any, index: int) -> tuple[Any, Any]:
    item = dataset[index]
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise InputError(
            f"Expected items (image, label) of the dataset, got {type(item).__name__}."
        )
    return item[0], item[1]


def _table(columns: Mapping[str, Sequence[Any]], count: int) -> pd.DataFrame:
    every = {column: list(columns.get(column, [""] * count)) for column in COLUMNS}
    others = {name: list(values) for name, values in columns.items() if name not in every}
    return pd.DataFrame(every | others, dtype=object)
