"""Do two trainings of one network explain the same face alike?"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pandas as pd
import tyro

from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.files import read_arrays
from fer_xai.inference.predictor import Predictor
from fer_xai.models import calibrate_batchnorm, load_model
from fer_xai.names import slug
from fer_xai.types import Faces
from studies.engine import store
from studies.engine.digests import model_digest
from studies.engine.endpoints import ABOVE_ZERO, PERSON, Endpoint
from studies.engine.options import Progress
from studies.engine.progress import progress_bar
from studies.engine.trained import OneDataset
from studies.questions.seed_agreement.pairs import Mapped, agreement, mapped
from studies.questions.seed_agreement.report import write_report
from studies.registry import STUDIES
from training.column_faces import ColumnFaces
from training.grid import Training, done_of, known_models, trainings
from training.kept_maps import TEST_MAPS, cells_of, kept_maps
from training.missing import train_missing
from training.plan import say_plan
from training.variants import Column, Variant

FIRST_UNTRAINED = 1000
"""Seed of the first untrained network, beyond those of trainings."""
CALIBRATION = 512
"""Training faces that the untrained networks' BatchNorm statistics come from."""


@STUDIES.register("seed_agreement")
@dataclass(frozen=True, kw_only=True)
class SeedAgreement(OneDataset, Progress):
    """Do two trainings of one network explain the same face alike?

    Whoever shows the maps of one checkpoint relies on it: had the seed been another one, would the
    picture be the same? Maps of the same face are compared across trainings, across architectures
    and with untrained networks; beside each stands the likeness to another face of the same
    emotion. Maps come from the trainings' records (``test_maps.npz``), so that weights may be gone.
    """

    name: ClassVar[str] = "seed_agreement"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="mean Pearson correlation of two Grad-CAM maps of the same face, by two trainings "
        "of one architecture, less that with another person's face of its emotion",
        unit=PERSON,
        family="each architecture by itself",
        interval="95 %, for new faces, of these very trainings",
        holds=ABOVE_ZERO,
        sensitivity="other architectures, and untrained networks",
    )

    architectures: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME …")] = (
        "gimefive",
        "resnet18",
    )
    """Architectures that are trained, each with all seeds."""

    def check(self) -> None:
        """Refuse options that can be judged before anything is read or computed."""
        super().check()
        if len(self.options.seeds) < 2:
            raise InputError(
                f"Expected at least 2 seeds, whose maps are compared, got {self.options.seeds}."
            )
        known_models(self.architectures)

    def run(self) -> Path:
        """Train what is missing, compare the maps; returns the folder of results.

        Raises
        ------
        InputError
            For options or a root that cannot be used, or when no two networks have maps.
        """
        self.check()
        column = Column.parse(self.data)
        variants = [Variant(name=name, model=name) for name in self.architectures]
        at_hand = {column.name: ColumnFaces(self.options, column)}
        asked = trainings(self.options, variants, [column], faces=at_hand)
        at_hand[column.name].check()
        if self.dry_run:
            say_plan(asked)
            return Path()
        if self.options.train:
            train_missing(asked, hours=self.options.hours)
        done = done_of(asked, asked)
        faces = self._faces(column, "test")
        config: dict[str, Any] = {
            **self.declaration(),
            "data": column.name,
            "architectures": list(self.architectures),
            "seeds": list(self.options.seeds),
            "untrained": self.untrained,
            **self.options.settings(),
        }
        name = store.run_id(column.name, self.options.recipe, store.digest(config))
        tables = self.tables(name, done, config, {"faces": faces.fingerprint(64)})
        networks = self._networks(done, variants, column, faces, tables.folder)
        clusters = face_groups(faces).tolist()
        rows = agreement(networks, faces.labels, faces.ids, seed=0, clusters=clusters)
        if rows.empty:
            raise InputError("Expected two networks with maps of the same faces, found none.")
        trained = pd.DataFrame([_accuracy(cell) for cell in done])
        answer = write_report(tables.folder, tables.manifest, rows, clusters, trained)
        return tables.complete(answer)

    def _faces(self, column: Column, split: str, limit: int | None = None) -> Faces:
        return load_dataset(
            column.data,
            split=split,
            source=column.source,
            emotions=SIX,
            limit=self.options.limit if limit is None else limit,
            subject_pattern=self.options.subject_pattern,
            skip_bad=self.options.skip_bad,
        )

    def _networks(
        self,
        done: list[Training],
        variants: list[Variant],
        column: Column,
        faces: Faces,
        folder: Path,
    ) -> list[Mapped]:
        """Maps of all trainings that have them, and of untrained networks."""

        def shown(arrays: Mapping[str, Any], name: str, variant: str, *, trained: bool) -> Mapped:
            if [str(face) for face in arrays["ids"]] != list(faces.ids):
                raise InputError(
                    f"Expected maps of the faces at hand in the record of {name}, but it has those "
                    "of others: delete its test_maps.npz to have them made anew."
                )
            cells = cells_of(arrays, faces.labels, list(EMOTIONS))
            return mapped(name, variant, cells, trained=trained)

        found = []
        with progress_bar(shown=self.progress) as bar:
            task = bar.add_task("maps", total=len(done) + len(variants) * self.untrained)
            for cell in done:
                arrays = self._maps_of(cell, faces)
                if arrays is not None:
                    found.append(shown(arrays, cell.folder.name, cell.variant.name, trained=True))
                bar.advance(task)
            calibration = self._faces(column, "train", CALIBRATION)
            for variant in variants:
                for k in range(self.untrained):
                    model = self.options.run(variant, column, FIRST_UNTRAINED + k).fresh_model()
                    calibrate_batchnorm(model, calibration)
                    name = f"{variant.name}@untrained{k}"
                    made_of = [model_digest(model), faces.fingerprint(model.size)]
                    path = folder / "shards" / f"{slug(name)}-{store.digest(made_of)}.npz"
                    predictor = Predictor(model, device=self.options.device)
                    arrays = store.once(path, partial(kept_maps, predictor, faces))
                    found.append(shown(arrays, name, variant.name, trained=False))
                    bar.advance(task)
        return found

    def _maps_of(self, cell: Training, faces: Faces) -> dict[str, Any] | None:
        """Maps of a training's record; made, and kept there, where only its weights are at hand."""
        path = cell.record / TEST_MAPS
        if not path.exists():
            try:
                weights = cell.weights()
            except InputError as error:
                sys.stderr.write(f"left out, its record keeps no maps: {error}\n")
                return None
            model = load_model(cell.variant.model, weights=weights)
            predictor = Predictor(model, device=self.options.device)
            return store.once(path, partial(kept_maps, predictor, faces))
        return read_arrays(path)


def _accuracy(cell: Training) -> dict[str, Any]:
    """Row of a training: maps of one that learned little mean little."""
    return {
        "network": cell.variant.name,
        "seed": cell.seed,
        "epochs": cell.card["epochs"],
        "training faces": cell.card["train_faces"],
        "test faces": cell.card["test"]["faces"],
        "recognised": 100 * cell.scores["plain"]["accuracy"],
    }
