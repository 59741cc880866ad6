"""Grad-CAM of built-in faces, against Captum, pytorch-grad-cam and torchcam."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from captum.attr import LayerAttribution, LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor
from torchcam.methods import GradCAM as TorchCam

from benchmarks.report import Row, Section, Target
from benchmarks.timing import Seconds, Spread, alternate, best_batch_size, ratio
from fer_xai import FERModel, Predictor, load_model
from fer_xai.attributions import native_maps, upsample
from fer_xai.data.datasets.synthetic import synthetic_faces

Maps = Callable[[Tensor, Tensor], Tensor]
"""From images ``(B, 3, H, W)`` and columns ``(B,)`` to maps ``(B, H, W)`` at image resolution."""

SIZE = 64
N_FACES = 128
N_SEARCH = 64  # faces for the search of the batch size
TARGETS: dict[str, Target | None] = {
    "Captum": Target(bound=1.1, at_least=True),
    "pytorch-grad-cam": Target(bound=2.3, at_least=True),
    "torchcam": None,
}
ALL_TARGETS = Target(bound=1.6, at_least=False)


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive and ResNet18."""
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"Grad-CAM: {N_FACES} built-in faces of {SIZE}×{SIZE}, untrained networks, one target a "
            "face (the predicted one, handed to everyone), maps brought to image resolution "
            "(pytorch-grad-cam does so itself, by cv2). Captum, pytorch-grad-cam, torchcam and the "
            "bare forward pass run the plain model, each at the batch size of "
            "8, 16, 32, 64 that suits it best; ours at the one that Predictor chooses.",
            "Ours calls Captum on Predictor's copy of the model: what it gains over Captum comes from that "
            "copy (BatchNorm folded, channels last in memory) and from a trunk without a graph.",
            "Agreement: Pearson's r of a face's two maps at image resolution, the lowest of all faces; "
            "pytorch-grad-cam and torchcam scale each map to [0, 1], which r does not see.",
        ],
    )
    faces = synthetic_faces(N_FACES, size=SIZE).pixels(SIZE)
    images = (faces.float() / 255).contiguous()  # (N, 3, SIZE, SIZE)
    for name in ("gimefive", "resnet18"):
        _measure_model(name, images, section, rounds=rounds)
    return section


def _measure_model(name: str, images: Tensor, section: Section, *, rounds: int) -> None:
    plain = load_model(name)
    started = time.perf_counter()
    predictor = Predictor(plain, device="cpu")
    own_size = predictor.batch_size  # measured on first use
    prepared = time.perf_counter() - started
    columns = predictor.logits(images).argmax(dim=1)  # (N,)
    every = torch.arange(len(predictor.emotions)).expand(len(images), -1)  # (N, K)

    # A copy each, since some peers leave their hooks on the model.
    peers: dict[str, Maps] = {
        "Captum": _captum(copy.deepcopy(plain)),
        "pytorch-grad-cam": _pytorch_grad_cam(copy.deepcopy(plain)),
        "torchcam": _torchcam(copy.deepcopy(plain)),
        "forward": _forward(copy.deepcopy(plain)),
    }
    sizes = {
        peer: best_batch_size(partial(_in_batches, run, images[:N_SEARCH], columns[:N_SEARCH]))
        for peer, run in peers.items()
    }
    contenders: dict[str, Callable[[], Tensor]] = {
        "ours": partial(_ours, predictor, images, columns[:, None]),
        "ours, all targets": partial(_ours, predictor, images, every),
        **{
            peer: partial(_in_batches, run, images, columns, sizes[peer])
            for peer, run in peers.items()
        },
    }
    maps = {peer: contenders[peer]() for peer in ("ours", *TARGETS)}
    seconds = alternate(contenders, rounds=rounds)
    ours = _cell(seconds, "ours", own_size)
    for peer, target in TARGETS.items():
        section.rows.append(
            Row(
                name=f"Grad-CAM, {name}: {peer} / ours",
                ours=ours,
                peer=_cell(seconds, peer, sizes[peer]),
                ratio=ratio(seconds, peer, "ours"),
                target=target,
                agreement=agreement(maps["ours"][:, 0], maps[peer]),
            )
        )
    section.rows.append(
        Row(
            name=f"Grad-CAM, {name}: ours / bare forward pass of the plain model (the floor)",
            ours=ours,
            peer=_cell(seconds, "forward", sizes["forward"]),
            ratio=ratio(seconds, "ours", "forward"),
        )
    )
    section.rows.append(
        Row(
            name=f"Grad-CAM, {name}: ours, all {every.shape[1]} targets / one",
            ours=_cell(seconds, "ours, all targets", own_size),
            peer=ours,
            ratio=ratio(seconds, "ours, all targets", "ours"),
            target=ALL_TARGETS,
            agreement=agreement(
                contenders["ours, all targets"]()[torch.arange(len(images)), columns],
                maps["ours"][:, 0],
            ),
        )
    )
    section.seconds[name] = seconds
    section.settings[name] = {
        "faces": len(images),
        "layer": plain.cam_layer,
        "batch_sizes": {"ours": own_size, **sizes},
        "seconds_to_prepare_predictor": prepared,
    }
    section.notes.append(
        f"Preparing {name}'s Predictor (copy, folding, choice of batch size) took {prepared:.1f} s, "
        "once a model; it is not in the rows."
    )


def _ours(predictor: Predictor, images: Tensor, columns: Tensor) -> Tensor:
    """Maps ``(N, K, H, W)``, as :func:`fer_xai.explain` makes them."""
    return upsample(native_maps(predictor, images, columns, method="gradcam"), size=(SIZE, SIZE))


def _captum(model: FERModel) -> Maps:
    method = LayerGradCam(model, _layer(model))

    def run(images: Tensor, columns: Tensor) -> Tensor:
        cells = method.attribute(images, target=columns, relu_attributions=True)  # (B, 1, h, w)
        maps: Tensor = LayerAttribution.interpolate(cells, (SIZE, SIZE), "bilinear")
        return maps[:, 0].detach()

    return run


def _pytorch_grad_cam(model: FERModel) -> Maps:
    method = GradCAM(model=model, target_layers=[_layer(model)])

    def run(images: Tensor, columns: Tensor) -> Tensor:
        targets = [ClassifierOutputTarget(column) for column in columns.tolist()]
        return torch.from_numpy(method(input_tensor=images, targets=targets))

    return run


def _torchcam(model: FERModel) -> Maps:
    method = TorchCam(model, target_layer=_layer(model))

    def run(images: Tensor, columns: Tensor) -> Tensor:
        scores = model(images)
        cells = method(class_idx=columns.tolist(), scores=scores)[0]  # (B, h, w)
        return upsample(cells[:, None], size=(SIZE, SIZE))[:, 0]

    return run


def _forward(model: FERModel) -> Maps:
    @torch.inference_mode()
    def run(images: Tensor, _: Tensor) -> Tensor:
        return model(images)

    return run


def _layer(model: FERModel) -> Any:
    assert model.cam_layer is not None
    return model.layer(model.cam_layer)


def _in_batches(run: Maps, images: Tensor, columns: Tensor, size: int) -> Tensor:
    return torch.cat(
        [run(images[i : i + size], columns[i : i + size]) for i in range(0, len(images), size)]
    )


def _cell(seconds: Seconds, contender: str, batch_size: int) -> str:
    middle = Spread.of(seconds[contender]).median
    return f"{middle / N_FACES * 1e3:.2f} ms/face (batch {batch_size})"


def agreement(first: Tensor, second: Tensor) -> str:
    """The lowest Pearson correlation of a face's two maps ``(N, H, W)``, and how many are blank."""
    a, b = (maps.flatten(1).double() for maps in (first, second))
    blank_a, blank_b = (rows.amax(dim=1) == rows.amin(dim=1) for rows in (a, b))
    a, b = (rows - rows.mean(dim=1, keepdim=True) for rows in (a, b))
    r = torch.nn.functional.cosine_similarity(a, b, dim=1, eps=1e-300)[~(blank_a | blank_b)]
    lowest = f"{float(r.min()):.7f}" if len(r) else "undefined"
    odd = int((blank_a ^ blank_b).sum())
    blank = int((blank_a & blank_b).sum())
    return (
        f"lowest r {lowest} of {len(r)} faces"
        + (f", {blank} blank in both" if blank else "")
        + (f", {odd} blank in one" if odd else "")
    )
