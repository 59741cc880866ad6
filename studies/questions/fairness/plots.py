"""Dot plots of gaps by attribute and group."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from studies.questions.fairness.gaps import told
from studies.reporting.style import CONTROL, INK, TRAINED, style

ACROSS = 3
"""Panels beside each other."""


def gap_plot(panels: Sequence[tuple[str, pd.DataFrame]], *, points: bool = False) -> Figure:
    """A panel a score: the gap of each group to the rest, attribute by attribute.

    Filled dots are gaps that are told from 0, with their simultaneous intervals; a dot without a
    line has no interval. Groups that are too small are named without a dot.

    Parameters
    ----------
    panels
        Title and rows of each; ``attribute``, ``group``, ``gap``, ``gap low``, ``gap high``, and
        ``gap, all faces`` where it is shown as a small cross.
    points
        Whether gaps are shares that are shown in points.

    Examples
    --------
    >>> rows = {"attribute": "age", "group": ["4-19", "20-39"], "gap": [-0.1, 0.1],
    ...         "gap low": [-0.2, 0.0], "gap high": [-0.05, 0.2], "p (max-T)": [0.01, 0.2]}
    >>> figure = gap_plot([("recognition", pd.DataFrame(rows))])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['age', '4-19', '20-39']
    >>> plt.close(figure)
    """
    style()
    lines = _lines(panels[0][1])
    wide = min(ACROSS, len(panels))
    tall = -(-len(panels) // wide)
    figure, axes = plt.subplots(
        tall,
        wide,
        figsize=(3.4 * wide + 1.6, tall * (0.24 * len(lines) + 0.9)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (title, rows) in zip(axes.flat, panels, strict=False):
        _panel(axis, rows, lines, 100.0 if points else 1.0)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("gap to the rest" + (", points" if points else ""))
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    sns.despine(figure, left=True)
    return figure


def _lines(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Headings and groups from top to bottom."""
    found: list[tuple[str, str]] = []
    for attribute, own in rows.groupby("attribute", sort=False):
        found.append((str(attribute), ""))
        found += [(str(attribute), str(group)) for group in dict.fromkeys(own["group"])]
    return found


def _panel(axis: Axes, rows: pd.DataFrame, lines: list[tuple[str, str]], scale: float) -> None:
    sure = set(told(rows).index)
    for place, (attribute, group) in enumerate(lines):
        own = rows[(rows["attribute"] == attribute) & (rows["group"] == group)]
        if group and len(own):
            index, row = own.index[0], own.iloc[0]
            colour = TRAINED if index in sure else INK
            face = colour if index in sure else "white"
            ends = [scale * row["gap low"], scale * row["gap high"]]
            axis.plot(ends, [place, place], color=colour, lw=1.6, zorder=2)
            axis.plot(
                scale * row["gap"], place, "o", color=colour, mfc=face, ms=5.5, mew=1.4, zorder=3
            )
            if "gap, all faces" in own:
                axis.plot(scale * row["gap, all faces"], place, "x", color=CONTROL, ms=5, zorder=1)
    axis.axvline(0, color=INK, lw=0.7)
    axis.set_yticks(range(len(lines)), [group or attribute for attribute, group in lines])
    for label, (_, group) in zip(axis.get_yticklabels(), lines, strict=False):  # none inside
        label.set_fontweight("normal" if group else "bold")
    axis.tick_params(axis="y", length=0, labelsize=8.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.set_ylim(len(lines) - 0.5, -0.5)
    for place, (_, group) in enumerate(lines):
        if not group and place:
            axis.axhline(place - 0.5, color=CONTROL, lw=0.5)
