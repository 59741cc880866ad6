"""Figures of the alignment study: the endpoint, its choices, and which emotions are told apart."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from studies.questions.landmark_alignment.causes import SHAPLEY
from studies.reporting.style import CONTROL, INK, TRAINED, UNTRAINED, style

NAMES = {
    "gradcam": "Grad-CAM",
    "gradcam_signed": "Grad-CAM, signed",
    "layercam": "LayerCAM",
    SHAPLEY: "exact region Shapley",
}


def shown(name: object) -> str:
    """A method's name for readers.

    Examples
    --------
    >>> shown("gradcam_signed"), shown("other_face_same_emotion")
    ('Grad-CAM, signed', 'other face same emotion')
    """
    return NAMES.get(str(name), str(name).replace("_", " "))


def short(value: float) -> str:
    """A number for a cell of a heat map: two digits, without the zero; nothing for NaN.

    Examples
    --------
    >>> short(0.25), short(-0.001), short(1.5), short(float("nan"))
    ('.25', '.00', '1.50', '')
    """
    if not np.isfinite(value):
        return ""
    text = f"{value:.2f}".replace("-0.00", "0.00")
    return text.replace("0.", ".", 1) if abs(value) < 0.995 else text


def endpoint_figure(table: pd.DataFrame) -> Figure:
    """Contrasts of methods and controls, a panel a model, with the untrained networks beside.

    Examples
    --------
    >>> row = {"model": "m", "method": "lrp", "control": False, "contrast": 0.1}
    >>> row |= {"contrast low": 0.0, "contrast high": 0.2, "ceiling": 0.4, "untrained": 0.05}
    >>> row |= {"untrained min": 0.0, "untrained max": 0.1}
    >>> row |= {"faces": 12, "scheme": "by itself, by Student's t"}
    >>> figure = endpoint_figure(pd.DataFrame([row]))
    >>> figure.axes[0].get_title()
    'm (best with these cells: 0.40)'
    >>> plt.close(figure)
    """
    style()
    models = list(dict.fromkeys(table["model"]))
    tallest = int(table["model"].value_counts().max())
    fig, axes = plt.subplots(
        1,
        len(models),
        figsize=(4.9 * len(models) + 1.4, 0.3 * tallest + 1.3),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    for axis, model in zip(axes[0], models, strict=True):
        own = table[table["model"] == model].iloc[::-1].reset_index(drop=True)
        for y, row in own.iterrows():
            colour = CONTROL if row["control"] else TRAINED
            sample = row["method"] == SHAPLEY
            bar, face = (1.1, "white") if sample else (2.2, colour)
            axis.plot([row["contrast low"], row["contrast high"]], [y, y], color=colour, lw=bar)
            axis.plot(row["contrast"], y, "o", color=colour, ms=5.5, mfc=face)
            if np.isfinite(row["untrained"]):
                low, high = row["untrained min"], row["untrained max"]
                axis.plot([low, high], [y - 0.26, y - 0.26], color=UNTRAINED, lw=1.4)
                axis.plot(row["untrained"], y - 0.26, "d", color=UNTRAINED, ms=4.5)
        names = [
            f"{shown(row['method'])} ({row['faces']:.0f} faces)"
            if row["method"] == SHAPLEY
            else shown(row["method"])
            for _, row in own.iterrows()
        ]
        axis.set_yticks(range(len(own)), names, fontsize=9)
        axis.axvline(0, color=INK, lw=0.8, ls=":")
        axis.set_title(
            f"{model} (best with these cells: {own['ceiling'].iloc[0]:.2f})", fontsize=11
        )
        axis.set_xlabel("contrast: cosine with the own area less with others'", fontsize=9)
        axis.grid(axis="y", color="#eeeeee")
    sns.despine(fig, left=True)
    ways = (
        table[table["method"] != SHAPLEY]
        .groupby("control")["scheme"]
        .agg(lambda of: next((w for w in of if w != "none"), ""))
    )
    said = {control: f"\n{ways.get(control, '')}".rstrip() for control in (False, True)}
    handles = [
        Line2D([], [], color=TRAINED, marker="o", lw=2, label=f"trained network{said[False]}"),
        Line2D([], [], color=UNTRAINED, marker="d", lw=1.4, label="untrained ones, range"),
        Line2D([], [], color=CONTROL, marker="o", lw=2, label=f"chance controls{said[True]}"),
    ]
    if (table["method"] == SHAPLEY).any():
        handles.insert(
            1,
            Line2D(
                [],
                [],
                color=TRAINED,
                marker="o",
                mfc="white",
                lw=1.1,
                label="… on a sample of faces\nby itself",
            ),
        )
    fig.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return fig


def choices_figure(table: pd.DataFrame, *, method: str = "gradcam") -> Figure:
    """The contrast of one method under every choice, a panel a model.

    Examples
    --------
    >>> row = {"model": "m", "method": "gradcam", "choice": "Pearson", "contrast": 0.1}
    >>> row |= {"contrast low": 0.0, "contrast high": 0.2, "untrained": 0.05, "faces": 12}
    >>> figure = choices_figure(pd.DataFrame([row]))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['Pearson']
    >>> plt.close(figure)
    """
    style()
    here = table[table["method"] == method]
    models = list(dict.fromkeys(here["model"]))
    order = list(dict.fromkeys(here["choice"]))[::-1]
    fig, axes = plt.subplots(
        1,
        len(models),
        figsize=(3.9 * len(models) + 2.6, 0.3 * len(order) + 1.0),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for axis, model in zip(axes[0], models, strict=True):
        own = here[here["model"] == model].set_index("choice")
        for y, choice in enumerate(order):
            if choice not in own.index:
                continue
            row = own.loc[choice]
            axis.plot([row["contrast low"], row["contrast high"]], [y, y], color=TRAINED, lw=2.2)
            axis.plot(row["contrast"], y, "o", color=TRAINED, ms=5.5)
            axis.plot(row["untrained"], y, "d", color=UNTRAINED, ms=5)
            if not np.isfinite(row["contrast low"]) and np.isfinite(row["contrast"]):
                axis.annotate(
                    f"{row['faces']:.0f} faces",
                    (row["contrast"], y),
                    xytext=(8, 4),
                    textcoords="offset points",
                    fontsize=7.5,
                )
        axis.set_yticks(range(len(order)), order, fontsize=9)
        axis.axvline(0, color=INK, lw=0.8, ls=":")
        axis.set_title(model, fontsize=11)
        axis.set_xlabel("contrast", fontsize=9)
        axis.grid(axis="y", color="#eeeeee")
    sns.despine(fig, left=True)
    return fig


def matrices_figure(matrix: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """A row a model: mean likeness of targets to areas, and which pairs are told apart.

    Colours of the left panel are likenesses less the means of their row and column, so that large
    areas and sharp maps do not show; the numbers are the likenesses themselves.

    Examples
    --------
    >>> rows = [
    ...     {"model": "m", "target": t, "area of": a, "likeness": 0.5, "pair contrast": 0.0}
    ...     for t in ("happiness", "fear") for a in ("happiness", "fear")
    ... ]
    >>> figure = matrices_figure(pd.DataFrame(rows), ["happiness", "fear"])
    >>> len(figure.axes)
    4
    >>> plt.close(figure)
    """
    style()
    models = list(dict.fromkeys(matrix["model"]))
    side = 0.62 * len(emotions) + 1.3
    fig, axes = plt.subplots(
        len(models),
        2,
        figsize=(2 * side + 2.2, side * len(models)),
        squeeze=False,
        layout="constrained",
    )
    for row, model in enumerate(models):
        own = matrix[matrix["model"] == model]
        means = own.pivot(index="target", columns="area of", values="likeness")
        means = means.reindex(index=list(emotions), columns=list(emotions))
        centred = means.sub(means.mean(axis=1), axis=0)
        centred = centred.sub(centred.mean(axis=0), axis=1)
        pairs = own.pivot(index="target", columns="area of", values="pair contrast")
        pairs = pairs.reindex(index=list(emotions), columns=list(emotions))
        _heat(axes[row, 0], centred, means, "likeness beyond row and column")
        axes[row, 0].set(xlabel="area of", ylabel=f"{model}: map of")
        _heat(axes[row, 1], pairs, pairs, "pair contrast")
        axes[row, 1].set(xlabel="", ylabel="")
    return fig


def _heat(axis: Axes, colours: pd.DataFrame, numbers: pd.DataFrame, label: str) -> None:
    values = colours.to_numpy(dtype=np.float64)
    finite = np.abs(values[np.isfinite(values)])
    top = max(float(finite.max()) if len(finite) else 0.0, 1e-3)
    text = numbers.map(short)
    sns.heatmap(
        colours,
        vmin=-top,
        vmax=top,
        cmap="RdBu_r",
        annot=text,
        fmt="",
        annot_kws={"fontsize": 8},
        square=True,
        linewidths=0.5,
        linecolor="white",
        ax=axis,
        cbar_kws={"label": label, "shrink": 0.7},
    )
    axis.tick_params(labelsize=8.5, length=0)
    axis.set_xticklabels(axis.get_xticklabels(), rotation=35, ha="right")
    axis.set_yticklabels(axis.get_yticklabels(), rotation=0)
