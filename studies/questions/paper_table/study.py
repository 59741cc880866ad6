"""How accurate are GiMeFive and its baselines, counted honestly and as the paper counts?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro

from fer_xai.errors import InputError
from studies.engine import store
from studies.engine.endpoints import TOLD_FROM_ZERO, Endpoint
from studies.engine.scope import DataSets
from studies.engine.trained import TrainedStudy
from studies.questions.paper_table.costs import costs, missing
from studies.questions.paper_table.published import TITLES
from studies.questions.paper_table.report import write_report
from studies.registry import STUDIES
from training.column_faces import ColumnFaces
from training.grid import done_of, known_models, trainings
from training.missing import train_missing
from training.plan import say_plan
from training.predictions import predictions
from training.variants import Column, Variant

PAPER_COLUMNS = (
    Column(name="rafdb", data="gimefive", source="rafdb"),
    Column(name="fer2013", data="gimefive", source="fer2013"),
    Column(name="gimefive", data="gimefive", source=None),
)
"""The paper's datasets, whose trainings are shown whichever command made them."""


@STUDIES.register("paper_table")
@dataclass(frozen=True, kw_only=True)
class PaperTable(TrainedStudy, DataSets):
    """How accurate are GiMeFive and its baselines, counted honestly and as the paper counts?

    Each cell is trained once a seed; the test faces are scored by the weights that are kept, and
    after every epoch only to show beside it what the paper's way of counting, the best epoch on the
    test set, would have said. The unit for a claim about an architecture is the training. A stopped
    run goes on where it was; cells that were not trained stay empty and say so, and those trained
    by a later command of the same recipe and seeds appear in the same folder.
    """

    name: ClassVar[str] = "paper_table"
    endpoint: ClassVar[Endpoint] = Endpoint(
        quantity="test accuracy of the weights that are kept; of each model less GiMeFive's",
        unit="a training (seed) for architectures, a face for these very weights",
        family="the models on one dataset, Holm",
        interval="95 %, Student's t over five trainings or more; below five there is none",
        holds=TOLD_FROM_ZERO + " or below it",
    )

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME …")] = (
        "gimefive",
        "resnet18",
        "gimefive-nobn",
        "gimefive-nodropout",
    )
    """Rows to train; every row of the paper's table is shown."""
    pretrained: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL=WEIGHTS …")] = ()
    """Models that begin with other weights: a path, or 'imagenet' for torchvision's own."""
    timed: bool = False
    """Measure on this machine how long a pass of each network takes, over GiMeFive's, and for how
    many hours each cell that is empty would be trained; it takes minutes."""
    records_only: bool = False
    """Tabulate what has ended without looking at any faces, and say so in the report; --data names
    columns without a root then, such as gimefive@rafdb. Otherwise every root has to be there, and
    the digests of its faces are compared with those of each training."""

    def run(self) -> Path:
        """Train what is missing and tabulate what is done; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown model or dataset, a root that is not there or holds other faces than
            those of a training, or when nothing has been trained.
        """
        self.check()
        known_models(self.models)
        begun_with = self._pretrained()
        columns = [Column.parse(text) for text in self.data]
        rows = dict.fromkeys([*TITLES, *self.models])
        variants = {
            name: Variant(name=name, model=name, pretrained=begun_with.get(name)) for name in rows
        }
        faces = self._faces(columns)
        models = [variants[name] for name in self.models]
        asked = trainings(self.options, models, columns, faces=faces)
        for at_hand in faces.values():
            at_hand.check()
        if self.dry_run:
            say_plan(asked)
            return Path()
        if self.options.train and not self.records_only:
            train_missing(asked, hours=self.options.hours)
        named = {column.name: column for column in columns}
        if any(column.name in named for column in PAPER_COLUMNS):
            named |= {c.name: c for c in PAPER_COLUMNS if c.name not in named}
        everything = trainings(self.options, variants.values(), named.values(), faces=faces)
        done = done_of(everything, asked)
        config: dict[str, Any] = {
            **self.declaration(),
            "data": sorted(named),
            "seeds": list(self.options.seeds),
            **self.options.settings(),
            "pretrained": begun_with,
        }
        tables = self.tables(f"{self.options.recipe}-{store.digest(config)}", done, config)
        said = predictions(done)
        store.write_table(tables.folder / "predictions.parquet", said)
        trained_on = {name: len(column.train) for name, column in faces.items()}
        answer = write_report(
            tables.folder,
            tables.manifest,
            done,
            said,
            names=list(named),
            rows=list(rows),
            costs=[
                *([missing(everything, trained_on)] if self.timed else []),
                costs(list(rows), timed=self.timed),
            ],
        )
        return tables.complete(answer)

    def _faces(self, columns: Sequence[Column]) -> dict[str, ColumnFaces]:
        """The faces of each column that trainings are held against."""
        if self.records_only and self.dry_run:
            raise InputError(
                "Expected --dry-run, which says what would be trained, or --records-only, which "
                "trains nothing, got both: leave one out."
            )
        if not self.records_only:
            return {column.name: ColumnFaces(self.options, column) for column in columns}
        rooted = [
            column.data
            for column in columns
            if ":" in column.data and not column.data.startswith(("synthetic:", "folder:"))
        ]
        if rooted:
            raise InputError(
                f"Expected --data without a root beside --records-only, which looks at no faces, "
                f"got {', '.join(rooted)}: leave the root, or --records-only, out."
            )
        return {}

    def _pretrained(self) -> dict[str, str]:
        """Weights to begin with, by model."""
        found = {}
        for text in self.pretrained:
            name, _, source = text.partition("=")
            if not source or name not in self.models:
                raise InputError(
                    f"Expected --pretrained MODEL=WEIGHTS for one of {', '.join(self.models)}, got "
                    f"{text!r}."
                )
            found[name] = source
        return found
