"""Every attribution on a built-in face an emotion: ``python -m studies.scoreboard.gallery``."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from fer_xai import load_model
from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.command import check_folder, run_command
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.emotions import SIX
from fer_xai.files import write_bytes
from fer_xai.inference.predictor import Predictor
from fer_xai.types import Faces
from studies.engine.explained import Explained
from studies.reporting.page import png
from studies.reporting.style import style

FAMILIES: dict[str, tuple[str, ...]] = {
    "cam": (
        "gradcam",
        "gradcam_signed",
        "gradcam_paper",
        "gradcam++",
        "hirescam",
        "layercam",
        "layercam_fused",
        "xgradcam",
        "eigencam",
        "scorecam",
        "ablationcam",
    ),
    "gradient": (
        "saliency",
        "input_x_gradient",
        "integrated_gradients",
        "integrated_gradients_blur",
        "smoothgrad",
        "vargrad",
        "gradient_shap",
        "guided_backprop",
        "deconvolution",
        "guided_gradcam",
        "deeplift",
        "deeplift_shap",
        "lrp",
    ),
    "perturbation": (
        "occlusion",
        "rise",
        "lime",
        "kernel_shap",
        "extremal_perturbation",
        "region_ablation",
        "region_shapley",
    ),
    "controls": tuple(CONTROLS),
}
"""Methods on each sheet. Attention methods need a transformer, of which none is shipped."""
SIZE = 64
_CANDIDATES = 120


def sheet(family: str, *, model: str = "gimefive", weights: str = "synthetic") -> Figure:
    """Methods of a family by row, one rightly named face an emotion by column, or two where maps
    of other faces are taken.

    Signed maps: red speaks for the face's emotion and blue against it, and the face is bare where
    the map is near zero; others: brighter is more. Each map is scaled by its own largest value.
    """
    predictor = Predictor(load_model(model, weights=weights), device="cpu")
    faces = _of_each_emotion(predictor, 2 if family == "controls" else 1)
    explained = Explained(predictor, faces, rule="true", size=SIZE)
    images = explained.images()
    style()
    names = FAMILIES[family]
    fig, axes = plt.subplots(
        len(names) + 1,
        len(faces),
        figsize=(1.15 * len(faces) + 1.5, 1.15 * (len(names) + 1)),
        squeeze=False,
    )
    grey = images.mean(dim=1).numpy()
    for column, (axis, emotion) in enumerate(zip(axes[0], faces.table["emotion"], strict=True)):
        axis.imshow(images[column].permute(1, 2, 0).numpy())
        axis.set_title(emotion, fontsize=10)
    for row, name in enumerate(names, start=1):
        found = explained.control(name) if name in CONTROLS else explained.explanation(name)
        signed = (
            not ATTRIBUTIONS[name].nonnegative
            if name in ATTRIBUTIONS
            else bool((found.maps < 0).any())
        )
        for axis, picture, one in zip(axes[row], grey, found.maps, strict=True):
            _draw(axis, picture, one, signed=signed)
        axes[row, 0].set_ylabel(
            name.replace("_", "\n", 1).replace("_", " "),
            fontsize=9,
            rotation=0,
            ha="right",
            va="center",
        )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    fig.tight_layout(pad=0.3)
    return fig


def _of_each_emotion(predictor: Predictor, count: int) -> Faces:
    """The first faces of each emotion that the model names rightly, or the first at all."""
    faces = synthetic_faces(_CANDIDATES, size=SIZE)
    right = (Explained(predictor, faces, size=SIZE).predicted == faces.labels).numpy()
    chosen: list[int] = []
    for emotion in SIX:
        own = (faces.table["emotion"] == emotion).to_numpy()
        chosen += [*np.flatnonzero(own & right), *np.flatnonzero(own & ~right)][:count]
    return faces.subset(chosen)


def _draw(axis: Axes, picture: np.ndarray, one: Tensor, *, signed: bool) -> None:
    """A map over its face in grey."""
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
    size = one.abs()
    # single pixels of a gradient would hide all others
    top = float(torch.quantile(size, 0.995)) or float(size.max())
    scaled = (one / top if top > 0 else one).clamp(-1, 1).numpy()
    if signed:
        axis.imshow(scaled, cmap="RdBu_r", vmin=-1, vmax=1, alpha=0.25 + 0.65 * np.abs(scaled))
    else:
        axis.imshow(scaled, cmap="magma", vmin=0, vmax=1, alpha=0.6)


def _small(figure: Figure) -> bytes:
    """PNG of few colours: a page shows many of them."""
    picture = Image.open(io.BytesIO(png(figure, dpi=80))).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(160, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheets into a folder; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) != 1:
        sys.stderr.write("usage: python -m studies.scoreboard.gallery FOLDER\n")
        return 2
    folder = Path(words[0])

    def write() -> None:
        check_folder(folder, option="FOLDER")
        for family in FAMILIES:
            write_bytes(folder / f"attributions_{family}.png", _small(sheet(family)))

    return run_command("studies.scoreboard.gallery", write)


if __name__ == "__main__":
    sys.exit(main())
