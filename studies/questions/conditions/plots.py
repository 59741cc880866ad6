"""Severity curves: recognition above, likeness of maps below, a column a condition."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.reporting.style import CONTROL, INK, TRAINED, UNTRAINED, style

STILL, LOST = "#2a6f97", "#8a5a83"
ACROSS = 3
"""Conditions side by side."""

NEXT = 0.15
"""Share of the axis that lies between two severities whose names are written."""


def severity_curves(table: pd.DataFrame, *, prior: float) -> Figure:
    """Curves of one model and method, with pointwise 95 % bands.

    Parameters
    ----------
    table
        Rows of :func:`studies.questions.conditions.tables.curves` of one model and method.
    prior
        Share of the most frequent emotion.

    Examples
    --------
    >>> severity_curves.__name__
    'severity_curves'
    """
    style()
    conditions = list(dict.fromkeys(table["condition"]))
    across = min(ACROSS, len(conditions))
    down = -(-len(conditions) // across)
    figure, axes = plt.subplots(2 * down, across, figsize=(3.3 * across, 4.6 * down), squeeze=False)
    shown = ["likeness", "likeness low", "other", "centre", "untrained"]
    lowest = min(-0.1, float(table[shown].min().min()) - 0.05)  # one scale for all panels
    for k, condition in enumerate(conditions):
        own = table[table["condition"] == condition]
        upper, lower = axes[2 * (k // across)][k % across], axes[2 * (k // across) + 1][k % across]
        _recognition(upper, own, prior)
        _likeness(lower, own, lowest=lowest)
        upper.set_title(str(condition).replace("_", " "), fontsize=11)
        if k % across == 0:
            upper.set_ylabel("share of faces")
            lower.set_ylabel("likeness (Pearson)")
    for k in range(len(conditions), down * across):
        axes[2 * (k // across)][k % across].set_visible(False)
        axes[2 * (k // across) + 1][k % across].set_visible(False)
    figure.tight_layout()
    for axis, level in ((axes[0][0], 0.78), (axes[1][0], 0.38)):  # beside the first rows
        handles, names = axis.get_legend_handles_labels()
        place = (1.0, 1 - (1 - level) / down)
        figure.legend(
            handles, names, loc="center left", bbox_to_anchor=place, frameon=False, fontsize=8
        )
    sns.despine(figure)
    return figure


def _recognition(axis: Axes, own: pd.DataFrame, prior: float) -> None:
    every = own[own["group"] == "all"]
    _line(axis, every, "recognised", INK, name="recognised")
    for group, colour in (("still recognised", STILL), ("lost", LOST)):
        part = own[own["group"] == group]
        axis.plot(_places(part), part["share"], color=colour, lw=1.1, ls="--", label=group)
    axis.axhline(prior, color=CONTROL, lw=1, ls=":", label="most frequent emotion")
    axis.set_ylim(-0.03, 1.03)
    _ticks(axis, every, named=False)


def _likeness(axis: Axes, own: pd.DataFrame, *, lowest: float) -> None:
    every = own[own["group"] == "all"]
    _line(axis, every, "likeness", TRAINED, name="own map, all faces")
    for group, colour, dashes in (
        ("still recognised", STILL, "--"),
        ("lost", LOST, "--"),
        ("always recognised", STILL, ":"),
    ):
        part = own[own["group"] == group]
        _line(axis, part, "likeness", colour, name=group, dashes=dashes, band=0.12)
    for column, colour, dashes, name in (
        ("other", CONTROL, "-", "other face's map"),
        ("centre", CONTROL, ":", "centre"),
        ("untrained", UNTRAINED, "-", "untrained network"),
    ):
        if every[column].notna().any():
            axis.plot(_places(every), every[column], color=colour, ls=dashes, lw=1.3, label=name)
    axis.axhline(0, color=INK, lw=0.5)
    axis.set_ylim(lowest, 1.03)
    _ticks(axis, every, named=True)


def _line(
    axis: Axes,
    part: pd.DataFrame,
    column: str,
    colour: str,
    *,
    name: str,
    dashes: str = "-",
    band: float = 0.2,
) -> None:
    x = _places(part)
    whole = dashes == "-"
    axis.plot(x, part[column], color=colour, ls=dashes, lw=1.8 if whole else 1.2, label=name)
    value, low, high = (part[f"{column}{end}"].to_numpy() for end in ("", " low", " high"))
    start = (x == x.min()) & np.isnan(low)  # the clean face, where likeness is 1 by construction
    low, high = np.where(start, value, low), np.where(start, value, high)
    known = np.isfinite(low)
    axis.fill_between(x[known], low[known], high[known], color=colour, alpha=band, lw=0)


def _places(part: pd.DataFrame) -> np.ndarray:
    return part["severity"].to_numpy(dtype=float)


def _ticks(axis: Axes, every: pd.DataFrame, *, named: bool) -> None:
    axis.set_xticks(_places(every))
    labels = [str(label) for label in every["label"]]
    places, last = _places(every), -np.inf
    for k, place in enumerate(places):  # names of neighbours would lie over each other
        if place - last < NEXT * np.ptp(places):
            labels[k] = ""
        else:
            last = place
    if named:
        axis.set_xticklabels(labels, fontsize=7.5, rotation=25, ha="right")
    else:
        axis.tick_params(axis="x", labelbottom=False)
    axis.tick_params(axis="y", labelsize=8)
