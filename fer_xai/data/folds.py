"""Folds of a data set: stratified by emotion, persons and copies whole, fixed by the images."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from fer_xai.data.duplicates import near_copies
from fer_xai.data.duplicates.groups import joined, same_value_pairs
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types import Faces
from fer_xai.types.file_digests import content_digest
from fer_xai.types.readers import StoredReader

_SIZE = 64
"""Side at which faces without files are told apart, in pixels."""


TRAIN_IMAGES = "train_images.npz"
"""File beside trained weights with the ``digests`` ``(N,)`` of the images that were learned
from or held out for validation."""


def image_digests(faces: Faces) -> list[str]:
    """Digest of each image, ``(N,)`` hexadecimal: of its file, or of its pixels where it has none.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> faces = load_dataset("synthetic", split="test", limit=4)
    >>> found = image_digests(faces)
    >>> len(set(found)), image_digests(faces.subset([2])) == found[2:3]
    (4, True)
    """
    assert faces.rows is not None
    if isinstance(faces.reader, StoredReader):
        digests = faces.reader.digests(faces.rows)
        faces.reader.remember()
        return [row.tobytes().hex() for row in digests]
    return [
        content_digest(face.tobytes()).hex()
        for batch in faces.batches(size=_SIZE)
        for face in batch.pixels.numpy()
    ]


def stratified_folds(faces: Faces, folds: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Deal faces out to folds, each with the same share of every emotion.

    Faces that share a subject, a named group, or a photograph (identical pixels or near-copies, see
    :mod:`fer_xai.data.duplicates`) are dealt out together. The largest such groups come first, each
    to the fold where emotions are then shared out most evenly; single faces follow, so that without
    groups the faces of an emotion differ by one between folds. The order among equals is drawn by
    the seed and the digests of the images: the folds are the same whatever the order of the faces
    and wherever their files lie. It is the idea of stratified group k-fold cross-validation
    (scikit-learn's ``StratifiedGroupKFold``, whose folds depend on the order of the rows).

    Parameters
    ----------
    faces
        Faces to deal out.
    folds
        Number of folds, 2 or more.
    seed
        Seed of the draw.

    Returns
    -------
    ndarray
        ``(N,)`` int64, the fold of each face, from 0.

    Raises
    ------
    InputError
        For fewer than two folds, for more than the rarest emotion has faces (or persons and
        photographs, which stay whole), or where groups leave a fold without an emotion.

    Examples
    --------
    >>> from fer_xai.data import load_dataset
    >>> faces = load_dataset("synthetic", split="test", limit=24)
    >>> found = stratified_folds(faces, 4)
    >>> np.bincount(found).tolist()
    [6, 6, 6, 6]
    >>> bool((stratified_folds(faces[::-1], 4)[::-1] == found).all())
    True
    """
    check_fold_count(folds)
    groups = face_groups(faces)
    blocks = joined(len(faces), same_value_pairs([str(one) for one in groups]), near_copies(faces))
    labels = faces.labels.numpy()
    counts = np.zeros((int(blocks.max()) + 1 if len(blocks) else 0, len(EMOTIONS)), dtype=np.int64)
    np.add.at(counts, (blocks, labels), 1)
    _check_enough(faces, counts, folds)
    found = _dealt(counts, _drawn(image_digests(faces), blocks, seed), folds)[blocks]
    for fold in range(folds):
        missing = set(faces.emotions) - set(faces.subset(np.flatnonzero(found == fold)).emotions)
        if missing:
            raise InputError(
                f"Expected faces of each emotion in each of {folds} folds, but fold {fold} gets "
                f"none of {', '.join(sorted(missing))}: persons and copies stay whole, so use "
                "fewer folds or another seed."
            )
    return found


def check_fold_count(folds: int) -> None:
    """Refuse a number of folds that leaves nothing to train on or to hold out.

    Raises
    ------
    InputError
        For fewer than two.

    Examples
    --------
    >>> check_fold_count(1)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected 2 folds or more, got 1: one fold is held out while a ...
    """
    if isinstance(folds, bool) or not isinstance(folds, int | np.integer) or folds < 2:
        raise InputError(
            f"Expected 2 folds or more, got {folds}: one fold is held out while a network is "
            "trained on the others."
        )


def _check_enough(faces: Faces, counts: NDArray[np.int64], folds: int) -> None:
    """Refuse more folds than the rarest emotion has faces, or persons and photographs."""
    totals, blocks = counts.sum(axis=0), (counts > 0).sum(axis=0)
    present = np.flatnonzero(totals)
    if not len(present):
        raise InputError(f"Expected faces to deal out to folds, but {faces.name} has none.")
    rarest = present[totals[present].argmin()]
    if totals[rarest] < folds:
        raise InputError(
            f"Expected at most {totals[rarest]} folds, as many as {faces.name} has faces of its "
            f"rarest emotion, {EMOTIONS[rarest]}, got {folds}: use fewer folds or more faces."
        )
    rarest = present[blocks[present].argmin()]
    if blocks[rarest] < folds:
        raise InputError(
            f"Expected at most {blocks[rarest]} folds, since the {totals[rarest]} faces of "
            f"{EMOTIONS[rarest]} in {faces.name} are of {blocks[rarest]} persons or photographs, "
            f"which stay whole, got {folds}: use fewer folds."
        )


def _drawn(digests: list[str], blocks: NDArray[np.int64], seed: int) -> list[bytes]:
    """A draw for each block, by the seed and the smallest digest of its images."""
    smallest: dict[int, str] = {}
    for block, digest in zip(blocks.tolist(), digests, strict=True):
        smallest[block] = min(digest, smallest.get(block, digest))
    told = (f"{seed} {smallest[block]}" for block in range(len(smallest)))
    return [hashlib.sha256(text.encode()).digest() for text in told]


def _dealt(counts: NDArray[np.int64], draws: list[bytes], folds: int) -> NDArray[np.int64]:
    """``(B,)`` fold of each block ``(B, C)``.

    A block goes to the fold where the sum over emotions of squared counts, divided by the emotion's
    total, grows least: rare emotions weigh as much as frequent ones.
    """
    sizes = counts.sum(axis=1)
    order = sorted(range(len(counts)), key=lambda block: (-sizes[block], draws[block]))
    weights = 1.0 / np.maximum(counts.sum(axis=0), 1)
    taken = np.zeros((folds, counts.shape[1]))
    found = np.zeros(len(counts), dtype=np.int64)
    for block in order:
        own = counts[block]
        grown = (taken * own) @ weights  # its own square is the same for every fold
        fold = min(range(folds), key=lambda one: (round(grown[one], 12), taken[one].sum()))
        found[block] = fold
        taken[fold] += own
    return found
