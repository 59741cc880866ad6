"""Built-in faces before and after an occluder, with their maps."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from fer_xai.attributions.api import counting_maps
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.perturb import occlude
from studies.engine.explained import Explained
from studies.questions.occlusion_robustness.covers import DRAWN
from studies.reporting.style import style
from studies.scoreboard.explainers import explainers


@counting_maps()
def pairs(explained: Explained, method: str) -> Figure:
    """One face an emotion as it is, and with sunglasses, a mask and a hand before it.

    Each is followed by the map of the emotion that is explained of the clean face; beneath stands
    what the network names. Hand in built-in faces: pictures of real ones go into no report.

    Parameters
    ----------
    explained
        The network and its faces, with landmarks.
    method
        The attribution.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from fer_xai.inference.predictor import Predictor
    >>> from fer_xai.models import load_model
    >>> predictor = Predictor(load_model("gimefive"), device="cpu", batch_size=8)
    >>> len(pairs(Explained(predictor, synthetic_faces(1)), "gradcam").axes)
    8
    """
    style()
    chosen = _of_each_emotion(explained)
    rows = torch.tensor(chosen)
    images = explained.images(chosen)
    ids = [explained.ids[row] for row in chosen]
    points = explained.faces.landmarks_at(explained.size)[chosen]
    targets = explained.targets[rows]
    explain = explainers(explained, [method], explained.ids, explained.regions)[method]
    looks = {"as it is": images}
    for name in DRAWN:
        found = occlude(images, points, name, ids=ids, seed=explained.seed)
        looks[name.replace("_", " ")] = found.images
    fig, axes = plt.subplots(
        len(chosen),
        2 * len(looks),
        figsize=(1.2 * 2 * len(looks), 1.42 * len(chosen)),
        squeeze=False,
    )
    for place, (title, shown) in enumerate(looks.items()):
        logits = explained.predictor.logits(shown)
        named = explained.predictor.model.canonical(logits.argmax(dim=1).cpu())
        maps = explain(explained.predictor.model, shown, targets, ids)
        for line, picture, one, name in zip(axes, shown, maps, named.tolist(), strict=True):
            face, over = line[2 * place], line[2 * place + 1]
            face.imshow(picture.permute(1, 2, 0).numpy())
            face.set_xlabel(EMOTIONS[name], fontsize=8, labelpad=2)
            _overlay(over, picture, one)
        axes[0, 2 * place].set_title(title, fontsize=9, loc="left")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    fig.tight_layout(pad=0.3)
    return fig


def _overlay(axis: Axes, picture: Tensor, one: Tensor) -> None:
    axis.imshow(picture.mean(dim=0).numpy(), cmap="gray", vmin=0, vmax=1)
    top = float(one.abs().max())
    if np.isfinite(top) and top > 0:
        axis.imshow((one / top).clamp(0, 1).numpy(), cmap="magma", vmin=0, vmax=1, alpha=0.6)


def _of_each_emotion(explained: Explained) -> list[int]:
    """The first face of each emotion that is named rightly, or the first at all."""
    labels, right = explained.faces.labels, explained.predicted == explained.faces.labels
    found = []
    for emotion in SIX:
        own = labels == EMOTIONS.index(emotion)
        places = [*(own & right).nonzero()[:, 0].tolist(), *own.nonzero()[:, 0].tolist()]
        found += places[:1]
    return found
