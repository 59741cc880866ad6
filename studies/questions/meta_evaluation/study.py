"""Which metrics of explanations can be trusted?"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS, explain
from fer_xai.attributions.api import INVERSE, counting_maps
from fer_xai.checks import check_number, resolve_device
from fer_xai.command import check_folder
from fer_xai.data import load_dataset
from fer_xai.data.datasets.synthetic import PEOPLE_SIZE as SIZE
from fer_xai.data.datasets.synthetic import people
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import REGIONS, face_regions
from fer_xai.models import load_model
from fer_xai.models.planted import CYAN, MAGENTA, marked, planted_model
from fer_xai.perturb.skin import skin_fill
from fer_xai.seeding import generator
from fer_xai.types import Explanation, Faces
from metrics.core.registry import METRICS, MetricSpec
from metrics.evaluation import evaluate
from metrics.randomisation.random_networks import randomised
from studies.engine import store
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.progress import progress_bar
from studies.questions.meta_evaluation.report import SLIGHT, write_report
from studies.questions.meta_evaluation.tables import meta_table
from studies.registry import STUDIES

CHUNK = 8
"""Faces that are scored together."""
Scorer = Callable[[Sequence[MetricSpec], Callable[[int], None]], pd.DataFrame]
"""From metrics, and what to call with the number of faces done, to rows."""


@STUDIES.register("meta_evaluation")
@dataclass(frozen=True, kw_only=True)
class MetaEvaluation:
    """Which metrics of explanations can be trusted?

    Three questions to each metric, after Hedström et al., "The meta-evaluation problem in
    explainable AI" (TMLR 2023). Truth: does it order maps of a planted network as their known
    quality does (Somers' d over truth, half of it, noise, a distractor, and the inverse)? Noise
    resilience: does it order a trained network's maps alike when the faces are changed by a trifle
    (Spearman)? Adversary reactivity: does it order the same maps otherwise when the network is made
    random (1 − Spearman), and by more than the trifle does?
    """

    name: ClassVar[str] = "meta_evaluation"

    metrics: tuple[str, ...] = ()
    """Names of metrics; by default all that need no further maps."""
    methods: tuple[str, ...] = (
        "gradcam",
        "eigencam",
        "saliency",
        "input_x_gradient",
        "integrated_gradients",
        "guided_backprop",
        "random",
        "centre",
    )
    """Maps of the trained network that are ordered, three or more."""
    model: str = "gimefive"
    """The trained network, with weights for built-in faces."""
    faces: int = 24
    """Built-in faces of each kind."""
    seed: int = 0
    """Of everything random."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    out: Path = Path("results")
    """Results go to OUT/meta_evaluation/<run>."""
    progress: bool = True
    """Show progress bars."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown metric or method, one that needs an explainer or refuses the network, or
            too few faces or methods.
        """
        self._check()
        specs = self._specs()
        config = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ("out", "progress")
        } | {"metrics": list(specs), "device": resolve_device(self.device).type}
        model = load_model(self.model, weights="synthetic")
        planted = _Planted(self.faces, self.seed, self.device)
        trained = _Trained(self, model)
        inputs = {
            "metrics": code_digest(specs.values()),
            "models": [model_digest(part.predictor.model) for part in (planted, trained)],
            "faces": [faces_digests(part.faces, [model.size]) for part in (planted, trained)],
        }
        folder = self.out / self.name / f"synthetic-{store.digest([config, inputs])}"
        manifest = store.open_run(folder, config, inputs)
        started = time.perf_counter()
        with progress_bar(shown=self.progress) as bar:
            task = bar.add_task("faces", total=self.faces * 4)

            def scored(part: str, made: Scorer) -> pd.DataFrame:
                path = folder / "shards" / f"{part}.parquet"
                advance = partial(bar.advance, task)
                return store.once_table(path, lambda: made(list(specs.values()), advance))

            truth = scored("truth", planted.scores)
            base, slight, random = (
                scored(part, trained.scorer(part)) for part in ("as it is", "slight", "random")
            )
        rows = pd.concat(
            [
                part.assign(part=name, cluster=part["id"].map(_persons(made.faces)))
                for name, part, made in (
                    ("truth", truth, planted),
                    ("as it is", base, trained),
                    ("slight", slight, trained),
                    ("random", random, trained),
                )
            ],
            ignore_index=True,
        )
        store.write_table(folder / "scores.parquet", rows)
        write_report(
            folder,
            manifest,
            meta_table(rows, specs),
            model=self.model,
            faces=self.faces,
            methods=len(self.methods),
        )
        manifest["seconds"] = round(manifest.get("seconds", 0) + time.perf_counter() - started, 1)
        manifest["status"] = "complete"
        store.write_json(folder / "manifest.json", manifest)
        return folder

    def _check(self) -> None:
        check_number("--seed", self.seed, 0, ends=True)
        check_folder(self.out / self.name)
        if self.faces < 2:
            raise InputError(f"Expected two faces or more, got {self.faces}.")
        for name in self.methods:
            if name.removeprefix(INVERSE) not in CONTROLS:
                ATTRIBUTIONS[name.removeprefix(INVERSE)]
        if len(set(self.methods)) < max(3, len(self.methods)):
            raise InputError(
                "Expected three methods or more, each once, whose maps can be ordered, got "
                f"{', '.join(self.methods) or 'none'}."
            )
        resolve_device(self.device)

    def _specs(self) -> dict[str, MetricSpec]:
        """Metrics that can be asked."""
        named = [METRICS[name] for name in self.metrics or METRICS]
        able = [s for s in named if "explain" not in s.needs and s.higher_is_better is not None]
        if self.metrics and len(able) < len(named):
            lost = ", ".join(spec.name for spec in named if spec not in able)
            raise InputError(
                f"Expected metrics that judge maps handed in, but {lost} make maps of their own, "
                "or do not judge: leave them out."
            )
        return {spec.name: spec for spec in able}


class _Planted:
    """Marked faces of a planted network, and maps of known quality."""

    def __init__(self, n: int, seed: int, device: str) -> None:
        self.faces = people(n, seed=seed)
        faces = self.faces
        images = faces.pixels(SIZE).float() / 255
        regions = face_regions(faces.landmarks_at(SIZE), size=SIZE)
        pictures, truths, others = [], [], []
        for face, own in enumerate(regions):
            held = [r for r in range(len(REGIONS)) if bool(own[r].any())]
            one, two = (held[(face + shift) % len(held)] for shift in (0, len(held) // 2))
            before = images[face : face + 1]
            with_one = marked(before, own[one][None], MAGENTA)
            with_two = marked(with_one, own[two][None], CYAN)
            truths.append((with_one != before).any(dim=1)[0])
            others.append((with_two != with_one).any(dim=1)[0])
            pictures.append(with_two[0])
        self.images, self.regions = torch.stack(pictures), regions
        self.seed = seed
        self.predictor = Predictor(planted_model("one"), device=device, batch_size=16)
        self.targets = torch.full((n,), EMOTIONS.index("happiness"))
        truth, other = (_soft(torch.stack(masks)) for masks in (truths, others))
        noise = torch.stack(
            [torch.rand(8, 8, generator=generator(seed, name, "noise")) for name in faces.ids]
        )
        noise = tv.resize(noise, [SIZE, SIZE], antialias=True)
        # a trace of noise orders what would otherwise be tied at zero, for all maps alike
        self.maps = {
            "truth": truth + 0.05 * noise,
            "half the truth": 0.5 * truth + 0.5 * noise,
            "noise": noise,
            "distractor": other + 0.05 * noise,
            "inverted truth": -truth - 0.05 * noise,
        }

    def scores(self, specs: Sequence[MetricSpec], progress: Callable[[int], None]) -> pd.DataFrame:
        """Rows of metrics, which share what they have in common."""
        made = {
            name: _explanation(maps, self.targets, self.predictor, name)
            for name, maps in self.maps.items()
        }
        frame = evaluate(
            self.predictor,
            self.images,
            made,
            specs,
            regions=self.regions,
            seed=self.seed,
            fills={"skin": skin_fill(self.images, self.regions)},
            chunk=CHUNK,
            progress=progress,
        )
        return frame.drop(columns=["emotion", "target"])


class _Trained:
    """Maps of a trained network, scored as they are and under changes."""

    @counting_maps()
    def __init__(self, study: MetaEvaluation, model: Any) -> None:
        self.seed = study.seed
        self.faces: Faces = load_dataset(
            "synthetic", emotions=SIX, limit=study.faces, seed=study.seed
        )
        self.images = self.faces.pixels(SIZE).float() / 255
        self.regions = face_regions(self.faces.landmarks_at(SIZE), size=SIZE)
        self.predictor = Predictor(model, device=study.device, batch_size=16)
        self.targets = self.predictor.model.canonical(
            self.predictor.logits(self.images).argmax(dim=1)
        )
        self.made = {
            name: explain(
                self.predictor,
                self.images,
                method=name,
                targets=self.targets,
                regions=self.regions,
                ids=self.faces.ids,
                seed=study.seed,
            )
            for name in study.methods
        }
        noise = torch.stack(
            [
                torch.rand(3, SIZE, SIZE, generator=generator(study.seed, face, "slight"))
                for face in self.faces.ids
            ]
        )
        self.slight = (self.images + SLIGHT * (2 * noise - 1)).clamp(0, 1)
        random = randomised(self.predictor.model, seed=study.seed, images=self.images)
        self.random = Predictor(random, device=study.device, batch_size=16)

    def scorer(self, part: str) -> Scorer:
        """What scores metrics under a change."""
        predictor = self.random if part == "random" else self.predictor
        images = self.slight if part == "slight" else self.images

        def scores(specs: Sequence[MetricSpec], progress: Callable[[int], None]) -> pd.DataFrame:
            frame = evaluate(
                predictor,
                images,
                self.made,
                specs,
                regions=self.regions,
                seed=self.seed,
                fills={"skin": skin_fill(images, self.regions)},
                chunk=CHUNK,
                progress=progress,
            )
            return frame.drop(columns=["emotion", "target"])

        return scores


def _persons(faces: Faces) -> dict[str, str]:
    """The person of each face, by its place."""
    return {str(place): str(who) for place, who in enumerate(faces.table["subject"])}


def _soft(masks: Tensor) -> Tensor:
    """Masks ``(N, H, W)`` with soft rims, largest value 1."""
    soft = tv.gaussian_blur(masks.float(), [7, 7], [1.5, 1.5])
    return soft / soft.amax(dim=(1, 2), keepdim=True)


def _explanation(maps: Tensor, targets: Tensor, predictor: Predictor, name: str) -> Explanation:
    logits = torch.zeros(len(maps), len(predictor.emotions))
    return Explanation(
        maps=maps,
        targets=targets,
        logits=logits,
        emotions=predictor.emotions,
        method=name,
        params={},
    )
