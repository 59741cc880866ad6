"""What a table of trainings is made of: models, data sets, and the options of its trainings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fer_xai.checks import check_number
from fer_xai.command import check_folder
from fer_xai.data.spec import split_source
from training.faces import data_name
from training.recipes import NOTHING, RECIPES, Overrides, Recipe
from training.run import TrainingRun


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
        data, source = split_source(text)
        return cls(name=source or data_name(data), data=data, source=source)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model as it is trained: an architecture, and what it is fed.

    Examples
    --------
    >>> Variant(name="GiMeFive in colour", model="gimefive", greyscale=False).size is None
    True
    """

    name: str
    model: str
    size: int | None = None
    greyscale: bool | None = None
    pretrained: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How every cell of a table is trained.

    Examples
    --------
    >>> options = TrainingOptions(recipe="paper", overrides=Overrides(epochs=20))
    >>> options.chosen_recipe().epochs, options.held_out()  # the recipe stops early
    (20, 0.1)
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each: of initialisation, order, augmentation and dropout."""
    recipe: Literal["accurate", "paper"] = "accurate"
    """Optimisation settings; the options below override them."""
    overrides: Annotated[tyro.conf.OmitArgPrefixes[Overrides], tyro.conf.arg(name="recipe")] = (
        NOTHING
    )
    """What to change of the recipe."""
    valid_fraction: float | None = None
    """Share of the training faces held out to choose the epoch; with 0 all are trained on and the
    last epoch is kept. By default 0, or 0.1 for a recipe that stops early."""
    limit: int | None = None
    """At most this many training (and test) faces."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Autocast precision of training."""
    subject_pattern: Annotated[str | None, tyro.conf.arg(metavar="REGEX")] = None
    """Regular expression with the named groups subject, sequence or both, searched in the path of
    each file of every data set: faces of one person are held out together, and are one unit."""
    skip_bad: bool = False
    """Leave damaged or missing images and unknown labels out, instead of stopping."""
    train: bool = True
    """Train what is missing; with --no-train only what is done is tabulated."""
    hours: float | None = None
    """Hours to train for: the training that runs then stops after its epoch, and what is done is
    tabulated; the same command goes on."""
    runs: Path = Path("runs")
    """Where training runs lie, each resumable by itself."""
    records: Path = Path("results/trainings")
    """Where a finished run leaves its card, log and logits, without the weights: what has a record
    here is done, and is tabulated where its run is gone."""

    def chosen_recipe(self) -> Recipe:
        """The recipe with its changes."""
        return self.overrides.applied_to(RECIPES[self.recipe])

    def held_out(self) -> float:
        """The share of training faces that choose the epoch."""
        if self.valid_fraction is not None:
            return self.valid_fraction
        return 0.1 if self.chosen_recipe().patience else 0.0

    def run(self, variant: Variant, column: Column, seed: int) -> TrainingRun:
        """The training of one cell."""
        run = TrainingRun(
            model=variant.model,
            size=variant.size,
            greyscale=variant.greyscale,
            pretrained=variant.pretrained,
            data=column.data,
            source=column.source,
            recipe=self.recipe,
            overrides=self.overrides,
            valid_fraction=self.held_out(),
            test="every-epoch",
            limit=self.limit,
            subject_pattern=self.subject_pattern,
            skip_bad=self.skip_bad,
            seed=seed,
            device=self.device,
            precision=self.precision,
            progress=False,
        )
        return dataclasses.replace(run, out=self.runs / run.name())

    def check_folders(self) -> None:
        """Try the folders that trainings are written to.

        Raises
        ------
        InputError
            If one cannot be written to.
        """
        if self.hours is not None:
            check_number("--hours", self.hours, 0)
        if self.train:
            check_folder(self.runs, option="--runs")
        check_folder(self.records, option="--records")

    def settings(self) -> dict[str, Any]:
        """What results depend on, seeds apart."""
        return {
            "recipe": dataclasses.asdict(self.chosen_recipe()),
            "recipe as chosen": self.chosen_recipe() == RECIPES[self.recipe] and self.recipe,
            "valid_fraction": self.held_out(),
            "limit": self.limit,
            "precision": self.precision,
            **({"subject_pattern": self.subject_pattern} if self.subject_pattern else {}),
        }
