"""Faces that a run is trained and tested on: checked, permuted, told apart by digests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_xai.data.duplicates import copies_of
from fer_xai.data.spec import DatasetSpec
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.types import Faces

SIZE = 64
"""Side at which the digest of a run's faces is taken, in pixels."""


def permuted_labels(faces: Faces, *, seed: int) -> Faces:
    """The same faces, their emotions handed around at random.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(6)
    >>> handed = permuted_labels(faces, seed=0)
    >>> handed.emotions == faces.emotions, bool((handed.labels == faces.labels).all())
    (True, False)
    """
    order = np.random.default_rng(seed).permutation(len(faces))
    emotions = faces.table["emotion"].to_numpy()[order]
    return dataclasses.replace(faces, table=faces.table.assign(emotion=emotions))


def check_emotions(faces: Faces) -> None:
    """Refuse training faces among which one of the six emotions does not occur.

    Raises
    ------
    InputError
        Naming those that are missing.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> check_emotions(synthetic_faces(5))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected training faces of happiness, ... has none of fear: ...
    """
    missing = [name for name in SIX if name not in faces.emotions]
    if missing:
        raise InputError(
            f"Expected training faces of {', '.join(SIX)}, but {faces.name} has none of "
            f"{', '.join(missing)}: a model cannot learn an emotion that it never sees."
        )


def check_validation(valid: Faces | None, train: Faces) -> None:
    """Refuse validation faces among which an emotion that is trained on does not occur.

    Parameters
    ----------
    valid, train
        Faces that are held out, or None, and those that are trained on.

    Raises
    ------
    InputError
        Naming the emotions that are missing.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> check_validation(synthetic_faces(5), synthetic_faces(6))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected validation faces of every emotion, but of 6 training ...
    """
    missing = [] if valid is None else [e for e in train.emotions if e not in valid.emotions]
    if missing:
        raise InputError(
            f"Expected validation faces of every emotion, but of {len(train)} training faces and "
            f"{0 if valid is None else len(valid)} held out beside them none of "
            f"{', '.join(missing)} is held out, and no epoch can be chosen by its recall: raise "
            "--valid-fraction, or train on all with --valid-fraction 0."
        )


def check_parts(train: Faces, valid: Faces | None, *, batch_size: int) -> None:
    """Refuse parts of the training faces that no run can be made with.

    Parameters
    ----------
    train, valid
        Faces to train on, and those that are held out from them.
    batch_size
        Faces a batch.

    Raises
    ------
    InputError
        For an emotion that is in neither part or not held out, or fewer faces than a batch has.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> check_parts(synthetic_faces(6), None, batch_size=8)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected at least 8 training faces, one batch, got 6.
    """
    check_emotions(train)
    check_validation(valid, train)
    check_batch(train, valid, batch_size=batch_size)


def check_batch(train: Faces, valid: Faces | None, *, batch_size: int) -> None:
    """Refuse fewer training faces than a batch has.

    Parameters
    ----------
    train, valid
        Faces to train on, and those that are held out from them.
    batch_size
        Faces a batch.

    Raises
    ------
    InputError
        Telling both numbers.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> check_batch(synthetic_faces(2), None, batch_size=4)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected at least 4 training faces, one batch, got 2.
    """
    if len(train) < batch_size:
        held_out = f" beside {len(valid)} held out" if valid else ""
        raise InputError(
            f"Expected at least {batch_size} training faces, one batch, got {len(train)}{held_out}."
        )


def apart_from(everyone: Faces, test: Faces, *, whole: bool) -> Faces | None:
    """The test faces, or None where they are the training faces: a folder without split folders.

    Parameters
    ----------
    everyone, test
        Training and test faces.
    whole
        Whether they are all that the splits hold.

    Raises
    ------
    InputError
        If some files are in both.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(3)
    >>> faces = dataclasses.replace(faces, table=faces.table.assign(path=["a", "b", "c"]))
    >>> len(apart_from(faces[:1], faces[1:], whole=True)), apart_from(faces, faces, whole=True)
    (2, None)
    """
    shared = set(test.table["path"]) & set(everyone.table["path"]) - {""}
    if whole and 0 < len(shared) < len(test):
        raise InputError(
            f"Expected test faces apart from the training faces, but {len(shared)} files of "
            f"{test.name} are in both: mend the lists, or train with --test never."
        )
    return None if shared else test


def copies_of_test_faces(
    everyone: Faces, test: Faces | None, *, read: Callable[[], Faces] | None = None
) -> NDArray[np.bool_] | None:
    """Which training faces are copies or near-copies of test faces, so that none is validated on.

    Parameters
    ----------
    everyone
        All training faces.
    test
        Test faces; None where there are none.
    read
        Function that reads the test faces of a run that never scores them: what is chosen by its
        validation faces will be tested one day.

    Returns
    -------
    ndarray or None
        ``(N,)`` bool; None where there are no test faces.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(3)
    >>> copies_of_test_faces(faces, faces.subset([1])).tolist()
    [False, True, False]
    """
    if test is None and read is not None:
        try:
            test = read()
        except InputError:  # no test split at hand, which such a run does not need
            return None
        shared = set(test.table["path"]) & set(everyone.table["path"]) - {""}
        if len(shared) == len(test):  # a folder without split folders is all one
            return None
    return None if test is None else copies_of(everyone, test)


def face_digests(parts: Mapping[str, Faces | None], *, size: int) -> dict[str, str | None]:
    """SHA-256 of the faces of each part of a run, None where it has none.

    Parameters
    ----------
    parts
        ``train``, ``valid`` and ``test``.
    size
        Pixels a side that the network is fed; digests are taken at 64 pixels, and there too.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> found = face_digests({"train": synthetic_faces(1), "test": None}, size=64)
    >>> len(found["train_faces_sha256"]), found["test_faces_sha256"]
    (64, None)
    """
    found: dict[str, str | None] = {}
    for side in dict.fromkeys((SIZE, size)):
        where = "" if side == SIZE else f"_at_{side}px"
        for part, faces in parts.items():
            key = f"{part}_faces_sha256{where}"
            found[key] = None if faces is None else faces.fingerprint(side)
    return found


def data_name(spec: str) -> str:
    """Name of a dataset ``NAME[:ROOT]``, wherever it lies.

    A style of built-in faces, or a folder or list of one's own by its name, is a dataset of its
    own, and so is a data set that is read with other options.

    An edition of the aggregate that is not the clean one is, too.

    >>> data_name("gimefive:/data/bench"), data_name("synthetic:lab"), data_name("folder:/my/faces")
    ('gimefive', 'synthetic:lab', 'folder:faces')
    >>> data_name("aggregate:/data/pool"), data_name("aggregate:/data/pool/as_published.csv")
    ('aggregate', 'aggregate:as_published')
    """
    data = DatasetSpec.parse(spec)
    options = data.suffix.replace("/", "_")
    if data.name == "aggregate" and Path(data.root).suffix == ".csv":
        edition = Path(data.root).stem
        return f"{data.name}{'' if edition == 'clean' else f':{edition}'}{options}"
    if data.root and data.name in ("synthetic", "folder", "csv", "huggingface"):
        return f"{data.name}:{Path(data.root).name}{options}"
    return f"{data.name}{options}"


def positions(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Canonical labels as positions among the six emotions, which is the models' output order.

    Examples
    --------
    >>> positions(np.array([5, 0]))
    array([5, 0])
    """
    order = {EMOTIONS.index(name): position for position, name in enumerate(SIX)}
    return np.array([order[int(label)] for label in labels], dtype=np.int64)
