"""Figures of the transfer study: risk by coverage, and quality by data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from metrics.selective_prediction.risk_coverage import risk_coverage
from studies.questions.explanation_transfer.tables import Domain, Told
from studies.reporting.style import CONTROL, INK, TRAINED, UNTRAINED, style

LEAST_SHOWN = 0.05
"""Coverage from which on risks are drawn: below, a handful of faces decide."""


def risk_curves(domains: Sequence[Domain], told: Mapping[str, Told]) -> Figure:
    """Risk by coverage on each data set of one network.

    Parameters
    ----------
    domains
        One network on several data sets.
    told
        What qualities tell of errors, by data set.

    Examples
    --------
    >>> risk_curves.__name__
    'risk_curves'
    """
    style()
    fig, axes = plt.subplots(
        1, len(domains), figsize=(3.6 * len(domains), 3.4), squeeze=False, sharey=True
    )
    for axis, domain in zip(axes[0], domains, strict=True):
        found = told[domain.data].together
        answers = domain.answers
        used = np.ones(len(answers), bool) if found is None else np.isfinite(found.foretold)
        right = answers["right"].to_numpy()[used]
        lines = [("confidence", answers["confidence"].to_numpy()[used], INK, "-")]
        if found is not None:
            both = -found.foretold_with[used]
            lines.append(("confidence and explanations,\nout of fold", both, TRAINED, "-"))
        for name, scores, colour, dashes in lines:
            curve = risk_coverage(scores, right)
            shown = curve.coverage >= LEAST_SHOWN
            axis.plot(
                curve.coverage[shown],
                curve.risk[shown],
                color=colour,
                ls=dashes,
                lw=1.6,
                label=name,
            )
        axis.plot(curve.coverage, curve.best, color=UNTRAINED, ls="--", lw=1.2, label="oracle")
        axis.axhline(curve.error_rate, color=CONTROL, ls=":", lw=1.4, label="random order")
        axis.set_title(
            f"{domain.data}\n{len(right)} faces, {int((~right).sum())} errors", fontsize=9
        )
        axis.set_xlabel("coverage")
        axis.set_xlim(0, 1)
    axes[0][0].set_ylim(bottom=0)
    axes[0][0].set_ylabel("share of errors")
    handles, names = axes[0][-1].get_legend_handles_labels()
    if (best := max(axes[0], key=lambda one: len(one.lines))) is not axes[0][-1]:
        handles, names = best.get_legend_handles_labels()
    fig.tight_layout()
    fig.legend(
        handles, names, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8
    )
    sns.despine(fig)
    return fig


def quality_bars(table: pd.DataFrame, home: str) -> Figure:
    """Mean gain over the floor of each quality, at home and on other data, for one network.

    Parameters
    ----------
    table
        Rows of :func:`studies.questions.explanation_transfer.tables.transfer_table`.
    home
        Name of the data that the network was trained on.

    Examples
    --------
    >>> quality_bars.__name__
    'quality_bars'
    """
    style()
    qualities = list(dict.fromkeys(table["quality"]))
    across = min(4, len(qualities))
    down = -(-len(qualities) // across)
    names = list(dict.fromkeys(table["data"]))
    methods = list(dict.fromkeys(table["method"]))
    colours = [TRAINED, *sns.color_palette("crest", len(names))]
    fig, axes = plt.subplots(
        down, across, figsize=(2.3 * across + 0.3 * len(methods), 2.5 * down), squeeze=False
    )
    for axis, quality in zip(axes.flat, qualities, strict=False):
        own = table[table["quality"] == quality]
        width = 0.8 / (1 + len(names))
        for k, name in enumerate([home, *names]):
            part = own if k == 0 else own[own["data"] == name]
            part = part.drop_duplicates("method").set_index("method").reindex(methods)
            column = "home" if k == 0 else "away"
            reach = [part[column] - part[f"{column} low"], part[f"{column} high"] - part[column]]
            places = np.arange(len(methods)) + (k - len(names) / 2) * width
            axis.bar(
                places,
                part[column],
                width,
                yerr=np.nan_to_num(reach),
                color=colours[k],
                error_kw={"lw": 1, "ecolor": INK},
                label=name,
            )
        axis.axhline(0, color=INK, lw=0.7)
        axis.set_title(str(quality).replace("_", " "), fontsize=9)
        axis.set_xticks(range(len(methods)), methods, fontsize=8)
        axis.tick_params(axis="y", labelsize=8)
    for axis in axes.flat[len(qualities) :]:
        axis.set_visible(False)
    for row in axes:
        row[0].set_ylabel("gain over the floor", fontsize=8)
    fig.tight_layout()
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8
    )
    sns.despine(fig)
    return fig
