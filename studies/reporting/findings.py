"""Findings as data: each claim of the README and of ``docs/findings.md`` with the run behind it.

``docs/findings.toml`` names the run, table, row and column of every figure, and what is claimed of
it. ``python -m studies.reporting.findings`` writes the pages from their templates in
``docs/templates``; a test fails where a page, a figure and its run part, or where a claim does not
follow from its interval.
"""

from __future__ import annotations

import json
import math
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jinja2
import pandas as pd

from fer_xai.command import run_command
from fer_xai.errors import InputError
from fer_xai.files import write_bytes
from studies.reporting.formatting import zero_unsigned

REFERENCE = Path("results/reference")
BEGIN, END = "<!-- findings -->\n", "<!-- end of findings -->"
Verdict = Literal["above", "below", "not told apart", "no different", "stated"]
"""What a claim says of its figure: above or below ``against``, not told apart from it, within the
margin of it, or stated without a comparison."""
_MORE = re.compile(r"(>=|<=|>|<) *(-?[\d.]+)")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of a run, with its interval where it has one.

    Attributes
    ----------
    value, low, high
        The number and the bounds of its interval; None where it has none.
    form
        Format of the number: that of Python, such as ``+.3f``; percentages are ``%``-free.
    n
        Number of units behind it, or None.
    range
        Smallest and largest of the units, where they are too few for an interval; or None. With
        ``mean = true`` an entry is the mean of several rows, and these are the rows' ends.

    Examples
    --------
    >>> figure = Figure(value=0.0788, low=0.0703, high=0.0872, form="+.3f")
    >>> str(figure), figure.bare
    ('+.079 [+.070, +.087]', '+.079')
    >>> str(Figure(value=0.085, range=(0.079, 0.088), form="+.3f"))
    '+.085 (+.079 to +.088)'
    """

    value: float
    low: float | None = None
    high: float | None = None
    form: str = ".3f"
    n: int | None = None
    range: tuple[float, float] | None = None

    @property
    def bare(self) -> str:
        """The number without its interval."""
        return number(self.value, self.form)

    @property
    def interval(self) -> str:
        """The interval in brackets, or the range in parentheses; empty where there is none."""
        if self.range is not None:
            return f"({number(self.range[0], self.form)} to {number(self.range[1], self.form)})"
        if self.low is None or self.high is None:
            return ""
        return f"[{number(self.low, self.form)}, {number(self.high, self.form)}]"

    @property
    def bold(self) -> str:
        """The number in bold type, and its interval."""
        return f"**{self.bare}** {self.interval}".strip()

    def __str__(self) -> str:
        return f"{self.bare} {self.interval}".strip()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence, and what has to be true of its figure.

    Attributes
    ----------
    name
        Name of the claim in the templates.
    says
        The sentence.
    figure
        The number that it rests on.
    verdict
        What the sentence says of the number.
    against
        Number that it is compared with.
    margin
        Largest difference that counts as none, declared beforehand.

    Examples
    --------
    >>> figure = Figure(value=0.02, low=-0.01, high=0.06)
    >>> Claim(name="c", says="It cannot be told.", figure=figure, verdict="not told apart").follows
    True
    """

    name: str
    says: str
    figure: Figure
    verdict: Verdict = "stated"
    against: float = 0.0
    margin: float | None = None

    @property
    def follows(self) -> bool:
        """Whether the sentence follows from the interval."""
        if self.verdict == "stated":
            return True
        low, high = self.figure.low, self.figure.high
        if low is None or high is None or math.isnan(low) or math.isnan(high):
            return False
        if self.verdict == "above":
            return low > self.against
        if self.verdict == "below":
            return high < self.against
        if self.verdict == "no different":
            reach = -1.0 if self.margin is None else self.margin
            return max(high - self.against, self.against - low) < reach
        return low <= self.against <= high


def number(value: float, form: str) -> str:
    """A number as the pages print it: no zero before the point, and a true minus sign.

    What is rounded to zero has no sign.

    Examples
    --------
    >>> number(-0.0304, "+.2f"), number(87.25, ".1f"), number(2252, ",d"), number(-0.0001, ".3f")
    ('−.03', '87.2', '2,252', '.000')
    """
    text = zero_unsigned(format(int(value) if form.endswith("d") else value, form))
    return re.sub(r"^([+-]?)0\.", r"\1.", text).replace("-", "−")


def read_claims(root: Path) -> dict[str, Claim]:
    r"""Claims of ``docs/findings.toml`` with the figures of their runs.

    Parameters
    ----------
    root
        Folder of the project.

    Returns
    -------
    dict
        Name to claim.

    Raises
    ------
    InputError
        If a claim names a run, table, row or column that does not exist, or an unknown verdict.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     run = Path(place, "results", "reference", "faithfulness", "one", "tables")
    ...     run.mkdir(parents=True)
    ...     _ = (run / "methods.csv").write_text("method,gain,gain low,gain high\nlrp,.2,.1,.3")
    ...     toml = Path(place, "docs", "findings.toml")
    ...     toml.parent.mkdir()
    ...     _ = toml.write_text(
    ...         '[runs]\nroad = "faithfulness/one"\n[lrp]\nsays = "LRP gains."\nrun = "road"\n'
    ...         'table = "methods"\nrow = {method = "lrp"}\ncolumn = "gain"\n'
    ...         'interval = true\nverdict = "above"'
    ...     )
    ...     claim = read_claims(Path(place))["lrp"]
    >>> str(claim.figure), claim.follows
    ('.200 [.100, .300]', True)
    """
    entries = _entries(root)
    runs = entries.pop("runs")
    return {
        name: _claim(root / REFERENCE / runs[entry["run"]], name, entry)
        for name, entry in entries.items()
    }


def _entries(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "docs" / "findings.toml").read_text(encoding="utf-8"))


def _claim(run: Path, name: str, entry: Mapping[str, Any]) -> Claim:
    verdict = entry.get("verdict", "stated")
    if verdict not in get_args(Verdict):
        raise InputError(
            f"Expected the verdict of {name} to be one of {', '.join(get_args(Verdict))}, got "
            f"{verdict!r}."
        )
    return Claim(
        name=name,
        says=entry["says"],
        figure=_figure(run, name, entry),
        verdict=verdict,
        against=entry.get("against", 0.0),
        margin=entry.get("margin"),
    )


def _figure(run: Path, name: str, entry: Mapping[str, Any]) -> Figure:
    form = entry.get("form", ".3f")
    if "answer" in entry:
        found = re.search(entry["answer"], _text(run / "answer.txt", name))
        if found is None:
            raise InputError(f"Expected the answer of {run.name} to match {entry['answer']!r}.")
        return Figure(value=float(found[1]), form=form)
    if "manifest" in entry:
        value: Any = json.loads(_text(run / "manifest.json", name))
        for key in entry["manifest"]:
            value = value[key]
        return Figure(value=float(value), form=form)
    file = run / "tables" / f"{entry['table']}.csv"
    _text(file, name)
    rows = _chosen(pd.read_csv(file), entry["row"], name)
    if entry.get("count"):
        return Figure(value=float(len(rows)), form=entry.get("form", "d"))
    if entry.get("mean") and len(rows) > 1:
        several = rows[entry["column"]].astype(float) * (100 if entry.get("percent") else 1)
        if several.isna().any() or {"n", "interval", "range", "bounds"} & set(entry):
            raise InputError(
                f"Expected numbers in all rows of {file.name} for {name}, and mean alone."
            )
        return Figure(
            value=float(several.mean()),
            form=form,
            range=(float(several.min()), float(several.max())),
        )
    if len(rows) != 1:
        raise InputError(
            f"Expected one row of {file.name} for {name}, got {len(rows)}: {dict(entry['row'])}."
        )
    row, column = rows.iloc[0], entry["column"]
    scale = 100 if entry.get("percent") else 1
    bounds = entry.get("bounds", [f"{column} low", f"{column} high"])
    low, high = (scale * float(row[b]) for b in bounds) if entry.get("interval") else (None, None)
    if low is not None and math.isnan(low):
        raise InputError(
            f"Expected an interval in {file.name} for {name}, and the run has none: take its "
            "range, or leave `interval` out."
        )
    n = int(row[entry["n"]]) if "n" in entry else None
    ends = None
    if "range" in entry:
        least, most = (scale * float(row[end]) for end in entry["range"])
        ends = (least, most)
    value = scale * float(row[column])
    return Figure(value=value, low=low, high=high, form=form, n=n, range=ends)


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"Expected {path} for the finding {name}, and it is not there: run the study, or name "
            "another run in docs/findings.toml."
        ) from None


def _chosen(rows: pd.DataFrame, where: Mapping[str, Any], name: str) -> pd.DataFrame:
    """Rows of a table by the values of columns, or by comparisons such as ``>= 0.5``."""
    for column, wanted in where.items():
        if column not in rows:
            raise InputError(
                f"Expected a column {column!r} for {name}, got {', '.join(map(str, rows))}."
            )
        more = _MORE.fullmatch(wanted) if isinstance(wanted, str) else None
        if more is None:
            rows = rows[rows[column] == wanted]
        else:
            rows = rows[rows[column].astype(float).map(lambda v, m=more: _holds(v, m[1], m[2]))]
    return rows


def _holds(value: float, sign: str, bound: str) -> bool:
    limit = float(bound)
    return {">=": value >= limit, "<=": value <= limit, ">": value > limit, "<": value < limit}[
        sign
    ]


def render(root: Path) -> dict[Path, str]:
    """Pages whose figures come from runs: the findings, and their block in the README.

    Parameters
    ----------
    root
        Folder of the project.

    Returns
    -------
    dict
        Path of each page to its text.

    Examples
    --------
    >>> [path.name for path in render(Path())]  # in the folder of the project
    ['findings.md', 'README.md']
    """
    claims = read_claims(root)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root / "docs" / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # the pages are Markdown, and only numbers are filled in
        keep_trailing_newline=True,
    )
    figures = {name: claim.figure for name, claim in claims.items()}
    runs = _entries(root)["runs"]
    made = {
        name: environment.get_template(f"{name}.md").render(f=figures, runs=runs)
        for name in ("findings", "readme")
    }
    readme = (root / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    after = rest.split(END, 1)[1]
    return {
        root / "docs" / "findings.md": made["findings"],
        root / "README.md": f"{before}{BEGIN}{made['readme']}{END}{after}",
    }


def _write() -> None:
    for path, text in render(Path(sys.argv[1]) if len(sys.argv) > 1 else Path()).items():
        write_bytes(path, text.encode())


if __name__ == "__main__":
    sys.exit(run_command("studies.reporting.findings", _write))
