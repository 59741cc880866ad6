"""An edition of the FER GiMeFive benchmark that ``python -m fer_xai.data aggregate`` has written.

``DIR/clean.csv`` (or ``DIR/as_published.csv``) names images of the user's own copies of the source
data sets, by their path below the folder that ``DIR/manifest.json`` gives for each set, or links or
copies below ``DIR/images``, with their digest. An image that is no longer the one that was listed
is refused when it is read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fer_xai.checks import quoted
from fer_xai.data.cards import Card, described
from fer_xai.data.edition_reader import REMAKE, EditionReader
from fer_xai.data.file_names import name_fault
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
    *("digest", "image"),
)
"""Columns of an edition's list."""
REMOVED = "removed"
"""Status of faces that are listed, with the reason, and not part of the edition."""
LISTED, LINKED, COPIED = "list", "link", "copy"
"""What the command writes of images: nothing, links to them, or copies."""

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
    ...                                       "emotion": "fear", "split": "test",
    ...                                       "digest": "0" * 32}
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
    places = _places(manifest, rows, file)
    table = rows.assign(path=places)[list(COLUMNS)]
    del problems  # a list that was written by a command has no rows that cannot be used
    exported = manifest.get("images", LISTED) != LISTED
    reader = EditionReader(manifest["sets"], rows, places, exported=exported)
    return Faces(table=table, reader=reader, name="aggregate")


def _read(file: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """The manifest and the list, checked against one another."""
    beside = file.with_name(MANIFEST)
    for path in (file, beside):
        if not path.is_file():
            raise InputError(
                f"Expected an edition with {file.name} and {MANIFEST} in {file.parent}, but "
                f"{path.name} is missing: {REMAKE}."
            )
    manifest = read_json(beside, remedy=REMAKE)
    content = file.read_bytes()
    sums = manifest.get("sha256")
    told = sums.get(file.name) if isinstance(sums, dict) else None
    if told != hashlib.sha256(content).hexdigest() or not isinstance(manifest.get("sets"), dict):
        raise InputError(
            f"Expected {file} as its {MANIFEST} describes it, but their digests differ: {REMAKE}."
        )
    try:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False)
    except ValueError as error:
        raise InputError(
            f"Expected a list of faces in {file}, but it cannot be read "
            f"({' '.join(str(error).split())}): {REMAKE}."
        ) from None
    missing = [column for column in INDEX if column not in rows]
    if rows.isna().any(axis=None):
        raise InputError(
            f"Expected {len(rows.columns)} cells in each row of {file}, got fewer in row "
            f"{int(rows.isna().any(axis=1).argmax()) + 2}: {REMAKE}."
        )
    unknown = set() if missing else set(rows["emotion"]) - set(EMOTIONS)
    if missing or unknown:
        raise InputError(
            f"Expected columns {', '.join(INDEX)} and names of emotions in {file}, got others "
            f"({', '.join([*missing, *map(quoted, sorted(unknown))][:3])}): {REMAKE}."
        )
    return manifest, rows


def _places(manifest: dict[str, Any], rows: pd.DataFrame, file: Path) -> list[str]:
    """Paths of the rows' images; each stays below the folder of its set, or of the edition."""
    if manifest.get("images", LISTED) == LISTED:
        return source_places(manifest, rows, file)
    return [f"{file.parent}{os.sep}{_inside(name, 'the edition', file)}" for name in rows["image"]]


def source_places(
    manifest: Mapping[str, Any], rows: pd.DataFrame, file: Path = Path(CLEAN)
) -> list[str]:
    """Paths of rows' images in the folders of their data sets.

    Parameters
    ----------
    manifest
        The manifest; its ``sets`` hold the roots.
    rows
        A row a face: ``set`` and ``path``.
    file
        The list, for messages.

    Raises
    ------
    InputError
        If a root is missing, or a path leaves it.

    Examples
    --------
    >>> rows = pd.DataFrame({"set": ["mine"], "path": ["fear/1.png"]})
    >>> source_places({"sets": {"mine": {"root": "/data/mine"}}}, rows)
    ['/data/mine/fear/1.png']
    """
    bases = {name: _base(manifest, name, file) for name in dict.fromkeys(rows["set"])}
    return [
        f"{bases[name]}{os.sep}{_inside(path, name, file)}"
        for name, path in zip(rows["set"], rows["path"], strict=True)
    ]


def _base(manifest: Mapping[str, Any], name: str, file: Path) -> Path:
    """Folder of a set; that of the file where the set is one file of a table."""
    known = manifest["sets"].get(name)
    root = known.get("root") if isinstance(known, dict) else None
    if not isinstance(root, str) or not root:
        raise InputError(
            f"Expected the folder of {quoted(name)[1:-1]} in {file.with_name(MANIFEST)}, found "
            "none."
        )
    base = Path(root)
    return base.parent if base.suffix and base.is_file() else base


def _inside(path: str, name: str, file: Path) -> str:
    """A path that stays below its folder."""
    odd = not path or len(path) > 255 or ".." in path or os.path.isabs(path)  # noqa: PTH117
    if odd and name_fault(path):
        raise InputError(
            f"Expected a path below the folder of {name} in {file}, got {quoted(path)}."
        )
    return path
