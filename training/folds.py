"""Out-of-sample predictions for all training faces: a network a fold, trained on the others.

A face is predicted by the one network that has seen neither it, nor a copy of it, nor its person.
The networks are those of ``python -m training.run``, epoch chosen on validation faces that are cut
from the folds they are trained on. Nothing is chosen by the fold that is held out.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import fer_xai
from fer_xai.data.folds import check_fold_count, image_digests, stratified_folds
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.files import read_arrays, read_json, write_arrays, write_bytes
from fer_xai.models.checkpoints import file_digest
from fer_xai.provenance import commit
from fer_xai.recognition import scores_of_logits
from fer_xai.types import Faces
from training import loop
from training.begun_with import check_other_data, check_other_faces
from training.card import fold_card
from training.export import CARD, TEST_LOGITS
from training.faces import SIZE, check_emotions, positions
from training.same_run import SETTINGS, check_same_run

FOLD_LOGITS = "fold_logits.npz"


def check_folds(
    folds: int, *, test: str, permuted: bool, pretrained: str | None, data: str
) -> None:
    """Refuse options with which predictions would not be out of sample, or of no use.

    Parameters
    ----------
    folds
        Number of folds.
    test
        When test faces are seen: the option ``--test``.
    permuted
        Whether labels are permuted.
    pretrained
        Weights to begin with: a path, ``"imagenet"``, or None for none.
    data
        Data set, ``NAME@SOURCE``.

    Raises
    ------
    InputError
        Naming the option.

    Examples
    --------
    >>> check_folds(5, test="never", permuted=False, pretrained=None, data="rafdb@")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected --test once or every-epoch with --folds, got never: ...
    """
    check_fold_count(folds)
    if test == "never":
        raise InputError(
            "Expected --test once or every-epoch with --folds, got never: the fold that is held "
            "out takes the place of the test faces, which are not read."
        )
    if permuted:
        raise InputError(
            "Expected --folds without --permute-labels: predictions of networks that learned "
            "random labels tell nothing about the labels."
        )
    if loop.PROCESSES > 1:
        raise InputError(
            f"Expected one process for --folds, got {loop.PROCESSES}: start it without torchrun."
        )
    check_other_data(pretrained, data)


def train_folds(
    everyone: Faces,
    *,
    folds: int,
    seed: int,
    folder: Path,
    identity: Mapping[str, Any],
    pretrained: str | None,
    train_one: Callable[..., object],
) -> Path:
    """Train the network of each fold, or go on; returns the file of all predictions.

    Parameters
    ----------
    everyone
        The training split.
    folds, seed
        Number of folds, and seed by which they are dealt out
        (:func:`fer_xai.data.folds.stratified_folds`).
    folder
        Gets a folder a fold, ``fold0``, ``fold1``, …, each a run that can be resumed, and then
        ``fold_logits.npz`` (``ids``; ``digests`` of the images; canonical ``labels``; ``logits``
        and ``flip_averaged`` ``(N, C)``; names of the C ``emotions``; ``fold`` ``(N,)``; all in the
        split's order), ``card.md`` and ``card.json``.
    identity
        Options that the weights depend on.
    pretrained
        Weights to begin with, as in :func:`check_folds`.
    train_one
        Function that trains the network of one fold unless it is there: called with its folder, the
        faces of the other folds and its own, ``identity=`` and ``split_sha256=``.

    Returns
    -------
    Path
        ``fold_logits.npz``.

    Raises
    ------
    InputError
        If the folder holds folds of other options or faces, the weights to begin with were trained
        on these faces, or there are too few faces.
    """
    check_emotions(everyone)
    dealt = stratified_folds(everyone, folds, seed=seed)
    digests = image_digests(everyone)
    told = {
        "train_faces_sha256": everyone.fingerprint(SIZE),
        "folds_sha256": _folds_sha256(digests, dealt),
    }
    check_other_faces(pretrained, told["train_faces_sha256"])
    if (folder / SETTINGS).exists():
        check_same_run(identity, folder, told)
    stored = folder / FOLD_LOGITS
    if _finished(folder, stored, {"run": dict(identity), **told}):
        return stored
    for fold in range(folds):
        rest, own = everyone[dealt != fold], everyone[dealt == fold]
        if not (folder / f"fold{fold}" / CARD).exists():
            sys.stderr.write(
                f"fold {fold}, {fold + 1} of {folds}: {len(rest):,} faces to train on, "
                f"{len(own):,} held out\n"
            )
        train_one(
            folder / f"fold{fold}",
            rest,
            own,
            identity={**identity, "fold": fold},
            split_sha256=told["train_faces_sha256"],
        )
    arrays = _gathered(everyone, dealt, folder)
    arrays["digests"] = np.array(digests)
    check_same_run(identity, folder, told)
    write_arrays(stored, arrays)
    card = _card(everyone, arrays, folder, identity) | told
    card["logits_sha256"] = file_digest(stored)
    write_bytes(folder / "card.md", fold_card(card).encode())
    write_bytes(folder / CARD, (json.dumps(card, indent=2) + "\n").encode())
    return stored


def _finished(folder: Path, stored: Path, asked: Mapping[str, Any]) -> bool:
    """Whether all is there, and the predictions are those that the card was written for.

    A card of other settings or faces than those that are asked for is refused: the folder may hold
    it without the settings of its run.
    """
    if not (folder / CARD).exists() or not stored.exists():
        return False
    card = read_json(folder / CARD, remedy="delete it, and the same command writes it anew")
    differ = [key for key in asked if card.get(key) != asked[key]]
    if differ:
        raise InputError(
            f"Expected {folder} to hold folds of the same settings and faces, but its {CARD} "
            f"differs in {', '.join(differ)}: choose another --out, or delete that folder."
        )
    return bool(card.get("logits_sha256") == file_digest(stored))


def _folds_sha256(digests: Sequence[str], dealt: NDArray[np.int64]) -> str:
    """SHA-256 of the fold of each image, whatever their order."""
    rows = sorted(zip(digests, dealt.tolist(), strict=True))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _gathered(everyone: Faces, dealt: NDArray[np.int64], folder: Path) -> dict[str, NDArray[Any]]:
    """Predictions of all folds in the split's order."""
    ids = np.array(everyone.ids)
    shape = (len(everyone), len(SIX))
    found = {name: np.full(shape, np.nan, np.float32) for name in ("logits", "flip_averaged")}
    for fold in range(int(dealt.max()) + 1):
        rows, file = np.flatnonzero(dealt == fold), folder / f"fold{fold}" / TEST_LOGITS
        remedy = f"delete {file.with_name(CARD)}, and the same command writes both anew"
        try:
            arrays = read_arrays(file, remedy=remedy)
        except FileNotFoundError:
            raise InputError(
                f"Expected predictions of a fold at {file}, found none: {remedy}."
            ) from None
        own = (arrays.get("ids"), *(arrays.get(name) for name in found))
        if any(one is None or len(one) != len(rows) for one in own) or not (
            np.array_equal(arrays["ids"].astype(str), ids[rows])
        ):
            raise InputError(
                f"Expected predictions of the {len(rows)} faces of fold {fold} in {file}, but it "
                f"is of others: {remedy}."
            )
        for name, whole in found.items():
            whole[rows] = arrays[name]
    return found | {
        "ids": ids,
        "labels": everyone.labels.numpy(),
        "emotions": np.array(SIX),
        "fold": dealt,
    }


def _card(
    everyone: Faces, arrays: Mapping[str, NDArray[Any]], folder: Path, identity: Mapping[str, Any]
) -> dict[str, Any]:
    truth = torch.from_numpy(positions(arrays["labels"]))
    scores = {
        name: scores_of_logits(torch.from_numpy(arrays[name]), truth, emotions=SIX)
        for name in ("logits", "flip_averaged")
    }
    by_fold = []
    for fold in range(int(arrays["fold"].max()) + 1):
        card = read_json(folder / f"fold{fold}" / CARD, remedy="delete it")
        own = torch.from_numpy(np.flatnonzero(arrays["fold"] == fold))
        figures = scores_of_logits(
            torch.from_numpy(arrays["logits"])[own], truth[own], emotions=SIX
        )
        by_fold.append(
            {
                "fold": fold,
                "faces": len(own),
                "of_emotion": {
                    name: int((truth[own] == column).sum()) for column, name in enumerate(SIX)
                },
                "accuracy": figures["accuracy"],
                "macro_recall": figures["macro_recall"],
                "trained_on": card["train_faces"],
                "validated_on": card["valid_faces"],
                "minutes": card["minutes"],
                "weights_sha256": card["weights_sha256"],
            }
        )
    return {
        "run": dict(identity),
        "faces": len(everyone),
        "out_of_fold": scores["logits"],
        "out_of_fold_flip_averaged": scores["flip_averaged"],
        "by_fold": by_fold,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "versions": {"fer_xai": fer_xai.__version__, "torch": torch.__version__},
    }
