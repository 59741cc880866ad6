"""What providers that read files share: a path, the size points were measured on, and matching."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.detect.provider import Found, TableProvider
from fer_xai.errors import InputError
from fer_xai.types import Faces

_WITH_SIZE = re.compile(r"(?P<path>.+)@(?P<size>[0-9]{1,5})")


class FileProvider(TableProvider):
    """Points of a file or folder, ``NAME:PATH``, or ``NAME:PATH@SIZE``.

    SIZE is the side of the square images that the points were measured on, if it is not that of the
    faces.

    Examples
    --------
    >>> from fer_xai.detect import PROVIDERS
    >>> provider = PROVIDERS["csv"].with_option("points.csv.gz@64")
    >>> provider.path, provider.size, provider.label
    (PosixPath('points.csv.gz'), 64, 'csv:points.csv.gz')
    """

    option = "PATH[@SIZE]"
    version = "1"

    def __init__(self, path: Path | None = None, size: int | None = None) -> None:
        self.path, self.size = path, size

    def with_option(self, option: str) -> FileProvider:
        """The provider with its file."""
        sized = _WITH_SIZE.fullmatch(option)
        if sized is None or Path(option).exists():
            return type(self)(Path(option))
        size = int(sized["size"])
        if size < 1:
            raise InputError(f"Expected a size of at least 1 pixel, got {quoted(option)}.")
        return type(self)(Path(sized["path"]), size)

    @property
    def label(self) -> str:
        """The provider's name, with that of its file."""
        return self.name if self.path is None else f"{self.name}:{self.path.name}"

    def look_up(self, faces: Faces) -> Found:
        """Points of the faces by name, in pixels of each face's own image."""
        if self.path is None:
            raise InputError(
                f"Expected a path after the provider {self.name}, as {self.name}:PATH, got none."
            )
        if not self.path.exists():
            raise InputError(f"Expected landmarks at {self.path}, but there is nothing.")
        points, confidence = self.read(self.path, faces)
        return points, confidence

    @abstractmethod
    def read(self, path: Path, faces: Faces) -> Found:
        """Points of the faces from the path, NaN where it has none."""


def matched(
    known: Mapping[str, NDArray[np.float32]], faces: Faces, *, where: str
) -> NDArray[np.float32]:
    """Points of faces, by their id or by the name of their file, with or without its suffix.

    Parameters
    ----------
    known
        Points ``(68, 2)`` by name.
    faces
        The faces.
    where
        Where the points come from, for the sentence.

    Raises
    ------
    InputError
        If none of the faces is known, or one name stands for several faces.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2)
    >>> found = matched({"wild-test-00001": np.zeros((68, 2), np.float32)}, faces, where="a.npz")
    >>> np.isfinite(found).all(axis=(1, 2))
    array([False,  True])
    """
    points = np.full((len(faces), 68, 2), np.nan, dtype=np.float32)
    owner: dict[str, str] = {}
    for row, (face, path) in enumerate(zip(faces.ids, faces.table["path"], strict=True)):
        file = Path(str(path))
        names = [face, file.name, file.stem, Path(face).stem]
        name = next((name for name in names if name in known), None)
        if name is None:
            continue
        if owner.setdefault(name, face) != face:
            raise InputError(
                f"Expected names that tell faces apart, but {quoted(name)} in {where} could be "
                f"{owner[name]} or {face}: name the points by the faces' ids."
            )
        points[row] = known[name]
    if not owner:
        raise InputError(
            f"Expected landmarks of {faces.name} in {where}, but none of its {len(known)} names is "
            "among them: points are matched by the faces' ids or file names."
        )
    return points


def rescaled(points: NDArray[np.float32], faces: Faces, size: int | None) -> NDArray[np.float32]:
    """Points that were measured on square images of a side, in pixels of the faces' own images.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(1)  # of 64 pixels
    >>> rescaled(np.full((1, 68, 2), 31.5, np.float32), faces, 128)[0, 0].tolist()
    [15.5, 15.5]
    """
    if size is None:
        return points
    native = faces.image_sizes[:, ::-1].astype(np.float32)
    return ((points + 0.5) * (native[:, None] / size) - 0.5).astype(np.float32)
