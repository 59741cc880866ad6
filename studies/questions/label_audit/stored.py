"""Stored predictions that judge labels: of trainings on folds, or of one network on its test faces.

``python -m training.run --folds K`` leaves ``fold_logits.npz`` with predictions for all training
faces; each training leaves ``test_logits.npz`` with those for its test faces. Predictions of any
other program serve as well if they come with the same arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data.folds import image_digests
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.files import REMADE, read_arrays
from studies.questions.label_audit.collected import Collected, set_name
from studies.questions.label_audit.in_sample import (
    card_beside,
    in_sample,
    told_of,
    training_faces,
)
from studies.questions.label_audit.judges import Judge, file_name

Arrays = dict[str, NDArray[Any]]


def judged_by_file(path: Path, found: Collected) -> Judge:
    """Stored predictions on faces that their network was not trained on.

    A card.json beside the file says what the network was trained on: its predictions for training
    faces of that data set are left out, and a file that holds no others is refused. Where the file
    has the fold of each face, every prediction is that of a network that was trained on the other
    folds.

    Parameters
    ----------
    path
        Arrays ``ids`` ``(N,)`` and ``logits`` ``(N, C)``; the names of the C ``emotions``, which
        are the six by default; and where they are known ``labels`` (canonical), ``digests`` of the
        images (:func:`fer_xai.data.folds.image_digests`), ``copy`` (whether the network was trained
        on an identical image) and ``fold``.
    found
        The faces.

    Raises
    ------
    InputError
        If the file has other arrays, names a face twice or no face of the audit, its labels or
        images are others, or no prediction is out of sample.

    Examples
    --------
    >>> import tempfile
    >>> from studies.engine.specs import DataSpec
    >>> from studies.questions.label_audit.collected import collected
    >>> found = collected([DataSpec("synthetic")], splits=["test"], limit=2)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     file = Path(place) / "test_logits.npz"
    ...     np.savez(file, ids=found.table["id"].to_numpy().astype(str), logits=np.zeros((2, 6)))
    ...     judged_by_file(file, found).rows.tolist()
    [0, 1]
    """
    arrays = _read(path)
    card = card_beside(path)
    if card.fold is not None:
        raise InputError(
            f"Expected the predictions of all folds, got those of fold {card.fold} in {path}: give "
            "the fold_logits.npz in the folder above it."
        )
    folds = arrays.get("fold")
    if folds is None and card.begun_elsewhere:
        raise InputError(
            f"Expected predictions of a network that was begun with no weights or with ImageNet's "
            f"in {path}, but the card beside it names others: those may have seen the faces that "
            "are to be judged."
        )
    rows, places = _matched(path, arrays, found)
    seen = np.zeros(len(found), dtype=bool)
    if folds is None:
        seen = training_faces(found, card)
        if card.data:
            seen |= in_sample(found.table, card.data)
    refused = told_of(found.table.iloc[rows], seen[rows])
    if seen[rows].all():
        raise InputError(
            f"Expected predictions out of sample in {path}, but the card beside it says that its "
            f"network was trained on {card.data or 'these faces'}, and all of them are for "
            f"{', '.join(refused)}, which it has seen, or may have seen: predictions for "
            "training faces come from python -m training.run --folds, or from networks that were "
            "trained on other sets."
        )
    own = ~seen[rows]
    rows, places = rows[own], places[own]
    return Judge(
        name=file_name(path),
        trained=card.data if folds is None else "",
        emotions=tuple(str(name) for name in arrays["emotions"]),
        rows=rows,
        logits=arrays["logits"][places].astype(np.float64),
        copied=arrays["copy"][places].astype(bool),
        refused=refused,
        seen=np.flatnonzero(seen),
        known_by=card.known_by if folds is None else "",
        folds=None if folds is None else folds[places].astype(np.int64),
    )


def check_files(paths: Sequence[Path]) -> None:
    """Refuse files that are missing, or that tables could not tell apart.

    Raises
    ------
    InputError
        Naming them.

    Examples
    --------
    >>> check_files([Path("none.npz")])
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected stored predictions, found none at none.npz.
    """
    named: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise InputError(f"Expected stored predictions, found none at {path}.")
        name = file_name(path)
        if name in named:
            raise InputError(
                "Expected each file of --predictions once, under a name of its own, got "
                f"{named[name]} and {path}, which tables call {name}: leave one out, or rename "
                "its folder."
            )
        named[name] = path


def _read(path: Path) -> Arrays:
    """The arrays of a file, checked; those that may be missing are filled in."""
    try:
        arrays = read_arrays(path, remedy=REMADE)
    except FileNotFoundError:
        raise InputError(f"Expected stored predictions, found none at {path}.") from None
    arrays.setdefault("emotions", np.array(SIX))
    arrays["emotions"] = np.atleast_1d(arrays["emotions"])
    emotions = [str(name) for name in arrays["emotions"]]
    unknown = [name for name in emotions if name not in EMOTIONS]
    if unknown or len(set(emotions)) < len(emotions):
        raise InputError(
            f"Expected different emotions in {path}, each of {', '.join(EMOTIONS)}, got "
            f"{quoted(', '.join(unknown or emotions))}."
        )
    ids = arrays.get("ids", np.zeros(0))
    shape = (len(ids), len(emotions)) if ids.ndim == 1 else None
    if not {"ids", "logits"} <= arrays.keys() or arrays["logits"].shape != shape:
        told = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
        raise InputError(
            f"Expected arrays ids (N,) and logits (N, {len(emotions)}) in {path}, got {told}."
        )
    arrays.setdefault("copy", np.zeros(len(ids), dtype=bool))
    for name, kinds in _PER_FACE.items():
        one = arrays.get(name)
        if one is not None and (one.shape != ids.shape or one.dtype.kind not in kinds):
            raise InputError(
                f"Expected {name} ({len(ids)},) in {path}, one a face, got {one.dtype} {one.shape}."
            )
    if arrays["logits"].dtype.kind != "f" or not np.isfinite(arrays["logits"]).all():
        raise InputError(f"Expected logits that are finite numbers in {path}, got others.")
    if "labels" in arrays and not np.isin(arrays["labels"], range(len(EMOTIONS))).all():
        raise InputError(f"Expected labels from 0 to {len(EMOTIONS) - 1} in {path}, got others.")
    if "fold" in arrays and len(np.unique(arrays["fold"])) < 2:
        raise InputError(
            f"Expected predictions of several folds in {path}, got one fold: there are no "
            "other faces that its network could have been trained on."
        )
    names, counts = np.unique(ids, return_counts=True)
    if len(names) < len(ids):
        several = names[counts > 1]
        raise InputError(
            f"Expected each face once in {path}, got {len(several)} of {len(names)} more than "
            f"once, for instance {several[0]}."
        )
    return arrays


_PER_FACE = {"labels": "iu", "copy": "b", "fold": "iu", "digests": "U"}
"""Arrays of one value a face, and the kinds of numpy types that they may have."""


def _matched(
    path: Path, arrays: Arrays, found: Collected
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the audit that a file predicts, and their places in the file."""
    place = {str(name): index for index, name in enumerate(arrays["ids"])}
    pairs: list[tuple[int, int]] = []
    holders: dict[str, str] = {}
    other = ""
    for part in found.parts:
        ids = part.faces.ids
        own = [
            (row, place[name]) for row, name in zip(part.rows, ids, strict=True) if name in place
        ]
        if own and "digests" in arrays:
            digests = image_digests(part.faces)
            same = [arrays["digests"][at] == digests[row - part.first] for row, at in own]
            if not all(same):
                other = ids[own[same.index(False)][0] - part.first]
            if not all(same) and any(same):
                raise InputError(
                    f"Expected images of {set_name(part.spec)} {part.split} as they were when "
                    f"{path} was made, but {len(same) - sum(same)} of {len(same)} were changed, "
                    f"for instance {other}: predict them anew."
                )
            own = own if all(same) else []
        told = f"{set_name(part.spec)} {part.split}"
        for row, _ in own:
            name = ids[row - part.first]
            if holders.setdefault(name, told) != told:
                raise InputError(
                    f"Expected faces of one split in {path}, but {name} is in {holders[name]} and "
                    f"in {told}: audit them apart, with other --data or --splits."
                )
        pairs += own
    if not pairs and other:
        raise InputError(
            f"Expected predictions for faces of the audit in {path}, but {other} is another image "
            "there: it is of other faces."
        )
    if not pairs:
        first = str(arrays["ids"][0]) if len(arrays["ids"]) else "(it is empty)"
        raise InputError(
            f"Expected predictions for faces of the audit in {path}, but it names none of them, "
            f"for instance {first}."
        )
    rows, places = (np.array(one, dtype=np.int64) for one in zip(*pairs, strict=True))
    _check_labels(path, arrays, found, rows, places)
    return rows, places


def _check_labels(
    path: Path,
    arrays: Arrays,
    found: Collected,
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
) -> None:
    """Refuse predictions for faces that have other labels here."""
    if "labels" not in arrays:
        return
    here = found.table["emotion"].to_numpy().astype(str)[rows]
    there = np.array(EMOTIONS)[arrays["labels"][places]]
    for at in np.flatnonzero(here != there)[:1]:
        raise InputError(
            f"Expected predictions for the same labels, but {path} has {there[at]} for "
            f"{found.table['id'].iloc[rows[at]]}, which is {here[at]} here: it is of other faces."
        )
