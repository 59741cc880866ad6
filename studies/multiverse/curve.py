"""The specification curve: estimates in rising order, and the choices of each beneath."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from studies.multiverse.factors import Factor
from studies.multiverse.summary import HOLDS, NOT_TESTED, NOT_TOLD, OPPOSITE
from studies.reporting.style import CONTROL, INK, TRAINED, UNTRAINED, style

COLOURS = {HOLDS: TRAINED, NOT_TOLD: UNTRAINED, OPPOSITE: "#2b6c8f", NOT_TESTED: "#d3d7dc"}
"""Colours of specifications, by the verdict on each."""


def specification_curve(rows: pd.DataFrame, factors: Sequence[Factor], *, label: str) -> Figure:
    """Sampled combinations and the default, sorted by effect; below, a dot for each choice made.

    Orange: the claim holds; blue: the opposite does; grey: neither is shown; light grey: not
    tested. The default is the column marked by a band and a diamond.

    Parameters
    ----------
    rows
        Rows of one model (:func:`studies.multiverse.summary.row_of`).
    factors
        The factors, whose levels become the lines of the matrix.
    label
        What the upper axis shows, in a few words.

    Examples
    --------
    >>> fill = Factor(name="fill", levels=("linear", "black"), reason="Both are used.")
    >>> rows = pd.DataFrame({"changed": ["default", ""], "sampled": [False, True],
    ...                      "fill": ["linear", "black"], "effect": [0.5, -0.2],
    ...                      "effect low": [0.3, -0.4], "effect high": [0.7, 0.1],
    ...                      "verdict": ["holds", "not told apart"]})
    >>> figure = specification_curve(rows, [fill], label="gain")
    >>> [text.get_text() for text in figure.axes[1].get_yticklabels()]
    ['linear', 'black']
    >>> plt.close(figure)
    """
    style()
    shown = rows[(rows["sampled"] | (rows["changed"] == "default")) & rows["effect"].notna()]
    shown = shown.sort_values("effect", kind="stable").reset_index(drop=True)
    lines = [(one, level) for one in factors for level in one.levels]
    depth = 0.165 * len(lines) + 0.13 * len(factors)
    fig, (top, below) = plt.subplots(
        2,
        1,
        figsize=(max(6.5, 2.3 + 0.115 * len(shown)), 2.6 + depth),
        sharex=True,
        height_ratios=[2.6, depth],
        layout=ConstrainedLayoutEngine(hspace=0.01, h_pad=0.02),
    )
    colours = [COLOURS[str(verdict)] for verdict in shown["verdict"]]
    _estimates(top, shown, colours, label)
    _matrix(below, shown, colours, factors)
    default = np.flatnonzero(shown["changed"] == "default")
    for axis in (top, below):
        for place in default:
            axis.axvspan(place - 0.5, place + 0.5, color=CONTROL, alpha=0.35, lw=0, zorder=0)
        axis.set_xlim(-1, len(shown))
    sns.despine(ax=top, bottom=True)
    sns.despine(ax=below, left=True, bottom=True)
    return fig


def _estimates(axis: Axes, shown: pd.DataFrame, colours: list[str], label: str) -> None:
    places = np.arange(len(shown))
    axis.axhline(0, color=INK, lw=0.8)
    axis.vlines(places, shown["effect low"], shown["effect high"], colors=colours, lw=1.6)
    default = (shown["changed"] == "default").to_numpy()
    for mark, size, chosen in (("o", 16, ~default), ("D", 42, default)):
        axis.scatter(
            places[chosen],
            shown.loc[chosen, "effect"],
            c=np.asarray(colours)[chosen],
            s=size,
            marker=mark,
            zorder=3,
            edgecolors="white",
            linewidths=0.5,
        )
    for place in places[default]:
        value = shown.loc[place, "effect high"]
        value = shown.loc[place, "effect"] if np.isnan(value) else value
        axis.annotate(
            "declared",
            (place, value),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axis.set_ylabel(label, fontsize=9.5)
    for verdict, meaning in (
        (HOLDS, "the claim holds"),
        (NOT_TOLD, "not told apart"),
        (OPPOSITE, "the opposite holds"),
        (NOT_TESTED, "not tested"),
    ):
        if verdict != NOT_TESTED or (shown["verdict"] == NOT_TESTED).any():
            axis.plot([], [], color=COLOURS[verdict], lw=1.6, marker="o", ms=4, label=meaning)
    axis.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8.5, borderpad=0
    )
    axis.tick_params(axis="x", length=0)


def _matrix(axis: Axes, shown: pd.DataFrame, colours: list[str], factors: Sequence[Factor]) -> None:
    """A line a level, the factors apart; a dot where a specification takes the level."""
    height, ticks, names = 0.0, [], []
    places = np.arange(len(shown))
    for number, factor in enumerate(factors):
        first = height
        for level in factor.levels:
            taken = (shown[factor.name].astype(str) == str(level)).to_numpy()
            axis.scatter(places, np.full(len(shown), height), s=4, c="#e3e6ea", lw=0, zorder=1)
            axis.scatter(
                places[taken],
                np.full(int(taken.sum()), height),
                s=19,
                c=np.asarray(colours)[taken],
                marker="s",
                lw=0,
                zorder=2,
            )
            ticks.append(height)
            names.append(str(level).replace("_", " "))
            height += 1
        if number % 2 == 0:
            axis.axhspan(first - 0.65, height - 0.35, color="#f5f6f8", lw=0, zorder=-1)
        axis.text(
            1.008,
            (first + height - 1) / 2,
            factor.name,
            transform=axis.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            fontweight="bold",
        )
        height += 0.3
    axis.set_yticks(ticks, names, fontsize=8)
    axis.set_ylim(height - 0.55, -0.75)
    axis.set_xticks([])
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("specifications, sorted by effect")
