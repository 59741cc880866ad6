"""Faces whose pixels lie in image files."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fer_xai.types import COLUMNS, Faces
from fer_xai.types.image_files import ImageFiles, image_size, read_image

__all__ = ["ImageFiles", "faces_from_files", "image_size", "read_image"]


def faces_from_files(rows: Sequence[tuple[str, ...]], *, name: str) -> Faces:
    """Faces from rows ``(id, path, emotion, split, subject, source, group)``, read when needed.

    Examples
    --------
    >>> row = ("1.png", "/faces/1.png", "fear", "test", "", "mine", "")
    >>> faces_from_files([row], name="mine")  # no file is opened yet
    Faces(mine: 1 face (fear 1))
    """
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    return Faces(table=table, reader=ImageFiles(list(table["path"])), name=name)
