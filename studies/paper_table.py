"""How accurate are GiMeFive and its baselines, counted honestly and as the paper counts?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from fer_xai.errors import InputError
from studies import store
from studies.paper_report import write_report
from studies.published import TITLES
from studies.registry import STUDIES
from studies.trainings import (
    Column,
    TrainingOptions,
    Variant,
    known_models,
    predictions,
    say_plan,
    train_missing,
    trainings,
)

DEFAULTS = TrainingOptions()


@STUDIES.register("paper_table")
@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """How accurate are GiMeFive and its baselines, counted honestly and as the paper counts?

    Each cell is trained once a seed; the test faces are scored by the weights that are kept, and
    after every epoch only to show beside it what the paper's way of counting, the best epoch on the
    test set, would have said. The unit for a claim about an architecture is the training. A stopped
    run goes on where it was; cells that were not trained stay empty and say so.
    """

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME …")] = (
        "gimefive",
        "resnet18",
        "gimefive-nobn",
        "gimefive-nodropout",
    )
    """Rows to train; every row of the paper's table is shown."""
    data: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[:ROOT][@SOURCE] …")] = (
        "synthetic",
    )
    """Columns to train and test on, such as gimefive:ROOT@rafdb."""
    options: tyro.conf.OmitArgPrefixes[TrainingOptions] = DEFAULTS
    """How cells are trained."""
    out: Path = Path("results")
    """Results go to OUT/paper_table/<run>."""
    dry_run: bool = False
    """Only say what would be trained, and for how long."""

    def run(self) -> Path:
        """Train what is missing and tabulate what is done; returns the folder of results.

        Raises
        ------
        InputError
            For an unknown model or dataset, or when nothing has been trained.
        """
        known_models(self.models)
        columns = [Column.parse(text) for text in self.data]
        rows = dict.fromkeys([*TITLES, *self.models])
        asked = trainings(
            self.options, [Variant(name=name, model=name) for name in self.models], columns
        )
        if self.dry_run:
            say_plan(asked)
            return Path()
        if self.options.train:
            train_missing(asked)
        everything = trainings(
            self.options, [Variant(name=name, model=name) for name in rows], columns
        )
        done = [cell for cell in everything if cell.done]
        if not done:
            raise InputError(
                f"Expected finished trainings under {self.options.runs}, found none for this "
                "table: leave --no-train out to train them."
            )
        config: dict[str, Any] = {
            "data": [column.name for column in columns],
            "seeds": list(self.options.seeds),
            **self.options.settings(),
        }
        names = "-".join(column.name for column in columns)
        folder = self.out / "paper_table" / f"{names}-{self.options.recipe}-{store.digest(config)}"
        manifest = {
            "config": config,
            **store.environment(),
            "trainings": {cell.folder.name: cell.facts() for cell in done},
        }
        store.write_table(folder / "predictions.parquet", predictions(done))
        write_report(folder, manifest, done, columns=columns, rows=list(rows))
        store.write_json(folder / "manifest.json", manifest | {"status": "complete"})
        return folder
