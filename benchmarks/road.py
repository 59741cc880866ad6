"""ROAD of built-in faces, against pytorch-grad-cam and the bare passes it needs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor

from benchmarks.deletion import pictures
from benchmarks.report import Row, Section, Target
from benchmarks.timing import Seconds, Spread, alternate, ratio, timed_precisions
from fer_xai import FERModel, Predictor, load_model
from fer_xai.perturb.fills.imputation import linear_imputation
from metrics.core.pixel_order import rank_pixels
from metrics.core.score_cache import ScoreCache
from metrics.faithfulness.road import FRACTIONS, road_combined

SIZE = 64
N_FACES = 8
PASSES = 2 * len(FRACTIONS) + 1
FASTER = Target(bound=4, at_least=True)
OVERHEAD = Target(bound=1.3, at_least=False)
IMPUTATION = Target(bound=3, at_least=False, unit=" ms")


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive with the shipped weights."""
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"ROAD: GiMeFive trained on built-in faces of {SIZE}×{SIZE}, {N_FACES} faces, their own "
            f"emotion, nine fractions in both orders with noise: {PASSES} passes a face of ours, of "
            "pytorch-grad-cam's 36, which it makes with all faces in one batch. Maps are the order of "
            "Grad-CAM's pixels, since the peer's thresholds would take all pixels of a plateau at "
            "once. Scores differ by the noise of the imputation, which each draws itself.",
            "Tried and not timed: Quantus's ROAD (0.6) scores the first batch only, so that a face's "
            "value depends on the batch size; the authors' code is a script of its experiments.",
            "Bare passes: as many images in memory through Predictor's copy at the same batch size and "
            "precision. The imputation alone is of the same images, all at once, without noise.",
        ],
    )
    images, maps, targets = pictures(N_FACES)
    plain = load_model("gimefive", weights="synthetic")
    predictors = {
        name: Predictor(plain, device="cpu", precision=name) for name in timed_precisions()
    }
    contenders: dict[str, Callable[[], Tensor]] = {
        "pytorch-grad-cam": partial(
            _peer, copy.deepcopy(plain), images, maps, plain.columns(targets)
        )
    }
    for name, predictor in predictors.items():
        contenders[f"ours, {name}"] = partial(_ours, predictor, images, maps, targets)
        contenders[f"passes, {name}"] = partial(_passes, predictor, images)
    scores = {name: run() for name, run in contenders.items() if not name.startswith("passes")}
    seconds = alternate(contenders, rounds=rounds)
    for name in predictors:
        ours = f"ours, {name}"
        away = (scores[ours] - scores["pytorch-grad-cam"]).abs().max()
        section.rows.extend(
            [
                Row(
                    name=f"ROAD, {name}: pytorch-grad-cam / ours",
                    ours=_cell(seconds, ours),
                    peer=_cell(seconds, "pytorch-grad-cam"),
                    ratio=ratio(seconds, "pytorch-grad-cam", ours),
                    target=FASTER,
                    agreement=f"differ by {float(away):.0e}",
                ),
                Row(
                    name=f"ROAD, {name}: ours / {PASSES} bare passes",
                    ours=_cell(seconds, ours),
                    peer=_cell(seconds, f"passes, {name}"),
                    ratio=ratio(seconds, ours, f"passes, {name}"),
                    target=OVERHEAD if name == "fp32" else None,
                ),
            ]
        )
    section.seconds["ROAD"] = seconds
    section.settings["ROAD"] = {
        "faces": N_FACES,
        "batch_sizes": {
            name: predictor.batch_size_for(_asked()) for name, predictor in predictors.items()
        },
    }
    _measure_imputation(images, maps, section, rounds=rounds)
    return section


def _measure_imputation(images: Tensor, maps: Tensor, section: Section, *, rounds: int) -> None:
    limits = torch.tensor([round(fraction * SIZE**2) for fraction in FRACTIONS])
    ranks = rank_pixels(maps)[:, None]  # (B, 1, H, W)
    first = ranks < limits[:, None, None]
    last = ranks >= SIZE**2 - limits[:, None, None]
    gone = torch.cat([first, last], dim=1).flatten(0, 1)  # (18 B, H, W)
    copies = images.repeat_interleave(PASSES - 1, dim=0)
    contenders: dict[str, Callable[[], Tensor]] = {
        "ours": partial(linear_imputation, copies, gone),
        "pytorch-grad-cam": partial(_imputed, copies, gone),
    }
    away = (contenders["ours"]() - contenders["pytorch-grad-cam"]()).abs().max()
    seconds = alternate(contenders, rounds=rounds)
    per_image = {name: Spread.of(seconds[name]).median / len(copies) * 1e3 for name in contenders}
    section.rows.extend(
        [
            Row(
                name="Imputation of 18 images a face: pytorch-grad-cam / ours",
                ours=f"{per_image['ours']:.2f} ms/image",
                peer=f"{per_image['pytorch-grad-cam']:.2f} ms/image",
                ratio=ratio(seconds, "pytorch-grad-cam", "ours"),
                agreement=f"differ by {float(away):.0e}",
            ),
            Row(
                name=f"Imputation of an image of {SIZE}×{SIZE}",
                ours=f"{per_image['ours']:.2f} ms",
                value=per_image["ours"],
                target=IMPUTATION,
            ),
        ]
    )
    section.seconds["imputation"] = seconds


def _asked() -> int:
    """Images that a cache scores together: one order of all faces."""
    return N_FACES * len(FRACTIONS)


def _ours(predictor: Predictor, images: Tensor, maps: Tensor, targets: Tensor) -> Tensor:
    return road_combined(ScoreCache(predictor, images), images, maps, targets)


def _passes(predictor: Predictor, images: Tensor) -> Tensor:
    many = images.repeat(PASSES, 1, 1, 1)
    step = predictor.batch_size_for(_asked())
    return torch.cat(
        [predictor.run(predictor.to_device(many[i : i + step])) for i in range(0, len(many), step)]
    )


def _peer(model: FERModel, images: Tensor, maps: Tensor, columns: Tensor) -> Tensor:
    targets = [ClassifierOutputSoftmaxTarget(column) for column in columns.tolist()]
    return torch.from_numpy(ROADCombined()(images, maps.numpy(), targets, model))


def _imputed(images: Tensor, gone: Tensor) -> Tensor:
    imputer, kept = NoisyLinearImputer(noise=0), (~gone).float()
    return torch.stack([imputer(image, mask) for image, mask in zip(images, kept, strict=True)])


def _cell(seconds: Seconds, contender: str) -> str:
    return f"{Spread.of(seconds[contender]).median / N_FACES * 1e3:.0f} ms/face"
