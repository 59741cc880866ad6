"""An edition of the FER GiMeFive benchmark that ``python -m fer_xai.data aggregate`` has written.

``DIR/clean.csv`` (or ``DIR/as_published.csv``) names images of the user's own copies of the source
data sets, by their path below the folder that ``DIR/manifest.json`` gives for each set, with their
digest. An image that is no longer the one that was listed is refused when it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data.cards import Card, described
from fer_xai.data.images import read_image
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.files import read_json
from fer_xai.types import COLUMNS, Faces

MANIFEST = "manifest.json"
CLEAN, PUBLISHED = "clean.csv", "as_published.csv"
INDEX: tuple[str, ...] = (
    *("id", "set", "path", "sha256", "emotion", "split", "subject", "group", "source"),
    *("original_label", "original_split", "source_split", "status", "reason"),
)
"""Columns of an edition's list."""
REMOVED = "removed"
"""Status of faces that are listed, with the reason, and not part of the edition."""
_REMAKE = "run python -m fer_xai.data aggregate anew"

CARD = Card(
    title="An edition of FER GiMeFive of one's own",
    layout="`clean.csv`, `as_published.csv`, `manifest.json`, as the command `aggregate` writes "
    "them",
    licence="those of its sources",
    source="lists of one's own copies",
    splits=("train", "valid", "test"),
    persons="as its sources tell them",
)


@DATASETS.register("aggregate")
@described(CARD)
def aggregate(root: Path, *, split: str, problems: Problems) -> Faces:
    """Index an edition; ``root`` is its folder (then the clean edition is meant) or its list.

    Raises
    ------
    InputError
        If the list or the manifest is missing, damaged or of another edition, a path leaves the
        folder of its set, or the edition has no such split.

    Examples
    --------
    >>> import json, tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     row = dict.fromkeys(INDEX, "") | {"id": "a", "set": "mine", "path": "1.png",
    ...                                       "emotion": "fear", "split": "test"}
    ...     list_ = Path(place) / CLEAN
    ...     pd.DataFrame([row]).to_csv(list_, index=False)
    ...     sums = {CLEAN: hashlib.sha256(list_.read_bytes()).hexdigest()}
    ...     told = {"sets": {"mine": {"dataset": "folder", "root": place}}, "sha256": sums}
    ...     _ = (Path(place) / MANIFEST).write_text(json.dumps(told))
    ...     aggregate(Path(place), split="test", problems=Problems(skip=False))
    Faces(aggregate: 1 face (fear 1))
    """
    file = root / CLEAN if root.is_dir() else root
    manifest, rows = _read(file)
    rows = rows[(rows["split"] == split) & (rows["status"] != REMOVED)].reset_index(drop=True)
    if not len(rows):
        raise InputError(f"Expected faces of split {split} in {file}, found none.")
    places = [_place(manifest, row, file) for row in rows.itertuples()]
    table = rows.assign(path=[str(place) for place in places])[list(COLUMNS)]
    del problems  # a list that was written by a command has no rows that cannot be used
    return Faces(table=table, reader=_Reader(manifest, rows, places), name="aggregate")


def _read(file: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """The manifest and the list, checked against one another."""
    beside = file.with_name(MANIFEST)
    for path in (file, beside):
        if not path.is_file():
            raise InputError(
                f"Expected an edition with {file.name} and {MANIFEST} in {file.parent}, but "
                f"{path.name} is missing: {_REMAKE}."
            )
    manifest = read_json(beside, remedy=_REMAKE)
    content = file.read_bytes()
    sums = manifest.get("sha256")
    told = sums.get(file.name) if isinstance(sums, dict) else None
    if told != hashlib.sha256(content).hexdigest() or not isinstance(manifest.get("sets"), dict):
        raise InputError(
            f"Expected {file} as its {MANIFEST} describes it, but their digests differ: {_REMAKE}."
        )
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    missing = [column for column in INDEX if column not in rows]
    unknown = set() if missing else set(rows["emotion"]) - set(EMOTIONS)
    if missing or unknown:
        raise InputError(
            f"Expected columns {', '.join(INDEX)} and names of emotions in {file}, got others "
            f"({', '.join([*missing, *map(quoted, sorted(unknown))][:3])}): {_REMAKE}."
        )
    return manifest, rows


def _place(manifest: dict[str, Any], row: Any, file: Path) -> Path:
    """Path of a row's image; it stays below the folder of its set."""
    known = manifest["sets"].get(row.set)
    if not isinstance(known, dict) or not known.get("root"):
        raise InputError(
            f"Expected the folder of {row.set} in {file.with_name(MANIFEST)}, found none."
        )
    if Path(row.path).is_absolute() or ".." in Path(row.path).parts or not row.path:
        raise InputError(
            f"Expected a path below the folder of {row.set} in {file}, got {quoted(row.path)}."
        )
    base = Path(known["root"])  # of one file of a table, the folder that holds it
    return (base.parent if base.suffix and base.is_file() else base) / row.path


class _Reader:
    """Reads images and compares their digests with the list."""

    def __init__(self, manifest: dict[str, Any], rows: pd.DataFrame, places: list[Path]) -> None:
        self._sets, self._places = manifest["sets"], places
        self._sums = rows["sha256"].tolist()
        self._splits = list(zip(rows["set"], rows["source_split"], strict=True))
        self._ids = rows["id"].tolist()
        self._tables: dict[tuple[str, str], Callable[[str], NDArray[np.uint8]]] = {}

    def __call__(self, row: int) -> NDArray[np.uint8]:
        place = self._places[row]
        kind, _, told = self._sums[row].partition(":")
        if kind == "pixels":  # a row of a table, such as fer2013.csv, or a box in a photograph
            name = self._ids[row].removeprefix(f"{self._splits[row][0]}/")
            image = self._rows_of(self._splits[row])(name)
            digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
        else:
            told = self._sums[row]
            image = read_image(place)
            digest = hashlib.sha256(place.read_bytes()).hexdigest()
        if digest != told:
            raise InputError(
                f"Expected {place} as it was when the edition was made, but its digest differs: "
                f"restore it, or {_REMAKE}."
            )
        return image

    def _rows_of(self, key: tuple[str, str]) -> Callable[[str], NDArray[np.uint8]]:
        """Reader of images that are no files of their own, by their names."""
        if key not in self._tables:
            known, split = self._sets[key[0]], key[1]
            faces = DATASETS[known["dataset"]](
                Path(known["root"]), split=split, problems=Problems(skip=True)
            )
            where = {name: index for index, name in enumerate(faces.ids)}

            def read(name: str) -> NDArray[np.uint8]:
                if name not in where:
                    raise InputError(
                        f"Expected {name} in {known['root']}, as the edition lists it, found none: "
                        f"restore it, or {_REMAKE}."
                    )
                return faces.read(where[name])

            self._tables[key] = read
        return self._tables[key]
