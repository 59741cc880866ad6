"""Trainings that a study compares: which there are to be, which are done, what they left."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import tyro
from rich.console import Console
from torch.nn import functional as F

from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models.zoo import architecture
from studies import store
from training.export import CARD, TEST_LOGITS, WEIGHTS
from training.loop import training_log
from training.recipes import NOTHING, Overrides
from training.run import TrainingRun, train
from training.trainee import Trainee


@dataclass(frozen=True, kw_only=True)
class Column:
    """A dataset to train and test on, written ``NAME[:ROOT][@SOURCE]``.

    >>> column = Column.parse("gimefive:/data/bench@rafdb")
    >>> column.name, column.data, column.source
    ('rafdb', 'gimefive:/data/bench', 'rafdb')
    """

    name: str
    data: str
    source: str | None

    @classmethod
    def parse(cls, text: str) -> Column:
        """Read one; the part after the last @ is a source unless it belongs to the path."""
        data, _, source = text.rpartition("@")
        if not data or "/" in source:
            data, source = text, ""
        return cls(name=source or data.split(":")[0], data=data, source=source or None)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model as it is trained: an architecture, and what it is fed."""

    name: str
    model: str
    size: int | None = None
    greyscale: bool | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How every cell of a table is trained."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each: of initialisation, order, augmentation and dropout."""
    recipe: Literal["accurate", "paper"] = "accurate"
    """Optimisation settings; the options below override them."""
    overrides: tyro.conf.OmitArgPrefixes[Overrides] = NOTHING
    """What to change of the recipe."""
    valid_fraction: float = 0.0
    """Share of the training faces held out to choose the epoch; with 0 all are trained on and the
    last epoch is kept."""
    limit: int | None = None
    """At most this many training (and test) faces."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Autocast precision of training."""
    workers: int = 1
    """Processes that prepare batches."""
    skip_bad: bool = False
    """Leave damaged or missing images and unknown labels out, instead of stopping."""
    train: bool = True
    """Train what is missing; with --no-train only what is done is tabulated."""
    runs: Path = Path("runs")
    """Where training runs lie, each resumable by itself."""

    def run(self, variant: Variant, column: Column, seed: int) -> TrainingRun:
        """The training of one cell."""
        run = TrainingRun(
            model=variant.model, size=variant.size, greyscale=variant.greyscale, data=column.data,
            source=column.source, recipe=self.recipe, overrides=self.overrides,
            valid_fraction=self.valid_fraction, test="every-epoch", limit=self.limit,
            skip_bad=self.skip_bad, seed=seed, device=self.device, precision=self.precision,
            workers=self.workers, progress=False,
        )  # fmt: skip
        return dataclasses.replace(run, out=self.runs / run.name())

    def settings(self) -> dict[str, Any]:
        """What results depend on, seeds apart."""
        recipe = self.run(Variant(name="", model="gimefive"), Column.parse("synthetic"), 0)
        return {
            "recipe": dataclasses.asdict(recipe.settings()),
            "valid_fraction": self.valid_fraction,
            "limit": self.limit,
            "precision": self.precision,
        }


@dataclass(frozen=True, kw_only=True)
class Training:
    """One cell and seed of a table: a training that is done, or is to be."""

    variant: Variant
    column: Column
    seed: int
    run: TrainingRun

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.run.folder()

    @cached_property
    def card(self) -> dict[str, Any]:
        """What the run says of itself; empty if it has not ended."""
        file = self.folder / CARD
        return json.loads(file.read_text()) if file.exists() else {}

    @property
    def done(self) -> bool:
        """Whether it has ended, with the settings asked for and with test faces scored.

        Raises
        ------
        InputError
            If its folder holds a run of other settings.
        """
        if not self.card:
            return False
        asked = {
            "model": self.run.model,
            "recipe": dataclasses.asdict(self.run.settings()),
            "seed": self.seed,
            "precision": self.run.precision,
        }
        differ = [key for key, value in asked.items() if self.card.get(key) != value]
        if bool(self.card.get("valid_faces")) != bool(self.run.valid_fraction):
            differ.append("valid_faces")
        if "test" not in self.card:
            differ.append("test")
        if differ:
            raise InputError(
                f"Expected {self.folder} to hold a run of this table, but its card differs in "
                f"{', '.join(differ)}: choose other --runs, or delete that folder."
            )
        return True

    def logits(self) -> dict[str, Any]:
        """``ids``, ``labels`` (canonical), ``logits`` and ``flip_averaged`` of the test faces."""
        return store.read_arrays(self.folder / TEST_LOGITS)

    def log(self) -> pd.DataFrame:
        """One row an epoch."""
        return training_log(self.folder)

    def facts(self) -> dict[str, Any]:
        """For a manifest: which weights these are."""
        return {
            "weights_sha256": store.file_digest(self.folder / WEIGHTS),
            "commit": self.card["commit"],
            "date": self.card["date"],
            "train_faces": self.card["train_faces"],
            "test_faces": self.card["test"]["faces"],
            "epochs": len(self.log()),
        }


def trainings(
    options: TrainingOptions, variants: Iterable[Variant], columns: Iterable[Column]
) -> list[Training]:
    """Every training of a table, seed by seed, so that each row soon has its first."""
    variants, columns = list(variants), list(columns)
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise InputError(f"Expected datasets of different names, got {', '.join(names)}.")
    if not options.seeds or len(set(options.seeds)) < len(options.seeds):
        raise InputError(f"Expected seeds, each once, got {options.seeds}.")
    return [
        Training(variant=variant, column=column, seed=seed, run=options.run(variant, column, seed))
        for column in columns
        for seed in options.seeds
        for variant in variants
    ]


def train_missing(cells: Sequence[Training]) -> None:
    """Train what has not ended yet, one after another; each resumes where it was stopped."""
    missing = [cell for cell in cells if not cell.done]
    for index, cell in enumerate(missing, start=1):
        sys.stderr.write(f"training {index} of {len(missing)}: {cell.folder.name}\n")
        train(cell.run)
        cell.__dict__.pop("card", None)


def predictions(cells: Sequence[Training]) -> pd.DataFrame:
    """One row a training and test face: what it shows and what the model said.

    Raises
    ------
    InputError
        If trainings of one column were tested on different faces.
    """
    parts = []
    tested: dict[str, Any] = {}
    for cell in cells:
        found = cell.logits()
        first = tested.setdefault(cell.column.name, found)
        if not np.array_equal(first["ids"], found["ids"]):
            raise InputError(
                f"Expected all trainings on {cell.column.name} to be tested on the same faces, but "
                f"{cell.folder} was tested on others: delete that folder."
            )
        columns = architecture_columns(found["labels"])
        parts.append(
            pd.DataFrame(
                {
                    "model": cell.variant.name,
                    "data": cell.column.name,
                    "seed": cell.seed,
                    "id": found["ids"].astype(str),
                    "true": columns,
                    "predicted": found["logits"].argmax(axis=1),
                    "predicted, flip averaged": found["flip_averaged"].argmax(axis=1),
                }
            ).astype({"true": "int8", "predicted": "int8", "predicted, flip averaged": "int8"})
        )
    table = pd.concat(parts, ignore_index=True)
    return table.astype({"model": "category", "data": "category", "id": "category"})


def architecture_columns(labels: Any) -> Any:
    """Canonical labels as positions among the six emotions, which is the models' output order."""
    from fer_xai.emotions import EMOTIONS

    order = {EMOTIONS.index(name): position for position, name in enumerate(SIX)}
    return np.array([order[int(label)] for label in labels], dtype=np.int64)


def minutes(cell: Training, faces: int, *, steps: int = 2) -> float:
    """How long a training would take, from a few steps on noise."""
    recipe = cell.run.settings()
    trainee = Trainee(cell.run.fresh_model(), recipe, seed=0)
    size = trainee.model.size
    images = torch.rand(recipe.batch_size, 3, size, size)
    columns = torch.arange(recipe.batch_size) % len(SIX)
    spent = []
    for _ in range(steps + 1):
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=cell.run.precision == "bf16"):
            loss = F.cross_entropy(trainee(images), columns)
        loss.backward()  # type: ignore[no-untyped-call]
        spent.append(time.perf_counter() - begun)
    passes = recipe.epochs * faces / recipe.batch_size
    return passes * min(spent[1:]) / 60


def known_models(names: Iterable[str]) -> None:
    """An unknown architecture is told before anything is trained."""
    for name in names:
        architecture(name)


def say_plan(cells: list[Training]) -> None:
    """What would be trained and how long it would take, from a few steps of each."""
    console = Console()
    faces: dict[str, int] = {}
    total = 0.0
    for cell in cells:
        if cell.done:
            console.print(f"  {cell.folder.name}: done")
            continue
        if cell.column.name not in faces:
            faces[cell.column.name] = len(cell.run.faces("train"))
        spent = minutes(cell, faces[cell.column.name])
        total += spent
        console.print(f"  {cell.folder.name}: about {spent:.0f} min")
    console.print(f"About {total / 60:.1f} hours of training. Nothing was run.")
