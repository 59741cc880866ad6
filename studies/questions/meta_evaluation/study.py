"""Which metrics of explanations can be trusted?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fer_xai.attributions import ATTRIBUTIONS, CONTROLS
from fer_xai.attributions.api import INVERSE
from fer_xai.checks import check_count
from fer_xai.data import load_dataset
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import load_model
from fer_xai.types import Faces
from metrics.core.registry import METRICS, MetricSpec
from studies.engine import store
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.options import Device, Progress, Seed
from studies.engine.study import Study
from studies.questions.meta_evaluation.maps import PlantedMaps, Scorer, TrainedMaps
from studies.questions.meta_evaluation.report import write_report
from studies.questions.meta_evaluation.tables import meta_table
from studies.registry import STUDIES


@STUDIES.register("meta_evaluation")
@dataclass(frozen=True, kw_only=True)
class MetaEvaluation(Study, Progress, Device, Seed):
    """Which metrics of explanations can be trusted?

    Three questions to each metric, after Hedström et al., "The meta-evaluation problem in
    explainable AI" (TMLR 2023). Truth: does it order maps of a planted network as their known
    quality does (Somers' d over truth, half of it, noise, a distractor, and the inverse)? Noise
    resilience: does it order a trained network's maps alike when the faces are changed by a trifle
    (Spearman)? Adversary reactivity: does it order the same maps otherwise when the network is made
    random (1 − Spearman), and by more than the trifle does?
    """

    name: ClassVar[str] = "meta_evaluation"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="truth, noise resilience and adversary reactivity of a metric",
        unit=PERSON,
        family="each metric by itself",
        interval="95 % of the mean over faces",
        holds="a metric is believed where truth and noise resilience lie above .5 with their "
        "intervals, reactivity is .5 or more, and it lies above what noise does with its interval",
    )

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

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown metric or method, one that needs an explainer or refuses the network, or
            too few faces or methods.
        """
        self.check()
        specs = self._specs()
        model = load_model(self.model, weights="synthetic")
        planted = PlantedMaps(self.faces, seed=self.seed, device=self.device)
        faces = load_dataset("synthetic", emotions=SIX, limit=self.faces, seed=self.seed)
        trained = TrainedMaps(
            faces, model, methods=self.methods, seed=self.seed, device=self.device
        )
        inputs = {
            "metrics": code_digest(specs.values()),
            "models": [model_digest(part.predictor.model) for part in (planted, trained)],
            "faces": [faces_digests(part.faces, [model.size]) for part in (planted, trained)],
        }
        with self.opened(inputs, "synthetic") as run:
            task = run.bar.add_task("faces × parts", total=self.faces * 4)

            def scored(part: str, made: Scorer) -> pd.DataFrame:
                path = run.folder / "shards" / f"{part}.parquet"
                advance = partial(run.bar.advance, task)
                return store.once_table(path, lambda: made(list(specs.values()), advance))

            parts = {"truth": (planted.faces, scored("truth", planted.scores))}
            for part in ("as it is", "slight", "random"):
                parts[part] = (faces, scored(part, trained.scorer(part)))
        rows = pd.concat(
            [
                part.assign(part=name, cluster=part["id"].map(_persons(of)))
                for name, (of, part) in parts.items()
            ],
            ignore_index=True,
        )
        run.keep("scores", rows)
        answer = write_report(
            run.folder,
            run.manifest,
            meta_table(rows, specs),
            model=self.model,
            faces=self.faces,
            methods=len(self.methods),
        )
        return run.complete(answer)

    def config(self) -> dict[str, Any]:
        """Options that identify a run, with the names of all metrics that are asked."""
        return super().config() | {"metrics": list(self._specs())}

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        check_count("--faces", self.faces, low=2)
        for name in self.methods:
            if name.removeprefix(INVERSE) not in CONTROLS:
                ATTRIBUTIONS[name.removeprefix(INVERSE)]
        if len(set(self.methods)) < max(3, len(self.methods)):
            raise InputError(
                "Expected three methods or more, each once, whose maps can be ordered, got "
                f"{', '.join(self.methods) or 'none'}."
            )

    def _specs(self) -> dict[str, MetricSpec]:
        """Metrics that can be asked."""
        named = [METRICS[name] for name in self.metrics or METRICS]
        if not self.metrics:  # what an occluder costs is a question of its own
            named = [spec for spec in named if spec.family != "occlusion"]
        able = [
            spec
            for spec in named
            if "explain" not in spec.needs
            and spec.higher_is_better is not None
            and spec.family != "alignment"
        ]
        if self.metrics and len(able) < len(named):
            lost = ", ".join(spec.name for spec in named if spec not in able)
            raise InputError(
                f"Expected metrics that judge maps handed in, but {lost} make maps of their own, "
                "ask only where a map lies, or do not judge: leave them out."
            )
        return {spec.name: spec for spec in able}


def _persons(faces: Faces) -> dict[str, str]:
    """The person of each face, by its place."""
    return {str(place): str(who) for place, who in enumerate(faces.table["subject"])}
