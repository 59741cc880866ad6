"""Deletion, insertion, infidelity and many metrics at once, against peers and the bare passes."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from captum.metrics import infidelity as captum_infidelity
from torch import Tensor
from torchcam.metrics import DeletionInsertionMetric

from benchmarks.report import Row, Section, Target
from benchmarks.timing import Seconds, Spread, alternate, best_batch_size, ratio
from fer_xai import FERModel, Probe, explain, load_model
from fer_xai.data.synthetic.dataset import synthetic_faces
from fer_xai.landmarks import face_regions
from metrics.curves import Curve, deletion, insertion
from metrics.evaluation import evaluate
from metrics.ledger import Ledger
from metrics.subsets import infidelity

SIZE, STEPS = 64, 64
N_FACES, FEW = 32, 4
SAMPLES = 64
PASSES = 2 * (STEPS - 1) + 2
METHODS = (
    "gradcam", "gradcam++", "layercam", "hirescam", "eigencam", "saliency", "input_x_gradient",
    "guided_backprop", "deconvolution", "lrp",
)  # fmt: skip
METRICS = (
    "deletion", "insertion", "road", "comprehensiveness", "average_drop", "infidelity_scaled",
    "mu_fidelity", "sensitivity_n", "naopc", "gini",
)  # fmt: skip
ALL = ("fp32", "bf16")


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive with the shipped weights."""
    section = Section(rows=[], seconds={}, notes=[
        f"Deletion and insertion: GiMeFive trained on built-in faces of {SIZE}×{SIZE}, {N_FACES} "
        f"faces, {STEPS} steps, black; the same maps (Grad-CAM's, with a thousandth of noise so "
        f"that no ties are left to be broken), the same counts. {PASSES} passes a face of either. "
        "torch-cam is handed the maps by an extractor that makes none. bf16: Probe's autocast. "
        "compiled: Probe(compile=True), whose minute of compiling is not counted.",
        "Bare passes: as many images in memory through Probe's copy, same batch size and mode.",
        f"Infidelity: {SAMPLES} changes of each face, the same ones; drawing them is counted for "
        "both.",
        f"Everything: {len(METRICS)} metrics ({', '.join(METRICS)}) of {len(METHODS)} methods' "
        f"maps, {FEW} faces; the bare passes are those that a hook counted. A face needs "
        "1 + f + Σ shared + m · Σ own passes: f fills, what methods share (changes, subsets, "
        "coalitions), and m methods with their own curves.",
    ])  # fmt: skip
    faces = synthetic_faces(N_FACES, size=SIZE)
    images = (faces.pixels(SIZE).float() / 255).contiguous()
    plain = load_model("gimefive", weights="synthetic")
    maps = explain(plain, images, method="gradcam", targets=faces.labels).maps
    noise = torch.rand(maps.shape, generator=torch.Generator().manual_seed(0))
    maps = maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12) + 1e-3 * noise
    _measure_curves(section, plain, images, maps, faces.labels, rounds=rounds)
    _measure_infidelity(section, plain, images[:8], maps[:8], faces.labels[:8], rounds=rounds)
    few = faces.subset(range(FEW))
    _measure_everything(section, plain, few, rounds=rounds)
    return section


def _probes(model: FERModel) -> dict[str, Probe]:
    """One a mode; those that cannot be compiled here are left out."""
    probes = {name: Probe(model, device="cpu", precision=name, batch_size=16) for name in ALL}
    for name in ALL:
        probe = Probe(model, device="cpu", precision=name, batch_size=16, compile=True)
        if probe.compiled is not None:
            probes[f"{name}, compiled"] = probe
    return probes


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
    probes = _probes(model)
    for name, probe in probes.items():
        contenders[name] = partial(_ours, probe, images, maps, targets)
        contenders[f"passes, {name}"] = partial(_passes, probe, images, PASSES)
    peer_curves = _torchcam(peer, images, maps, model.columns(targets).tolist())
    found = {name: contenders[name]() for name in probes}
    seconds = alternate(contenders, rounds=rounds)
    bounds = {"fp32": (1.7, 1.4), "bf16": (3.4, 3.0)}
    for name in probes:
        curves = [
            float((one.scores - other).abs().max())
            for one, other in zip(found[name], peer_curves, strict=True)
        ]
        areas = [
            float((one.auc - torch.trapezoid(other, one.fractions, dim=1)).abs().max())
            for one, other in zip(found[name], peer_curves, strict=True)
        ]
        wanted = bounds.get(name.partition(",")[0])
        for label, peer_name, place in (
            ("torch-cam", "torch-cam", 0),
            (f"torch-cam at its best batch size ({best})", "torch-cam at its best", 1),
        ):
            section.rows.append(
                Row(
                    name=f"Deletion + insertion, {name}: {label} / ours",
                    ours=_cell(seconds, name),
                    peer=_cell(seconds, peer_name),
                    ratio=ratio(seconds, peer_name, name),
                    target=Target(bound=wanted[place], at_least=True) if wanted else None,
                    agreement=f"curves {max(curves):.0e}, areas {max(areas):.0e}",
                )
            )
        section.rows.append(
            Row(
                name=f"Deletion + insertion, {name}: {PASSES} bare passes / ours",
                ours=_cell(seconds, name),
                peer=_cell(seconds, f"passes, {name}"),
                ratio=ratio(seconds, f"passes, {name}", name),
                target=Target(bound=0.9, at_least=True),
            )
        )
    section.seconds["deletion and insertion"] = seconds
    section.settings["deletion and insertion"] = {"torch-cam's best batch size": best}


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


def _ours(probe: Probe, images: Tensor, maps: Tensor, targets: Tensor) -> tuple[Curve, Curve]:
    ledger = Ledger(probe, images)
    return (
        deletion(ledger, images, maps, targets, steps=STEPS, fill="black"),
        insertion(ledger, images, maps, targets, steps=STEPS, fill="black"),
    )


def _passes(probe: Probe, images: Tensor, each: int) -> int:
    """Bare passes of images that are there."""
    batch = probe.to_device(images[:16] if len(images) >= 16 else images.repeat(16, 1, 1, 1)[:16])
    total = len(images) * each
    for _ in range(-(-total // 16)):
        probe.run(batch)
    return total


def _measure_infidelity(
    section: Section,
    model: FERModel,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    rounds: int,
) -> None:
    probe = Probe(model, device="cpu", batch_size=16)
    peer = copy.deepcopy(model)
    small = maps * 0.01

    def theirs(size: int) -> Tensor:
        ledger = Ledger(probe, images)

        def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
            each = len(inputs) // len(images)
            draws = torch.stack([
                0.2 * torch.randn(each, SIZE, SIZE, generator=ledger.generator(face, "infidelity"))
                for face in range(len(images))
            ])  # fmt: skip
            changes = draws.flatten(0, 1)[:, None].expand_as(inputs)
            return changes, inputs - changes

        with torch.no_grad():
            return captum_infidelity(
                peer, perturb, images, small[:, None].expand(-1, 3, -1, -1) / 3,
                target=model.columns(targets), n_perturb_samples=SAMPLES,
                max_examples_per_batch=size * len(images),
            )  # fmt: skip

    def ours() -> Tensor:
        return infidelity(Ledger(probe, images), images, small, targets, samples=SAMPLES)

    # equal only if all changes are drawn in one call: compare there, time at its best
    away = float(((ours() - theirs(SAMPLES)).abs() / ours().abs().clamp(min=1e-9)).max())
    best = best_batch_size(lambda size: theirs(max(1, size // len(images))))
    seconds = alternate(
        {
            "ours": ours,
            "captum": lambda: theirs(max(1, best // len(images))),
            "passes": partial(_passes, probe, images, SAMPLES + 1),
        },
        rounds=rounds,
    )
    section.rows += [
        Row(
            name=f"Infidelity: Captum at its best batch size ({best}) / ours",
            ours=_cell(seconds, "ours", len(images)),
            peer=_cell(seconds, "captum", len(images)),
            ratio=ratio(seconds, "captum", "ours"),
            target=Target(bound=1.5, at_least=True),
            agreement=f"differ by {away:.0e} of the value",
        ),
        Row(
            name=f"Infidelity: ours / {SAMPLES + 1} bare passes",
            ours=_cell(seconds, "ours", len(images)),
            peer=_cell(seconds, "passes", len(images)),
            ratio=ratio(seconds, "ours", "passes"),
        ),
    ]
    section.seconds["infidelity"] = seconds


def _measure_everything(section: Section, model: FERModel, faces: Any, *, rounds: int) -> None:
    probe = Probe(model, device="cpu", batch_size=16)
    regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
    made = {name: explain(probe, faces, method=name, targets=faces.labels) for name in METHODS}
    run = partial(evaluate, probe, faces, made, METRICS, regions=regions)
    counted: list[int] = []
    handle = probe.fastest.net.register_forward_hook(
        lambda net, inputs, output: counted.append(len(output))
    )
    run()
    handle.remove()
    passes = sum(counted)
    seconds = alternate(
        {"ours": run, "passes": partial(_passes, probe, faces.images[:1], passes)}, rounds=rounds
    )
    section.rows.append(
        Row(
            name=f"{len(METRICS)} metrics × {len(METHODS)} methods: ours / the "
            f"{passes // len(faces)} passes a face that a hook counted",
            ours=_cell(seconds, "ours", len(faces)),
            peer=_cell(seconds, "passes", len(faces)),
            ratio=ratio(seconds, "ours", "passes"),
            target=Target(bound=1.2, at_least=False),
        )
    )
    half = Probe(model, device="cpu", precision="bf16", batch_size=16)
    key = ["id", "method", "metric"]
    moved = run().merge(
        evaluate(half, faces, made, METRICS, regions=regions), on=key, suffixes=("", " bf16")
    )
    moved["by"] = (moved["value"] - moved["value bf16"]).abs()
    largest = moved.groupby("metric", sort=False)["by"].agg(["mean", "max"])
    section.notes.append(
        "bf16 passes move values of a face by (mean, largest): "
        + ", ".join(
            f"{name} {row['mean']:.0e}, {row['max']:.0e}" for name, row in largest.iterrows()
        )
        + "."
    )
    memory = {n: _peak_memory(n) for n in (64, 256)}
    section.rows.append(
        Row(
            name="Peak memory of evaluate on 256 faces / on 64",
            ours=f"{memory[256] / 2**20:.0f} MiB",
            peer=f"{memory[64] / 2**20:.0f} MiB",
            value=memory[256] / memory[64],
            target=Target(bound=1.1, at_least=False),
        )
    )
    section.seconds["everything"] = seconds
    section.settings["everything"] = {"faces": len(faces), "passes": passes}


_MEASURED = """
import resource, sys, torch, fer_xai
from fer_xai import Probe
from fer_xai.types import Explanation
from metrics.evaluation import evaluate
n = int(sys.argv[1])
images = torch.rand(n, 3, 64, 64)
probe = Probe(fer_xai.load_model("gimefive", weights="synthetic"), device="cpu", batch_size=16)
made = Explanation(maps=torch.rand(n, 64, 64), targets=torch.zeros(n, dtype=torch.int64),
                   logits=torch.zeros(n, 6), emotions=probe.emotions, method="m", params={})
evaluate(probe, images, {"m": made}, ["comprehensiveness", "average_drop", "road"])
held = images.nelement() * 4 + made.maps.nelement() * 4
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held)
"""


def _peak_memory(n: int) -> int:
    """Bytes that a process needs to evaluate n faces, their own pixels and maps apart."""
    found = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(n)], capture_output=True, text=True, check=True
    )
    return int(found.stdout.split()[-1])


def _cell(seconds: Seconds, name: str, faces: int = N_FACES) -> str:
    return f"{Spread.of(seconds[name]).median / faces:.3f} s/face"
