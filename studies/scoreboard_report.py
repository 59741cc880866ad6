"""What a scoreboard leaves: tables, figures, the answer; for studies and for the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scikit_posthocs
import seaborn as sns
from matplotlib.figure import Figure

from metrics.spec import MetricSpec
from studies import scoreboard_tables as tables
from studies.report import Picture, Table
from studies.scoreboard import FLOOR
from studies.style import CONTROL, INK, TRAINED, style

COMMON_CAVEATS = (
    "A perturbed face is no face that the network has seen: what a fill does to the score is part "
    "of every faithfulness metric. Look at several fills before believing one.",
    "Intervals speak of faces for these weights, not of other trainings.",
)
COLUMNS = 3
"""Panels beside each other."""
CLEAR = 0.05
"""p below which a gain over the floor is spoken of."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """Tables and figures of a page, and its answer."""

    answer: str
    tables: list[Table]
    pictures: list[Picture]
    methods: pd.DataFrame


def content(
    rows: pd.DataFrame,
    clusters: pd.Series,
    specs: Mapping[str, MetricSpec],
    *,
    methods: Sequence[str],
    primary: str,
    refused: Mapping[str, Mapping[str, str]],
    fills_shared: Sequence[tuple[str, str, str]] = (),
) -> Content:
    """Make everything from rows.

    Parameters
    ----------
    rows
        ``id``, ``model``, ``method``, ``metric``, ``value``.
    clusters
        Of faces, indexed by id.
    specs
        Of the metrics, by name.
    methods
        Attributions, controls apart.
    primary
        The metric that the answer speaks of.
    refused
        By model, why methods have no maps.
    fills_shared
        Method, metric and the fill that both use, of which there are no rows.
    """
    table = tables.method_table(rows, clusters, specs)
    used = [m for m in methods if m in set(rows["method"])]
    n, groups = rows["id"].nunique(), clusters.loc[list(rows["id"].unique())].nunique()
    unit = f"the face ({n})" if n == groups else f"the person or group of copies ({groups} of {n})"
    made = [
        Table(
            name="methods",
            frame=table,
            caption=f"Mean of each metric, and its gain over the {FLOOR} control, paired by face "
            "and signed so that above zero is better. 95 % intervals by infinitesimal jackknife; "
            "p: Wilcoxon's signed ranks, Holm over the methods of a model and metric; "
            "rank-biserial: its effect size, of the same ranks. Undefined: share of faces without "
            f"a score. Unit: {unit}.",
        ),
        Table(
            name="disagreement",
            frame=tables.disagreement_table(rows, clusters, specs, used),
            caption="Do metrics of one family order the methods alike? Krippendorff's α over "
            "metrics, of the methods that all of them score (ordinal; 1 alike, 0 as by chance); "
            "Kendall's W over faces within each metric, the family's least and largest. There is "
            "no mean rank over metrics: it would hide this.",
        ),
        Table(
            name="refused",
            frame=pd.DataFrame(
                [
                    {"model": model, "attribution": name, "reason": reason}
                    for model, some in refused.items()
                    for name, reason in some.items()
                ],
                columns=["model", "attribution", "reason"],
            ),
            caption="Methods that have no rules for a model, and why.",
        ),
        Table(
            name="fills_shared",
            frame=pd.DataFrame(list(fills_shared), columns=["method", "metric", "fill"]),
            caption="Left out: a method is not scored by a metric that removes pixels with the "
            "fill its maps start from, which would hold the maps against themselves.",
        ),
    ]
    pictures = []
    for model in dict.fromkeys(rows["model"]):
        own = rows[rows["model"] == model]
        means = tables.oriented_means(own, specs, used)
        pictures.append(
            Picture(
                name=f"scores_{model}",
                figure=dots(table[table["model"] == model], specs),
                caption=f"{model}: mean of each metric with its 95 % interval, the better the "
                f"further right (axes of metrics that fall are turned). Red: methods; grey: chance "
                f"controls; the line is the {FLOOR} control. Unit: {unit}.",
            )
        )
        if len(means) > 2 and means.shape[1] > 2:
            pictures.append(
                Picture(
                    name=f"metrics_{model}",
                    figure=heatmap(tables.metric_agreement(means)),
                    caption=f"{model}: Spearman between the orders that two metrics give "
                    f"{means.shape[1]} methods.",
                )
            )
        ranked = [m for m in used if m in set(own.loc[own["metric"] == primary, "method"])]
        if len(ranked) > 2:
            drawn = critical_difference(own, clusters, specs, primary, ranked)
            if drawn is not None:
                pictures.append(
                    Picture(
                        name=f"ranks_{model}",
                        figure=drawn,
                        caption=f"{model}: mean rank over faces by {primary}, 1 the best; methods "
                        "under one bar are not told apart (Nemenyi after Friedman, 5 %). Unit: "
                        f"{unit}.",
                    )
                )
    return Content(answer=answer(table, primary), tables=made, pictures=pictures, methods=table)


def answer(table: pd.DataFrame, primary: str) -> str:
    """A sentence a model: which methods beat the floor, and by how much."""
    sentences = []
    column = f"over {FLOOR}"
    for model, own in table[table["metric"] == primary].groupby("model", sort=False):
        methods = own[~own["control"]]
        if column not in own:
            continue
        better = methods[(methods["p (Holm)"] < CLEAR) & (methods[column] > 0)]
        worse = methods[(methods["p (Holm)"] < CLEAR) & (methods[column] < 0)]
        named = ", ".join(
            f"{row['method']} {row[column]:+.3f} [{row[f'{column} low']:+.3f}, "
            f"{row[f'{column} high']:+.3f}]"
            for _, row in better.sort_values(column, ascending=False).iterrows()
        )
        sentences.append(
            f"{model}: by {primary}, {len(better)} of {len(methods)} methods beat the {FLOOR} "
            f"control{f' ({named})' if named else ''}, and {len(worse)} do worse than it."
        )
    return "\n".join(sentences) or f"No score of {primary} can be held against the {FLOOR} control."


def dots(table: pd.DataFrame, specs: Mapping[str, MetricSpec]) -> Figure:
    """A panel a metric, methods over each other in the order of the first one."""
    style()
    names = list(dict.fromkeys(table["metric"]))
    order = list(dict.fromkeys(table["method"]))[::-1]
    height = len(order) * 0.2 + 0.7
    wide = min(COLUMNS, len(names))
    tall = -(-len(names) // wide)
    fig, axes = plt.subplots(
        tall, wide, figsize=(3.1 * wide + 1.2, height * tall), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, metric in zip(axes.flat, names, strict=False):
        own = table[table["metric"] == metric].set_index("method")
        for place, method in enumerate(order):
            if method not in own.index:
                continue
            row = own.loc[method]
            colour = CONTROL if row["control"] else TRAINED
            axis.plot([row["mean low"], row["mean high"]], [place, place], color=colour, lw=2)
            axis.plot(row["mean"], place, "o", color=colour, ms=4)
        if FLOOR in own.index and np.isfinite(own.loc[FLOOR, "mean"]):
            axis.axvline(own.loc[FLOOR, "mean"], color=INK, lw=0.7, ls=":")
        axis.set_yticks(range(len(order)), [name.replace("_", " ") for name in order], fontsize=8)
        axis.set_title(metric.replace("_", " "), fontsize=10)
        if specs[metric].higher_is_better is False:
            axis.invert_xaxis()
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    sns.despine(fig)
    return fig


def heatmap(matrix: pd.DataFrame) -> Figure:
    """Spearman between metrics."""
    style()
    labels = [str(name).replace("_", " ") for name in matrix.index]
    side = 0.36 * len(matrix) + 1.8
    fig, axis = plt.subplots(figsize=(side + 0.8, side))
    sns.heatmap(
        matrix, vmin=-1, vmax=1, cmap="RdBu_r", square=True, ax=axis, xticklabels=labels,
        yticklabels=labels, annot=len(matrix) <= 14, fmt=".1f", annot_kws={"size": 7},
        cbar_kws={"label": "Spearman over methods", "shrink": 0.6}, linewidths=0.3,
        linecolor="white",
    )  # fmt: skip
    return fig


def critical_difference(
    rows: pd.DataFrame,
    clusters: pd.Series,
    specs: Mapping[str, MetricSpec],
    metric: str,
    methods: Sequence[str],
) -> Figure | None:
    """Mean ranks, with bars over those that are not told apart; None where there is no test."""
    test = tables.rank_test(rows, clusters, specs, metric, methods)
    if not np.isfinite(test.p_value):
        return None
    style()
    labels = [name.replace("_", " ") for name in methods]
    fig, axis = plt.subplots(figsize=(7.5, 0.22 * len(labels) + 1.2))
    scikit_posthocs.critical_difference_diagram(
        dict(zip(labels, test.ranks, strict=True)),
        pd.DataFrame(test.pairs, index=labels, columns=labels),
        ax=axis, label_props={"fontsize": 9}, elbow_props={"color": INK, "linewidth": 0.8},
        marker_props={"color": TRAINED, "s": 18}, crossbar_props={"color": INK, "linewidth": 2},
    )  # fmt: skip
    return fig
