"""Faces that are boxes in photographs: read, and cut out when their pixels are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.data.images import read_image
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are the first ones outside."""


@dataclass(frozen=True)
class CropReader:
    """Reads a photograph and cuts the face out; a box that reaches beyond it is cut at its edge.

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

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Pixels of one face."""
        image, box = read_image(self.paths[row]), self.boxes[row]
        if box is None:
            return image
        left, top, right, bottom = box
        face = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if 0 in face.shape:
            height, width = image.shape[:2]
            raise InputError(
                f"Expected the box of a face inside {quoted(self.paths[row])} of {width}×{height} "
                f"pixels, got {left}, {top} to {right}, {bottom}: is it the photograph that was "
                "labelled? pass skip_bad (--skip-bad) to leave such faces out and list them."
            )
        return face


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
