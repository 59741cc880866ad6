"""Rows of FER2013's csv files, which hold a face each: a code, 2,304 grey values, and a usage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data.registry import Problems
from fer_xai.data.text import cells, text_lines, whole_number
from fer_xai.errors import InputError

USAGES = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
"""Usage of the rows of each split."""
SIDE = 48
_COLUMNS = ("emotion", "pixels", "Usage")
_GREYS = {str(value) for value in range(256)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One row.

    Attributes
    ----------
    number
        Its number among the rows; that of the first face is 2, as in a spreadsheet.
    place
        Where it stands, for messages.
    code
        The emotion's code; None where there is no number.
    told_code, pixels, usage
        The cells.

    Examples
    --------
    >>> Record(number=2, place="f.csv, row 2", code=3, told_code="'3'", pixels="", usage="Training")
    Record(number=2, ...)
    """

    number: int
    place: str
    code: int | None
    told_code: str
    pixels: str
    usage: str


def records(path: Path, problems: Problems) -> Iterator[Record]:
    r"""Rows of a file; those that cannot be read, or of an unknown usage, go to ``problems``.

    A file without the column Usage is ``train.csv`` of the challenge.

    Raises
    ------
    InputError
        If columns are missing or come twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "fer2013.csv"
    ...     _ = path.write_text("emotion,pixels,Usage\n3,0 0,Training")
    ...     [record.code for record in records(path, Problems(skip=False))]
    [3]
    """
    lines = text_lines(path, what="a CSV with columns emotion, pixels and Usage")
    columns = _columns(path, next(lines, (1, ""))[1])
    usages = set(USAGES.values())
    for record, (number, line) in enumerate(lines, start=2):
        where = f"{path}, row {number}"
        row = cells(line)
        if row is None or len(row) > len(columns):
            what = "quotes that do not close" if row is None else f"{len(row)} cells"
            problems.add(f"Expected {len(columns)} cells in {where}, got {what}: {quoted(line)}.")
            continue
        row += [""] * (len(columns) - len(row))  # what a row that is too short lacks is empty
        named = dict(zip(columns, row, strict=True))
        usage = named.get("Usage", USAGES["train"])
        if usage not in usages:
            problems.add(
                f"Expected Usage {', '.join(USAGES.values())} in {where}, got {quoted(usage)}."
            )
            continue
        yield Record(
            number=record,
            place=where,
            code=whole_number(named["emotion"]),
            told_code=quoted(named["emotion"]),
            pixels=named["pixels"],
            usage=usage,
        )


def greys(record: Record, problems: Problems) -> NDArray[np.uint8] | None:
    """The face of a row, uint8 ``(48, 48)``; None where it goes to ``problems``.

    Examples
    --------
    >>> black = Record(number=2, place="row 2", code=3, told_code="3", pixels="0 " * 2304, usage="")
    >>> greys(black, Problems(skip=False)).shape
    (48, 48)
    """
    words = record.pixels.split()
    odd = sorted(set(words) - _GREYS)
    if len(words) != SIDE**2 or odd:
        problems.add(
            f"Expected {SIDE**2} pixels 0–255 in {record.place}, got {len(words)} values"
            f"{f', {quoted(odd[0])} among them' if odd else ''}."
        )
        return None
    return np.array(words, dtype=np.uint8).reshape(SIDE, SIDE)


def reader_of(pixels: Sequence[NDArray[np.uint8]]) -> Callable[[int], NDArray[np.uint8]]:
    """A reader of grey faces that returns them with three equal channels.

    Examples
    --------
    >>> reader_of([np.zeros((48, 48), np.uint8)])(0).shape
    (48, 48, 3)
    """
    return lambda row: np.repeat(pixels[row][:, :, None], 3, axis=2)


def _columns(path: Path, header: str) -> list[str]:
    """Names of the columns, each of those that are needed once."""
    columns = cells(header) or []
    needed = _COLUMNS[:2] if path.name.startswith("train.csv") else _COLUMNS
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(
            f"Expected columns emotion, pixels and Usage in {path}, but {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing."
        )
    twice = [name for name in _COLUMNS if columns.count(name) > 1]
    if twice:
        raise InputError(f"Expected one column {twice[0]} in {path}, got more: delete one.")
    return columns
