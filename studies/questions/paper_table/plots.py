"""Figures of the paper's table, made from its runs and predictions alone."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from torchmetrics.functional.classification import multiclass_confusion_matrix

from fer_xai.emotions import SIX
from studies.questions.paper_table.published import TITLES
from studies.questions.paper_table.tables import NOT_RUN, Curve
from studies.reporting.style import INK, TRAINED, UNTRAINED, style


def accuracy(
    runs: pd.DataFrame, table: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """Dots a training, the mean, and the paper's printed figure, a panel a dataset."""
    style()
    shown = [
        model
        for model in rows
        if (table.loc[table["model"] == TITLES.get(model, model), "seeds"] != NOT_RUN).any()
        or table.loc[table["model"] == TITLES.get(model, model), "paper (best epoch on test)"]
        .notna()
        .any()
    ]
    fig, axes = plt.subplots(
        1,
        len(columns),
        figsize=(5.2 * len(columns), 0.38 * len(shown) + 1.3),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, data in zip(axes[0], columns, strict=True):
        for height, model in enumerate(shown):
            row = table[(table["data"] == data) & (table["model"] == TITLES.get(model, model))]
            here = runs[(runs["data"] == data) & (runs["model"] == model)]
            printed = float(row["paper (best epoch on test)"].iloc[0])
            if np.isfinite(printed):
                axis.plot(printed, height, "o", mfc="none", mec=UNTRAINED, ms=8, zorder=2)
            if len(here):
                values = 100 * here["accuracy"].to_numpy()
                axis.plot(values, np.full(len(values), height), "o", color=INK, ms=4, zorder=3)
                axis.plot(
                    [values.mean()] * 2, [height - 0.28, height + 0.28], color=TRAINED, lw=2.5
                )
        axis.set_title(data)
        axis.set_xlabel("test accuracy, %")
        axis.grid(axis="x", color="#e8ecf0")
        sns.despine(ax=axis, left=True)
    axes[0, 0].set_yticks(range(len(shown)), [TITLES.get(model, model) for model in shown])
    axes[0, 0].invert_yaxis()
    return fig


def curves(found: Sequence[Curve]) -> Figure:
    """Test accuracy by epoch, a panel a dataset, a colour a model."""
    style()
    found = [curve for curve in found if len(curve.test)]
    if not found:
        fig, axis = plt.subplots(figsize=(6.2, 1.2))
        axis.axis("off")
        axis.text(0.5, 0.5, "no training scored the test faces after every epoch", ha="center")
        return fig
    columns = list(dict.fromkeys(curve.data for curve in found))
    models = list(dict.fromkeys(curve.model for curve in found))
    colours = dict(zip(models, sns.color_palette("deep", len(models)), strict=True))
    fig, axes = plt.subplots(
        1, len(columns), figsize=(6.2 * len(columns), 3.8), squeeze=False, layout="constrained"
    )
    for axis, data in zip(axes[0], columns, strict=True):
        named: set[str] = set()
        for curve in found:
            if curve.data != data:
                continue
            epochs = np.arange(1, len(curve.test) + 1)
            label = None if curve.model in named else TITLES.get(curve.model, curve.model)
            named.add(curve.model)
            axis.plot(epochs, 100 * curve.test, color=colours[curve.model], lw=1, label=label)
            axis.plot(curve.kept_epoch, 100 * curve.kept, "o", color=colours[curve.model], ms=4)
        axis.set_title(data)
        axis.set_xlabel("epoch")
        axis.set_ylabel("test accuracy, %")
        axis.legend(frameon=False, loc="lower right")
        sns.despine(ax=axis)
    return fig


def confusions(predictions: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Confusion matrices, rows normalised, mean over seeds: a row a dataset, a column a model."""
    style()
    models = [model for model in rows if (predictions["model"] == model).any()]
    fig, axes = plt.subplots(
        len(columns),
        len(models),
        figsize=(2.9 * len(models) + 1, 2.7 * len(columns) + 0.8),
        squeeze=False,
        layout="constrained",
    )
    for row, data in enumerate(columns):
        for column, model in enumerate(models):
            axis = axes[row, column]
            here = predictions[(predictions["data"] == data) & (predictions["model"] == model)]
            if here.empty:
                axis.axis("off")
                continue
            shares = np.mean(
                [
                    multiclass_confusion_matrix(
                        torch.tensor(part["predicted"].to_numpy()),
                        torch.tensor(part["true"].to_numpy()),
                        len(SIX),
                        normalize="true",
                    ).numpy()
                    for _, part in here.groupby("seed")
                ],
                axis=0,
            )
            sns.heatmap(
                100 * shares,
                ax=axis,
                annot=True,
                fmt=".0f",
                vmin=0,
                vmax=100,
                cmap="Blues",
                cbar=False,
                square=True,
                annot_kws={"size": 7},
                xticklabels=SIX if row == len(columns) - 1 else [],
                yticklabels=SIX if column == 0 else [],
            )
            axis.set_title(f"{TITLES.get(model, model)}\n{data}", fontsize=9)
            axis.tick_params(labelsize=8)
    return fig
