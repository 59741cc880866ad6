"""Files that RAF-DB and its relatives share: lists of codes, attributes and points of faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data.listing import Listing
from fer_xai.data.registry import Problems
from fer_xai.data.text import text_lines, whole_number
from fer_xai.errors import InputError

GENDERS = ("male", "female", "unsure")
RACES = ("Caucasian", "African-American", "Asian")
AGES = ("0-3", "4-19", "20-39", "40-69", "70+")
"""Words for the codes of a ``*_manu_attri.txt``, by the read-me of RAF-DB."""
_POINTS = {"manual": (5, "manu", 3), "auto": (37, "auto", 0)}  # points, in names, codes after


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row ``train_00001.jpg 5`` of a list.

    Examples
    --------
    >>> Row(name="train_00001.jpg", code=5, number=1).code
    5
    """

    name: str
    code: int
    number: int


def listed_rows(path: Path, codes: str, problems: Problems) -> Iterator[Row]:
    """Rows of a list of names and codes; those that cannot be read go to ``problems``.

    Parameters
    ----------
    path
        The list.
    codes
        Its codes in words, for the sentence ("1–7").
    problems
        Collects the rows that cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "list.txt"
    ...     _ = path.write_text("train_00001.jpg 5")
    ...     [row.code for row in listed_rows(path, "1–7", Problems(skip=False))]
    [5]
    """
    for number, line in text_lines(path, what="a list of names and codes"):
        name, _, text = line.partition(" ") if " " in line else line.partition("\t")
        code = whole_number(text.strip())
        if code is None or not name.startswith(("train_", "test_")):
            problems.add(
                f"Expected `name code` with a name train_… or test_… and a code {codes} in "
                f"{path}, row {number}, got {quoted(line)}."
            )
            continue
        yield Row(name=name, code=code, number=number)


def numbered_codes(path: Path, codes: str, problems: Problems) -> Iterator[tuple[str, int, int]]:
    """Name, code and number of the rows ``0001.jpg 5`` of a list.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "list.txt"
    ...     _ = path.write_text("0001.jpg 5")
    ...     list(numbered_codes(path, "0–13", Problems(skip=False)))
    [('0001.jpg', 5, 1)]
    """
    for number, line in text_lines(path, what="a list of names and codes"):
        name, *rest = line.split()
        code = whole_number(rest[0]) if len(rest) == 1 else None
        if code is None:
            problems.add(
                f"Expected `name code` with a code {codes} in {path}, row {number}, got "
                f"{quoted(line)}."
            )
            continue
        yield name, code, number


def attributes(base: Path, stems: Sequence[str], problems: Problems) -> dict[str, list[str]]:
    """Columns race, gender and age of faces; nothing where ``Annotation/manual`` is not there.

    The file of a face holds five points, then the codes of gender, race and age. A face
    without a file has "", and a remark counts such faces.

    Parameters
    ----------
    base
        Folder that holds ``Annotation``.
    stems
        The faces, as ``train_00001``.
    problems
        Gets the remark.

    Raises
    ------
    InputError
        If a file has other rows or codes.

    Examples
    --------
    >>> attributes(Path("/nowhere"), ["train_00001"], Problems(skip=False))
    {}
    """
    folder = base / "Annotation" / "manual"
    if not folder.is_dir():
        return {}
    files, missing = Listing(), 0
    found: dict[str, list[str]] = {"race": [], "gender": [], "age": []}
    for stem in stems:
        name = files.found(folder, f"{stem}_manu_attri.txt")
        if name is None:
            missing += 1
            words = ("", "", "")
        else:
            words = _words(folder / name)
        for column, word in zip(found, words, strict=True):
            found[column].append(word)
    if missing:
        problems.remarks.append(
            f"{missing} of {len(stems)} faces have no file of race, gender and age under {folder}."
        )
    return found


def _words(path: Path) -> tuple[str, str, str]:
    """Race, gender and age that a file tells."""
    numbers = _numbers(path)
    codes = [whole_number(text) for text in numbers[10:]]
    tops = (len(GENDERS), len(RACES), len(AGES))
    known = [code for code, top in zip(codes, tops, strict=False) if code in range(top)]
    if len(codes) != 3 or len(known) != 3:
        raise InputError(
            "Expected five points and then the codes of gender (0–2), race (0–2) and age (0–4) in "
            f"{path}, got {quoted(' '.join(numbers[10:]) or f'{len(numbers)} numbers')}."
        )
    gender, race, age = (code or 0 for code in known)
    return RACES[race], GENDERS[gender], AGES[age]


def _numbers(path: Path) -> list[str]:
    lines = text_lines(path, what="numbers of points")
    return [word for _, line in lines for word in line.split()]


def points(
    root: Path, stems: Sequence[str], *, kind: Literal["manual", "auto"] = "manual"
) -> NDArray[np.float32]:
    """Points of faces ``(N, 5 or 37, 2)`` as x, y in pixels of the images in ``Image/original``.

    They are not points of the aligned images. A face without a file is NaN.

    Parameters
    ----------
    root
        Folder that holds ``Annotation``, RAF-DB's ``basic`` or ``compound``.
    stems
        The faces, as ``train_00001``.
    kind
        The five points set by people (eyes, nose, corners of the mouth), or 37 set by a program.

    Raises
    ------
    InputError
        If a file holds another number of points.

    Examples
    --------
    >>> points(Path("/nowhere"), ["train_00001"]).shape
    (1, 5, 2)
    """
    count, short, codes = _POINTS[kind]
    folder, files = root / "Annotation" / kind, Listing()
    found = np.full((len(stems), count, 2), np.nan, dtype=np.float32)
    for index, stem in enumerate(stems):
        name = files.found(folder, f"{stem}_{short}_attri.txt")
        if name is None:
            continue
        words = _numbers(folder / name)
        try:
            values = np.array(words[: 2 * count], dtype=np.float32)
        except ValueError:
            values = np.empty(0, dtype=np.float32)
        if len(words) != 2 * count + codes or not np.isfinite(values).all() or not len(values):
            raise InputError(
                f"Expected {count} points `x y`{' and three codes' if codes else ''} in "
                f"{folder / name}, got {len(words)} numbers: replace the file."
            )
        found[index] = values.reshape(count, 2)
    return found
