"""Landmarks made elsewhere: a CSV of 68 iBUG points a face."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import check_count, quoted
from fer_xai.data.text import cells, text_lines
from fer_xai.errors import InputError
from fer_xai.types import Faces

POINTS = [f"{axis}{index}" for index in range(68) for axis in "xy"]
FAR = 100_000
"""Pixels from an image's corner beyond which no landmark lies."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_BLANK = {"", "nan", "na", "n/a", "null", "none", "<na>"}


def read_landmarks(
    path: str | Path, faces: Faces, *, points_size: int | None = None
) -> NDArray[np.float32]:
    """Landmarks of faces by file name, from ``image,x0,y0,…,x67,y67`` (plain or ``.gz``).

    Parameters
    ----------
    path
        The CSV. Rows of other images are ignored; faces without a row get NaN.
    faces
        Matched by their id, or by the name of their file where no other face's is the same.
    points_size
        Side of the square images the points were measured on; by default the points are in pixels
        of the faces' own images.

    Returns
    -------
    ndarray
        ``(N, 68, 2)`` float32, x and y in pixels of each face's own image.

    Raises
    ------
    InputError
        If the file is missing, is damaged or no text, lacks columns, has a row of another length or
        a cell that is no pixel coordinate (with its row), has an image twice, knows none of the
        faces or no point of them, or names a file that several faces have.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from fer_xai.data.images import faces_from_files
    >>> row = ("1.png", "/faces/1.png", "fear", "test", "", "mine", "")
    >>> faces = faces_from_files([row], name="mine")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "landmarks.csv"
    ...     points = pd.DataFrame([{"image": "1.png", **dict.fromkeys(POINTS, 7.5)}])
    ...     points.to_csv(path, index=False)
    ...     read_landmarks(path, faces)[0, 0]
    array([7.5, 7.5], dtype=float32)
    """
    path = Path(path)
    if points_size is not None:
        check_count("points_size", points_size)
    if not path.is_file():
        raise InputError(f"Expected a landmark CSV, found none at {path}.")
    known = _rows(path)
    matched = 0
    points = np.full((len(faces), 68, 2), np.nan, dtype=np.float32)
    owner: dict[str, str] = {}  # file name -> id of the face it stands for
    for index, (file, face) in enumerate(zip(faces.table["path"], faces.ids, strict=True)):
        name = Path(str(file)).name
        if face not in known and name in known and owner.setdefault(name, face) != face:
            raise InputError(
                f"Expected file names that tell faces apart, but {name} in {path} could be "
                f"{owner[name]} or {face}: write these ids into its column image."
            )
        found = known.get(face, known.get(name))
        if found is not None:
            matched += 1
            points[index] = found.reshape(68, 2)
    if not np.isfinite(points).all(axis=(1, 2)).any() and matched:
        raise InputError(
            f"Expected landmarks of {faces.name} in {path}, but the points of all {matched} of its "
            "images that are among them are NaN or missing: locate them again, or with another "
            "provider, such as builtin."
        )
    if not matched:
        raise InputError(
            f"Expected landmarks of {faces.name} in {path}, but none of its {len(known)} images is "
            "among them: images are matched by file name."
        )
    if points_size is not None:
        native = faces.image_sizes[:, ::-1].astype(np.float32)
        moved = ((points + 0.5) * (native[:, None, :] / points_size) - 0.5).astype(np.float32)
        # where nothing is resized, rounding must not make other points of them
        return np.where(native[:, None, :] == points_size, points, moved)
    return points


def _rows(path: Path) -> dict[str, NDArray[np.float32]]:
    """Coordinates ``(136,)`` of each image in the file."""
    lines = text_lines(path, what="a CSV of landmarks")
    header = cells(next(lines, (1, ""))[1]) or [""]
    if header == [""]:
        raise InputError(f"Expected a CSV of landmarks, but {path} cannot be read (it is empty).")
    missing = [column for column in ["image", *POINTS] if column not in header]
    if missing:
        raise InputError(
            f"Expected columns image,x0,y0,…,x67,y67 in {path}, but {', '.join(missing[:4])} "
            f"{'are' if len(missing) > 1 else 'is'} missing."
        )
    twice = [column for column in ["image", *POINTS] if header.count(column) > 1]
    if twice:
        raise InputError(f"Expected one column {twice[0]} in {path}, got more: delete one.")
    image, places = header.index("image"), [header.index(column) for column in POINTS]
    found: dict[str, NDArray[np.float32]] = {}
    first: dict[str, int] = {}
    for number, line in lines:
        row = cells(line)
        if row is None or len(row) != len(header):
            got = "quotes that do not close" if row is None else f"{len(row)}"
            raise InputError(
                f"Expected {len(header)} cells in each row of {path}, got {got} in row {number}, "
                f"{quoted(line)}."
            )
        name = row[image]
        if not name:
            raise InputError(f"Expected the name of an image in {path}, row {number}, got none.")
        if name in found:
            raise InputError(
                f"Expected one row an image in {path}, got {quoted(name)} again in row {number}, "
                f"after row {first[name]}: delete one."
            )
        found[name] = _coordinates([row[place] for place in places], f"{path}", number)
        first[name] = number
    return found


def _coordinates(row: list[str], path: str, number: int) -> NDArray[np.float32]:
    values = np.array([_coordinate(cell) for cell in row])
    odd = np.flatnonzero(np.isinf(values) | (np.abs(values) > FAR))
    if len(odd):
        cell, column = quoted(row[odd[0]]), POINTS[odd[0]]
        raise InputError(
            f"Expected numbers in {path}, got {cell} for {column} in row {number}: coordinates are "
            f"pixels, at most {FAR:,} from the corner, and empty where unknown."
        )
    return values.astype(np.float32)


def _coordinate(cell: str) -> float:
    """The number in a cell, NaN where it is blank, infinite where it holds anything else."""
    if _NUMBER.fullmatch(cell):
        return float(cell)
    return np.nan if cell.lower() in _BLANK else np.inf
