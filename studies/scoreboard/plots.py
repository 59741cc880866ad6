"""Figures of a scoreboard, made from its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scikit_posthocs
import seaborn as sns
from matplotlib.figure import Figure

from metrics.core.registry import MetricSpec
from metrics.statistics.reliability import RankTest
from studies.reporting.style import CONTROL, INK, TRAINED, style
from studies.scoreboard import tables
from studies.scoreboard.scores import FLOOR

COLUMNS = 3
"""Panels beside each other."""


def plain(name: object) -> str:
    """A method's name without underscores.

    Examples
    --------
    >>> plain("gradcam_signed")
    'gradcam signed'
    """
    return str(name).replace("_", " ")


def dots(
    table: pd.DataFrame,
    specs: Mapping[str, MetricSpec],
    *,
    named: Callable[[object], str] = plain,
) -> Figure:
    """A panel a metric, methods over each other in the order of the first one.

    Parameters
    ----------
    table
        Means with intervals, by metric and method.
    specs
        The metrics by name.
    named
        How a method is called beside the axis.

    Examples
    --------
    >>> from metrics import METRICS
    >>> means = {"mean": [0.3, 0.4], "mean low": [0.2, 0.3], "mean high": [0.4, 0.5]}
    >>> table = pd.DataFrame({"metric": "gini", "method": ["lime", "centre"], **means})
    >>> figure = dots(table.assign(control=[False, True]), {"gini": METRICS["gini"]})
    >>> figure.axes[0].get_title()
    'gini'
    >>> plt.close(figure)
    """
    style()
    names = list(dict.fromkeys(table["metric"]))
    order = list(dict.fromkeys(table["method"]))[::-1]
    height = len(order) * 0.2 + 0.7
    wide = min(COLUMNS, len(names))
    tall = -(-len(names) // wide)
    fig, axes = plt.subplots(
        tall,
        wide,
        figsize=(3.1 * wide + 1.2, height * tall),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, metric in zip(axes.flat, names, strict=False):
        own = table[table["metric"] == metric].set_index("method")
        for place, method in enumerate(order):
            if method not in own.index:
                continue
            row = own.loc[method]
            colour = CONTROL if row["control"] else TRAINED
            axis.plot([row["mean low"], row["mean high"]], [place, place], color=colour, lw=2)
            axis.plot(row["mean"], place, "o", color=colour, ms=4)
        beside = tables.compared_with_floor(specs[metric]) and FLOOR in own.index
        if beside and np.isfinite(own.loc[FLOOR, "mean"]):
            axis.axvline(own.loc[FLOOR, "mean"], color=INK, lw=0.7, ls=":")
        axis.set_yticks(range(len(order)), [named(name) for name in order], fontsize=8)
        axis.set_title(metric.replace("_", " "), fontsize=10)
        if specs[metric].higher_is_better is False:
            axis.invert_xaxis()
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    sns.despine(fig)
    return fig


def heatmap(matrix: pd.DataFrame) -> Figure:
    """Spearman between metrics.

    Examples
    --------
    >>> matrix = pd.DataFrame(np.eye(2), index=["deletion", "gini"], columns=["deletion", "gini"])
    >>> figure = heatmap(matrix)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['deletion', 'gini']
    >>> plt.close(figure)
    """
    style()
    labels = [str(name).replace("_", " ") for name in matrix.index]
    side = 0.36 * len(matrix) + 1.8
    fig, axis = plt.subplots(figsize=(side + 0.8, side))
    sns.heatmap(
        matrix,
        vmin=-1,
        vmax=1,
        cmap="RdBu_r",
        square=True,
        ax=axis,
        xticklabels=labels,
        yticklabels=labels,
        annot=len(matrix) <= 14,
        fmt=".1f",
        annot_kws={"size": 7},
        cbar_kws={"label": "Spearman over methods", "shrink": 0.6},
        linewidths=0.3,
        linecolor="white",
    )
    return fig


def critical_difference(test: RankTest, methods: Sequence[str]) -> Figure:
    """Mean ranks of methods, with bars over those that are not told apart.

    Examples
    --------
    >>> from metrics.statistics.reliability import friedman_nemenyi
    >>> test = friedman_nemenyi([[0.9, 0.5, 0.1], [0.8, 0.4, 0.2], [0.7, 0.5, 0.3]])
    >>> figure = critical_difference(test, ["lime", "rise", "lrp"])
    >>> len(figure.axes)
    1
    >>> plt.close(figure)
    """
    style()
    labels = [name.replace("_", " ") for name in methods]
    fig, axis = plt.subplots(figsize=(7.5, 0.22 * len(labels) + 1.2))
    scikit_posthocs.critical_difference_diagram(
        dict(zip(labels, test.ranks, strict=True)),
        pd.DataFrame(test.pairs, index=labels, columns=labels),
        ax=axis,
        label_props={"fontsize": 9},
        elbow_props={"color": INK, "linewidth": 0.8},
        marker_props={"color": TRAINED, "s": 18},
        crossbar_props={"color": INK, "linewidth": 2},
    )
    return fig
