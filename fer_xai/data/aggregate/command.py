"""``python -m fer_xai.data aggregate``: the FER GiMeFive benchmark from its sources."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro

from fer_xai.checks import check_number
from fer_xai.command import DONE, check_folder, parsed, terminal
from fer_xai.data.aggregate.cleaning import KEPT, Conflicts, clean_edition
from fer_xai.data.aggregate.datasheet import datasheet
from fer_xai.data.aggregate.images import FOLDER, Images, image_names, placed
from fer_xai.data.aggregate.pooled import Pool, Source, pooled
from fer_xai.data.datasets.aggregate import (
    CLEAN,
    INDEX,
    LISTED,
    MANIFEST,
    PUBLISHED,
    REMOVED,
    source_places,
)
from fer_xai.data.duplicates import DETAIL, LIKE
from fer_xai.data.edition_reader import EditionReader
from fer_xai.errors import InputError
from fer_xai.files import read_json, write_bytes
from fer_xai.provenance import commit

DATASHEET = "datasheet.md"
_SOURCES = ("rafdb", "fer2013", "affectnet", "ckplus", "tfeid")


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """Put the FER GiMeFive benchmark together from your copies of its sources, in two editions.

    As published: labels and splits as they are, defects kept, so that numbers compare. Clean:
    copies on one side, conflicts settled, persons disjoint, validation faces drawn anew. Two lists,
    a manifest and a datasheet are written; images stay where they are, and are linked or copied
    where that is asked for. Load an edition as
    aggregate:DIR or aggregate:DIR/as_published.csv. The published AffectNet subset is not known by
    name: all training faces of the copy that is named are taken.

    Examples
    --------
    >>> Aggregate(out=Path("out"), seed=3).rules()["seed"]
    3
    """

    out: Path
    """Folder for the lists, the manifest and the datasheet."""
    published: Path | None = None
    """Folder of the published copy of the benchmark, in place of its sources."""
    rafdb: Annotated[str | None, tyro.conf.arg(metavar="[NAME:]ROOT")] = None
    """RAF-DB."""
    fer2013: Annotated[str | None, tyro.conf.arg(metavar="[NAME:]ROOT")] = None
    """FER2013."""
    affectnet: Annotated[str | None, tyro.conf.arg(metavar="[NAME:]ROOT")] = None
    """AffectNet, or the subset of it that you use."""
    ckplus: Annotated[str | None, tyro.conf.arg(metavar="[NAME:]ROOT")] = None
    """CK+, with the name of its loader where it is no folder of emotions."""
    tfeid: Annotated[str | None, tyro.conf.arg(metavar="[NAME:]ROOT")] = None
    """TFEID."""
    conflicts: Conflicts = "remove"
    """What becomes of a label that most copies of the image contradict."""
    valid_fraction: float = 0.1
    """Share of each emotion of the training faces that is held out for validation."""
    seed: int = 0
    """Seed of that draw."""
    images: Images = "list"
    """What is written of images: the lists alone, links to your files, or copies of them for your
    own disk, in folders of splits and emotions; publish neither."""

    def sources(self) -> list[Source]:
        """The data sets that are named.

        Raises
        ------
        InputError
            If none is, or the published copy and sources are.

        Examples
        --------
        >>> [one.name for one in Aggregate(out=Path("o"), rafdb="/data/RAF-DB").sources()]
        ['rafdb']
        """
        named = {name: getattr(self, name) for name in _SOURCES if getattr(self, name) is not None}
        if bool(named) == (self.published is not None):
            raise InputError(
                "Expected either --published with the published copy, or sources such as --rafdb "
                f"and --fer2013, got {'both' if named else 'neither'}."
            )
        if self.published is not None:
            return [Source.published(self.published)]
        return [Source.parse(name, text) for name, text in named.items()]

    def rules(self) -> dict[str, Any]:
        """What the clean edition depends on, beside the faces."""
        return {
            "conflicts": self.conflicts,
            "valid_fraction": self.valid_fraction,
            "seed": self.seed,
            "near_copies": {"correlation": LIKE, "detail": DETAIL},
        }


def aggregate(options: Aggregate) -> dict[str, int]:
    """Write both editions; returns their numbers of faces.

    The same sources and options give the same lists. The manifest comes last and holds the digests
    of the lists, so that an edition that was not written to its end is refused when it is loaded.

    Raises
    ------
    InputError
        For options or data that cannot be used, or a folder that holds an aggregate of others.

    Examples
    --------
    >>> aggregate(Aggregate(out=Path("out")))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected either --published ..., or sources such as ... got neither.
    """
    sources = options.sources()
    check_number("--valid-fraction", options.valid_fraction, 0, 1, ends=True)
    check_number("--seed", options.seed, 0, ends=True)
    check_folder(options.out)
    pool = pooled(sources)
    lists = editions(pool, options)
    sets = {one.name: {"dataset": one.dataset, "root": str(one.root.resolve())} for one in sources}
    if options.images != LISTED:
        lists = {
            name: table.assign(image=image_names(table, name)) for name, table in lists.items()
        }
    texts = {name: _csv(table) for name, table in lists.items()}
    counts = {name: int((table["status"] != REMOVED).sum()) for name, table in lists.items()}
    manifest: dict[str, Any] = {
        "sets": sets,
        "images": options.images,
        "rules": options.rules(),
        "faces": faces_digest(pool.table),
        "sha256": {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()},
        "counts": counts,
        "commit": commit(),
    }
    _check_same(options.out, manifest)
    sheet = datasheet(lists[PUBLISHED], lists[CLEAN], manifest)
    with _images(options, lists, sets) as put:
        for name, text in texts.items():
            write_bytes(options.out / name, text)
        write_bytes(options.out / DATASHEET, sheet.encode())
        put()
        write_bytes(options.out / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    return counts


def _images(
    options: Aggregate, lists: Mapping[str, pd.DataFrame], sets: Mapping[str, Any]
) -> AbstractContextManager[Callable[[], None]]:
    """Images of both editions, made but not yet in place; nothing where lists are enough."""
    if options.images == LISTED:
        return nullcontext(lambda: None)

    def reader_of(rows: pd.DataFrame) -> EditionReader:
        return EditionReader(sets, rows, source_places({"sets": sets}, rows), exported=False)

    return placed(options.out, lists, reader_of, how=options.images)


def editions(pool: Pool, options: Aggregate) -> dict[str, pd.DataFrame]:
    """Both lists by their file's name.

    Parameters
    ----------
    pool
        The faces.
    options
        The rules.

    Examples
    --------
    >>> import numpy as np
    >>> row = dict.fromkeys(INDEX, "") | {"emotion": "fear", "split": "train", "pixels": "1"}
    >>> pool = Pool(table=pd.DataFrame([row]), near=np.zeros((0, 2), int))
    >>> sorted(editions(pool, Aggregate(out=Path("out"))))
    ['as_published.csv', 'clean.csv']
    """
    own = pool.table.assign(image="")
    as_published = own.assign(
        original_label=own["emotion"], original_split=own["split"], status=KEPT, reason=""
    )
    clean = clean_edition(
        own,
        pool.near,
        conflicts=options.conflicts,
        valid_fraction=options.valid_fraction,
        seed=options.seed,
    )
    return {PUBLISHED: as_published[list(INDEX)], CLEAN: clean[list(INDEX)]}


def faces_digest(table: pd.DataFrame) -> str:
    """SHA-256 over the names, labels, splits and images of a pool.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["a"], "sha256": [""], "emotion": ["fear"], "split": ["test"]})
    >>> len(faces_digest(table))
    64
    """
    told = table[["id", "sha256", "emotion", "split"]].to_csv(index=False)
    return hashlib.sha256(told.encode()).hexdigest()


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _check_same(folder: Path, manifest: dict[str, Any]) -> None:
    """Refuse to write over an aggregate of other faces or rules."""
    if not (folder / MANIFEST).exists():
        if (folder / FOLDER).exists() and manifest["images"] != LISTED:
            raise InputError(
                f"Expected no folder {FOLDER} in {folder}, which holds no aggregate, got one: "
                "choose another --out, or delete that folder."
            )
        return
    before = {"images": LISTED} | read_json(folder / MANIFEST, remedy=f"delete {folder}")
    for key, what in (("faces", "faces"), ("rules", "rules"), ("images", "kind of images")):
        if before.get(key) != json.loads(json.dumps(manifest[key])):
            raise InputError(
                f"Expected {folder} to hold an aggregate of the same {what}, but its manifest "
                "differs: choose another --out, or delete that folder."
            )


def run(words: Sequence[str]) -> int:
    """Put an aggregate together as the words of a command line say; returns the exit status.

    Examples
    --------
    >>> run(["--out", "made"])
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected ...
    """
    options: Aggregate = parsed(Aggregate, words, prog="python -m fer_xai.data aggregate")
    counts = aggregate(options)
    for name, count in counts.items():
        terminal().print(f"{options.out / name}: {count:,} faces", soft_wrap=True)
    sys.stdout.flush()
    return DONE
