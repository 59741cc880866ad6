"""The faces of a label audit: several data sets and splits as one table, and their prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fer_xai.data.crops import whole_files
from fer_xai.data.duplicates.prints import file_sha256
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types import Faces
from studies.engine.description import sha256
from studies.engine.domains import OF_ONES_OWN
from studies.engine.specs import DataSpec

VOTES = "votes_"
"""Beginning of the columns that hold an annotator's votes for an emotion."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split of one data set.

    Attributes
    ----------
    spec
        Data set that it comes from.
    split
        Name of the split.
    faces
        Its faces.
    first
        Place of its first face in the whole table.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> part = Part(spec=DataSpec("synthetic"), split="test", faces=synthetic_faces(2), first=10)
    >>> list(part.rows)
    [10, 11]
    """

    spec: DataSpec
    split: str
    faces: Faces
    first: int

    @property
    def rows(self) -> range:
        """Places of its faces in the whole table."""
        return range(self.first, self.first + len(self.faces))


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """All faces of an audit.

    Attributes
    ----------
    parts
        The splits, one after another.
    table
        A row a face: ``face`` (a name that no other face has), ``set``, ``split``, ``emotion``,
        ``id``, ``path``, ``subject``, ``group`` and ``source``, the ``options`` with which the set
        was read, and the votes where there are any.

    Examples
    --------
    >>> found = collected([DataSpec("synthetic", "lab")], splits=["test"], limit=2)
    >>> found.table[["set", "split"]].values.tolist()
    [['synthetic', 'test'], ['synthetic', 'test']]
    """

    parts: list[Part]
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(dict.fromkeys(part.split for part in self.parts))

    def digests(self) -> dict[str, str]:
        """SHA-256 of each split: of its files and labels, or of its pixels where it has no files.

        Files are read, not decoded.
        """
        found = {}
        for part in self.parts:
            own = part.faces.table
            files = [file_sha256(path) for path in whole_files(part.faces)]
            pixels = "" if all(files) else part.faces.fingerprint(64)
            columns = [column for column in own.columns if column != "path"]
            told = own[columns].astype(str).assign(file=files).to_csv(index=False) + pixels
            found[f"{set_name(part.spec)} {part.split}"] = sha256(told.encode())
        return found


def set_name(spec: DataSpec) -> str:
    """Name of a data set in tables, wherever it lies.

    Examples
    --------
    >>> set_name(DataSpec.parse("gimefive:/data/bench@rafdb"))
    'gimefive@rafdb'
    >>> set_name(DataSpec.parse("folder:/my/faces#0=anger"))
    'folder:faces'
    """
    name = spec.dataset
    if name in OF_ONES_OWN:
        name = f"{name}:{Path(spec.root).name}"
    return name if spec.source is None else f"{name}@{spec.source}"


def collected(
    specs: Sequence[DataSpec],
    *,
    splits: Sequence[str],
    skip_bad: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Collected:
    """Read the tables of data sets; a benchmark of several sources becomes a set a source.

    Parameters
    ----------
    specs
        The data sets.
    splits
        Names of the splits that each of them has.
    skip_bad
        Whether bad images are left out.
    limit, seed
        Most faces of a split, drawn by the seed.

    Raises
    ------
    InputError
        If a data set is named twice, or two of its splits hold the same files.

    Examples
    --------
    >>> len(collected([DataSpec("synthetic")], splits=["test", "valid"], limit=3))
    6
    """
    names = [set_name(spec) for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Expected data sets of different names, each once, got {name} twice: leave one "
                "out, or rename a folder."
            )
    parts: list[Part] = []
    tables: list[pd.DataFrame] = []
    first = 0
    for spec in specs:
        seen: dict[str, str] = {}
        for split in splits:
            faces = spec.load(
                split=split, emotions=EMOTIONS, skip_bad=skip_bad, limit=limit, seed=seed
            )
            _check_apart(faces, spec, split, seen)
            parts.append(Part(spec=spec, split=split, faces=faces, first=first))
            tables.append(_table(faces, spec, split))
            first += len(faces)
    return Collected(parts=parts, table=pd.concat(tables, ignore_index=True))


def _check_apart(faces: Faces, spec: DataSpec, split: str, seen: dict[str, str]) -> None:
    """Refuse a folder without splits, all of whose faces belong to each split."""
    for path in faces.table["path"]:
        if path and seen.setdefault(str(path), split) != split:
            raise InputError(
                f"Expected splits of {set_name(spec)} with files of their own, but {path} is in "
                f"{seen[str(path)]} and in {split}: name one of them in --splits."
            )


def _table(faces: Faces, spec: DataSpec, split: str) -> pd.DataFrame:
    own = faces.table
    kept = ["id", "path", "emotion", "subject", "group", "source"]
    votes = [column for column in own.columns if str(column).startswith(VOTES)]
    several = spec.source is None and own["source"].nunique() > 1
    sets = (
        [f"{spec.dataset}@{source}" for source in own["source"]]
        if several
        else [set_name(spec)] * len(own)
    )
    table = own[[*kept, *votes]].reset_index(drop=True)
    table["options"] = spec.options
    table.insert(0, "split", split)
    table.insert(0, "set", sets)
    table.insert(0, "face", [f"{set_name(spec)}/{split}/{name}" for name in own["id"]])
    return table
