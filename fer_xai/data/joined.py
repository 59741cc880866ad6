"""Several sets of faces as one, so that they can be compared as groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.types import Faces


def joined_faces(parts: Sequence[Faces], names: Sequence[str] | None = None) -> Faces:
    """Faces of several sets in one table, one set after another.

    Persons and groups of one name in two sets are two: their names begin with their set's. Columns
    that a set does not have are "" for its faces, and its landmarks NaN.

    Parameters
    ----------
    parts
        The sets; without ``names``, a single one is returned as it is.
    names
        Name of each set, with which the names of its faces begin, too. By default the names of
        faces are kept, and each has to stand in one set alone.

    Returns
    -------
    Faces
        Named by the sets' names, joined by ``+``.

    Raises
    ------
    InputError
        If there is no set, or a face stands in two of them.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> both = joined_faces([synthetic_faces(2, style=style) for style in ("lab", "studio")])
    >>> both, both.attribute("style")
    (Faces(synthetic-lab+synthetic-studio: 4 faces (happiness 2, surprise 2), 4 with landmarks),
     ['lab', 'lab', 'studio', 'studio'])
    """
    if not parts:
        raise InputError("Expected one or more sets of faces to join, got none.")
    if len(parts) == 1 and names is None:
        return parts[0]
    titles = [part.name for part in parts] if names is None else list(names)
    tables = [
        _named(part.table, title, faces=names is not None)
        for part, title in zip(parts, titles, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    text = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    table = table.assign(**{name: table[name].astype(object).fillna("") for name in text})
    points = None
    if any(part.landmarks is not None for part in parts):
        points = np.concatenate(
            [
                np.full((len(part), 68, 2), np.nan, dtype=np.float32)
                if part.landmarks is None
                else part.landmarks
                for part in parts
            ]
        )
    return Faces(
        table=table,
        reader=_Joined(parts),
        name="+".join(dict.fromkeys(titles)),
        landmarks=points,
        skipped=tuple(text for part in parts for text in part.skipped),
    )


def _named(table: pd.DataFrame, title: str, *, faces: bool) -> pd.DataFrame:
    """A table in which the names of persons and groups, and of faces, begin with their set's."""
    found = table.assign(id=f"{title}/" + table["id"].astype(str)) if faces else table.copy()
    for column in ("subject", "group"):
        known = table[column].astype(str)
        found[column] = known.where(known == "", f"{title}/" + known)
    return found


class _Joined:
    """Reads each row from the set that it comes from."""

    def __init__(self, parts: Sequence[Faces]) -> None:
        self.parts = list(parts)
        self.ends = np.cumsum([len(part) for part in parts])
        names = [name for part in parts for name in getattr(part.reader, "attributes", ())]
        self.attributes = tuple(dict.fromkeys(names))
        if any(hasattr(part.reader, "many") for part in parts):  # files are read by threads
            self.many = self._many

    def _many(self, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        """Rows in order, those that follow each other in a set handed to its reader together."""
        which = np.searchsorted(self.ends, rows, side="right")
        for some in np.split(rows, np.flatnonzero(np.diff(which)) + 1):
            if not len(some):
                continue
            part = self._place(int(some[0]))[0]
            own = [self._place(int(row))[1] for row in some]
            many = getattr(part.reader, "many", None)
            if many is None:
                yield from (part.read(row) for row in own)
                continue
            assert part.rows is not None
            for row, image in zip(own, many(part.rows[own]), strict=True):
                yield part.checked(image, row)

    def __call__(self, row: int) -> NDArray[Any]:
        part, place = self._place(row)
        return part.read(place)

    def attribute(self, name: str, rows: NDArray[np.int64]) -> list[str]:
        """The attribute of each row, "" for sets that do not have it."""
        values = [
            part.attribute(name) if name in part.attributes else [""] * len(part)
            for part in self.parts
        ]
        every = [value for part in values for value in part]
        return [every[row] for row in rows]

    def _place(self, row: int) -> tuple[Faces, int]:
        which = int(np.searchsorted(self.ends, row, side="right"))
        return self.parts[which], int(row - (self.ends[which] - len(self.parts[which])))
