"""Tables as text: Markdown, LaTeX, and cells for a page. NaN is an empty cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

from fer_xai.names import csv_text, markdown_text

DIGITS = 3


def readable(text: str) -> str:
    r"""A text with a question mark for each character that UTF-8 cannot write.

    Such characters come from file names that are not UTF-8.

    Examples
    --------
    >>> readable("naïve"), readable("a\udc80b")
    ('naïve', 'a?b')
    """
    return text.encode("utf-8", "replace").decode()


def markdown(table: pd.DataFrame, *, percent: Sequence[str] = ()) -> str:
    """A table as Markdown; NaN is an empty cell, and a text is shown as it is.

    Examples
    --------
    >>> print(markdown(pd.DataFrame({"method": ["lime"], "mean": [0.12345], "p": [0.00001]})))
    | method   | mean   | p      |
    |:---------|:-------|:-------|
    | lime     | 0.123  | <0.001 |
    """
    cells = rounded(_each_text(table, markdown_text), percent=percent)
    cells.columns = pd.Index([markdown_text(str(name)) for name in cells.columns])
    return cells.to_markdown(index=False, disable_numparse=True)


def csv(table: pd.DataFrame) -> str:
    """A table as comma-separated values; no text is a formula to a spreadsheet.

    Examples
    --------
    >>> csv(pd.DataFrame({"method": ["=1+1"], "mean": [0.5]})).split()
    ['method,mean', "'=1+1,0.5"]
    """
    cells = _each_text(table, csv_text)
    cells.columns = pd.Index([csv_text(str(name)) for name in cells.columns])
    return cells.to_csv(index=False)


def _each_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with every text changed, and every number as it is."""

    def cell(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    changed = table.copy()
    for column, kind in table.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            changed[column] = table[column].astype(object).map(cell)
    return changed


def latex(table: pd.DataFrame, *, percent: Sequence[str] = ()) -> str:
    r"""A table as LaTeX (booktabs), special characters escaped.

    Examples
    --------
    >>> print(latex(pd.DataFrame({"method": ["lime_x"], "mean": [0.12345]})).splitlines()[4])
    lime\_x & 0.123 \\
    """
    cells = rounded(table, percent=percent)
    return tabulate(
        cells.to_numpy().tolist(),
        headers=list(cells.columns),
        tablefmt="latex_booktabs",
        showindex=False,
    )


def zero_unsigned(text: str) -> str:
    """A formatted number, without its sign where the digits that are left are all zero.

    Examples
    --------
    >>> zero_unsigned("-0.000"), zero_unsigned("+0.0 %"), zero_unsigned("-0.001")
    ('0.000', '0.0 %', '-0.001')
    """
    return text if re.search(r"[1-9]", text) else text.lstrip("+-")


def signed(value: float, *, digits: int = DIGITS) -> str:
    """A number with its sign, none where it is rounded to zero; "undefined" for NaN and infinity.

    >>> signed(0.5), signed(-0.25, digits=1), signed(-0.0001), signed(float("nan"))
    ('+0.500', '-0.2', '0.000', 'undefined')
    """
    return zero_unsigned(f"{value:+.{digits}f}") if np.isfinite(value) else "undefined"


def signed_bounds(low: float, high: float, *, digits: int = DIGITS) -> str:
    """An interval in brackets after a space; nothing where it has none.

    >>> signed_bounds(-0.1, 0.5), signed_bounds(float("nan"), float("nan"))
    (' [-0.100, +0.500]', '')
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f" [{signed(low, digits=digits)}, {signed(high, digits=digits)}]"


def counted(n: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one.

    >>> counted(1, "training"), counted(3, "training")
    ('1 training', '3 trainings')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def rounded(table: pd.DataFrame, *, percent: Sequence[str] = ()) -> pd.DataFrame:
    """Cells as text: three digits, one for percent, small p-values as such, NaN empty.

    Parameters
    ----------
    table
        Numbers and text.
    percent
        Columns that hold percent; their bounds (``… low``, ``… high``) follow them.

    Returns
    -------
    DataFrame
        The same columns, as text.

    Examples
    --------
    >>> table = pd.DataFrame({"mean": [0.12345, float("nan")], "share": [99.96, 5.0]})
    >>> rounded(table, percent=["share"]).to_numpy().tolist()
    [['0.123', '100.0'], ['', '5.0']]
    """
    few = {name + end for name in percent for end in ("", " low", " high")}
    return pd.DataFrame(
        {c: [_cell(v, c, 1 if c in few else DIGITS) for v in table[c]] for c in table.columns}
    )


_BOUNDS = {
    "AUC trained": ("AUC low", "AUC high"),
    "AUC untrained": ("untrained min", "untrained max"),
    "AUC, fixed target": ("AUC low", "AUC high"),
    "excess": ("low", "high"),
    "excess Pearson*": ("excess low", "excess high"),
    "mean": ("low", "high"),
    "gain": ("low", "high"),
}
"""Columns that a reader wants beside an estimate: its interval, or its range."""


def with_intervals(cells: pd.DataFrame) -> pd.DataFrame:
    """Text cells with bounds drawn into their estimate's cell, ``0.71 [0.69, 0.73]``.

    The bounds of a column ``x`` are ``x low`` and ``x high``, unless a table has them under names
    of their own.

    Examples
    --------
    >>> cells = pd.DataFrame({"mean": ["0.71"], "mean low": ["0.69"], "mean high": ["0.73"]})
    >>> with_intervals(cells).to_dict("list")
    {'mean': ['0.71 [0.69, 0.73]']}
    """
    shown = cells.copy()
    for estimate in cells.columns:
        own = (f"{estimate} low", f"{estimate} high")
        named = _BOUNDS.get(estimate, own)
        low, high = named if set(named) <= set(cells) else own
        if low in cells and high in cells:
            known = cells[low] != ""
            shown.loc[known, estimate] = (
                cells[estimate] + " [" + cells[low] + ", " + cells[high] + "]"
            )[known]
            shown = shown.drop(columns=[low, high], errors="ignore")
    return shown


_P_VALUES = {"p", "p (Holm)", "p (max-T)", "permutation p*"}
_COUNTS = {
    *("n", "units", "faces", "maps compared", "without landmarks", "units needed for ±.01"),
    *("n_min", "n_max", "targets", "unregistered", "units to tell"),
}


def _cell(value: object, column: str, digits: int) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no" if column == "reached" else ""
    if isinstance(value, float | np.floating):
        value = float(value)
        if not np.isfinite(value):
            return ""
        if column in _P_VALUES or column.startswith("p, "):
            return f"<{10**-DIGITS:g}" if value < 10**-DIGITS else f"{value:.{DIGITS}f}"
        if column in _COUNTS:
            return f"{value:.0f}"
        return zero_unsigned(f"{value:.{digits}f}")
    return str(value)
