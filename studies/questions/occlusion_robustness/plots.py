"""Figures of what is hidden: regions by emotion, curves over areas, occluders, changed answers."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fer_xai.emotions import SIX
from fer_xai.landmarks import REGIONS
from studies.questions.occlusion_robustness.covers import CHANCE, OCCLUDERS, RANDOM, RANDOM_MAP
from studies.reporting.frames import framed
from studies.reporting.style import INK, TRAINED, UNTRAINED, style


def region_heatmap(matrix: pd.DataFrame) -> Figure:
    """Region × emotion: probability lost, and beyond a patch; the codebook's regions are framed.

    Parameters
    ----------
    matrix
        Rows of :func:`~studies.questions.occlusion_robustness.effects.emotion_table`.

    Examples
    --------
    >>> matrix = pd.DataFrame(
    ...     {"model": "net", "emotion": "fear", "region": REGIONS, "faces": 3, "cost": 0.1,
    ...      "beyond a patch": 0.05, "codebook": 60.0}
    ... )
    >>> len(region_heatmap(matrix).axes)  # with the scale of colours
    3
    """
    style()
    models = list(dict.fromkeys(matrix["model"]))
    fig, axes = plt.subplots(
        len(models), 2, figsize=(10.4, 3.7 * len(models)), squeeze=False, layout="constrained"
    )
    most = float(matrix[["cost", "beyond a patch"]].abs().max().max())
    shown = [name for name in SIX if name in set(matrix["emotion"])]
    for line, model in zip(axes, models, strict=True):
        own = matrix[matrix["model"] == model]
        counts = own.drop_duplicates("emotion").set_index("emotion")["faces"]
        book = own.pivot(index="region", columns="emotion", values="codebook")
        book = book.reindex(index=REGIONS, columns=shown)
        for axis, what in zip(line, ("cost", "beyond a patch"), strict=True):
            cells = own.pivot(index="region", columns="emotion", values=what)
            cells = cells.reindex(index=REGIONS, columns=shown)
            sns.heatmap(
                cells.rename(index=_plain),
                vmin=-most,
                vmax=most,
                cmap="RdBu_r",
                annot=True,
                fmt=".2f",
                ax=axis,
                annot_kws={"fontsize": 9},
                cbar=axis is line[-1],
                linewidths=0.5,
            )
            for y, region in enumerate(REGIONS):
                for x, emotion in enumerate(shown):
                    framed(axis, x, y, float(book.loc[region, emotion]) / 100)
            axis.set(xlabel="", ylabel="")
            names = [f"{name}\n({counts.get(name, 0)})" for name in shown]
            axis.set_xticklabels(names, rotation=0, fontsize=9)
            axis.set_yticklabels(axis.get_yticklabels(), rotation=0)
            title = "probability lost" if what == "cost" else "… beyond a random patch of its area"
            axis.set_title(f"{model}: {title}", fontsize=11)
    return fig


def occluder_figure(table: pd.DataFrame) -> Figure:
    """The endpoint: accuracy lost beyond a random patch, by occluder, with its intervals.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"model": ["net"], "occluder": ["mouth"], "beyond a patch": [5.0],
    ...      "beyond a patch low": [1.0], "beyond a patch high": [9.0]}
    ... )
    >>> occluder_figure(table).axes[0].get_yticklabels()[0].get_text()
    'mouth'
    """
    style()
    models = list(dict.fromkeys(table["model"]))
    fig, axis = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
    for number, (model, colour) in enumerate(zip(models, _colours(models), strict=True)):
        own = table[table["model"] == model].set_index("occluder")
        own = own.reindex([name for name in OCCLUDERS if name in own.index])
        y = np.arange(len(own)) + 0.16 * (number - (len(models) - 1) / 2)
        values = own["beyond a patch"].to_numpy()
        low, high = (own[f"beyond a patch {end}"].to_numpy() for end in ("low", "high"))
        axis.hlines(y, low, high, color=colour, lw=2)
        axis.plot(values, y, "o", color=colour, label=model, ms=6)
        axis.set_yticks(np.arange(len(own)), [_plain(name) for name in own.index])
    axis.axvline(0, color=INK, lw=0.8, ls=":")
    axis.invert_yaxis()
    axis.set_xlabel("points of accuracy lost beyond a random patch of the same area")
    if len(models) > 1:
        axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    else:
        axis.set_title(models[0] if models else "", fontsize=11)
    sns.despine(ax=axis)
    return fig


def area_figure(table: pd.DataFrame, clean: dict[str, float]) -> Figure:
    """Accuracy over the share of the face that is hidden, an axis an occluder.

    Parameters
    ----------
    table
        Rows of :func:`~studies.questions.occlusion_robustness.answers.area_table`.
    clean
        Accuracy of each model on the faces as they are, in percent.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"model": "net", "occluder": ["mouth"], "face hidden": [5.0], "accuracy": [50.0],
    ...      "accuracy low": [40.0], "accuracy high": [60.0]}
    ... )
    >>> len(area_figure(table, {"net": 80.0}).axes)
    12
    """
    style()
    models = list(dict.fromkeys(table["model"]))
    fig, axes = plt.subplots(3, 4, figsize=(10.4, 6.8), sharex=True, sharey=True)
    places = list(axes.flat)
    for axis, name in zip(places, OCCLUDERS, strict=False):
        for model, colour in zip(models, _colours(models), strict=True):
            own = table[table["model"] == model]
            for kind, line in ((name, "-"), ("random patch", "--")):
                part = own[own["occluder"] == kind].sort_values("face hidden")
                x = [0, *part["face hidden"]]
                axis.plot(x, [clean[model], *part["accuracy"]], line, color=colour, lw=1.6)
                if kind == name:
                    low, high = part["accuracy low"], part["accuracy high"]
                    axis.fill_between(part["face hidden"], low, high, color=colour, alpha=0.18)
        axis.set_title(_plain(name), fontsize=11)
        axis.set_ylim(0, 100)
        sns.despine(ax=axis)
    legend = places[len(OCCLUDERS)]
    places[len(OCCLUDERS) - 4].tick_params(labelbottom=True)  # nothing but the legend lies below
    legend.axis("off")
    handles = [Line2D([], [], color=colour) for colour in _colours(models)]
    handles += [Line2D([], [], color=INK), Line2D([], [], color=INK, ls="--")]
    legend.legend(handles, [*models, "occluder", "random patch"], frameon=False, loc="center")
    fig.supxlabel("face hidden, %", fontsize=11)
    fig.supylabel("accuracy, %", fontsize=11)
    fig.tight_layout()
    return fig


def grid_figure(table: pd.DataFrame, clean: dict[str, float]) -> Figure:
    """Accuracy over the share of cells that are hidden, by the order in which they are.

    Parameters
    ----------
    table
        Rows of :func:`~studies.questions.occlusion_robustness.grids.grid_table`.
    clean
        Accuracy of each model on the faces as they are, in percent.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"model": "net", "order": ["random"], "cells hidden": [10.0], "accuracy": [50.0],
    ...      "accuracy low": [40.0], "accuracy high": [60.0]}
    ... )
    >>> len(grid_figure(table, {"net": 80.0}).axes)
    1
    """
    style()
    models = list(dict.fromkeys(table["model"]))
    fig, axes = plt.subplots(
        1, len(models), figsize=(5.2 * len(models) + 0.6, 4.0), squeeze=False, sharey=True
    )
    orders = list(dict.fromkeys(table["order"]))
    methods = [name for name in orders if name not in CHANCE]
    colours = dict(zip(methods, sns.color_palette("husl", max(len(methods), 1)), strict=False))
    for axis, model in zip(axes[0], models, strict=True):
        for order in orders:
            part = table[(table["model"] == model) & (table["order"] == order)]
            x = [0, *part["cells hidden"]]
            colour = colours.get(order, INK if order == RANDOM else UNTRAINED)
            ls = "-" if order in methods else ":" if order == RANDOM_MAP else "--"
            label = "random cells" if order == RANDOM else _plain(order)
            y = [clean[model], *part["accuracy"]]
            axis.plot(x, y, ls, color=colour, label=label, lw=1.6)
            if order in (RANDOM, *methods[:1]):
                low, high = part["accuracy low"], part["accuracy high"]
                axis.fill_between(part["cells hidden"], low, high, color=colour, alpha=0.18)
        axis.set_title(model, fontsize=11)
        axis.set_xlabel("cells of the 14×14 grid hidden, %")
        axis.set_xticks(sorted({0.0, *table["cells hidden"].round(6)}))
        axis.set_ylim(0, 100)
        sns.despine(ax=axis)
    axes[0, 0].set_ylabel("accuracy, %")
    axes[0, -1].legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.02, 1))
    fig.tight_layout()
    return fig


def becomes_figure(table: pd.DataFrame, *, occluders: tuple[str, ...]) -> Figure:
    """Which emotion becomes which under some occluders: a matrix an occluder and model.

    Parameters
    ----------
    table
        Rows of :func:`~studies.questions.occlusion_robustness.answers.becomes_table`.
    occluders
        The occluders.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"model": ["net"], "occluder": ["hand"], "named": ["fear"], "→ fear": [60.0]}
    ... )
    >>> len(becomes_figure(table, occluders=("hand",)).axes)
    1
    """
    style()
    models = list(dict.fromkeys(table["model"]))
    fig, axes = plt.subplots(
        len(models),
        len(occluders),
        figsize=(4.4 * len(occluders), 3.6 * len(models)),
        squeeze=False,
        layout="constrained",
    )
    for line, model in zip(axes, models, strict=True):
        for axis, name in zip(line, occluders, strict=True):
            _becomes(axis, table[(table["model"] == model) & (table["occluder"] == name)])
            axis.set_title(f"{model}: {_plain(name)}", fontsize=11)
    return fig


def _becomes(axis: Axes, own: pd.DataFrame) -> None:
    columns = [name for name in own if str(name).startswith("→ ") and own[name].notna().any()]
    cells = own.set_index("named")[columns]
    cells.columns = pd.Index([str(name).removeprefix("→ ") for name in columns])
    sns.heatmap(
        cells,
        vmin=0,
        vmax=100,
        cmap="Blues",
        annot=True,
        fmt=".0f",
        cbar=False,
        ax=axis,
        annot_kws={"fontsize": 8},
    )
    axis.set(xlabel="named when hidden, %", ylabel="named as it is")
    axis.tick_params(labelsize=8, length=0)
    axis.tick_params(axis="x", rotation=30)
    axis.tick_params(axis="y", rotation=0)


def drift_figure(table: pd.DataFrame) -> Figure:
    """Likeness of the map before and after, a row a network and method, beside its floors.

    Examples
    --------
    >>> columns = ("likeness", "prediction stays", "prediction changes", "random patch",
    ...            "other persons' maps")
    >>> network = {"network": ["net"], "method": ["lime"]}
    >>> table = pd.DataFrame(network | dict.fromkeys(columns, 0.5))
    >>> drift_figure(table).axes[0].get_yticklabels()[0].get_text()
    'net: lime'
    """
    style()
    labels = [
        f"{network}: {_plain(method)}"
        for network, method in zip(table["network"], table["method"], strict=True)
    ]
    y = np.arange(len(table))
    fig, axis = plt.subplots(figsize=(7.6, 0.34 * len(table) + 1.2), layout="constrained")
    for column, mark, colour, label in (
        ("likeness", "o", TRAINED, "occluders, all faces"),
        ("prediction stays", "D", INK, "… where the prediction stays"),
        ("prediction changes", "v", "#d98c5f", "… where it changes"),
        ("random patch", "x", UNTRAINED, "random patch of the same area"),
        ("other persons' maps", "|", "#888888", "other persons' maps, same emotion"),
    ):
        axis.plot(table[column], y, mark, color=colour, label=label, ms=7)
    axis.set_yticks(y, labels)
    axis.invert_yaxis()
    axis.set_xlabel("likeness of the map outside of what is hidden (Pearson)")
    axis.grid(axis="y", lw=0.3)
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    sns.despine(ax=axis)
    return fig


def _colours(models: list[str]) -> list[str]:
    more = sns.color_palette("husl", max(len(models) - 2, 0)).as_hex()
    return [TRAINED, "#1f6f8b", *more][: len(models)]


def _plain(name: object) -> str:
    return str(name).replace("_", " ")
