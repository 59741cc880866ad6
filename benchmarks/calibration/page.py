"""Tables of ``docs/statistics.md``, from the pieces that were counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.calibration.pieces import made_of, pieces
from benchmarks.calibration.rows import Row

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "benchmarks" / "calibration"
PAGE = ROOT / "docs" / "statistics.md"
BLOCK = re.compile(r"(<!-- calibration: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
"""A table of the page, between two comments."""
SAID_AFTER = re.compile(r", (correlation [\d.]+|mean [\d.e-]+|mean at .*)$")
"""What a design has several of: a cell tells the range of shares over them."""


def rows_of(prefix: str, folder: Path = RESULTS) -> list[Row]:
    """Rows of all pieces of a table, in the order of their names."""
    found: list[Row] = []
    for path in sorted(folder.glob(f"{prefix}.*.json")):
        for row in json.loads(path.read_text("utf-8"))["rows"]:
            nominal = float("nan") if row["nominal"] is None else row["nominal"]
            found.append(Row(**row | {"nominal": nominal}))
    return found


def pivot(
    rows: Sequence[Row],
    *,
    statistics: Sequence[str] | None = None,
    across: str = "size",
    power: bool = False,
) -> str:
    """Markdown with a line a design and a column a size; shares of several designs are ranges.

    Parameters
    ----------
    rows
        Rows of pieces.
    statistics
        Which ones, and in which order; all by default. They are named where they are several.
    across
        What has a column each: "size", "design" (with a line a size), or "last", the last part of
        a design's name.
    power
        Whether shares without a nominal one are shown, instead of those that have one.
    """
    names = list(statistics or dict.fromkeys(row.statistic for row in rows))
    shown = [r for r in rows if r.statistic in names and np.isnan(r.nominal) == power]
    if not shown:
        return "(not counted yet)\n"
    cells: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for row in sorted(shown, key=lambda row: names.index(row.statistic)):
        line, column = _place(row, across)
        cells.setdefault((row.statistic, line), {}).setdefault(column, []).append(row)
    columns = list(dict.fromkeys(column for line in cells.values() for column in line))
    columns = sorted(columns, key=_by_number) if across == "size" else columns
    several = len(names) > 1
    lines = [
        ([statistic] if several else []) + [name, *(_range(line.get(c, [])) for c in columns)]
        for (statistic, name), line in cells.items()
    ]
    headers = (["statistic"] if several else []) + ["", *columns]
    table = tabulate(lines, headers=headers, tablefmt="pipe", disable_numparse=True)
    error = max(row.error for row in shown if row.repeats)
    repeats = sorted({row.repeats for row in shown})
    of = f"{repeats[0]:,}" if len(repeats) == 1 else f"{repeats[0]:,} to {repeats[-1]:,}"
    return f"{table}\n\n{of} data sets a cell, error at most {error:.3f}.\n"


def _place(row: Row, across: str) -> tuple[str, str]:
    """The line and the column that a row stands in."""
    design = SAID_AFTER.sub("", row.design)
    if across == "last":
        line, _, column = design.rpartition(", ")
        return line, column
    return (design, row.n) if across == "size" else (row.n, design)


def _by_number(size: str) -> tuple[float, str]:
    found = re.search(r"[\d.]+", size)
    return (float(found.group()) if found else 0.0, size)


def _range(rows: Sequence[Row]) -> str:
    """Shares of rows, the lowest and the highest; stars say that they are worse than asked for."""
    counted = [row for row in rows if row.repeats]
    if not counted:
        return ""
    shares = sorted(f"{row.share:.3f}".removeprefix("0") for row in counted)
    text = shares[0] if shares[0] == shares[-1] else f"{shares[0]}–{shares[-1]}"
    return f"**{text}**" if any(map(worse, counted)) else text


def worse(row: Row) -> bool:
    """Whether an interval covers in less than .93, or a test errs in more than .06."""
    if row.nominal == 0.95:
        return row.share < 0.93
    return bool(row.nominal == 0.05 and row.share > 0.06 and row.statistic not in SHOWN_TO_FAIL)


SHOWN_TO_FAIL = ("sign flips", "Wilcoxon", "Holm over Wilcoxon", "likelihood ratio by χ²")
"""Tests that are not used here, and stand beside those that are."""


def fill(text: str, folder: Path = RESULTS) -> str:
    """The page with its tables made anew from the pieces of a folder."""

    def made(block: re.Match[str]) -> str:
        return f"{block[1]}\n{TABLES[block[2]](folder)}\n{block[3]}"

    return BLOCK.sub(made, text)


def missed(folder: Path) -> str:
    """Cells of intervals and tests in use that are not as they should be, worst first.

    With some hundreds of cells several are beyond the limit by chance, so those that are within
    two Monte-Carlo errors of it are told apart.
    """
    prefixes = sorted({path.name.split(".")[0] for path in folder.glob("*.json")})
    rows = [row for prefix in prefixes for row in rows_of(prefix, folder) if row.repeats]
    rows = [
        row for row in rows if row.nominal in (0.05, 0.95) and row.statistic not in SHOWN_TO_FAIL
    ]
    bad = sorted(filter(worse, rows), key=lambda row: (row.statistic, -abs(_beyond(row))))
    if not bad:
        return "None.\n"
    sure = [row for row in bad if abs(_beyond(row)) > 2 * row.error]
    parts = []
    for said, own in (
        ("by more than two Monte-Carlo errors", sure),
        ("by less, which may be chance", [row for row in bad if row not in sure]),
    ):
        if own:
            lines = "\n".join(_lines(own))
            parts.append(f"{len(own)} of {len(rows):,} cells, {said}:\n\n{lines}\n")
    return "\n".join(parts)


def earlier(folder: Path) -> str:
    """Pieces whose code has changed since they were counted."""
    every = pieces()
    names = [path.stem for path in sorted(folder.glob("*.json"))]
    found = [
        name
        for name in names
        if name not in every
        or json.loads((folder / f"{name}.json").read_text("utf-8"))["made of"]
        != made_of(every[name])
    ]
    if not found:
        return "All pieces were counted by today's code.\n"
    return f"Counted by earlier code: {', '.join(found)}.\n"


def _beyond(row: Row) -> float:
    return row.share - (0.93 if row.nominal == 0.95 else 0.06)


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    for name, own in groupby(rows, key=lambda row: row.statistic):
        cells = "; ".join(
            f"{r.design}, n {r.n}: {r.share:.3f} ± {r.error:.3f}".replace(" 0.", " .") for r in own
        )
        yield f"- {name}: {cells}"


def _shown(prefix: str, **options: Any) -> Callable[[Path], str]:
    return lambda folder: pivot(rows_of(prefix, folder), **options)


BETTING = ("betting_p", "largest capital of one order")
TABLES: dict[str, Callable[[Path], str]] = {
    "coverage": _shown("coverage"),
    "clusters": _shown("clusters", across="last"),
    "errors": _shown("errors"),
    "equivalence": _shown("equivalence"),
    "power": _shown("power", across="last", power=True),
    "stopped": _shown("stopped", across="last"),
    "skewed-families": _shown("skewed-families"),
    "family": _shown("family"),
    "few-values": _shown("few-values", across="last"),
    "stopped-families": _shown("stopped-families", across="last"),
    "betting-errors": _shown("betting", statistics=BETTING),
    "betting-power": _shown("betting", statistics=BETTING, power=True),
    "betting-coverage": _shown("betting", statistics=("betting_interval",)),
    "trainings": _shown("trainings"),
    "pairs": _shown("pairs", across="design"),
    "permutation": _shown("permutation", across="design"),
    "gate-coverage": _shown("gate-coverage"),
    "gate-verdicts": _shown("gate-verdicts", power=True),
    "joined": _shown("joined"),
    "shares": _shown("shares"),
    "families-of-persons": _shown("families-of-persons"),
    "group-shares": _shown("group-shares", across="design"),
    "group-means": _shown("group-means", across="design"),
    "recalls": _shown("recalls"),
    "likeness": _shown("likeness"),
    "likeness-gains": _shown("likeness", power=True),
    "foretelling": _shown("foretelling"),
    "foretelling-power": _shown("foretelling", power=True),
    "missed": missed,
    "earlier": earlier,
}
"""Tables by the names that stand in the page."""
