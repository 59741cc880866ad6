"""Infidelity against Captum, and many metrics at once against the passes they need."""

from __future__ import annotations

import copy
import subprocess
import sys
from functools import partial
from typing import Any

import torch
from captum.metrics import infidelity as captum_infidelity
from torch import Tensor

from benchmarks.deletion import cell, passes, pictures
from benchmarks.report import Row, Section, Target
from benchmarks.timing import alternate, best_batch_size, ratio
from fer_xai import FERModel, Predictor, explain, load_model
from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.landmarks import face_regions
from metrics.core.score_cache import ScoreCache
from metrics.evaluation import evaluate
from metrics.faithfulness.infidelity import infidelity

SIZE, FEW = 64, 4
SAMPLES = 64
METHODS = (
    "gradcam",
    "gradcam++",
    "layercam",
    "hirescam",
    "eigencam",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "deconvolution",
    "lrp",
)
METRICS = (
    "deletion",
    "insertion",
    "road",
    "comprehensiveness",
    "average_drop",
    "infidelity_scaled",
    "mu_fidelity",
    "sensitivity_n",
    "naopc",
    "gini",
)


def measure(*, rounds: int) -> Section:
    """Rows of GiMeFive with the shipped weights."""
    section = Section(
        rows=[],
        seconds={},
        notes=[
            f"Infidelity: GiMeFive trained on built-in faces of {SIZE}×{SIZE}, {SAMPLES} changes of "
            "each face, the same ones; drawing them is counted for both. Bare passes: as many images "
            "in memory through Predictor's copy, same batch size.",
            f"Everything: {len(METRICS)} metrics ({', '.join(METRICS)}) of {len(METHODS)} methods' "
            f"maps, {FEW} faces; the bare passes are those that a hook counted. A face needs "
            "1 + f + Σ shared + m · Σ own passes: f fills, what methods share (changes, subsets, "
            "coalitions), and m methods with their own curves.",
        ],
    )
    plain = load_model("gimefive", weights="synthetic")
    _measure_infidelity(section, plain, *pictures(8), rounds=rounds)
    _measure_everything(section, plain, synthetic_faces(FEW, size=SIZE), rounds=rounds)
    return section


def _measure_infidelity(
    section: Section,
    model: FERModel,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    rounds: int,
) -> None:
    predictor = Predictor(model, device="cpu", batch_size=16)
    peer = copy.deepcopy(model)
    small = maps * 0.01

    def theirs(size: int) -> Tensor:
        cache = ScoreCache(predictor, images)

        def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
            each = len(inputs) // len(images)
            draws = torch.stack(
                [
                    0.2 * cache.stream(face, "infidelity").randn(each, SIZE, SIZE)
                    for face in range(len(images))
                ]
            )
            changes = draws.flatten(0, 1)[:, None].expand_as(inputs)
            return changes, inputs - changes

        with torch.no_grad():
            return captum_infidelity(
                peer,
                perturb,
                images,
                small[:, None].expand(-1, 3, -1, -1) / 3,
                target=model.columns(targets),
                n_perturb_samples=SAMPLES,
                max_examples_per_batch=size * len(images),
            )

    def ours() -> Tensor:
        return infidelity(ScoreCache(predictor, images), images, small, targets, samples=SAMPLES)

    # equal only if all changes are drawn in one call: compare there, time at its best
    away = float(((ours() - theirs(SAMPLES)).abs() / ours().abs().clamp(min=1e-9)).max())
    best = best_batch_size(lambda size: theirs(max(1, size // len(images))))
    seconds = alternate(
        {
            "ours": ours,
            "captum": lambda: theirs(max(1, best // len(images))),
            "passes": partial(passes, predictor, images, SAMPLES + 1),
        },
        rounds=rounds,
    )
    section.rows.extend(
        [
            Row(
                name=f"Infidelity: Captum at its best batch size ({best}) / ours",
                ours=cell(seconds, "ours", len(images)),
                peer=cell(seconds, "captum", len(images)),
                ratio=ratio(seconds, "captum", "ours"),
                target=Target(bound=1.5, at_least=True),
                agreement=f"differ by {away:.0e} of the value",
            ),
            Row(
                name=f"Infidelity: ours / {SAMPLES + 1} bare passes",
                ours=cell(seconds, "ours", len(images)),
                peer=cell(seconds, "passes", len(images)),
                ratio=ratio(seconds, "ours", "passes"),
            ),
        ]
    )
    section.seconds["infidelity"] = seconds


def _measure_everything(section: Section, model: FERModel, faces: Any, *, rounds: int) -> None:
    predictor = Predictor(model, device="cpu", batch_size=16)
    regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
    made = {name: explain(predictor, faces, method=name, targets=faces.labels) for name in METHODS}
    run = partial(evaluate, predictor, faces, made, METRICS, regions=regions)
    counted: list[int] = []
    handle = predictor.fastest.net.register_forward_hook(
        lambda net, inputs, output: counted.append(len(output))
    )
    run()
    handle.remove()
    total = sum(counted)
    seconds = alternate(
        {"ours": run, "passes": partial(passes, predictor, faces.images[:1], total)}, rounds=rounds
    )
    section.rows.append(
        Row(
            name=f"{len(METRICS)} metrics × {len(METHODS)} methods: ours / the "
            f"{total // len(faces)} passes a face that a hook counted",
            ours=cell(seconds, "ours", len(faces)),
            peer=cell(seconds, "passes", len(faces)),
            ratio=ratio(seconds, "ours", "passes"),
            target=Target(bound=1.2, at_least=False),
        )
    )
    half = Predictor(model, device="cpu", precision="bf16", batch_size=16)
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
    section.settings["everything"] = {"faces": len(faces), "passes": total}


_MEASURED = """
import resource, sys, torch, fer_xai
from fer_xai import Predictor
from fer_xai.types import Explanation
from metrics.evaluation import evaluate
n = int(sys.argv[1])
images = torch.rand(n, 3, 64, 64)
predictor = Predictor(fer_xai.load_model("gimefive", weights="synthetic"), device="cpu", batch_size=16)
made = Explanation(maps=torch.rand(n, 64, 64), targets=torch.zeros(n, dtype=torch.int64),
                   logits=torch.zeros(n, 6), emotions=predictor.emotions, method="m", params={})
evaluate(predictor, images, {"m": made}, ["comprehensiveness", "average_drop", "road"])
held = images.nelement() * 4 + made.maps.nelement() * 4
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held)
"""


def _peak_memory(n: int) -> int:
    """Bytes that a process needs to evaluate n faces, their own pixels and maps apart."""
    found = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(n)], capture_output=True, text=True, check=True
    )
    return int(found.stdout.split()[-1])
