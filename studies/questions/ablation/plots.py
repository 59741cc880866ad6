"""Figures of the ablation: accuracy beside consistency, and curves of training by epoch."""

from __future__ import annotations

from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.questions.ablation.tables import REFERENCE
from studies.reporting.style import INK, TRAINED, style

WITHOUT_COLOUR = "#3b93c9"
SHADE = "#eef1f4"


def scatter(rows: pd.DataFrame) -> Figure:
    """Accuracy against excess, a dot a training, a cross a variant's mean."""
    style()
    fig, axis = plt.subplots(figsize=(7.2, 4.8), layout="constrained")
    variants = list(dict.fromkeys(rows["variant"]))
    for variant, colour in zip(variants, sns.color_palette("husl", len(variants)), strict=True):
        here = rows[rows["variant"] == variant]
        shown = TRAINED if variant == REFERENCE else colour
        axis.plot(here["accuracy"], here["excess"], "o", color=shown, ms=5, alpha=0.75)
        x, y = here["accuracy"].mean(), here["excess"].mean()
        axis.plot(x, y, "+", color=INK, ms=10)
        axis.annotate(str(variant), (x, y), xytext=(7, 4), textcoords="offset points", fontsize=9)
    axis.axhline(0, color=INK, lw=0.8, ls=":")
    axis.set_xlabel("test accuracy, %")
    axis.set_ylabel("excess of AUC over untrained networks")
    sns.despine(ax=axis)
    return fig


def loss(table: pd.DataFrame, part: str, *, dropout: range) -> Figure:
    """Training loss by epoch, with and without a part.

    Parameters
    ----------
    table
        As of :func:`studies.questions.ablation.curves.by_epoch`.
    part
        The part.
    dropout
        Epochs in which dropout acts; they are shaded if they are not all.

    Examples
    --------
    >>> values = {f"training loss {word} BatchNorm{end}": [1.5, 1.0]
    ...           for word in ("with", "without") for end in ("", " min", " max")}
    >>> loss(pd.DataFrame({"epoch": [1, 2]} | values), "BatchNorm", dropout=range(2, 3)).axes[0]
    <Axes: xlabel='epoch', ylabel='training loss'>
    """
    style()
    fig, axis = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for word, colour in _sides(part):
        _curve(axis, table, f"training loss {word}", colour, label=word)
    axis.set_ylabel("training loss")
    _finish(axis, table, dropout, legend="upper right", text="dropout acts")
    return fig


def gap(table: pd.DataFrame, part: str, *, other: str, dropout: range) -> Figure:
    """Accuracy of training faces and of other faces by epoch, and the gap between the two.

    Parameters
    ----------
    table, part, dropout
        As for :func:`loss`.
    other
        What the other faces are: ``test`` or ``validation``.

    Examples
    --------
    >>> values = {f"{name} {word} dropout{end}": [50.0, 60.0] for word in ("with", "without")
    ...           for name in ("training accuracy", "test accuracy", "gap")
    ...           for end in ("", " min", " max")}
    >>> table = pd.DataFrame({"epoch": [1, 2]} | values)
    >>> len(gap(table, "dropout", other="test", dropout=range(1, 3)).axes)
    2
    """
    style()
    fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.0), layout="constrained")
    for word, colour in _sides(part):
        for faces, dashes in (("training", "-"), (other, (0, (3, 1.2)))):
            name = f"{faces} accuracy {word}"
            label = f"{faces} faces, {word}"
            left.plot(table["epoch"], table[name], color=colour, ls=dashes, lw=1.6, label=label)
        _curve(right, table, f"gap {word}", colour, label=word)
    left.set_ylabel("accuracy, %")
    right.set_ylabel(f"gap: training less {other} accuracy, points")
    right.axhline(0, color=INK, lw=0.8, ls=":")
    text = "dropout acts, if there is any"
    _finish(left, table, dropout, legend="lower right", text=text)
    _finish(right, table, dropout, legend="upper right", text=text)
    return fig


def _sides(part: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (f"with {part}", TRAINED), (f"without {part}", WITHOUT_COLOUR)


def _curve(axis: Axes, table: pd.DataFrame, name: str, colour: str, *, label: str) -> None:
    """A mean as a line, with a band from the least to the largest."""
    epochs = table["epoch"]
    low, high = table[f"{name} min"], table[f"{name} max"]
    axis.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)
    axis.plot(epochs, table[name], color=colour, lw=1.8, label=label)


def _finish(
    axis: Axes,
    table: pd.DataFrame,
    dropout: range,
    *,
    legend: Literal["upper right", "lower right"],
    text: str,
) -> None:
    """Axis of epochs, legend, and the shade of the epochs in which dropout acts."""
    last = int(table["epoch"].max())
    axis.set_xlim(1, last)
    shaded = [epoch for epoch in dropout if epoch <= last]
    if shaded and len(shaded) < last:
        axis.axvspan(shaded[0] - 0.5, shaded[-1] + 0.5, color=SHADE, lw=0, zorder=0)
        middle = float(np.mean([shaded[0], shaded[-1]]))
        axis.text(
            middle,
            1.01,
            text,
            transform=axis.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=9,
        )
    axis.set_xlabel("epoch")
    axis.legend(frameon=False, loc=legend)
    sns.despine(ax=axis)
