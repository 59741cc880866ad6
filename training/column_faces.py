"""Faces of a data set at hand, to compare trainings and their records with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from fer_xai.data import DATASETS
from fer_xai.errors import InputError
from fer_xai.types import Faces
from training.faces import SIZE
from training.run import TrainingRun
from training.variants import Column, TrainingOptions, Variant


class ColumnFaces:
    """The faces under a column's root, read once, to hold trainings and records against.

    Parameters
    ----------
    options
        Options of the trainings.
    column
        The data set.

    Examples
    --------
    >>> ColumnFaces(TrainingOptions(), Column.parse("rafdb")).check()
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the root of rafdb, as rafdb:ROOT, whose faces ...
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
        """Digest of the whole training split."""
        return self.train.fingerprint(SIZE)

    @cached_property
    def test_sha256(self) -> str:
        """Digest of the test faces."""
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
