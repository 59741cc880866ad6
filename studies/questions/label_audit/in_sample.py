"""Which faces of an audit a network was trained on, by its card, and by digests of the faces."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data import DATASETS
from fer_xai.data.folds import TRAIN_IMAGES, image_digests
from fer_xai.data.shared_images import one_of, plain, share_images
from fer_xai.data.spec import loader_options
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import REMADE, read_arrays, read_json
from fer_xai.models import shipped_weights
from fer_xai.types import Faces
from studies.engine.description import sha256
from studies.engine.specs import ModelSpec
from studies.questions.label_audit.collected import Collected
from training.begun_with import begun_elsewhere

EDITION = "aggregate"
"""Data set whose splits are drawn anew from those of its sources."""

TEST_SHARE = "test_share"
"""Option of data sets without splits of their own: the share of the persons that are tested on."""
_CUT = re.compile(rf"(?:^|,){TEST_SHARE}=[^,]")


def trained_on(spec: ModelSpec) -> str:
    """Data set that weights were trained on, as their name or the card beside them says.

    Returns
    -------
    str
        ``NAME``, or ``NAME@SOURCE``; with the options of a data set that was cut by ``test_share``.

    Raises
    ------
    InputError
        If nothing says it, or the weights began with others of unknown training faces: whether
        predictions are out of sample cannot be known then.

    Examples
    --------
    >>> trained_on(ModelSpec("gimefive", "fer2013"))
    'fer2013'
    """
    weights = spec.weights or ""
    if f"{spec.name}-{weights}" in shipped_weights():
        return plain(weights)
    if weights and (told := card_beside(Path(weights))).data:
        if told.begun_elsewhere:
            raise InputError(
                f"Expected --models {spec.name}=WEIGHTS that were begun with none or with "
                f"ImageNet's weights, got {weights}, whose card names others that they were begun "
                "with: those may have seen the faces that are to be judged."
            )
        return told.data
    raise InputError(
        f"Expected --models {spec.name}=WEIGHTS with shipped weights or a card.json beside the "
        f"weights that says what they were trained on, got {weights or 'none'}: predictions on "
        "faces that a network was trained on do not tell wrong labels."
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a card.json says of the training behind weights or predictions.

    Attributes
    ----------
    data
        Data set, ``NAME`` or ``NAME@SOURCE``, with its options where ``test_share`` is one of them;
        empty where nothing is told.
    split_sha256
        Digest of all faces of the training split; empty where nothing is told.
    fold
        Number of the fold that was held out; None where it is no training on folds.
    begun_elsewhere
        Whether the training began with weights whose training faces are unknown
        (:func:`training.begun_with.begun_elsewhere`).
    images
        Digests of the training images, each by itself; empty where none were kept.

    Examples
    --------
    >>> Told(data="gimefive@rafdb").fold is None
    True
    """

    data: str = ""
    split_sha256: str = ""
    fold: int | None = None
    begun_elsewhere: bool = False
    images: frozenset[str] = frozenset()

    @property
    def identity(self) -> str:
        """Data set and digest of the training images, for what identifies a run."""
        told = sha256("".join(sorted(self.images)).encode()) if self.images else ""
        return " ".join(filter(None, [self.data, told]))

    @property
    def known_by(self) -> str:
        """How training faces are known where another set holds them, and how they are not."""
        if self.images:
            return "names of sets and the digest of each image: re-encoded copies are not known"
        if self.split_sha256:
            return (
                "names of sets and the digest of the whole training split: a part of it under "
                "another name is not known"
            )
        return "names of sets: copies under another name are not known"


def card_beside(file: Path) -> Told:
    """What the card beside weights or predictions says; nothing without a card.

    Raises
    ------
    InputError
        If the card, or the digests of the training images beside it, cannot be read.

    Examples
    --------
    >>> card_beside(Path("no/such/weights.safetensors")).known_by
    'names of sets: copies under another name are not known'
    """
    path = file.with_name("card.json")
    if not path.is_file():
        return Told()
    card = read_json(path, remedy="restore it beside its weights")
    run = card.get("run", {})
    if not isinstance(run, dict):
        raise InputError(f"Expected what was trained on under 'run' in {path}, got {quoted(run)}.")
    name, source = str(run.get("data") or ""), plain(str(run.get("source") or ""))
    options = name.partition("#")[2]
    data = plain(name) + (f"#{options}" if _CUT.search(options) else "")
    return Told(
        data=f"{data}@{source}" if data and source else data or source,
        split_sha256=str(card.get("training_split_sha256") or ""),
        fold=run.get("fold"),
        begun_elsewhere=begun_elsewhere(run),
        images=_images_beside(file),
    )


def _images_beside(file: Path) -> frozenset[str]:
    path = file.with_name(TRAIN_IMAGES)
    if not path.is_file():
        return frozenset()
    digests = read_arrays(path, remedy=REMADE).get("digests", np.zeros(0))
    if digests.ndim != 1 or digests.dtype.kind != "U":
        raise InputError(
            f"Expected digests of images as texts (N,) in {path}, got {digests.dtype} "
            f"{digests.shape}: train anew, or delete the file."
        )
    return frozenset(digests.tolist())


def in_sample(table: pd.DataFrame, trained: str) -> NDArray[np.bool_]:
    """``(N,)``: faces that weights were trained on, or may have been, by the sets' names.

    These are the training faces of the same data set, and of sets that share images with it. An
    edition of the benchmark that was made anew draws its validation faces from the training faces
    of its sources, and moves copies among the test faces to the training side: between it and other
    sets, validation faces count as training faces, and for networks that were trained on it test
    faces of other sets do, too. Data sets without splits of their own may have any face in any
    split: between such a set and itself, or another that shares images with it, all splits count as
    training faces, unless both were read with the same options and ``test_share`` is one of them.

    Parameters
    ----------
    table
        A row a face: ``set``, ``split`` and ``source``, and ``options`` where there are any.
    trained
        Data set of the weights, as :func:`trained_on` says it.

    Examples
    --------
    >>> table = pd.DataFrame({"set": ["gimefive@rafdb", "rafdb"], "split": ["train", "test"],
    ...                       "source": "rafdb"})
    >>> in_sample(table, "rafdb").tolist()
    [True, False]
    """
    data = trained.partition("@")[0]
    own, learned, cut = plain(data), one_of(trained, ""), data.partition("#")[2]

    def seen(name: str, split: str, source: str, options: str) -> bool:
        theirs = plain(name.partition("@")[0])
        if not share_images(learned, one_of(name, source)):
            return False
        if split == "train":
            return True
        if _without_splits(own) or _without_splits(theirs):
            same = own == theirs and cut == options.removeprefix("#").replace("/", "_")
            return not (same and _CUT.search(cut))
        if own == theirs:
            return False
        return own == EDITION or (theirs == EDITION and split == "valid")

    told = table if "options" in table else table.assign(options="")
    columns = (told[column].astype(str) for column in ("set", "split", "source", "options"))
    keys = list(zip(*columns, strict=True))
    known = {key: seen(*key) for key in dict.fromkeys(keys)}
    return np.array([known[key] for key in keys], dtype=bool)


def _without_splits(name: str) -> bool:
    """Whether a data set, by its plain name, has no splits of its own."""
    return any(plain(one) == name and TEST_SHARE in loader_options(one) for one in DATASETS)


def training_faces(found: Collected, told: Told) -> NDArray[np.bool_]:
    """``(N,)``: faces of the audit that are training faces by their digests, whatever their names.

    A part of the audit may be the very training split of a card, and any of its faces may be one
    of the training images, as in a folder with some of them: an image is known by its file, or by
    its pixels where it has none. Copies that were encoded anew are not known by this; where the
    training split is in the audit too, they are found as near-copies.

    Parameters
    ----------
    found
        Faces of the audit.
    told
        Digests of the training split (:meth:`fer_xai.types.Faces.fingerprint`) and of its images.

    Examples
    --------
    >>> from studies.engine.specs import DataSpec
    >>> from studies.questions.label_audit.collected import collected
    >>> found = collected([DataSpec("synthetic")], splits=["test", "valid"], limit=2)
    >>> valid = found.parts[1].faces
    >>> training_faces(found, Told(split_sha256=valid.fingerprint(64))).tolist()
    [False, False, True, True]
    >>> training_faces(found, Told(images=frozenset(image_digests(valid[1:])))).tolist()
    [False, False, False, True]
    """
    seen = np.zeros(len(found), dtype=bool)
    for part in found.parts:
        if told.images:
            seen[part.rows] = [name in told.images for name in image_digests(part.faces)]
        if told.split_sha256 and _is_split(part.faces, told.split_sha256):
            seen[part.rows] = True
    return seen


def _is_split(faces: Faces, split_sha256: str) -> bool:
    known = np.flatnonzero(faces.table["emotion"].isin(SIX))
    own = faces if len(known) == len(faces) else faces.subset(known)
    return len(own) > 0 and own.fingerprint(64) == split_sha256


def told_of(table: pd.DataFrame, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    """Sets and splits of chosen faces ``(N,)``, with their number where it is a part of them.

    Examples
    --------
    >>> table = pd.DataFrame({"set": ["rafdb", "mine", "mine"], "split": ["train", "test", "test"]})
    >>> told_of(table, np.array([True, False, True]))
    ('rafdb train', 'mine test (1 of 2)')
    """
    names = table["set"].astype(str) + " " + table["split"].astype(str)
    whole, parts = Counter(names), Counter(names[chosen])
    return tuple(
        name if count == whole[name] else f"{name} ({count:,} of {whole[name]:,})"
        for name, count in parts.items()
    )
