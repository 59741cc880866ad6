"""Tables as text: Markdown, LaTeX, and cells for a page. NaN is an empty cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

DIGITS = 3


def markdown(table: pd.DataFrame, *, percent: Sequence[str] = ()) -> str:
    """A table as Markdown; NaN is an empty cell."""
    return rounded(table, percent=percent).to_markdown(index=False, disable_numparse=True)


def latex(table: pd.DataFrame, *, percent: Sequence[str] = ()) -> str:
    """A table as LaTeX (booktabs), special characters escaped."""
    cells = rounded(table, percent=percent)
    return tabulate(
        cells.to_numpy().tolist(),
        headers=list(cells.columns),
        tablefmt="latex_booktabs",
        showindex=False,
    )


def rounded(table: pd.DataFrame, *, percent: Sequence[str] = ()) -> pd.DataFrame:
    """Cells as text: three digits, one for percent, small p-values as such, NaN empty.

    Parameters
    ----------
    table
        Numbers and text.
    percent
        Columns that hold percent; their bounds (``… low``, ``… high``) follow them.
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


_P_VALUES = {"p", "p (Holm)", "permutation p*"}
_COUNTS = {"n", "units", "faces", "maps compared", "without landmarks", "units needed for ±.01"}


def _cell(value: object, column: str, digits: int) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    if isinstance(value, float | np.floating):
        value = float(value)
        if not np.isfinite(value):
            return ""
        if column in _P_VALUES or column.startswith("p, "):
            return f"<{10**-DIGITS:g}" if value < 10**-DIGITS else f"{value:.{DIGITS}f}"
        if column in _COUNTS:
            return f"{value:.0f}"
        return f"{value:.{digits}f}"
    return str(value)
