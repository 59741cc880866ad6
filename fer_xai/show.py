"""``show``: faces and their maps side by side, in one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from fer_xai.checks import check_count, check_images
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types import Explanation, Faces

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNED, UNSIGNED = "RdBu_r", "magma"
"""A diverging palette, white at 0, and one that is perceptually uniform."""
_PANEL = 1.7  # inches


def show(
    faces: Faces | Tensor, explanation: Explanation, *, columns: int = 3, most: int = 24
) -> Figure:
    """Draw each face beside its map.

    Each map has a scale of its own, since maps of different faces have no common unit: signed maps
    are centred on 0, where blue speaks against the emotion and red for it; maps without negative
    values run from 0 to their maximum. Blank and undefined maps say so in their panel.

    Parameters
    ----------
    faces
        The faces that were explained, or their images ``(B, 3, H, W)`` in [0, 1], in order.
    explanation
        Their maps.
    columns
        Number of faces side by side.
    most
        Number of faces to draw; of more, the first ones are drawn, and the title says so.

    Returns
    -------
    matplotlib.figure.Figure
        Not connected to a window; save it with ``figure.savefig("maps.png")``. A notebook shows it.

    Raises
    ------
    InputError
        If faces and maps are not equally many, or have different ids.

    Examples
    --------
    >>> import fer_xai
    >>> faces = fer_xai.load_dataset("synthetic", split="test", limit=2)
    >>> explanation = fer_xai.explain(fer_xai.load_model("gimefive"), faces, targets=faces.labels)
    >>> len(show(faces, explanation).axes)
    4
    """
    check_count("columns", columns)
    check_count("most", most)
    n = min(len(explanation), most)
    images = _images(faces, explanation, n)
    across, down = min(columns, max(n, 1)), -(-n // columns)

    from matplotlib.figure import Figure  # half a second that only pictures need

    figure = Figure(figsize=((_PANEL * 2 + 0.15) * across, (_PANEL + 0.4) * max(down, 1) + 0.4))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.05, wspace=0, hspace=0)
    signed = bool((explanation.maps[:n] < 0).any())
    figure.suptitle(_headline(explanation, n, signed=signed), fontsize=10)
    if n == 0:
        return figure
    parts = figure.subfigures(down, across, squeeze=False, wspace=0.04)
    for face in range(n):
        part = parts[face // columns, face % columns]
        left, right = part.subplots(1, 2)
        part.suptitle(_title(explanation, face), fontsize=7.5)
        left.imshow(images[face].permute(1, 2, 0).cpu().numpy())
        _draw(right, images[face], explanation, face, signed=signed)
        for axes in (left, right):
            axes.set_xticks([])
            axes.set_yticks([])
    return figure


def _images(faces: Faces | Tensor, explanation: Explanation, n: int) -> Tensor:
    """The first n images at the maps' resolution, if they are those that were explained."""
    if isinstance(faces, Faces):
        ids = explanation.ids
        if ids is not None and tuple(faces.ids) != ids and len(faces) == len(ids):
            raise InputError(
                f"Expected the faces that were explained, {ids[0]} first, got others, "
                f"{faces.ids[0]} first: hand in the same faces in the same order."
            )
    else:
        check_images(faces)
    if len(faces) != len(explanation):
        raise InputError(
            f"Expected as many faces as maps, got {len(faces)} faces and {len(explanation)} maps: "
            "hand in the faces that were explained."
        )
    if isinstance(faces, Faces):  # no others are read
        return faces[:n].pixels(explanation.maps.shape[-1]).float() / 255
    return faces[:n].detach().clamp(0, 1)


def _headline(explanation: Explanation, n: int, *, signed: bool) -> str:
    layer = explanation.params.get("layer")
    text = explanation.method + (f", layer {layer}" if layer else "")
    text += "; red speaks for the emotion, blue against it" if signed else ""
    return text + (f" (the first {n} of {len(explanation)} faces)" if n < len(explanation) else "")


def _title(explanation: Explanation, face: int) -> str:
    """The emotion that is explained, and what the model says of the face."""
    target = EMOTIONS[int(explanation.targets[face])]
    title = target
    if explanation.against is not None:
        title += f" against {EMOTIONS[int(explanation.against[face])]}"
    logits = explanation.logits
    if logits.ndim != 2 or logits.shape[1] != len(explanation.emotions) or not logits.numel():
        return title
    probability = logits[face].float().softmax(dim=0)
    predicted = int(probability.argmax())
    if target in explanation.emotions:
        title += f" {float(probability[explanation.emotions.index(target)]):.0%}"
    if explanation.emotions[predicted] == target:
        return f"{title}\nas predicted"
    named = explanation.emotions[predicted]
    return f"{title}\npredicted {named} {float(probability[predicted]):.0%}"


def _draw(axes: Any, image: Tensor, explanation: Explanation, face: int, *, signed: bool) -> None:
    """The map, or in words why there is none."""
    grey = image.mean(dim=0).cpu().numpy()
    cells = explanation.maps[face].detach().cpu().float().numpy()
    reason = ""
    if bool(explanation.undefined[face]):
        reason = "undefined map"
    elif bool(explanation.blank[face]):
        reason = "blank map"
    if reason:
        axes.imshow(grey, cmap="gray", vmin=-1, vmax=1.5)
        height, width = grey.shape
        axes.text(width / 2 - 0.5, height / 2 - 0.5, reason, ha="center", va="center", fontsize=8)
        return
    top = float(np.abs(cells).max())
    low = -top if signed else 0.0
    axes.imshow(cells, cmap=SIGNED if signed else UNSIGNED, vmin=low, vmax=top)
