"""Trainings that a study compares: which there are to be, which are done, what they left."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import tyro
from numpy.typing import NDArray

from fer_xai.command import check_folder
from fer_xai.data import DATASETS
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.files import damaged, read_arrays, read_json, write_bytes
from fer_xai.models.registry import architecture
from fer_xai.recognition import exact_scores
from fer_xai.types import Faces
from training.export import CARD, LOG, TEST_LOGITS, WEIGHTS
from training.loop import PROCESSES, check_launch
from training.recipes import NOTHING, RECIPES, Overrides, Recipe
from training.run import SIZE, TrainingRun, data_name, train


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
        place = text.partition(":")[2]
        if not data or "/" in source or (place and Path(place).exists()):
            data, source = text, ""
        return cls(name=source or data_name(data), data=data, source=source or None)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model as it is trained: an architecture, and what it is fed."""

    name: str
    model: str
    size: int | None = None
    greyscale: bool | None = None
    pretrained: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How every cell of a table is trained."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One training each: of initialisation, order, augmentation and dropout."""
    recipe: Literal["accurate", "paper"] = "accurate"
    """Optimisation settings; the options below override them."""
    overrides: tyro.conf.OmitArgPrefixes[Overrides] = NOTHING
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
    skip_bad: bool = False
    """Leave damaged or missing images and unknown labels out, instead of stopping."""
    train: bool = True
    """Train what is missing; with --no-train only what is done is tabulated."""
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
        }


@dataclass(frozen=True, kw_only=True)
class Training:
    """One cell and seed of a table: a training that is done, or is to be."""

    variant: Variant
    column: Column
    seed: int
    run: TrainingRun
    record: Path
    """What is kept of it once it has ended."""
    faces: ColumnFaces | None = None
    """What lies under the column's root; None where only records are tabulated."""

    @property
    def folder(self) -> Path:
        """Of the run, or of its record where the run itself is not on this machine."""
        run = self.run.folder()
        return self.record if not (run / CARD).exists() and (self.record / CARD).exists() else run

    @cached_property
    def card(self) -> dict[str, Any]:
        """What the run says of itself; empty if it has not ended."""
        file = self.folder / CARD
        return read_json(file, remedy=f"delete {self.folder}") if file.exists() else {}

    @property
    def done(self) -> bool:
        """Whether it has ended, with the settings asked for and with test faces scored.

        A record of another training, such as of the same faces in another layout, does not count.

        Raises
        ------
        InputError
            If its folder holds a run of other settings, or it learned from or was tested on other
            faces than those that lie under the root.
        """
        if not self.card:
            return False
        asked = self.run.identity()
        theirs = self.card.get("run", {})
        differ = [key for key, value in asked.items() if theirs.get(key) != value]
        if "test" not in self.card:
            differ.append("test")
        if differ and self.folder == self.record:
            return False  # a training of that name, but not this one
        if differ:
            raise InputError(
                f"Expected {self.folder} to hold a run of this table, but its card differs in "
                f"{', '.join(differ)}: choose other --runs, or delete that folder."
            )
        self._check_faces()
        return True

    def _check_faces(self) -> None:
        """Hold the faces that it was made of against those under the column's root."""
        if self.faces is None:
            return
        differ = self.faces.differences(self.card, self.logits)
        if differ:
            raise InputError(
                f"Expected {self.folder} to be of the faces under {self.column.data}, but "
                f"{' and '.join(differ)}: name the root of its faces, or choose other --runs and "
                "--records."
            )

    @property
    def compared(self) -> str:
        """How its faces were compared with those at hand, for a report."""
        if self.faces is None:
            return "records alone, no faces were looked at"
        if self.card.get("test_faces_sha256"):
            return "the digests of its faces are those of the faces at hand"
        return (
            "the digest of its training faces, and names and labels of its test faces, are those "
            "of the faces at hand (its record keeps no digest of the test faces)"
        )

    def logits(self) -> dict[str, Any]:
        """``ids``, ``labels`` (canonical), ``logits`` and ``flip_averaged`` of the test faces.

        Raises
        ------
        DamagedFileError
            If the file cannot be read.
        """
        return read_arrays(self.folder / TEST_LOGITS)

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Scores of the test faces, ``plain`` and ``flip_averaged``, from the logits themselves.

        A card's are rounded, and so would be what is computed from them. ``without_copies`` is the
        plain accuracy without test faces that have the very pixels of a training face, NaN where
        there are no others.
        """
        arrays = self.logits()
        truth = torch.from_numpy(positions(arrays["labels"]))
        found = {
            name: exact_scores(torch.from_numpy(arrays[key]), truth, emotions=SIX)
            for name, key in (("plain", "logits"), ("flip_averaged", "flip_averaged"))
        }
        right = arrays["logits"].argmax(axis=1) == truth.numpy()
        rest = right[~arrays["copy"]]
        found["plain"]["without_copies"] = float(rest.mean()) if rest.size else float("nan")
        return found

    def log(self) -> pd.DataFrame:
        """One row an epoch.

        Raises
        ------
        DamagedFileError
            If the file cannot be read.
        """
        file = self.folder / LOG
        try:
            return pd.read_csv(file)
        except (OSError, ValueError) as error:
            raise damaged(file, error, remedy=f"delete {self.folder}") from None

    @cached_property
    def curve_known(self) -> bool:
        """Whether the log has the test accuracy of every epoch."""
        log = self.log()
        return (
            "test_accuracy" in log
            and len(log) == self.card["epochs"]
            and bool(log["test_accuracy"].notna().all())
        )

    def weights(self) -> Path:
        """The trained weights.

        Raises
        ------
        InputError
            If only the record of the run is here.
        """
        file = self.folder / WEIGHTS
        if not file.exists():
            raise InputError(
                f"Expected the weights of {self.record.name}, but only its record is here, without "
                "them: train it again with other --records, or keep the endpoints beside it."
            )
        return file

    def keep_record(self) -> None:
        """Copy what tables are made of.

        Raises
        ------
        InputError
            If there is a record of other weights under that name.
        """
        if self.folder == self.record:
            return
        card = self.record / CARD
        if card.exists():
            theirs = read_json(card, remedy=f"delete {self.record}").get("weights_sha256")
            if theirs != self.card["weights_sha256"]:
                raise InputError(
                    f"Expected {self.record} to be the record of the weights in {self.folder}, but "
                    "it is of another training of that name: choose other --records, or delete the "
                    "run to have the record tabulated."
                )
        for name in (TEST_LOGITS, LOG, CARD):  # the card last: it says that all are there
            write_bytes(self.record / name, (self.folder / name).read_bytes())

    def facts(self) -> dict[str, Any]:
        """For a manifest: which weights these are."""
        return {
            "weights_sha256": self.card["weights_sha256"],
            **{
                key: self.card[key]
                for key in (
                    "commit",
                    "date",
                    "train_faces",
                    "train_faces_sha256",
                    "epochs",
                    "minutes",
                    "machine",
                    "versions",
                )
            },
            "test_faces": self.card["test"]["faces"],
            "test_faces_sha256": self.card.get("test_faces_sha256"),
            "faces compared": self.compared,
        }


class ColumnFaces:
    """The faces under a column's root, read once, to hold trainings and records against.

    Parameters
    ----------
    options, column
        Of the table.
    """

    def __init__(self, options: TrainingOptions, column: Column) -> None:
        self.options, self.column = options, column

    @cached_property
    def run(self) -> TrainingRun:
        """One that reads these faces.

        Raises
        ------
        InputError
            If there is no root to read from.
        """
        column = self.column
        name, _, place = column.data.partition(":")
        if not place and name in DATASETS and name != "synthetic":
            raise InputError(
                f"Expected the root of {column.name}, as {name}:ROOT"
                f"{f'@{column.source}' if column.source else ''}, whose faces trainings and records"
                " are compared with; paper_table --records-only tabulates records without them."
            )
        return self.options.run(Variant(name="", model="gimefive"), column, 0)

    @cached_property
    def train(self) -> Faces:
        """The whole training split, faces to be held out too."""
        return self.run.faces("train")

    @cached_property
    def test(self) -> Faces:
        """The test faces."""
        return self.run.faces("test")

    def check(self) -> None:
        """Find the faces, whatever has been trained.

        Raises
        ------
        InputError
            If the root is missing, or holds no such faces.
        """
        _ = self.train, self.test

    @cached_property
    def train_sha256(self) -> str:
        """Of the whole training split."""
        return self.train.fingerprint(SIZE)

    @cached_property
    def test_sha256(self) -> str:
        """Of the test faces."""
        return self.test.fingerprint(SIZE)

    def differences(
        self, card: Mapping[str, Any], logits: Callable[[], Mapping[str, Any]]
    ) -> list[str]:
        """In what the faces of a training differ from these, by all that its card keeps of them.

        Older cards keep a digest of the faces that were learned from alone; of the test faces their
        logits know names and labels.
        """
        found = []
        whole = card.get("training_split_sha256")
        if whole is None and not card.get("valid_faces"):
            whole = card.get("train_faces_sha256")
        if whole is None:
            found.append("it keeps no digest of the training faces")
        elif whole != self.train_sha256:
            found.append("it learned from other training faces")
        test = card.get("test_faces_sha256")
        if test is not None:
            same = test == self.test_sha256
        else:
            arrays = logits()
            same = list(map(str, arrays["ids"])) == self.test.ids and np.array_equal(
                arrays["labels"], self.test.labels.numpy()
            )
        return found if same else [*found, "it was tested on other test faces"]


def trainings(
    options: TrainingOptions,
    variants: Iterable[Variant],
    columns: Iterable[Column],
    *,
    faces: Mapping[str, ColumnFaces] = MappingProxyType({}),
) -> list[Training]:
    """Every training of a table, seed by seed, so that each row soon has its first.

    Parameters
    ----------
    options, variants, columns
        Of the table.
    faces
        Those at hand, by the column's name; of other columns there are records alone.
    """
    variants, columns = list(variants), list(columns)
    check_launch()
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise InputError(f"Expected datasets of different names, got {', '.join(names)}.")
    if PROCESSES > 1:
        raise InputError(
            "Expected one process, since a study writes tables: start it without torchrun, or "
            "train its cells one by one with `torchrun … -m training.run`."
        )
    if options.chosen_recipe().patience and not options.held_out():
        raise InputError(
            f"Expected validation faces for a recipe that stops early (patience "
            f"{options.chosen_recipe().patience}): set a --valid-fraction, or --patience 0."
        )
    if not options.seeds or len(set(options.seeds)) < len(options.seeds):
        raise InputError(f"Expected seeds, each once, got {options.seeds}.")
    for seed in options.seeds:
        TrainingRun(seed=seed, valid_fraction=options.held_out()).check()
    return [
        Training(
            variant=variant,
            column=column,
            seed=seed,
            run=run,
            record=options.records / run.name(),
            faces=faces.get(column.name),
        )
        for column in columns
        for seed in options.seeds
        for variant in variants
        for run in [options.run(variant, column, seed)]
    ]


def done_of(cells: Iterable[Training], asked: Sequence[Training]) -> list[Training]:
    """Those that have ended, their records kept.

    A stranger in the folder of one that was not asked for is passed over.

    Raises
    ------
    InputError
        If the folder of one that was asked for holds another run, or nothing has ended.
    """
    found = []
    for cell in cells:
        try:
            if cell.done:
                cell.keep_record()
                found.append(cell)
        except InputError as error:
            if cell in asked:
                raise
            sys.stderr.write(f"left out: {error}\n")
    if not found:
        places = sorted({str(cell.folder.parent) for cell in asked})
        raise InputError(
            f"Expected finished trainings under {', '.join(places)}, found none for this study: "
            "leave --no-train out to train them."
        )
    return found


def train_missing(cells: Sequence[Training]) -> None:
    """Train what has not ended yet, one after another; each resumes where it was stopped.

    Raises
    ------
    InputError
        Before anything is trained, if the record of another training has the name of one.
    """
    missing = [cell for cell in cells if not cell.done]
    for cell in missing:
        if (cell.record / CARD).exists():
            raise InputError(
                f"Expected {cell.record} to be free for the record of a training with these "
                "settings, but it is of another one of that name: choose other --records."
            )
    for index, cell in enumerate(missing, start=1):
        sys.stderr.write(f"training {index} of {len(missing)}: {cell.folder.name}\n")
        train(cell.run)
        for known in ("card", "scores", "curve_known"):
            cell.__dict__.pop(known, None)


def check_table(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse to write a table over one of the same name that other faces made.

    Raises
    ------
    InputError
        If the folder's manifest has a training of the same name on other faces.
    """
    file = folder / "manifest.json"
    if not file.exists():
        return
    before = read_json(file, remedy=f"delete {folder}").get("trainings", {})
    for name, facts in manifest["trainings"].items():
        for key in ("train_faces_sha256", "test_faces_sha256"):
            theirs = before.get(name, {}).get(key)
            if theirs is not None and facts[key] is not None and theirs != facts[key]:
                raise InputError(
                    f"Expected {folder} to hold a table of the same faces, but its {name} was of "
                    "others: choose another --out, or delete that folder."
                )


def predictions(cells: Sequence[Training]) -> pd.DataFrame:
    """One row a training and test face: what it shows and what the model said.

    Raises
    ------
    InputError
        If trainings of one column learned from different faces, or were tested on different ones.
    """
    parts = []
    tested: dict[str, Any] = {}
    trained: dict[tuple[str, int | None], str] = {}
    for cell in cells:
        found = cell.logits()
        learned = str(cell.card["train_faces_sha256"])
        # the seed also splits off the validation faces, if there are any
        of_one = (cell.column.name, cell.seed if cell.card["valid_faces"] else None)
        if trained.setdefault(of_one, learned) != learned:
            raise InputError(
                f"Expected all trainings on {cell.column.name} to learn from the same faces, but "
                f"{cell.folder} learned from others: delete that folder."
            )
        first = tested.setdefault(cell.column.name, found)
        if not np.array_equal(first["ids"], found["ids"]):
            raise InputError(
                f"Expected all trainings on {cell.column.name} to be tested on the same faces, but "
                f"{cell.folder} was tested on others: delete that folder."
            )
        parts.append(
            pd.DataFrame(
                {
                    "model": cell.variant.name,
                    "data": cell.column.name,
                    "seed": cell.seed,
                    "id": found["ids"].astype(str),
                    "cluster": found["cluster"],
                    "copy": found["copy"],
                    "true": positions(found["labels"]),
                    "predicted": found["logits"].argmax(axis=1),
                    "predicted, flip averaged": found["flip_averaged"].argmax(axis=1),
                }
            ).astype({"true": "int8", "predicted": "int8", "predicted, flip averaged": "int8"})
        )
    table = pd.concat(parts, ignore_index=True)
    return table.astype({"model": "category", "data": "category", "id": "category"})


def positions(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Canonical labels as positions among the six emotions, which is the models' output order."""
    order = {EMOTIONS.index(name): position for position, name in enumerate(SIX)}
    return np.array([order[int(label)] for label in labels], dtype=np.int64)


def known_models(names: Iterable[str]) -> None:
    """An unknown architecture is told before anything is trained."""
    for name in names:
        architecture(name)
