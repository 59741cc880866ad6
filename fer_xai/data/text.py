"""Lists and tables as text: lines of a file in any Unicode encoding, plain or gzip."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from fer_xai.errors import InputError

_SMALL = {str(number): number for number in range(4096)}
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}").fullmatch
_GZIP = b"\x1f\x8b"
_MARKS = (  # the longer ones first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_lines(path: Path, *, what: str) -> Iterator[tuple[int, str]]:
    """Lines of a text file with their numbers, counted from 1; blank ones are passed over.

    UTF-8 is read with or without a byte-order mark, UTF-16 and UTF-32 with one, line ends of every
    system, and gzip by its first bytes. White space around a line is taken off.

    Parameters
    ----------
    path
        The file.
    what
        What it should hold, for the message ("a CSV of landmarks").

    Raises
    ------
    InputError
        If the file cannot be opened, decompressed or decoded, or holds NUL characters.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels.csv.gz"
    ...     _ = path.write_bytes(gzip.compress("é.png, fear ".encode("utf-8-sig")))
    ...     list(text_lines(path, what="a list of labels"))
    [(1, 'é.png, fear')]
    """
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                if "\0" in line:
                    raise InputError(
                        f"Expected {what}, but {path} cannot be read: row {number} holds NUL "
                        "characters, as damaged files and UTF-16 without a byte-order mark do; "
                        "save it as UTF-8."
                    )
                bare = line.strip()
                if bare:
                    yield number, bare
    except UnicodeDecodeError as error:
        raise InputError(
            f"Expected {what}, but {path} cannot be read: there is no {error.encoding} text after "
            f"row {number} ({error.reason}); save it as UTF-8."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"Expected {what}, but {path} cannot be read ({_reason(error)}): replace the file."
        ) from None


def cells(line: str) -> list[str] | None:
    """Cells of a line of comma-separated values, stripped; None where quotes do not close.

    Examples
    --------
    >>> cells(' a.png , "1"')
    ['a.png', '1']
    """
    if '"' not in line:
        return list(map(str.strip, line.split(",")))
    try:
        return [
            cell.strip() for cell in next(csv.reader([line], skipinitialspace=True, strict=True))
        ]
    except csv.Error:
        return None


def whole_number(text: str) -> int | None:
    """The number that a cell holds, None where it holds none (of at most nine digits).

    Examples
    --------
    >>> whole_number("7"), whole_number("-1"), whole_number("7.5"), whole_number("²")
    (7, -1, None, None)
    """
    number = _SMALL.get(text)
    if number is None and _WHOLE(text):
        return int(text)
    return number


def _opened(path: Path) -> TextIO:
    """The file, unzipped and decoded by what it begins with."""
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    if not zipped and path.suffix == ".gz":
        raise gzip.BadGzipFile("it is no gzip file")
    with gzip.open(path) if zipped else path.open("rb") as file:
        head = file.read(4)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
    if zipped:
        return gzip.open(path, "rt", encoding=encoding)
    return path.open(encoding=encoding)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
