"""``load_dataset``: from a name and a folder to faces, with what users ask for on the way."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from fer_xai.checks import quoted
from fer_xai.data.datasets.folder import warn_of_two_emotions
from fer_xai.data.landmark_csv import read_landmarks
from fer_xai.data.listing import missing_files
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.data.spec import DatasetSpec, index_dataset, split_source
from fer_xai.data.subjects import check_subject_pattern, with_subjects
from fer_xai.emotions import EMOTIONS, NATIVE_ORDERS, parse_order
from fer_xai.errors import InputError, UnknownNameError, did_you_mean
from fer_xai.landmarks.in_images import check_placed
from fer_xai.types import Faces


def load_dataset(
    spec: str,
    *,
    root: str | Path | None = None,
    split: str = "test",
    source: str | None = None,
    landmarks: str | Path | None = None,
    landmarks_size: int | None = None,
    emotions: str | Sequence[str] | None = None,
    emotion_map: Mapping[str, str] | None = None,
    subject_pattern: str | None = None,
    skip_bad: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Faces:
    r"""Faces of a dataset.

    Parameters
    ----------
    spec
        ``"rafdb"``, or with its folder, ``"rafdb:/data/RAF-DB"``; ``"synthetic"`` or
        ``"synthetic:web48"`` for the built-in faces (in one of their styles). Options of the data
        set and emotions of its labels follow a ``#``: ``"ckplus:/data/CK+#neutral=first"``,
        ``"folder:/data/mine#0=anger,1=fear"``; a source follows an ``@``:
        ``"gimefive:/data/bench@rafdb"``.
    root
        Folder (or file) of the dataset, if not in ``spec``.
    split
        ``train``, ``valid`` or ``test``.
    source
        Name of one source to keep, of a benchmark put together from several datasets (``"rafdb"``).
    landmarks
        CSV (``.gz``) of 68 points, matched by file name; see
        :func:`fer_xai.data.landmark_csv.read_landmarks`.
    landmarks_size
        Side of the square images the landmarks were measured on, if it is not that of the faces.
    emotions
        Keep only these, as names (or one) or as a native label order.
    emotion_map
        Emotions of the data set's own labels, ``{"0": "anger", "Freude": "happiness"}``, or "none"
        for labels whose faces are left out; for folders, lists and compound emotions.
    subject_pattern
        Regular expression that reads the person of each face, and the sequence where there is one,
        from its path below the root: ``r"(?P<subject>S\d+)_(?P<sequence>\d+)"``. Without it they
        are read from the file names of well-known data sets
        (:data:`fer_xai.data.subjects.NAME_PATTERNS`).
    skip_bad
        Leave out faces whose label is unknown or whose image is missing or damaged, and list them
        in ``Faces.skipped`` (every image is decoded once for that); otherwise an unknown label
        raises here, and a bad image when it is read. Codes of another order raise in any case.
    limit, seed
        Keep at most this many faces, with the emotions' shares kept.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown dataset, a wrong folder, an unknown label, option or source, images that are
        listed but missing, a pattern that cannot be used, an empty selection, landmarks that do not
        lie in their images or are mirrored.

    Warns
    -----
    UserWarning
        If an image lies in the folders of two emotions, or file names are of a well-known pattern
        in part.

    Examples
    --------
    >>> load_dataset("rafdbb:/data")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown dataset 'rafdbb': did you mean rafdb ...?
    """
    spec, named = split_source(spec)
    if None not in (named, source) and named != source:
        raise InputError(
            f"Expected one source of faces, got {named} in {spec}@{named} and source={source}: "
            "name it once."
        )
    source = source or named
    asked = DatasetSpec.parse(spec)
    if root is not None:
        asked = dataclasses.replace(asked, root=str(root))
    name, place = asked.name, asked.root
    if name not in DATASETS:
        raise UnknownNameError(DATASETS.unknown(name))
    if name != "synthetic":
        if not place:
            raise InputError(f"Expected the folder of {name}, as {name}:ROOT or root=…; got none.")
        if not Path(place).expanduser().exists():
            raise InputError(
                f"Expected the data set {name} in a folder or file, but {place} does not exist."
            )
    if subject_pattern is not None:
        check_subject_pattern(subject_pattern)
        if name == "synthetic":
            raise InputError("Expected no subject pattern for built-in faces: they have no files.")
    problems = Problems(skip_bad)
    faces = index_dataset(asked, split=split, problems=problems, emotion_map=emotion_map)
    if subject_pattern is not None:
        faces = with_subjects(faces, subject_pattern, root=Path(place).expanduser())
    if source is not None:
        faces = of_source(faces, source)
    if emotions is not None:
        if isinstance(emotions, str) and emotions not in NATIVE_ORDERS:
            emotions = [emotions]
        wanted = parse_order(emotions)
        shown = faces.table["emotion"]
        others = shown[~shown.isin(wanted)].value_counts()
        left_out = {name: int(others[name]) for name in EMOTIONS if name in others}
        faces = dataclasses.replace(
            faces.subset(np.flatnonzero(shown.isin(wanted))), left_out=left_out
        )
    if not len(faces):
        raise InputError(
            f"Expected faces in split {split} of {spec}{f' from {source}' if source else ''}, "
            "found none: check the root, the split and the filters."
        )
    if not skip_bad:
        check_complete(faces)
    if limit is not None:
        faces = faces.limit(limit, seed=seed)
    for remark in problems.remarks if subject_pattern is None else ():
        warnings.warn(f"{faces.name}: {remark}", UserWarning, stacklevel=2)
    if name in ("folder", "fer2013"):
        warn_of_two_emotions(faces)
    if skip_bad:
        faces = _readable(faces, problems)
    if landmarks is not None:
        points = read_landmarks(landmarks, faces, points_size=landmarks_size)
        known = faces.subset(np.flatnonzero(np.isfinite(points).all(axis=(1, 2))))
        placed = points[np.isfinite(points).all(axis=(1, 2))]
        check_placed(placed, known.image_sizes, known.ids, where=f"{landmarks}")
        faces = dataclasses.replace(faces, landmarks=points)
    return faces


def check_complete(faces: Faces) -> None:
    """Refuse faces whose image files are not all there.

    Raises
    ------
    InputError
        Naming the first that is missing, and how many are.

    Examples
    --------
    >>> check_complete(load_dataset("synthetic", limit=2))
    """
    missing = missing_files(faces)
    if missing:
        raise InputError(
            f"Expected an image at {faces.table['path'][missing[0]]}, found none, and so for "
            f"{len(missing)} of {len(faces)} faces of {faces.name}: check the dataset's root and "
            "copy it whole, or pass skip_bad (--skip-bad) to leave such faces out and list them."
        )


def of_source(faces: Faces, source: str) -> Faces:
    """The faces of one source of a benchmark, however its name is spelled (``RAF-DB``).

    Raises
    ------
    InputError
        If no face is of it.

    Examples
    --------
    >>> of_source(load_dataset("synthetic", limit=2), "synthetic_wild")
    Faces(synthetic: 2 faces (...), 2 with landmarks)
    """

    def plain(text: str) -> str:
        return text.lower().replace("-", "").replace("_", "").replace("+", "plus")

    known = sorted(set(faces.table["source"]))
    kept = [i for i, name in enumerate(faces.table["source"]) if plain(name) == plain(source)]
    if not kept and known:
        hint = did_you_mean(plain(source), known) or f"there are {', '.join(known)}."
        raise InputError(f"Unknown source {quoted(source)} in {faces.name}: {hint}")
    return faces.subset(kept)


def _readable(faces: Faces, problems: Problems) -> Faces:
    """The faces whose image decodes; the others are listed in ``skipped``."""

    def problem(index: int) -> str | None:
        try:
            faces.read(index)
        except InputError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        unreadable = list(pool.map(problem, range(len(faces))))
    bad = [f"{faces.table['path'][i]}: {text}" for i, text in enumerate(unreadable) if text]
    if len(bad) == len(faces):
        raise InputError(f"Expected readable faces in {faces.name}, but all are bad: {bad[0]}")
    kept = faces.subset([index for index, text in enumerate(unreadable) if not text])
    return dataclasses.replace(kept, skipped=(*problems.found, *bad))
