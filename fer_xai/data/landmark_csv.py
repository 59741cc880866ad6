"""Landmarks made elsewhere: a CSV of 68 iBUG points a face."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.types import Faces

POINTS = [f"{axis}{index}" for index in range(68) for axis in "xy"]


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
        If the file is missing, lacks columns, holds no number where one belongs (with its row), has
        an image twice, knows none of the faces, or names a file that several faces have.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Expected a landmark CSV, found none at {path}.")
    try:
        table = pd.read_csv(path, dtype={"image": str})
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"Expected a CSV of landmarks, but {path} cannot be read ({error})."
        ) from None
    missing = [column for column in ["image", *POINTS] if column not in table.columns]
    if missing:
        raise InputError(
            f"Expected columns image,x0,y0,…,x67,y67 in {path}, but {', '.join(missing[:4])} "
            f"{'are' if len(missing) > 1 else 'is'} missing."
        )
    numbers = table[POINTS].apply(pd.to_numeric, errors="coerce")
    broken = numbers.isna() & table[POINTS].notna()
    if bool(broken.to_numpy().any()):
        row = int(np.flatnonzero(broken.to_numpy().any(axis=1))[0])
        column = POINTS[int(np.flatnonzero(broken.to_numpy()[row])[0])]
        raise InputError(
            f"Expected numbers in {path}, got {table[column][row]!r} for {column} in row {row + 2}."
        )
    twice = table["image"].duplicated()
    if bool(twice.any()):
        row = int(np.flatnonzero(twice)[0])
        raise InputError(
            f"Expected one row an image in {path}, got {table['image'][row]!r} again in row "
            f"{row + 2}."
        )
    known = dict(zip(table["image"], numbers.to_numpy(dtype=np.float32), strict=True))
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
            points[index] = found.reshape(68, 2)
    if np.isnan(points).all():
        raise InputError(
            f"Expected landmarks of {faces.name} in {path}, but none of its {len(table)} images is "
            "among them: images are matched by file name."
        )
    if points_size is not None:
        native = np.array([faces.read(i).shape[1::-1] for i in range(len(faces))], dtype=np.float32)
        moved = ((points + 0.5) * (native[:, None, :] / points_size) - 0.5).astype(np.float32)
        # where nothing is resized, rounding must not make other points of them
        return np.where(native[:, None, :] == points_size, points, moved)
    return points
