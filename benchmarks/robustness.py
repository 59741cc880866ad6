"""Sensitivity of built-in faces' maps, against Captum's metric over Captum's attribution."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from captum import attr as captum
from captum.metrics import sensitivity_max
from torch import Tensor

from benchmarks.report import Row, Section, Target
from benchmarks.timing import Spread, alternate, best_batch_size, ratio
from fer_xai import FERModel, Predictor, load_model
from fer_xai.attributions import ATTRIBUTIONS, Attribution, attribute, upsample
from fer_xai.attributions.perturbation import Occlusion
from fer_xai.data.datasets.synthetic import synthetic_faces
from metrics.robustness import Stability, stability

Attribute = Callable[..., tuple[Tensor]]
"""From images and ``target`` to a tuple of maps ``(B, H, W)``, as Captum's metric takes it."""
SIZE = 64
SAMPLES = 10
TOGETHER = 8
"""Faces a call of Captum's metric."""
WINDOW = 16
TARGET = Target(bound=1.5, at_least=True)


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive with the shipped weights."""
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"Sensitivity: GiMeFive trained on built-in faces of {SIZE}×{SIZE}, the predicted emotion, "
            f"{SAMPLES} perturbed copies a face; the map of the face itself is made by everyone. "
            f"Captum's sensitivity_max takes {TOGETHER} faces a call and Captum's attribution of the "
            "plain model, with as many copies at once (8, 16, 32, 64; passes, for occlusion) as suit "
            "it best. Ours makes the maps on Predictor's copy, at the batch size that Predictor chooses, and "
            "gives the mean and the Lipschitz estimate from the same maps. Agreement is on the same "
            f"perturbed images. Occlusion by windows of {WINDOW} pixels, side by side. Convolutions, "
            "alike for both, are nine tenths of a pass, forwards or backwards, and bound what can be "
            "gained.",
        ],
    )
    plain = load_model("gimefive", weights="synthetic")
    predictor = Predictor(plain, device="cpu")
    for name, method, theirs, n in (
        ("saliency", ATTRIBUTIONS["saliency"], _saliency, 16),
        ("Grad-CAM", ATTRIBUTIONS["gradcam"], _gradcam, 16),
        (
            "occlusion",
            Occlusion(fill="black", window=WINDOW / SIZE, stride=WINDOW / SIZE),
            _occlusion,
            2,
        ),
    ):
        images = (synthetic_faces(n, size=SIZE).pixels(SIZE).float() / 255).contiguous()
        columns = predictor.logits(images).argmax(dim=1)
        peer = partial(_captum, partial(theirs, plain), images, columns)
        size = best_batch_size(peer)
        contenders: dict[str, Callable[[], object]] = {
            "ours": partial(_ours, predictor, method, images, columns),
            "Captum": partial(peer, size),
        }
        seconds = alternate(contenders, rounds=rounds)
        section.rows.append(
            Row(
                name=f"Sensitivity-max of {name}: Captum / ours",
                ours=_cell(seconds["ours"], n, predictor.batch_size_for(n * SAMPLES)),
                peer=_cell(seconds["Captum"], n, size),
                ratio=ratio(seconds, "Captum", "ours"),
                target=TARGET,
                agreement=_agreement(predictor, method, theirs(plain, size), images, columns),
            )
        )
        section.seconds[f"sensitivity of {name}"] = seconds
        section.settings[f"sensitivity of {name}"] = {"faces": n, "batch_size of Captum": size}
    return section


def _ours(
    predictor: Predictor,
    method: Attribution,
    images: Tensor,
    columns: Tensor,
    seen: list[Tensor] | None = None,
) -> Stability:
    """Maps and their stability; ``seen`` gets the perturbed images."""

    def explain(_: Any, faces: Tensor, targets: Tensor, ids: Sequence[str]) -> Tensor:
        if seen is not None:
            seen.append(faces.clone())
        asked = predictor.model.columns(targets)[:, None]
        cells = attribute(predictor, faces, asked, method=method, ids=ids).cells
        return upsample(cells, size=(SIZE, SIZE))[:, 0]

    targets, ids = predictor.model.canonical(columns), [str(face) for face in range(len(images))]
    maps = explain(None, images, targets, ids)
    return stability(predictor, images, maps, targets, explain, samples=SAMPLES)


def _captum(make: Callable[[int], Attribute], images: Tensor, columns: Tensor, size: int) -> Tensor:
    parts = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in range(0, len(images), TOGETHER):
            faces = slice(start, start + TOGETHER)
            parts.append(
                sensitivity_max(
                    make(size),
                    images[faces],
                    n_perturb_samples=SAMPLES,
                    target=columns[faces],
                    max_examples_per_batch=max(size, len(images[faces])),
                )
            )
    return torch.cat(parts)


def _saliency(model: FERModel, _: int) -> Attribute:
    method = captum.Saliency(model)

    def run(inputs: Any, target: Tensor) -> tuple[Tensor]:
        return (method.attribute(_one(inputs), target=target, abs=False).sum(dim=1),)

    return run


def _gradcam(model: FERModel, _: int) -> Attribute:
    assert model.cam_layer is not None
    method = captum.LayerGradCam(model, model.layer(model.cam_layer))

    def run(inputs: Any, target: Tensor) -> tuple[Tensor]:
        cells = method.attribute(_one(inputs), target=target, relu_attributions=True)
        return (upsample(cells.detach(), size=(SIZE, SIZE))[:, 0],)

    return run


def _occlusion(model: FERModel, size: int) -> Attribute:
    """``size`` passes at once, as far as Captum can: windows, for all copies of a call."""
    method = captum.Occlusion(model)
    window = (3, WINDOW, WINDOW)

    def run(inputs: Any, target: Tensor) -> tuple[Tensor]:
        images = _one(inputs)
        found = method.attribute(
            images,
            target=target,
            sliding_window_shapes=window,
            strides=window,
            perturbations_per_eval=max(size // len(images), 1),
        )
        return (found[:, 0],)

    return run


def _one(inputs: Any) -> Tensor:
    """Captum's metric hands its first images over in a tuple, the others bare."""
    images: Tensor = inputs[0] if isinstance(inputs, tuple) else inputs
    return images


def _agreement(
    predictor: Predictor, method: Attribution, theirs: Attribute, images: Tensor, columns: Tensor
) -> str:
    """The largest relative difference on the same perturbed images."""
    seen: list[Tensor] = []
    few = slice(0, TOGETHER)
    ours = _ours(predictor, method, images[few], columns[few], seen).max
    copies = torch.cat(seen[1:]).contiguous()  # the first are the faces as they are
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = sensitivity_max(
            theirs, images[few], lambda _: copies, n_perturb_samples=SAMPLES, target=columns[few]
        )
    return f"differ by {float(((ours - peer) / peer).abs().max()):.0e}"


def _cell(seconds: list[float], faces: int, batch_size: int) -> str:
    return f"{Spread.of(seconds).median / faces * 1e3:.0f} ms/face (batch {batch_size})"
