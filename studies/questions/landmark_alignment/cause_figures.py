"""Figures of where maps lie and where the model looks, by region, action unit and on the face."""

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
from torch import Tensor

from fer_xai.landmarks import REGIONS, canonical_landmarks
from fer_xai.landmarks.template import FRAME
from studies.questions.landmark_alignment.figures import short
from studies.reporting.frames import framed
from studies.reporting.style import INK, TRAINED, style


def regions_figure(table: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """A row a model: density of Grad-CAM, and exact Shapley values, by emotion and region.

    Frames are the thicker, the more of a region lies in an emotion's area by the book.

    Examples
    --------
    >>> rows = [
    ...     {"model": "m", "emotion": "fear", "region": r, "share in the book": 0.5,
    ...      "Grad-CAM gain": 1.0, "Shapley share": 0.1} for r in REGIONS
    ... ]
    >>> figure = regions_figure(pd.DataFrame(rows), ["fear"])
    >>> [axis.get_title() for axis in figure.axes[:2]]
    ['m: Grad-CAM', 'm: exact Shapley values']
    >>> plt.close(figure)
    """
    style()
    models = list(dict.fromkeys(table["model"]))
    panels = ["Grad-CAM gain", "Shapley share"]
    if not table["Shapley share"].notna().any():
        panels = panels[:1]
    fig, axes = plt.subplots(
        len(models),
        len(panels),
        figsize=(6.4 * len(panels), (0.42 * len(emotions) + 1.5) * len(models)),
        squeeze=False,
        layout="constrained",
    )
    labels = [region.replace("chin_jaw", "chin, jaw").replace("_", " ") for region in REGIONS]
    for row, model in enumerate(models):
        own = table[table["model"] == model]
        marks = _square(own, "share in the book", emotions, REGIONS)
        for column, name in enumerate(panels):
            values = _square(own, name, emotions, REGIONS).astype(float)
            gain = name == "Grad-CAM gain"
            colours = values.clip(lower=0.125).map(np.log2) if gain else values
            top = 2.0 if gain else _largest(colours, least=0.05)
            axis = axes[row, column]
            label = "density over the image's, log₂" if gain else "share of Σ|values|"
            _marked(axis, colours, values, marks, top=top, label=label)
            axis.set_title(
                f"{model}: {'Grad-CAM' if gain else 'exact Shapley values'}", fontsize=11
            )
            axis.set_xticklabels(labels, rotation=35, ha="right")
    return fig


def units_figure(table: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """A row a model: the probability that an emotion loses when a shown unit is set to rest.

    Examples
    --------
    >>> row = {"model": "m", "emotion": "fear", "unit": "AU5", "in the book": True, "lost": 0.3}
    >>> figure = units_figure(pd.DataFrame([row]), ["fear"])
    >>> figure.axes[0].get_title()
    'm'
    >>> plt.close(figure)
    """
    style()
    models = list(dict.fromkeys(table["model"]))
    units = sorted(set(table["unit"]), key=lambda unit: int(unit.removeprefix("AU")))
    fig, axes = plt.subplots(
        len(models),
        1,
        figsize=(0.62 * len(units) + 2.6, (0.42 * len(emotions) + 1.3) * len(models)),
        squeeze=False,
        layout="constrained",
    )
    for axis, model in zip(axes[:, 0], models, strict=True):
        own = table[table["model"] == model]
        values = _square(own, "lost", emotions, units).astype(float)
        marks = _square(own, "in the book", emotions, units).astype(float) * 0.5  # as wide
        top = _largest(values, least=0.01)
        _marked(axis, values, values, marks, top=top, label="probability lost")
        axis.set_title(str(model), fontsize=11)
    return fig


def faces_figure(
    mean_maps: Mapping[str, NDArray[Any]],
    mean_face: NDArray[Any] | None,
    areas: Tensor,
    *,
    models: Sequence[str],
    emotions: Sequence[str],
) -> Figure:
    """Areas of emotions on the mean face, and the mean map of each emotion below them.

    Parameters
    ----------
    mean_maps
        ``(C, 64, 64)`` by model, on the canonical face; NaN without a map.
    mean_face
        ``(64, 64)``: mean of all registered faces, in [0, 1]; None draws the points of the
        canonical face in its place.
    areas
        Bool ``(C, 64, 64)``: areas of the emotions on the canonical face.
    models, emotions
        Rows and columns.

    Examples
    --------
    >>> import torch
    >>> areas = torch.zeros(1, 64, 64, dtype=torch.bool)
    >>> areas[:, 20:30] = True
    >>> grey = np.full((1, 64, 64), 0.5)
    >>> figure = faces_figure({"m": grey}, grey[0], areas, models=["m"], emotions=["fear"])
    >>> [axis.get_ylabel() for axis in figure.axes]
    ['the book', 'm']
    >>> plt.close(figure)
    """
    style()
    fig, axes = plt.subplots(
        1 + len(models),
        len(emotions),
        figsize=(1.75 * len(emotions) + 0.4, 1.85 * (1 + len(models))),
        squeeze=False,
        layout="constrained",
    )
    for column, emotion in enumerate(emotions):
        area = areas[column].float().numpy()
        for row, name in enumerate(["the book", *models]):
            axis = axes[row, column]
            _ground(axis, mean_face)
            if row == 0:
                tint = np.zeros((*area.shape, 4))
                tint[area > 0] = (0.76, 0.27, 0.05, 0.4)
                axis.imshow(tint)
            elif np.isfinite(mean_maps[name][column]).all():
                mean = mean_maps[name][column]
                axis.imshow(mean / max(float(mean.max()), 1e-9), cmap="magma", alpha=0.6)
            line = TRAINED if row == 0 else "white"
            axis.contour(area, levels=[0.5], colors=[line], linewidths=1.1)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if column == 0:
                axis.set_ylabel(name, fontsize=10)
        axes[0, column].set_title(emotion, fontsize=11)
    return fig


def _ground(axis: Axes, mean_face: NDArray[Any] | None) -> None:
    """The mean face, or the points of the canonical one."""
    if mean_face is not None:
        axis.imshow(0.25 + 0.75 * mean_face, cmap="gray", vmin=0, vmax=1)
        return
    axis.imshow(np.full((FRAME, FRAME), 0.85), cmap="gray", vmin=0, vmax=1)
    x, y = canonical_landmarks().T
    axis.scatter(x, y, s=3, color=INK, zorder=3)


def _largest(values: pd.DataFrame, *, least: float) -> float:
    """Largest absolute value that is known."""
    return max(float(np.nan_to_num(np.abs(values.to_numpy(dtype=np.float64))).max()), least)


def _square(
    table: pd.DataFrame, column: str, emotions: Sequence[str], names: Sequence[str]
) -> pd.DataFrame:
    second = "region" if "region" in table else "unit"
    wide = table.pivot(index="emotion", columns=second, values=column)
    return wide.reindex(index=list(emotions), columns=list(names))


def _marked(
    axis: Axes,
    colours: pd.DataFrame,
    numbers: pd.DataFrame,
    marks: pd.DataFrame,
    *,
    top: float,
    label: str,
) -> None:
    """A heat map with frames by how much the book gives a cell, a share."""
    text = numbers.map(short)
    sns.heatmap(
        colours,
        vmin=-top,
        vmax=top,
        cmap="RdBu_r",
        annot=text,
        fmt="",
        annot_kws={"fontsize": 8},
        linewidths=0.5,
        linecolor="white",
        ax=axis,
        cbar_kws={"label": label},
    )
    for (y, x), share in np.ndenumerate(marks.to_numpy(dtype=float)):
        framed(axis, x, y, share)
    axis.tick_params(labelsize=9, length=0)
    axis.set_yticklabels(axis.get_yticklabels(), rotation=0)
    axis.set(xlabel="", ylabel="")
