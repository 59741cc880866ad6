"""Does the quality of explanations transfer to other data, and does a bad one tell of an error?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.errors import InputError
from fer_xai.models import FERModel
from fer_xai.names import slug
from fer_xai.types import Faces
from metrics.core.registry import METRICS
from studies.engine import store
from studies.engine.digests import code_digest, faces_digests, model_digest
from studies.engine.domains import OUT, check_unseen, different, domain_of, training_of
from studies.engine.endpoints import PERSON, Endpoint
from studies.engine.explained import Explained
from studies.engine.model_options import Models
from studies.engine.networks import Network
from studies.engine.options import Landmarks, Passes, Progress, Seed
from studies.engine.scope import DataSets, Limit, Methods, Metrics
from studies.engine.shards import BATCH, batch_sizes, last_batch_size, with_earlier
from studies.engine.specs import SYNTHETIC, DataSpec
from studies.engine.study import Run, Study, face_table
from studies.engine.trained import DEFAULTS
from studies.engine.units import units_of
from studies.questions.explanation_transfer.measured import Measured, penultimate
from studies.questions.explanation_transfer.report import write_report
from studies.questions.explanation_transfer.tables import Domain
from studies.registry import STUDIES
from training.faces import data_name

STYLES = ("synthetic:wild", "synthetic:studio")
"""Data sets by default: built-in faces of the style that the shipped weights were trained on, and
of another."""
METHODS = ("gradcam",)
METRICS_USED = ("road", "comprehensiveness", "average_gain", "gini")
"""Qualities by default, beside consistency and, where landmarks are known, alignment."""
NEEDS = {"model", "images", "maps", "targets", "ids", "seed"}
"""What a metric of this study may ask for."""


@STUDIES.register("explanation_transfer")
@dataclass(frozen=True, kw_only=True)
class ExplanationTransfer(
    Study, Progress, Passes, Seed, Limit, Methods, Metrics, Landmarks, DataSets, Models
):
    """Does the quality of explanations transfer to other data, and does a bad one tell of an error?

    The first of the data sets is the one that the models were trained on. Each face is explained at
    the emotion that the network names, never at the true one, whose maps would know the label.
    Faithfulness and complexity are gains over the centre control, consistency is the likeness to
    other persons' maps of the same named emotion above that to maps of other emotions, alignment
    reads the named emotion's action units. See :attr:`endpoint`.

    Examples
    --------
    >>> [spec.location for spec in ExplanationTransfer().data_specs]
    ['synthetic:wild', 'synthetic:studio']
    """

    name: ClassVar[str] = "explanation_transfer"
    six_alone: ClassVar[bool] = True
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="what all qualities of a method's explanations together tell of errors beyond the "
        "confidence (a restricted cubic spline of its log-odds), and the area under the "
        "risk–coverage curve that they save, out of fold",
        unit=PERSON,
        family="the data sets and methods of one model",
        interval="none: intervals of the saved area did not cover as they should",
        holds="the p-value of the score test (persons' signs flipped, Holm over the family) is "
        "below .05, and the saved area is above 0",
        sensitivity="each quality alone (a family of its own); the difference of the mean gain of "
        "each quality between the data sets and the first one (Welch, Bonferroni over one model)",
    )

    def run(self) -> Path:
        """Run, or continue; returns the folder of results.

        Raises
        ------
        InputError
            For options that do not fit together, or data that cannot be used.
        """
        self.check()
        sets = {spec: self._load(spec) for spec in self.data_specs}
        home = self.data_specs[0]
        caveats = self._at_home(home)
        models = {net: net.load(sets[home]) for net in self.networks_for(home)}
        sizes = [model.size for model in models.values()]
        inputs: dict[str, Any] = {
            "data": {_name(spec): faces_digests(faces, sizes) for spec, faces in sets.items()},
            "methods": code_digest(ATTRIBUTIONS[name] for name in self.methods_used),
            "metrics": code_digest(METRICS[name] for name in self.metrics_used),
            "models": {net.name: model_digest(model) for net, model in models.items()},
        }
        with self.opened(inputs, "-".join(map(_name, sets))) as run:
            run.bar.add_task("faces × models", total=len(models) * sum(map(len, sets.values())))
            domains = [
                self._domain(run, network, model, spec, faces)
                for network, model in models.items()
                for spec, faces in sets.items()
            ]
            for name in ("answers", "qualities"):
                run.keep(name, _joined(domains, name))
            counted = [face_table(faces).assign(data=_name(spec)) for spec, faces in sets.items()]
            run.keep("faces", pd.concat(counted, ignore_index=True))
            units = "; ".join(f"{table['data'].iloc[0]}: {units_of(table)}" for table in counted)
            answer = write_report(run, domains, units=units, seed=self.seed, caveats=caveats)
        return run.complete(answer, units=units)

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if len(self.data_specs) < 2:
            raise InputError(
                "Expected two or more different data sets, the first of them the one that the "
                f"models were trained on, got --data {' '.join(self.data)}."
            )
        different(self.data_specs, list(self.data) if len(self.data) > 1 else STYLES)
        for what, chosen, known in (
            ("method", self.methods_used, ATTRIBUTIONS),
            ("metric", self.metrics_used, METRICS),
        ):
            for name in chosen:
                known[name]
                if list(chosen).count(name) > 1:
                    raise InputError(f"Expected each {what} once, got {name} twice.")
        for name in self.metrics_used:
            spec = METRICS[name]
            if more := sorted(set(spec.needs) - NEEDS):
                raise InputError(
                    f"Expected metrics of a map and the network alone, but {name} needs "
                    f"{', '.join(more)}: leave it out."
                )
            if spec.higher_is_better is None:
                raise InputError(
                    f"Expected metrics of which one direction is better, but {name} only "
                    "describes a map: leave it out."
                )

    def config(self) -> dict[str, Any]:
        """Options that identify a run, for its manifest and digest."""
        return super().config() | {
            "data": [_name(spec) for spec in self.data_specs],
            "methods": list(self.methods_used),
            "metrics": list(self.metrics_used),
        }

    @property
    def data_specs(self) -> list[DataSpec]:
        """The data sets; the first is the models' own."""
        names = STYLES if self.data == (SYNTHETIC,) else self.data
        return [DataSpec.parse(name) for name in names]

    @property
    def methods_used(self) -> tuple[str, ...]:
        """The attributions: those that are named, or Grad-CAM alone."""
        return self.methods or METHODS

    @property
    def metrics_used(self) -> tuple[str, ...]:
        """The metrics: those that are named, or a few cheap ones."""
        return self.metrics or METRICS_USED

    @property
    def built_in_faces(self) -> bool:
        """Whether all faces bring exact landmarks."""
        return all(spec.dataset == SYNTHETIC for spec in self.data_specs)

    def _at_home(self, home: DataSpec) -> list[str]:
        """Refuse a first data set that a model was not trained on; a sentence where unknown."""
        found = []
        for network in self.networks_for(home):
            weights = str(network.weights)
            training = training_of(network.architecture, weights, records=DEFAULTS.records)
            if training.relation(domain_of(home)) == OUT:
                known = ", ".join(sorted(training.domains or ()))
                raise InputError(
                    f"Expected first the data set that {network.name} was trained on, got "
                    f"{_name(home)}, but it was trained on {known}: put that first, or name other "
                    "weights."
                )
            found.append(check_unseen(network.name, training, home, "test"))
        return [said for said in found if said]

    def _load(self, spec: DataSpec) -> Faces:
        points = self.points_source
        faces = spec.load(
            landmarks=points.file,
            landmarks_size=self.landmarks_size,
            limit=self.limit,
            seed=self.seed,
        )
        return faces if spec.dataset == SYNTHETIC else points.located(faces)

    def _domain(
        self, run: Run, network: Network, model: FERModel, spec: DataSpec, faces: Faces
    ) -> Domain:
        """Answers, qualities and features of one network on one data set."""
        name = f"{network.name} on {_name(spec)}"
        recorded = run.manifest["networks"].get(name, {}).get(BATCH)
        predictor = self.predictor(model, batch_size=last_batch_size(recorded))
        described = run.manifest["networks"][name] = {
            "weights": Path(str(network.weights)).name,
            **predictor.settings(),
            BATCH: with_earlier(recorded, predictor.batch_size),
        }
        run.record()
        explained = Explained(predictor, faces, seed=self.seed, keep=True)
        folder = run.folder / "shards" / slug(name)
        measured = Measured(explained, self.methods_used, self.metrics_used, folder)
        task = run.bar.task_ids[0]
        qualities = measured.qualities(lambda n: run.bar.advance(task, n))
        described |= {"refused": measured.board.refused}
        described[BATCH] = batch_sizes(folder) or described[BATCH]
        made_of = store.digest([model_digest(model), faces.fingerprint(model.size)])
        try:
            kept = store.once(
                folder / "features" / f"{made_of}.npz",
                lambda: {"features": penultimate(explained)},
            )
        except InputError as refusal:
            described["features"] = str(refusal)
            kept = {}
        return Domain(
            model=network.name,
            data=_name(spec),
            answers=measured.answers(),
            qualities=qualities,
            features=kept.get("features"),
            refused=measured.board.refused,
        )


def _name(spec: DataSpec) -> str:
    name = data_name(spec.location)
    return f"{name}@{spec.source}" if spec.source else name


def _joined(domains: list[Domain], name: str) -> pd.DataFrame:
    parts = [getattr(one, name).assign(model=one.model, data=one.data) for one in domains]
    return pd.concat(parts, ignore_index=True)
