"""Tables of ``docs/statistics.md``, from the pieces that were counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tabulate import tabulate

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
    rows: Sequence[Row], *, statistics: Sequence[str] | None = None, told: Sequence[str] = ()
) -> str:
    """Markdown with a line a design and a column a size; shares of several designs are ranges.

    Parameters
    ----------
    rows
        Rows of pieces.
    statistics
        Which ones, and in which order; all by default. They are named where they are several.
    told
        Designs that end so are left to another table.
    """
    names = list(statistics or dict.fromkeys(row.statistic for row in rows))
    shown = [row for row in rows if row.statistic in names and not row.design.endswith(tuple(told))]
    if not shown:
        return "(not counted yet)\n"
    sizes = sorted({row.n for row in shown}, key=_by_number)
    lines = []
    for name in names:
        own = [row for row in shown if row.statistic == name]
        designs = dict.fromkeys(SAID_AFTER.sub("", row.design) for row in own)
        for design in designs:
            cells = [
                _range([r for r in own if SAID_AFTER.sub("", r.design) == design and r.n == size])
                for size in sizes
            ]
            lines.append(([name] if len(names) > 1 else []) + [design, *cells])
    headers = (["statistic"] if len(names) > 1 else []) + ["design", *sizes]
    table = tabulate(lines, headers=headers, tablefmt="pipe", disable_numparse=True)
    error = max(row.error for row in shown if row.repeats)
    repeats = sorted({row.repeats for row in shown})
    of = f"{repeats[0]:,}" if len(repeats) == 1 else f"{repeats[0]:,} to {repeats[-1]:,}"
    return f"{table}\n\n{of} data sets a cell, error at most {error:.3f}.\n"


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


SHOWN_TO_FAIL = ("sign flips", "Wilcoxon", "Holm over Wilcoxon")
"""Tests that are not used here, and stand beside those that are."""


def fill(text: str, folder: Path = RESULTS) -> str:
    """The page with its tables made anew from the pieces of a folder."""

    def made(block: re.Match[str]) -> str:
        return f"{block[1]}\n{TABLES[block[2]](folder)}\n{block[3]}"

    return BLOCK.sub(made, text)


def missed(folder: Path) -> str:
    """Cells of intervals and tests in use that are not as they should be, worst first."""
    prefixes = sorted({path.name.split(".")[0] for path in folder.glob("*.json")})
    rows = [row for prefix in prefixes for row in rows_of(prefix, folder) if row.repeats]
    bad = sorted(filter(worse, rows), key=lambda row: (row.statistic, -abs(_beyond(row))))
    if not bad:
        return "None.\n"
    return "\n".join(_lines(bad)) + "\n"


def _beyond(row: Row) -> float:
    return row.share - (0.93 if row.nominal == 0.95 else 0.06)


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    for name, own in groupby(rows, key=lambda row: row.statistic):
        cells = "; ".join(
            f"{r.design}, n {r.n}: {r.share:.3f} ± {r.error:.3f}".replace(" 0.", " .") for r in own
        )
        yield f"- {name}: {cells}"


def _shown(prefix: str, **options: Sequence[str]) -> Callable[[Path], str]:
    return lambda folder: pivot(rows_of(prefix, folder), **options)


TABLES: dict[str, Callable[[Path], str]] = {
    "coverage": _shown("coverage"),
    "clusters": _shown("clusters"),
    "errors": _shown("errors"),
    "family": _shown("family"),
    "skewed-families": _shown("skewed-families"),
    "few-values": _shown("few-values"),
    "betting-errors": _shown("betting", statistics=("betting_p", "largest capital of one order")),
    "betting-coverage": _shown("betting", statistics=("betting_interval",)),
    "equivalence": _shown("equivalence"),
    "power": _shown("power"),
    "stopped": _shown("stopped"),
    "stopped-families": _shown("stopped-families"),
    "trainings": _shown("trainings"),
    "pairs": _shown("pairs"),
    "permutation": _shown("permutation"),
    "gate-coverage": _shown("gate-coverage"),
    "gate-verdicts": _shown("gate-verdicts"),
    "missed": missed,
}
"""Tables by the names that stand in the page."""
