"""Do explanations hold as long as recognition does, when images get worse or faces turn?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pandas as pd
import tyro

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.types import Faces
from metrics.core.registry import METRICS
from studies.engine.classes import known_to_all, note
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.endpoints import FAMILY_OF_GAINS, PERSON, TOLD_FROM_ZERO, Endpoint
from studies.engine.explained import Explained
from studies.engine.model_options import Models
from studies.engine.networks import Network
from studies.engine.options import Data, Passes, Progress, Seed
from studies.engine.scope import Limit, Methods, Metrics
from studies.engine.shards import BATCH, last_batch_size, with_earlier
from studies.engine.study import Run, Study, face_table
from studies.engine.units import units_of
from studies.questions.conditions.examples import example
from studies.questions.conditions.measured import Measured
from studies.questions.conditions.report import write_report
from studies.questions.conditions.sweeps import Sweep, sweeps
from studies.registry import STUDIES

NEEDS = {"model", "images", "maps", "targets", "ids", "seed"}
"""What a metric of this study may ask for."""


@STUDIES.register("conditions")
@dataclass(frozen=True, kw_only=True)
class Conditions(Study, Progress, Passes, Seed, Methods, Metrics, Limit, Data, Models):
    """Do explanations hold as long as recognition does, when images get worse or faces turn?

    Each condition is swept from the face as it is to its worst, and two curves are drawn: the share
    of faces that are recognised, and how alike the map stays to the clean face's, at the clean
    face's prediction. See :attr:`endpoint`. The likeness is also told apart for faces that are
    still recognised and for those that are lost, so that the two falls are not confused.

    Examples
    --------
    >>> [sweep.condition for sweep in Conditions(conditions=("blur=2,4", "jpeg")).sweeps]
    ['blur', 'jpeg']
    """

    name: ClassVar[str] = "conditions"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="area under the curve, over the severities above 0 of a condition, of the Pearson "
        "correlation of a face's map with the clean face's own map (moved along with the face; "
        "both explain the emotion that is named for the clean face), less that with the clean maps "
        "of other persons' faces that were named the same emotion",
        unit=PERSON,
        family="the conditions and methods of one model",
        interval=f"{FAMILY_OF_GAINS}, or each by itself with Bonferroni's correction where units "
        "are too few for a family; each face taken with its part in other faces' means",
        holds=TOLD_FROM_ZERO,
        sensitivity="untrained networks, the centre, each severity by itself; faces still "
        "recognised, lost, and recognised at all severities",
    )

    conditions: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[=SEVERITY,…] …")] = ()
    """Conditions, with severities of your own where these follow; by default a few that the data
    allow. Pose, lamp and intensity of expression are rendered, on built-in faces alone."""
    untrained: int = 1
    """Number of untrained networks of each architecture, each explained at the trained one's
    predictions."""

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together, or data that cannot be used.
        """
        self.check()
        chosen = self.sweeps
        found = self.networks_for(self.data_spec, untrained=self.untrained, seed=self.seed)
        taken = known_to_all(self.asked_emotions, found)
        faces = self.load_faces(emotions=taken, limit=self.limit, seed=self.seed)
        self._check_landmarks(faces)
        models = {network: network.load(faces) for network in found}
        side = max(model.size for model in models.values())
        inputs = {
            **faces_digests(faces, [side]),
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods_used),
            "metrics": code_digest(METRICS[name] for name in self.metrics),
            "conditions": {sweep.condition: sweep.described() for sweep in chosen},
            "models": {network.name: model_digest(model) for network, model in models.items()},
        }
        with self.opened(inputs, faces.name, self.data_spec.source, self.split) as run:
            run.manifest["side of the changed images"] = side
            note(run.manifest, faces, classes=self.classes, taken=taken)
            task = run.bar.add_task("networks × conditions", total=len(models) * len(chosen))
            parts, pictures, clean = [], [], None
            for network, model in models.items():
                explained = self._explained(run, network, model, faces, clean=clean, side=side)
                if network.trained:
                    clean = explained
                metrics = self.metrics if network.trained else ()
                measured = Measured(
                    explained, name=network.name, methods=self.methods_used, metrics=metrics
                )
                made_of = measured.made_of(chosen)
                for sweep in chosen:
                    rows = measured.shard(run.folder / "shards", sweep, made_of)
                    parts.append(rows.assign(model=network.architecture, trained=network.trained))
                    run.bar.advance(task)
                if network.trained and self.built_in_faces:
                    pictures += example(measured, chosen)
            rows = pd.concat(parts, ignore_index=True)
            run.keep("rows", rows)
            counted = face_table(faces)
            run.keep("faces", counted)
            answer = write_report(run, rows, counted, chosen, pictures)
        return run.complete(answer, units=units_of(counted))

    @property
    def methods_used(self) -> tuple[str, ...]:
        """The attributions: those that are named, or Grad-CAM alone."""
        return self.methods or ("gradcam",)

    @property
    def sweeps(self) -> list[Sweep]:
        """The conditions and their severities."""
        return sweeps(self.conditions, built_in=self.built_in_faces)

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        asked = {sweep.condition: list(sweep.severities) for sweep in self.sweeps}
        return super().config() | {"conditions": asked}

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if self.untrained < 0:
            raise InputError(f"Expected --untrained from 0, got {self.untrained}.")
        for what, names, known in (
            ("method", self.methods_used, ATTRIBUTIONS),
            ("metric", self.metrics, METRICS),
        ):
            for name in names:
                known[name]
                if list(names).count(name) > 1:
                    raise InputError(f"Expected each {what} once, got {name} twice.")
        for name in self.metrics:
            if more := sorted(set(METRICS[name].needs) - NEEDS):
                raise InputError(
                    f"Expected metrics of a map and the network alone, but {name} needs "
                    f"{', '.join(more)}: leave it out, or see the study that is about it."
                )
        _ = self.sweeps

    def _check_landmarks(self, faces: Faces) -> None:
        asking = [name for name in self.methods_used if ATTRIBUTIONS[name].asks_for_regions]
        if asking and faces.landmarks is None:
            raise InputError(
                f"Expected landmarks for {faces.name}, which the regions of {', '.join(asking)} "
                "are made of: pass --landmarks FILE.csv, or leave these methods out."
            )

    def _explained(
        self,
        run: Run,
        network: Network,
        model: FERModel,
        faces: Faces,
        *,
        clean: Explained | None,
        side: int,
    ) -> Explained:
        """A network's explanations; an untrained one explains what the trained one named."""
        recorded = run.manifest["networks"].get(network.name, {}).get(BATCH)
        predictor = self.predictor(model, batch_size=last_batch_size(recorded))
        run.manifest["networks"][network.name] = {
            "weights": Path(str(network.weights)).name,
            **predictor.settings(),
            BATCH: with_earlier(recorded, predictor.batch_size),
        }
        run.record()
        if network.trained or clean is None:
            return Explained(predictor, faces, size=side, seed=self.seed)
        return clean.seen_by(predictor)
