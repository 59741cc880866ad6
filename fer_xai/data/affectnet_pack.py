"""AffectNet's pack of ``npy`` files: one image, and a file each for its annotations."""

from __future__ import annotations

import ast
import io
import math
import os
import posixpath
from pathlib import Path

import numpy as np

from fer_xai.data.affectnet_lists import emotion_of
from fer_xai.data.attributes import with_attributes
from fer_xai.data.images import faces_from_files
from fer_xai.data.listing import Listing, contents, is_image_name
from fer_xai.data.registry import Problems
from fer_xai.data.text import whole_number
from fer_xai.errors import InputError
from fer_xai.types import Faces


def index_pack(folder: Path, *, split: str, valence: bool, problems: Problems) -> Faces:
    """Faces of ``train_set`` or ``val_set``.

    Parameters
    ----------
    folder
        Holds ``images`` and ``annotations``.
    split
        Name that the split gets.
    valence
        Whether valence and arousal are read, too.
    problems
        Collects what cannot be used: an image without annotation, and the reverse.

    Raises
    ------
    InputError
        If a folder is missing, or an annotation holds another thing than a number.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for name in ("images", "annotations"):
    ...         (Path(place) / name).mkdir()
    ...     (Path(place) / "images" / "7.jpg").touch()
    ...     np.save(Path(place) / "annotations" / "7_exp.npy", "6")
    ...     index_pack(Path(place), split="valid", valence=False, problems=Problems(False))
    Faces(affectnet: 1 face (anger 1))
    """
    images, notes = folder / "images", folder / "annotations"
    for part in (images, notes):
        if not part.is_dir():
            raise InputError(
                f"Expected the folder {part.name} of AffectNet under {folder}, found none "
                f"({contents(folder)}): check the root."
            )
    files, kept = Listing(), []
    names = sorted(name for name in files.unsorted(images) if is_image_name(name))
    names.sort(key=len)  # numbers without leading zeros
    rows: list[tuple[str, ...]] = []
    known: dict[str, str] = {}  # emotions of values that have been looked up
    start, shown = f"{notes}{os.sep}", f"{images}{os.sep}"
    annotated = {name[:-8] for name in files.unsorted(notes) if name.endswith("_exp.npy")}
    for name in names:
        stem = name.rpartition(".")[0]
        if stem not in annotated:
            problems.add(f"Expected {stem}_exp.npy for {name} in {notes}, found none: copy it.")
            continue
        annotated.discard(stem)
        path = f"{start}{stem}_exp.npy"
        value = _value(path)
        emotion = known.get(value)
        if emotion is None:
            emotion = emotion_of(whole_number(value), path, problems)
        if emotion is not None:
            known[value] = emotion
            kept.append(stem)
            rows.append((name, shown + name, emotion, split, "", "affectnet", ""))
    if annotated:
        some = min(annotated)
        problems.add(
            f"Expected an image for each annotation in {notes}, found none for {len(annotated)}, "
            f"for instance {some}_exp.npy: copy the images whole."
        )
    faces = faces_from_files(rows, name="affectnet")
    if not valence:
        return faces
    moods = {
        column: [_mood(f"{start}{stem}_{short}.npy") for stem in kept]
        for column, short in (("valence", "val"), ("arousal", "aro"))
    }
    return with_attributes(faces, moods)


def _mood(path: str) -> float:
    """Valence or arousal; NaN where it was not annotated."""
    try:
        value = float(_value(path)) if posixpath.exists(path) else math.nan
    except ValueError:
        raise InputError(f"Expected a number in {path}: replace the file.") from None
    return value if -1 <= value <= 1 else math.nan


_MOST = 4096
"""Bytes beyond which a file holds more than one value."""
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_TYPES: dict[bytes, np.dtype[np.generic]] = {}
_VALUES: dict[bytes, str] = {}


def _value(path: str) -> str:
    """The one value of an npy file, as text; contents are parsed once, for there are few."""
    try:
        file = os.open(path, _FLAGS)
        try:
            data = os.read(file, _MOST)
        finally:
            os.close(file)
    except OSError as error:
        raise InputError(
            f"Expected an npy file of one number at {path}, but it cannot be read "
            f"({error.strerror}): replace it."
        ) from None
    value = _VALUES.get(data)
    if value is None:
        value = _parsed(data, path)
        if len(_VALUES) < 1000:
            _VALUES[data] = value
    return value


def _parsed(data: bytes, path: str) -> str:
    size = int.from_bytes(data[8:10], "little")
    head, body = data[: 10 + size], data[10 + size :]
    kind = _TYPES.get(head)
    if kind is None:
        kind = _TYPES[head] = _type(head, path)
    if len(body) != kind.itemsize:
        raise InputError(f"Expected one number in {path}, got {len(body)} bytes: replace the file.")
    if kind.kind != "U":
        return str(np.frombuffer(body, kind)[0]).strip()
    try:  # numpy makes texts of what are no characters, or fails on them
        text = body.decode("utf-32-be" if kind.byteorder == ">" else "utf-32-le")
    except UnicodeDecodeError:
        raise InputError(f"Expected one number in {path}, got no text: replace the file.") from None
    return text.strip("\0").strip()


def _type(head: bytes, path: str) -> np.dtype[np.generic]:
    """Type that the header of an npy file tells, of one value and no object."""
    try:
        version = np.lib.format.read_magic(io.BytesIO(head))
        told = ast.literal_eval(head[10:].decode("latin-1"))
        kind = np.dtype(told["descr"])
        one = set(told["shape"]) <= {1} and kind.subdtype is None and kind.itemsize > 0
        fits = version == (1, 0) and one and kind.kind in "USiuf"
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        fits = False
    if not fits:
        raise InputError(f"Expected an npy file of one number at {path}: replace the file.")
    return kind
