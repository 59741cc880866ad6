"""What does each part of GiMeFive do for accuracy, and for consistent explanations?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro

from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import register
from fer_xai.models import FERModel, calibrate_batchnorm, load_model
from fer_xai.models.registry import architecture
from fer_xai.names import slug
from fer_xai.registry import Registry
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.description import described
from studies.engine.digests import model_digest
from studies.engine.endpoints import TOLD_FROM_ZERO, Endpoint
from studies.engine.options import Landmarks, Progress
from studies.engine.progress import progress_bar
from studies.engine.trained import OneDataset
from studies.questions.ablation.report import write_report
from studies.questions.ablation.tables import Units
from studies.registry import STUDIES
from studies.scoreboard.consistency import SIZE, endpoint
from training.column_faces import ColumnFaces
from training.grid import Training, done_of, trainings
from training.missing import train_missing
from training.plan import say_plan
from training.variants import Column, Variant

FIRST_UNTRAINED = 1000
"""Seed of the first untrained network, beyond those of trainings."""
CALIBRATION = 512
"""Training faces that the untrained networks' BatchNorm statistics come from."""

VARIANTS: Registry[Variant] = Registry("variant", {})
"""GiMeFive, what is changed of it, one thing at a time, and ResNet18 to compare with."""
for _variant in (
    Variant(name="gimefive", model="gimefive"),
    Variant(name="no BatchNorm", model="gimefive-nobn"),
    Variant(name="no dropout", model="gimefive-nodropout"),
    Variant(name="no dropout in blocks", model="gimefive-noblockdropout"),
    Variant(name="no dropout in head", model="gimefive-noheaddropout"),
    Variant(name="flattened map", model="gimefive-flatten"),
    Variant(name="4 blocks", model="gimefive-depth4"),
    Variant(name="6 blocks", model="gimefive-depth6"),
    Variant(name="colour", model="gimefive", greyscale=False),
    Variant(name="48 pixels", model="gimefive", size=48),
    Variant(name="96 pixels", model="gimefive", size=96),
    Variant(name="ResNet18", model="resnet18"),
):
    VARIANTS.register(_variant.name)(_variant)


def endpoint_inputs(
    cell: Training, faces: Faces, inputs: Mapping[str, str | None]
) -> dict[str, Any]:
    """What the endpoint of a trained network depends on; its weights' file says how it is fed."""
    spec = architecture(cell.variant.model)
    found = {
        **inputs,
        "weights": cell.card["weights_sha256"],
        "cam_layer": spec.cam_layer,
        "mean": list(spec.mean),
        "std": list(spec.std),
    }
    if spec.reshape is not None:
        found["reshape"] = described(spec.reshape)
    if cell.card["size"] != SIZE:
        found["faces as fed"] = faces.fingerprint(cell.card["size"])
    return found


@STUDIES.register("ablation")
@dataclass(frozen=True, kw_only=True)
class Ablation(OneDataset, Progress, Landmarks):
    """What does each part of GiMeFive do for accuracy, and for consistent explanations?

    The paper claims that the architecture makes the model interpretable; so beside the accuracy
    stands the primary endpoint of the consistency study: see :attr:`endpoint`.
    """

    name: ClassVar[str] = "ablation"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="accuracy, and separability of Grad-CAM maps at a fixed target in excess of "
        "untrained networks of the same variant (over the emotions that all networks have enough "
        "maps of), each less GiMeFive's of the same seed",
        unit="a training (seed)",
        family="the variants, Holm",
        interval="95 %, Student's t over five trainings or more; for the excess joined with the "
        "delete-one jackknife over persons or faces and with the spread over untrained networks; "
        "below five trainings there is none",
        holds=TOLD_FROM_ZERO + " or below it",
    )

    variants: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME …")] = (
        "gimefive",
        "no BatchNorm",
        "no dropout",
        "ResNet18",
    )
    """What to train; every variant that is done is shown."""

    def run(self) -> Path:
        """Train what is missing, map the test faces, tabulate; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown variant, a root that is not there or holds other faces than those of a
            training, faces without landmarks, or when nothing has been trained.
        """
        self.check()
        column = Column.parse(self.data)
        variants = [VARIANTS[name] for name in self.variants]
        at_hand = {column.name: ColumnFaces(self.options, column)}
        asked = trainings(self.options, variants, [column], faces=at_hand)
        at_hand[column.name].check()
        faces = self._faces(column)  # a plan, too, is made with landmarks that can be used
        if self.dry_run:
            say_plan(asked)
            return Path()
        if self.options.train:
            train_missing(asked, hours=self.options.hours)
        known = [VARIANTS[name] for name in VARIANTS]
        everything = trainings(self.options, known, [column], faces=at_hand)
        done = done_of(everything, asked)
        config: dict[str, Any] = {
            **self.declaration(),
            "data": column.name,
            "seeds": list(self.options.seeds),
            "untrained": self.untrained,
            **self.options.settings(),
        }
        inputs = {
            "faces": faces.fingerprint(SIZE),
            "landmarks": store.array_digest(faces.landmarks),
        }
        name = store.run_id(column.name, self.options.recipe, store.digest([config, inputs]))
        tables = self.tables(name, done, config, inputs)
        found = self._endpoints(done, faces, column, tables.folder, inputs)
        answer = write_report(
            tables.folder,
            tables.manifest,
            done,
            found,
            units=Units(labels=faces.labels.numpy(), clusters=face_groups(faces).tolist()),
        )
        return tables.complete(answer)

    @property
    def built_in_faces(self) -> bool:
        """Whether the faces bring exact landmarks."""
        return Column.parse(self.data).data.partition(":")[0] == "synthetic"

    def _faces(self, column: Column) -> Faces:
        points = self.points_source
        faces = load_dataset(
            column.data,
            split="test",
            source=column.source,
            landmarks=points.file,
            landmarks_size=self.landmarks_size,
            emotions=SIX,
            limit=self.options.limit,
            subject_pattern=self.options.subject_pattern,
            skip_bad=self.options.skip_bad,
        )
        faces = points.located(faces)
        if faces.landmarks is None:
            raise InputError(f"Expected landmarks for {faces.name}: pass --landmarks FILE.csv.")
        return faces

    def _endpoints(
        self,
        done: list[Training],
        faces: Faces,
        column: Column,
        folder: Path,
        inputs: dict[str, str | None],
    ) -> dict[str, dict[str, Any]]:
        """The endpoint of every trained network, and of each variant's untrained ones, by name.

        Each is kept as a file, so a stopped run goes on where it was: those of trained networks
        in the record of the training, named for faces and weights, and so they outlive the latter.
        """
        registration = register(faces.landmarks_at(SIZE), size=SIZE, kind="similarity")
        calibration = load_dataset(
            column.data,
            split="train",
            source=column.source,
            emotions=SIX,
            limit=CALIBRATION,
            subject_pattern=self.options.subject_pattern,
            skip_bad=self.options.skip_bad,
        )
        found = {}
        variants = list(dict.fromkeys(cell.variant for cell in done))
        with progress_bar(shown=self.progress) as bar:
            task = bar.add_task("endpoint", total=len(done) + len(variants) * self.untrained)

            def of_network(model: FERModel) -> dict[str, Any]:
                return endpoint(Predictor(model, device=self.options.device), faces, registration)

            def of_training(cell: Training) -> dict[str, Any]:
                return of_network(load_model(cell.variant.model, weights=cell.weights()))

            for cell in done:
                of = endpoint_inputs(cell, faces, inputs)
                found[f"{cell.variant.name}@seed{cell.seed}"] = store.once(
                    cell.record / f"endpoint-{store.digest(of)}.npz", partial(of_training, cell)
                )
                bar.advance(task)
            for variant in variants:
                for k in range(self.untrained):
                    # as it would have begun, with a seed of its own
                    model = self.options.run(variant, column, FIRST_UNTRAINED + k).fresh_model()
                    calibrate_batchnorm(model, calibration)
                    name = f"{variant.name}@untrained{k}"
                    untrained_of = [model_digest(model), faces.fingerprint(model.size)]
                    shard = f"{slug(name)}-{store.digest(untrained_of)}.npz"
                    path = folder / "shards" / shard
                    found[name] = store.once(path, partial(of_network, model))
                    bar.advance(task)
        return found
