"""Which faces of an audit a network was trained on, by its card, and by digests of the faces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data import DATASETS
from fer_xai.data.shared_images import one_of, plain, share_images
from fer_xai.data.spec import loader_options
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import read_json
from fer_xai.models import shipped_weights
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

    Examples
    --------
    >>> Told(data="gimefive@rafdb").fold is None
    True
    """

    data: str = ""
    split_sha256: str = ""
    fold: int | None = None
    begun_elsewhere: bool = False


def card_beside(file: Path) -> Told:
    """What the card beside weights or predictions says; nothing without a card.

    Raises
    ------
    InputError
        If the card cannot be read.

    Examples
    --------
    >>> card_beside(Path("no/such/weights.safetensors"))
    Told(data='', split_sha256='', fold=None, begun_elsewhere=False)
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
    )


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


def same_split(found: Collected, split_sha256: str) -> NDArray[np.bool_]:
    """``(N,)``: faces of a part of the audit that is the very training split of a card.

    A data set without splits, or under another name, is known by the digest of its faces.

    Parameters
    ----------
    found
        Faces of the audit.
    split_sha256
        Digest of the training split (:meth:`fer_xai.types.Faces.fingerprint`); empty if unknown.

    Examples
    --------
    >>> from studies.engine.specs import DataSpec
    >>> from studies.questions.label_audit.collected import collected
    >>> found = collected([DataSpec("synthetic")], splits=["test", "valid"], limit=2)
    >>> same_split(found, found.parts[1].faces.fingerprint(64)).tolist()
    [False, False, True, True]
    """
    seen = np.zeros(len(found), dtype=bool)
    for part in found.parts if split_sha256 else ():
        known = np.flatnonzero(part.faces.table["emotion"].isin(SIX))
        faces = part.faces if len(known) == len(part.faces) else part.faces.subset(known)
        if len(faces) and faces.fingerprint(64) == split_sha256:
            seen[part.rows] = True
    return seen
