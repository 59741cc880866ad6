"""Trainings that a study compares: which there are to be, which are done, what they left."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import torch

from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import damaged, read_arrays, read_json, write_bytes
from fer_xai.models.registry import architecture
from fer_xai.recognition import exact_scores
from training.column_faces import ColumnFaces
from training.export import CARD, LOG, TEST_LOGITS, WEIGHTS
from training.faces import positions
from training.kept_maps import TEST_MAPS
from training.loop import PROCESSES, check_launch
from training.run import TrainingRun
from training.variants import Column, TrainingOptions, Variant


@dataclass(frozen=True, kw_only=True)
class Training:
    """One cell and seed of a table: a training that is done, or is to be.

    Examples
    --------
    >>> ours, column = Variant(name="ours", model="gimefive"), Column.parse("synthetic")
    >>> options = TrainingOptions(runs=Path("no/such"), records=Path("no/such"))
    >>> cells = trainings(options, [ours], [column])
    >>> cells[1].folder.name, cells[1].done
    ('gimefive-synthetic-accurate-refit-seed1', False)
    """

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
        """Folder of the run, or of its record where the run itself is not on this machine."""
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
        """One row an epoch; none where the log was not kept.

        Raises
        ------
        DamagedFileError
            If the file cannot be read.
        """
        file = self.folder / LOG
        try:
            return pd.read_csv(file) if file.exists() else pd.DataFrame({"epoch": []})
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
        for name in (TEST_MAPS, TEST_LOGITS, LOG, CARD):  # the card last: all are there
            if name not in (TEST_MAPS, LOG) or (self.folder / name).exists():
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
        Parts of the table.
    faces
        Those at hand, by the column's name; of other columns there are records alone.

    Raises
    ------
    InputError
        If two columns have one name, a seed comes twice, or the options cannot be used.

    Examples
    --------
    >>> variants = [Variant(name=name, model=name) for name in ("gimefive", "resnet18")]
    >>> found = trainings(TrainingOptions(seeds=(0, 1)), variants, [Column.parse("synthetic")])
    >>> [(cell.seed, cell.variant.name) for cell in found][:3]
    [(0, 'gimefive'), (0, 'resnet18'), (1, 'gimefive')]
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


def known_models(names: Iterable[str]) -> None:
    """An unknown architecture is told before anything is trained."""
    for name in names:
        architecture(name)
