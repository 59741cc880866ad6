"""Faces of a list of image files: comma-separated text with a header."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from fer_xai.checks import quoted
from fer_xai.emotions import parse_order
from fer_xai.errors import InputError
from fer_xai.types.image_files import ImageFiles
from fer_xai.types.making import Made, emotion_of, table_of
from fer_xai.types.tables import COLUMNS

PATHS = (
    *("path", "image", "file", "file_name", "filename", "filepath", "file_path", "image_path"),
    *("img", "img_path", "name", "image_name", "pth"),
)
"""Usual names of the column of paths."""
LABELS = (
    "label",
    "emotion",
    "expression",
    "class",
    "target",
    "labels",
    "emotions",
    "emotion_label",
)
"""Usual names of the column of labels."""


def of_csv(
    path: Path,
    *,
    root: str | Path | None,
    split: str | None = None,
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
    calls = _calls(header, names, path)
    rows = _of_split(rows, split, calls["split"], path)
    if not rows:
        raise InputError(f"Expected rows of images in {path}, got a header alone.")
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
            found.append(emotion_of(row[calls["emotion"]].strip(), order))
        except InputError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
    known = {column: calls[column] for column in COLUMNS if calls[column] in header}
    others = {column: column for column in header if column and column not in calls.values()}
    columns = {
        column: [row[name].strip() for _, row in rows] for column, name in (known | others).items()
    }
    columns.setdefault("id", columns["path"])
    columns |= {"path": files, "emotion": found}
    _check_there(files, path)
    return Made(table=table_of(columns, len(rows)), reader=ImageFiles(files))


def _calls(header: Sequence[str], names: Mapping[str, str], path: Path) -> dict[str, str]:
    """What each column of a table of faces is called in a list."""
    unknown = sorted(set(names) - set(COLUMNS))
    if unknown:
        raise InputError(
            f"Expected names of the columns {', '.join(COLUMNS)}, got {', '.join(unknown)}: other "
            "columns keep the names that they have in the file."
        )
    calls = {column: names.get(column, column) for column in COLUMNS}
    for column, usual in (("path", PATHS), ("emotion", LABELS)):
        if column not in names:
            there = [one for wanted in usual for one in header if one.lower() == wanted]
            calls[column] = there[0] if there else column
        if calls[column] not in header:
            raise InputError(
                f"Expected a column {quoted(calls[column])} in {path}, got {', '.join(header)}: "
                f'say what it is called by names={{"{column}": …}}.'
            )
    return calls


def _of_split(
    rows: list[tuple[int, dict[str, str]]], split: str | None, column: str, path: Path
) -> list[tuple[int, dict[str, str]]]:
    """Rows of one split; all where none is named."""
    if split is None or not rows:
        return rows
    if column not in rows[0][1]:
        raise InputError(
            f"Expected a column {quoted(column)} in {path} to choose the split {split} by, got "
            f"{', '.join(map(str, rows[0][1]))}: leave split out, or say what the column is called "
            'by names={"split": …}.'
        )
    found = [row for row in rows if str(row[1].get(column) or "").strip() == split]
    if not found:
        known = sorted({str(row.get(column) or "").strip() for _, row in rows})
        raise InputError(
            f"Expected rows of the split {split} in {path}, got splits {', '.join(known[:8])}."
        )
    return found


def _check_there(files: Sequence[str], path: Path) -> None:
    """Refuse a list whose images are not all there."""
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        raise InputError(
            f"Expected an image at {missing[0]}, found none, and so for {len(missing)} of "
            f"{len(files)} images of {path}: name the folder of the images by root=…"
        )
