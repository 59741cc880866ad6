"""Faces that are boxes in photographs: read, and cut out when their pixels are asked for."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces
from fer_xai.types.file_digests import DIGEST, content_digest
from fer_xai.types.image_files import ImageFiles

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are the first ones outside."""


@dataclass(frozen=True, eq=False)
class CropReader:
    """Reads a photograph and cuts the face out; a box that reaches beyond it is cut at its edge.

    It is a :class:`fer_xai.types.readers.StoredReader`: the digest of a face is made of the digest
    of its photograph and of the box.

    Attributes
    ----------
    paths
        The photographs, one a face.
    boxes
        A box a face; None for a photograph that is used whole.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = str(Path(folder) / "1.png")
    ...     Image.new("RGB", (8, 6)).save(path)
    ...     CropReader([path, path], [(2, 1, 5, 99), None])(0).shape
    (5, 3, 3)
    """

    paths: Sequence[str]
    boxes: Sequence[Box | None]
    _files: ImageFiles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_files", ImageFiles(self.paths))

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Pixels of one face, uint8 ``(H, W, 3)``."""
        image = self._files(row)
        top, bottom, left, right = self._inside(row, *image.shape[:2])
        return image[top:bottom, left:right]

    def whole(self, row: int) -> bool:
        """Whether a face is a whole photograph."""
        return self.boxes[row] is None

    def known_digests(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Digests ``(n, 16)`` that are known without reading a file, and which these are."""
        digests, known = self._files.known_digests(rows)
        return self._with_boxes(digests, rows), known

    def digests(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Digests ``(n, 16)`` of the photographs' bytes and the boxes."""
        return self._with_boxes(self._files.digests(rows), rows)

    def sizes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Heights and widths ``(n, 2)`` of the faces, from the photographs' headers."""
        found = np.empty((len(rows), 2), dtype=np.int64)
        for at, (row, (height, width)) in enumerate(
            zip(rows.tolist(), self._files.sizes(rows).tolist(), strict=True)
        ):
            top, bottom, left, right = self._inside(row, height, width)
            found[at] = bottom - top, right - left
        return found

    def check_unchanged(self, rows: NDArray[np.int64]) -> None:
        """Refuse photographs that were written to since their digests were taken."""
        self._files.check_unchanged(rows)

    def remember(self) -> None:
        """Write down the digests that were found, for later processes."""
        self._files.remember()

    def _with_boxes(self, digests: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        found = digests.copy()
        for at, row in enumerate(rows.tolist()):
            box = self.boxes[row]
            if box is not None:
                told = content_digest(digests[at].tobytes() + struct.pack("<4q", *box))
                found[at] = np.frombuffer(told, dtype=np.uint8, count=DIGEST)
        return found

    def _inside(self, row: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of a face inside its photograph."""
        box = self.boxes[row]
        if box is None:
            return 0, height, 0, width
        left, top, right, bottom = box
        inside = max(top, 0), min(bottom, height), max(left, 0), min(right, width)
        if inside[0] >= inside[1] or inside[2] >= inside[3]:
            raise InputError(
                f"Expected the box of a face inside {quoted(self.paths[row])} of {width}×{height} "
                f"pixels, got {left}, {top} to {right}, {bottom}: is it the photograph that was "
                "labelled? pass skip_bad (--skip-bad) to leave such faces out and list them."
            )
        return inside


def whole_files(faces: Faces) -> list[str]:
    """Paths of faces that are whole image files; "" for a face that is a box in a photograph.

    Two faces of one photograph lie in one file, and are no copies of one another.

    Examples
    --------
    >>> rows = [(f"1.jpg#{k}", "/photos/1.jpg", "fear", "test", "", "mine", "") for k in (0, 1)]
    >>> whole_files(faces_from_boxes(rows, [(0, 0, 10, 10), None], name="mine"))
    ['', '/photos/1.jpg']
    """
    paths = [str(path) for path in faces.table["path"]]
    whole = getattr(faces.reader, "whole", None)
    if whole is None:
        return paths
    assert faces.rows is not None
    return [
        path if whole(row) else "" for path, row in zip(paths, faces.rows.tolist(), strict=True)
    ]


def faces_from_boxes(
    rows: Sequence[tuple[str, ...]], boxes: Sequence[Box | None], *, name: str
) -> Faces:
    """Faces from rows as :func:`fer_xai.data.images.faces_from_files` takes them, and their boxes.

    Examples
    --------
    >>> row = ("1.jpg#0", "/photos/1.jpg", "fear", "test", "", "mine", "")
    >>> faces_from_boxes([row], [(0, 0, 10, 10)], name="mine")  # no file is opened yet
    Faces(mine: 1 face (fear 1))
    """
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    return Faces(table=table, reader=CropReader(list(table["path"]), list(boxes)), name=name)
