"""Deletion and insertion against torch-cam and the bare passes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchcam.metrics import DeletionInsertionMetric

from benchmarks.report import Row, Section, Target
from benchmarks.timing import (
    Seconds,
    Spread,
    alternate,
    best_batch_size,
    ratio,
    timed_precisions,
)
from fer_xai import FERModel, Predictor, explain, load_model
from fer_xai.data.datasets.synthetic import synthetic_faces
from metrics.core.curve import Curve
from metrics.core.pixel_order import rank_pixels
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.deletion import deletion, insertion

SIZE, STEPS, N_FACES = 64, 64, 32
PASSES = 2 * (STEPS - 1) + 2
FEWER = 4
"""Bare passes are a rate: this part of them is timed."""
BOUNDS = {"fp32": (1.7, 1.4), "bf16": (3.4, 3.0)}
"""Of torch-cam's time at its default and at its best batch size over ours."""


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive with the shipped weights."""
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"Deletion and insertion: GiMeFive trained on built-in faces of {SIZE}×{SIZE}, {N_FACES} "
            f"faces, {STEPS} steps, black; the same maps (the order of Grad-CAM's pixels, so that no "
            f"ties are left to be broken), the same counts. {PASSES} passes a face of either. "
            "torch-cam is handed the maps by an extractor that makes none. Ours takes the batch size "
            "that Predictor measures to be best. bf16: Predictor's autocast. "
            "compiled: Predictor(compile=True), whose minute of compiling is not counted. Bare passes: "
            "images in memory through Predictor's copy, same batch size and mode, a quarter as many.",
            "Tried and not timed: Quantus (0.6) flips the channels of a pixel one after another and "
            "leaves the face as it is out of its curve, so that its curve is another one; Captum (0.9) "
            "has neither curve.",
        ],
    )
    images, maps, targets = pictures(N_FACES)
    plain = load_model("gimefive", weights="synthetic")
    _measure_curves(section, plain, images, maps, targets, rounds=rounds)
    return section


def pictures(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Built-in faces, the order of pixels in Grad-CAM's maps of them, and what they show.

    Maps are evenly spaced from 1 down to 0, so that no ties are left to be broken.
    """
    faces = synthetic_faces(n, size=SIZE)
    images = (faces.pixels(SIZE).float() / 255).contiguous()
    plain = load_model("gimefive", weights="synthetic")
    maps = explain(plain, images, method="gradcam", targets=faces.labels).maps
    ranks = rank_pixels(maps).float()
    return images, 1 - ranks / (SIZE**2 - 1), faces.labels


def _predictors(model: FERModel) -> dict[str, Predictor]:
    """One a mode; those that cannot be timed or compiled here are left out."""
    timed = timed_precisions()
    predictors = {name: Predictor(model, device="cpu", precision=name) for name in timed}
    for name in timed:
        predictor = Predictor(model, device="cpu", precision=name, compile=True)
        if predictor.compiled is not None:
            predictors[f"{name}, compiled"] = predictor
    return predictors


def _measure_curves(
    section: Section,
    model: FERModel,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    rounds: int,
) -> None:
    peer = copy.deepcopy(model)
    theirs = partial(_torchcam, peer, images, maps, model.columns(targets).tolist())
    best = best_batch_size(
        lambda size: _torchcam(
            peer, images[:4], maps[:4], model.columns(targets[:4]).tolist(), batch_size=size
        )
    )
    contenders: dict[str, Callable[[], Any]] = {
        "torch-cam": partial(theirs, batch_size=32),
        "torch-cam at its best": partial(theirs, batch_size=best),
    }
    predictors = _predictors(model)
    for name, predictor in predictors.items():
        contenders[name] = partial(_ours, predictor, images, maps, targets)
        contenders[f"passes, {name}"] = partial(passes, predictor, images, PASSES // FEWER)
    peer_curves = _torchcam(peer, images, maps, model.columns(targets).tolist())
    found = {name: contenders[name]() for name in predictors}
    seconds = alternate(contenders, rounds=rounds)
    for name in predictors:
        seconds[f"passes, {name}"] = [FEWER * spent for spent in seconds[f"passes, {name}"]]
    for name in predictors:
        wanted = BOUNDS[name.partition(",")[0]]
        for label, peer_name, place in (
            ("torch-cam", "torch-cam", 0),
            (f"torch-cam at its best batch size ({best})", "torch-cam at its best", 1),
        ):
            section.rows.append(
                Row(
                    name=f"Deletion + insertion, {name}: {label} / ours",
                    ours=cell(seconds, name),
                    peer=cell(seconds, peer_name),
                    ratio=ratio(seconds, peer_name, name),
                    target=Target(bound=wanted[place], at_least=True),
                    agreement=_agreement(found[name], peer_curves),
                )
            )
        section.rows.append(
            Row(
                name=f"Deletion + insertion, {name}: {PASSES} bare passes / ours",
                ours=cell(seconds, name),
                peer=cell(seconds, f"passes, {name}"),
                ratio=ratio(seconds, f"passes, {name}", name),
                target=Target(bound=0.9, at_least=True),
            )
        )
    if "bf16" not in predictors:
        half = Predictor(model, device="cpu", precision="bf16", batch_size=16)
        away = _agreement(_ours(half, images, maps, targets), peer_curves)
        section.rows.append(
            Row(
                name="Deletion + insertion, bf16: torch-cam / ours",
                ours="not timed: this CPU emulates bf16",
                agreement=away,
            )
        )
    section.seconds["deletion and insertion"] = seconds
    section.settings["deletion and insertion"] = {
        "torch-cam's best batch size": best,
        "batch sizes": {name: predictor.batch_size for name, predictor in predictors.items()},
    }


def _agreement(ours: Sequence[Curve], theirs: Sequence[Tensor]) -> str:
    pairs = list(zip(ours, theirs, strict=True))
    curves = max(float((one.scores - other).abs().max()) for one, other in pairs)
    areas = max(
        float((one.auc - torch.trapezoid(other, one.fractions, dim=1)).abs().max())
        for one, other in pairs
    )
    return f"curves {curves:.0e}, areas {areas:.0e}"


class _Maps:
    """What torch-cam takes for an extractor: maps that are there."""

    def __init__(self, model: FERModel, maps: Tensor) -> None:
        self.model, self.maps = model, maps

    def __call__(self, *args: Any, **options: Any) -> list[Tensor]:
        return [self.maps]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        return cams[0]

    @contextmanager
    def _hooks_off(self) -> Iterator[None]:
        yield


class _Recorded(DeletionInsertionMetric):
    """torch-cam's metric, which keeps its curves."""

    def _compute_curves(self, *args: Any, **options: Any) -> Any:
        found = super()._compute_curves(*args, **options)
        self.curves = found[1:]
        return found


def _torchcam(
    model: FERModel, images: Tensor, maps: Tensor, columns: list[int], *, batch_size: int = 32
) -> tuple[Tensor, Tensor]:
    metric = _Recorded(
        _Maps(model, maps), partial(torch.softmax, dim=-1), steps=STEPS, batch_size=batch_size
    )
    with torch.no_grad():
        metric.update(images, columns)
    return metric.curves


def _ours(
    predictor: Predictor, images: Tensor, maps: Tensor, targets: Tensor
) -> tuple[Curve, Curve]:
    cache = ScoreCache(predictor, images)
    return (
        deletion(cache, images, maps, targets, steps=STEPS, fill="black"),
        insertion(cache, images, maps, targets, steps=STEPS, fill="black"),
    )


def passes(predictor: Predictor, images: Tensor, each: int) -> int:
    """Bare passes of images that are there."""
    size = predictor.batch_size
    batch = predictor.to_device(images.repeat(-(-size // len(images)), 1, 1, 1)[:size])
    total = len(images) * each
    for _ in range(-(-total // size)):
        predictor.run(batch)
    return total


def cell(seconds: Seconds, name: str, faces: int = N_FACES) -> str:
    return f"{Spread.of(seconds[name]).median / faces:.3f} s/face"
