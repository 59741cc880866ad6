"""Predictions of trainings on their test faces, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_xai.errors import InputError
from fer_xai.files import read_json
from training.faces import positions
from training.grid import Training


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


def check_table(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse to write a table over one of the same name that other faces made.

    Raises
    ------
    InputError
        If the folder's manifest has a training of the same name on other faces.

    Examples
    --------
    >>> import json, tempfile
    >>> def manifest(digest):
    ...     facts = {"train_faces_sha256": digest, "test_faces_sha256": None}
    ...     return {"trainings": {"gimefive-seed0": facts}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "manifest.json").write_text(json.dumps(manifest("1a2b")))
    ...     check_table(Path(folder), manifest("1a2b"))
    ...     check_table(Path(folder), manifest("3c4d"))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected ... to hold a table of the same faces, but its ...
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
