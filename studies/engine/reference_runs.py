"""Reference runs: are the numbers of a run those of the run that is kept under version control?

Reference runs lie in ``results/reference/<study>/<run>`` and are compared by their csv tables, so
that a comparison needs no model and no rows.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
TOLERANCE = 1e-4
SHOWN = 3
"""Differences that a sentence names; the others are counted."""


@dataclass(frozen=True)
class _Table:
    """Cells of a csv file, as text; rows are named by their first cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def named(self, width: int) -> dict[tuple[str, ...], dict[str, str]]:
        """Cells of each row by its first cells; rows of the same first cells are numbered."""
        seen: Counter[tuple[str, ...]] = Counter()
        found = {}
        for row in self.rows:
            name = row[:width]
            seen[name] += 1
            number = () if width and seen[name] == 1 else (str(seen[name]),)
            found[(*name, *number)] = dict(zip(self.columns, row, strict=True))
        return found

    @property
    def naming(self) -> int:
        """Number of leading columns, none of decimal numbers, that tell the rows apart."""
        usable = 0
        for cells in zip(*self.rows, strict=True):
            if any("." in cell and _number(cell) is not None for cell in cells):
                break
            usable += 1
            if len({row[:usable] for row in self.rows}) == len(self.rows):
                break
        return usable


def differences(folder: Path, reference: Path, *, tolerance: float = TOLERANCE) -> list[str]:
    r"""Where the csv tables of a folder differ from those of another.

    Numbers may differ by the tolerance, and by this share of the reference where it is larger than
    one; whole numbers and texts have to be equal. The order of rows and columns does not matter.

    Parameters
    ----------
    folder
        Folder of csv tables.
    reference
        Folder of the tables that they should be.
    tolerance
        Largest difference between two numbers that count as one.

    Returns
    -------
    list of str
        One phrase a difference; empty if the tables are the same.

    Examples
    --------
    >>> import tempfile
    >>> one, other = (Path(tempfile.mkdtemp()) for _ in range(2))
    >>> _ = (one / "primary.csv").write_text("model,faces,AUC\ntiny,6,0.61\n")
    >>> _ = (other / "primary.csv").write_text("model,faces,AUC\ntiny,6,0.58\n")
    >>> differences(one, other)
    ['primary.csv, row "tiny", column "AUC": 0.61 instead of 0.58']
    """
    here, there = ({file.name for file in place.glob("*.csv")} for place in (folder, reference))
    found = [f"{name} is missing" for name in sorted(there - here)]
    found += [f"{name} is not in the reference" for name in sorted(here - there)]
    for name in sorted(here & there):
        ours, theirs = _read(folder / name), _read(reference / name)
        found += [f"{name}{where}" for where in _different(ours, theirs, tolerance)]
    return found


def verdict(run: Path, *, root: Path = REFERENCE, tolerance: float = TOLERANCE) -> str:
    """Sentence that says whether the numbers of a run are those of its reference run.

    Parameters
    ----------
    run
        Folder of the run, ``OUT/<study>/<run>``.
    root
        Folder of the reference runs.
    tolerance
        Largest difference between two numbers that count as one.

    Returns
    -------
    str
        The sentence; empty if there is no reference of this run, or if the run is the reference.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for root in ("out", "reference"):
    ...         folder = Path(place, root, "faithfulness", "tiny", "tables")
    ...         folder.mkdir(parents=True)
    ...         _ = (folder / "methods.csv").write_text("method,mean")
    ...     print(verdict(Path(place, "out/faithfulness/tiny"), root=Path(place, "reference")))
    The numbers are those of the reference run .../reference/faithfulness/tiny (to 0.0001).
    """
    reference = root / run.parent.name / run.name
    tables = reference / "tables"
    if not tables.is_dir() or not (run / "tables").is_dir() or run.resolve() == reference.resolve():
        return ""
    found = differences(run / "tables", tables, tolerance=tolerance)
    name = "/".join(reference.parts[-4:])
    if not found:
        return f"The numbers are those of the reference run {name} (to {tolerance:g})."
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"The numbers differ from the reference run {name}: {'; '.join(found[:SHOWN])}{more}."


def _read(path: Path) -> _Table:
    """Cells of a csv file; short rows are filled with empty cells, surplus ones are kept."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    columns = lines[0] if lines else []
    width = max(map(len, lines), default=0)
    columns = [*columns, *(f"unnamed {place + 1}" for place in range(len(columns), width))]
    rows = [(*line, *[""] * (width - len(line))) for line in lines[1:] if line]
    return _Table(columns=tuple(columns), rows=tuple(rows))


def _different(ours: _Table, theirs: _Table, tolerance: float) -> Iterator[str]:
    """What differs between two tables, as ends of sentences that begin with the file's name."""
    for column in theirs.columns:
        if column not in ours.columns:
            yield f', column "{_short(column)}" is missing'
    for column in ours.columns:
        if column not in theirs.columns:
            yield f', column "{_short(column)}" is not in the reference'
    width = theirs.naming
    if ours.columns[:width] != theirs.columns[:width]:
        width = 0  # rows are counted
    here, there = ours.named(width), theirs.named(width)
    for name in there:
        if name not in here:
            yield f", {_row(name)} is missing"
    for name, cells in here.items():
        row = _row(name)
        if name not in there:
            yield f", {row} is not in the reference"
            continue
        for column, cell in cells.items():
            known = there[name].get(column)
            if known is not None and not _same(cell, known, tolerance):
                place = f'{row}, column "{_short(column)}"'
                yield f", {place}: {_shown(cell)} instead of {_shown(known)}"


def _same(cell: str, known: str, tolerance: float) -> bool:
    if cell == known:
        return True
    one, other = _number(cell), _number(known)
    if one is None or other is None:
        return False
    if one.is_integer() and other.is_integer():  # counts
        return one == other
    return math.isclose(one, other, rel_tol=0, abs_tol=tolerance * max(1.0, abs(other)))


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _row(name: Sequence[str]) -> str:
    return f'row "{_short(", ".join(name))}"'


def _shown(cell: str) -> str:
    """A cell for a sentence: numbers to six digits, texts in quotes, nothing by its name."""
    number = _number(cell)
    if not cell:
        return "an empty cell"
    return f"{number:.6g}" if number is not None else f'"{_short(cell)}"'


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
