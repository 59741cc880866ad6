"""Figures of the consistency study, made from its rows and mean maps alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.landmarks import canonical_landmarks, face_regions
from studies.reporting.style import CONTROL, INK, TRAINED, UNTRAINED, style

_LINES: dict[str, tuple[list[int], bool]] = {
    "jaw": (list(range(17)), False),
    "left brow": (list(range(17, 22)), False),
    "right brow": (list(range(22, 27)), False),
    "nose": ([27, 28, 29, 30, 33], False),
    "nostrils": (list(range(31, 36)), False),
    "left eye": (list(range(36, 42)), True),
    "right eye": (list(range(42, 48)), True),
    "lips": (list(range(48, 60)), True),
    "mouth": (list(range(60, 68)), True),
}


def mean_maps(
    maps: Mapping[str, NDArray[Any]],
    networks: Sequence[str],
    captions: Mapping[str, str],
    emotions: Sequence[str] = SIX,
) -> Figure:
    """Mean registered map of each emotion (own target) on the canonical face."""
    style()
    fig, axes = plt.subplots(
        len(networks),
        len(emotions),
        figsize=(1.75 * len(emotions), 1.95 * len(networks) + 0.3),
        squeeze=False,
    )
    for row, network in enumerate(networks):
        stack = maps[f"{network}/gradcam"].astype(np.float32)
        for column, emotion in enumerate(emotions):
            axis = axes[row, column]
            mean = stack[column]
            peak = np.nanmax(mean) if np.isfinite(mean).any() else 0.0
            axis.imshow(mean / peak if peak > 0 else mean, cmap="magma", vmin=0, vmax=1)
            outline(axis)
            if row == 0:
                axis.set_title(emotion, fontsize=11)
            if column == 0:
                axis.set_ylabel(captions.get(network, network), fontsize=9)
    fig.tight_layout(pad=0.4)
    return fig


def outline(axis: Axes) -> None:
    """The canonical face's lines and region borders over a map."""
    points = canonical_landmarks()
    regions = face_regions(points[None], size=64)[0].float().numpy()
    for region in regions[:-1]:
        axis.contour(region, levels=[0.5], colors="white", linewidths=0.35, alpha=0.45)
    for order, closed in _LINES.values():
        line = points[[*order, order[0]] if closed else order]
        axis.plot(line[:, 0], line[:, 1], color="white", linewidth=1.1, alpha=0.9)
    axis.set(xlim=(-0.5, 63.5), ylim=(63.5, -0.5), xticks=[], yticks=[])


def endpoint(sets: pd.DataFrame, primary: pd.DataFrame) -> Figure:
    """AUC at a fixed target: trained network with its interval, its floor, and the controls."""
    style()
    models = list(dict.fromkeys(primary["model"]))
    names = {
        "gradcam": "Grad-CAM",
        "gradcam_signed": "Grad-CAM, signed",
        "gradcam_paper": "Grad-CAM, paper's layer",
    }
    fig, axes = plt.subplots(
        1, len(models), figsize=(5.2 * len(models), 3.4), squeeze=False, sharex=True
    )
    here = sets[
        (sets["metric"] == "separability") & (sets["emotion"] == "all") & (sets["subset"] == "all")
    ]
    here = here[here["target"].str.startswith("fixed")]
    for axis, model in zip(axes[0], models, strict=True):
        part = here[here["architecture"] == model]
        mean = part.groupby(["trained", "network", "method"], observed=True)["value"].mean()
        trained = mean[True].droplevel("network").dropna()
        floors = mean[False]
        order = sorted(trained.index, key=lambda method: not method.startswith("gradcam"))
        for y, method in enumerate(reversed(order)):
            floor = floors[floors.index.get_level_values("method") == method].to_numpy()
            axis.scatter(floor, np.full(len(floor), y), color=UNTRAINED, s=28, zorder=3)
            colour = TRAINED if method.startswith("gradcam") else CONTROL
            axis.scatter(trained[method], y, color=colour, s=46, zorder=3)
            if method == "gradcam":
                row = primary[(primary["model"] == model) & primary["primary"]].iloc[0]
                axis.plot([row["AUC low"], row["AUC high"]], [y, y], color=colour, linewidth=2)
        labels = [names.get(m, m.replace("_", " ")) for m in reversed(order)]
        axis.set_yticks(range(len(order)), labels)
        axis.axvline(0.5, color=INK, linewidth=0.8, linestyle=":")
        axis.set(xlabel="AUC, same- against different-emotion pairs\n(fixed target)", title=model)
        sns.despine(ax=axis, left=True)
        axis.grid(axis="y", color="#eeeeee")
    fig.tight_layout()
    return fig


def similarity_matrices(sets: pd.DataFrame) -> Figure:
    """Mean Pearson similarity between emotions at a fixed target, trained beside untrained."""
    style()
    here = sets[(sets["metric"] == "similarity") & (sets["method"] == "gradcam")]
    models = list(dict.fromkeys(here["architecture"]))
    fig, axes = plt.subplots(len(models), 2, figsize=(9.4, 4.0 * len(models)), squeeze=False)
    for row, model in enumerate(models):
        for column, trained in enumerate((True, False)):
            part = here[(here["architecture"] == model) & (here["trained"] == trained)]
            table = part.pivot_table(index="emotion", columns="against", values="value")
            order = [name for name in EMOTIONS if name in table.index]
            table = table.reindex(index=order, columns=order)
            axis = axes[row, column]
            title = f"{model}, {'trained' if trained else 'untrained'}"
            if not table.notna().to_numpy().any():
                _nothing(axis, title)
                continue
            spread = float(np.nanmax(np.abs(table.to_numpy() - np.nanmean(table))))
            centre = float(np.nanmean(table))
            sns.heatmap(
                table,
                annot=True,
                fmt=".2f",
                cmap="vlag",
                square=True,
                cbar=False,
                ax=axis,
                vmin=centre - spread,
                vmax=centre + spread,
                annot_kws={"fontsize": 8},
            )
            axis.set(xlabel="", ylabel="", title=title)
            axis.tick_params(axis="x", rotation=40)
            axis.tick_params(axis="y", rotation=0)
    fig.tight_layout()
    return fig


def _nothing(axis: Axes, title: str) -> None:
    """A panel of a network none of whose faces has a map to compare."""
    axis.set(title=title, xticks=[], yticks=[])
    axis.text(0.5, 0.5, "no map to compare", ha="center", va="center", transform=axis.transAxes)


def distributions(rows: pd.DataFrame, networks: Sequence[str]) -> Figure:
    """Each face's mean similarity to its own and to other emotions (own target, descriptive)."""
    style()
    fig, axes = plt.subplots(
        1, len(networks), figsize=(3.4 * len(networks), 3.0), squeeze=False, sharex=True
    )
    for axis, network in zip(axes[0], networks, strict=True):
        for kind, colour in (("within", TRAINED), ("between", UNTRAINED)):
            values = rows.loc[
                (rows["network"] == network)
                & (rows["method"] == "gradcam")
                & (rows["target"] == "own")
                & (rows["metric"] == f"{kind} pearson"),
                "value",
            ].dropna()
            if values.nunique() > 1:
                sns.kdeplot(
                    x=values,
                    ax=axis,
                    color=colour,
                    fill=True,
                    alpha=0.25,
                    label=f"{kind} emotion{'s' if kind == 'between' else ''}",
                )
                axis.axvline(values.mean(), color=colour, linewidth=1.2)
        axis.set(title=network, xlabel="mean Pearson similarity of a face", ylabel="", yticks=[])
        sns.despine(ax=axis, left=True)
    if axes[0, 0].get_legend_handles_labels()[0]:
        axes[0, 0].legend(frameon=False, fontsize=8)
    fig.tight_layout()
    return fig


def profiles(regions: pd.DataFrame, networks: Sequence[str]) -> Figure:
    """Mean log-gain over area of each region, an emotion a row."""
    style()
    fig, axes = plt.subplots(
        1, len(networks), figsize=(5.0 * len(networks), 3.3), squeeze=False, sharey=True
    )
    shown = regions[(regions["method"] == "gradcam") & regions["network"].isin(networks)]
    reach = float(np.nanmax(np.abs(shown["mean"]))) if shown["mean"].notna().any() else 1.0
    for axis, network in zip(axes[0], networks, strict=True):
        part = shown[shown["network"] == network]
        table = part.pivot_table(
            index="emotion", columns="region", values="mean", sort=False, observed=True
        )
        table = table.loc[[name for name in EMOTIONS if name in table.index]]
        if not table.notna().to_numpy().any():
            _nothing(axis, network)
            continue
        sns.heatmap(
            table,
            annot=True,
            fmt="+.2f",
            cmap="vlag",
            center=0,
            vmin=-reach,
            vmax=reach,
            cbar=False,
            ax=axis,
            annot_kws={"fontsize": 8},
        )
        axis.set(xlabel="", ylabel="", title=network)
        axis.set_xticklabels(
            [t.get_text().replace("_", "\n") for t in axis.get_xticklabels()],
            rotation=0,
            fontsize=8,
        )
        axis.tick_params(axis="y", rotation=0)
    fig.tight_layout()
    return fig
