"""The pool of an aggregate: faces of several data sets as one table, with digests and copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.duplicates.candidates import faiss_search
from fer_xai.data.duplicates.near import near_pairs
from fer_xai.data.duplicates.prints import Prints, read_each
from fer_xai.data.duplicates.recordings import of_one_recording
from fer_xai.data.edition_reader import PIXELS, listed_digests
from fer_xai.data.loading import load_dataset
from fer_xai.data.registry import DATASETS
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.types import Faces

SPLITS: dict[str, dict[str, str]] = {
    "rafdb": {"train": "train", "test": "test"},
    "fer2013": {"train": "train", "valid": "test", "test": "test"},
    "affectnet": {"train": "train"},
    "ckplus": {"train": "train"},
    "tfeid": {"train": "train"},
}
"""Splits of each source, and those of the benchmark that they become: PublicTest and PrivateTest of
FER2013 are its test faces, and sources without splits are trained on."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source of an aggregate.

    Attributes
    ----------
    name
        ``rafdb``, ``fer2013``, ``affectnet``, ``ckplus`` or ``tfeid``; ``gimefive`` for the
        published copy.
    dataset
        Name of its loader.
    root
        Its folder or file.
    splits
        Splits of its own, and those of the benchmark.

    Examples
    --------
    >>> Source.parse("fer2013", "/data/FER2013").splits["valid"]
    'test'
    >>> Source.parse("ckplus", "folder:/data/CK+48").dataset
    'folder'
    """

    name: str
    dataset: str
    root: Path
    splits: dict[str, str]

    @classmethod
    def parse(cls, name: str, text: str) -> Source:
        """Read ``ROOT`` or ``NAME:ROOT``, where NAME is a loader.

        Without a name it is the loader of the source, or that of emotion folders if there is none.
        """
        loader, found, rest = text.partition(":")
        if found and loader in DATASETS:
            return cls(name=name, dataset=loader, root=Path(rest).expanduser(), splits=SPLITS[name])
        loader = name if name in DATASETS else "folder"
        return cls(name=name, dataset=loader, root=Path(text).expanduser(), splits=SPLITS[name])

    @classmethod
    def published(cls, root: Path) -> Source:
        """The published copy, with validation faces where it has their list."""
        root = root.expanduser()
        lists = [base / "valid_labels.csv" for base in (root, root / "data")]
        splits = ["train", "test", *(["valid"] if any(one.is_file() for one in lists) else [])]
        return cls(
            name="gimefive", dataset="gimefive", root=root, splits={one: one for one in splits}
        )

    def faces(self, split: str) -> Faces:
        """Faces of the six emotions of one of its splits.

        Raises
        ------
        InputError
            If the data set cannot be read.
        """
        return load_dataset(self.dataset, root=self.root, split=split, emotions=SIX)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """All faces of an aggregate.

    Attributes
    ----------
    table
        A row a face, sorted by set, split and name: see :func:`pooled`.
    near
        ``(P, 2)`` pairs of near-copies.

    Examples
    --------
    >>> Pool(table=pd.DataFrame({"id": ["a"]}), near=np.zeros((0, 2), int)).near.shape
    (0, 2)
    """

    table: pd.DataFrame
    near: NDArray[np.int64]


def pooled(sources: list[Source], *, advance: Callable[[], object] | None = None) -> Pool:
    """Read all sources once: labels, digests, and which faces are copies.

    Parameters
    ----------
    sources
        The data sets.
    advance
        Called after each face.

    Returns
    -------
    Pool
        ``id`` (its set and name), ``set``, ``path`` (below the set's folder), ``sha256`` (of the
        file; ``pixels:…`` for a row of a table or a box in a photograph), ``pixels`` (digest),
        ``digest`` (that of its reader, by which the cache knows it), ``emotion``, ``split``,
        ``source_split``, ``subject``, ``group`` and ``source``.

    Raises
    ------
    InputError
        If a data set cannot be read, or two faces have one name.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for grey, emotion in enumerate(("fear", "anger")):
    ...         (Path(place) / emotion).mkdir()
    ...         Image.new("L", (8, 8), grey).save(Path(place) / emotion / "1.png")
    ...     pool = pooled([Source.parse("ckplus", f"folder:{place}")])
    >>> pool.table["path"].tolist()
    ['anger/1.png', 'fear/1.png']
    """
    read = [
        (source, own, split, source.faces(own))
        for source in sources
        for own, split in source.splits.items()
    ]
    prints = read_each([faces for *_, faces in read], advance=advance)
    tables, first = [], 0
    for source, own, split, faces in read:
        part = slice(first, first + len(faces))
        tables.append(_table(source, faces, prints, part, own=own, split=split))
        first += len(faces)
    table = pd.concat(tables, ignore_index=True)
    again = table["id"][table["id"].duplicated()]
    if len(again):
        raise InputError(
            f"Expected each face once, got {again.iloc[0]} in two splits of its data set: a folder "
            "without splits, or a copied list."
        )
    order = np.lexsort((table["id"], table["source_split"], table["set"]))
    search = faiss_search if find_spec("faiss") else None
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    found = near_pairs(prints.grey, search=search).pairs
    found = found[of_one_recording(found, table, np.array(prints.pixels, dtype=object))]
    near = np.unique(np.sort(place[found], axis=1).reshape(-1, 2), axis=0)
    return Pool(table=table.iloc[order].reset_index(drop=True), near=near)


def _table(
    source: Source, faces: Faces, prints: Prints, part: slice, *, own: str, split: str
) -> pd.DataFrame:
    table = faces.table
    root = source.root if source.root.is_dir() else source.root.parent
    sums = [
        file or f"{PIXELS}{pixels}"
        for file, pixels in zip(prints.files[part], prints.pixels[part], strict=True)
    ]
    return pd.DataFrame(
        {
            "id": [f"{source.name}/{name}" for name in table["id"]],
            "set": source.name,
            "path": [_below(root, str(path)) for path in table["path"]],
            "sha256": sums,
            "pixels": prints.pixels[part],
            "digest": listed_digests(faces, prints.pixels[part]),
            "emotion": table["emotion"].to_numpy(),
            "split": split,
            "source_split": own,
            "subject": table["subject"].to_numpy(),
            "group": table["group"].to_numpy(),
            "source": table["source"].to_numpy() if source.name == "gimefive" else source.name,
        }
    )


def _below(root: Path, path: str) -> str:
    """A face's path below the folder of its set."""
    if not Path(path).is_relative_to(root):
        raise InputError(f"Expected images below {root}, got {path}.")
    return Path(path).relative_to(root).as_posix()
