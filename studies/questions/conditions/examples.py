"""One built-in face under each condition, with its maps: real faces are never drawn."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from fer_xai.types import undefined_maps
from studies.engine.explained import Explained
from studies.questions.conditions.measured import Measured
from studies.questions.conditions.sweeps import Sweep
from studies.reporting.page import Picture
from studies.reporting.style import style


def example(measured: Measured, sweeps: Sequence[Sweep]) -> list[Picture]:
    """The first face that is named rightly, under each condition, with the first method's maps.

    Parameters
    ----------
    measured
        A network and built-in faces.
    sweeps
        The conditions.

    Returns
    -------
    list of Picture
        One, or none if no face is named rightly.

    Examples
    --------
    >>> example.__name__
    'example'
    """
    explained = measured.explained
    right = (explained.predicted == explained.faces.labels).nonzero()[:, 0]
    if not len(right):
        return []
    face = explained.faces.subset(right[:1].numpy())
    alone = Explained(explained.predictor, face, size=explained.size, seed=explained.seed)
    method = measured.methods[0]
    one = Measured(alone, name=measured.name, methods=[method], metrics=[])
    style()
    most = max(len(sweep.severities) for sweep in sweeps)
    figure, axes = plt.subplots(
        len(sweeps), most, figsize=(1.45 * most + 0.9, 1.62 * len(sweeps)), squeeze=False
    )
    for row, sweep in zip(axes, sweeps, strict=True):
        labels = sweep.labels(alone.size)
        for column, severity in enumerate(sweep.severities):
            under = sweep.faces(face, severity, side=alone.size, seed=alone.seed)
            named = alone.predictor.model.canonical(
                alone.predictor.logits(under.images).argmax(dim=1)
            )
            _draw(row[column], under.images[0], one.maps(method, under).maps[0])
            stays = "" if bool((named == face.labels).all()) else ", lost"
            row[column].set_title(f"{labels[column]}{stays}", fontsize=8)
        row[0].set_ylabel(sweep.condition.replace("_", " "), fontsize=9)
        for axis in row[len(sweep.severities) :]:
            axis.set_visible(False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    figure.tight_layout(pad=0.4)
    return [
        Picture(
            name=f"example_{measured.name}",
            figure=figure,
            caption=f"{measured.name}: one built-in face under each condition, with the "
            f"{method} map of the emotion that is named for the clean face; brighter is more, each "
            "map by its own largest value. One face is an illustration, not evidence.",
        )
    ]


def _draw(axis: Axes, image: Tensor, one: Tensor) -> None:
    """A map over its face in grey."""
    axis.imshow(image.mean(dim=0).numpy(), cmap="gray", vmin=0, vmax=1)
    if bool(undefined_maps(one)) or float(one.abs().max()) == 0:
        axis.text(0.5, 0.5, "no map", transform=axis.transAxes, ha="center", color="#c1440e")
        return
    scaled = (one / one.abs().max()).clamp(-1, 1).numpy()
    if (scaled < 0).any():
        axis.imshow(scaled, cmap="RdBu_r", vmin=-1, vmax=1, alpha=0.25 + 0.65 * np.abs(scaled))
    else:
        axis.imshow(scaled, cmap="magma", vmin=0, vmax=1, alpha=0.55)
