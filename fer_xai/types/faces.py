"""Faces: a table, and a reader of pixels that is called when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_count, name_or_unknown, quoted
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types.constructors import Constructors
from fer_xai.types.making import Made
from fer_xai.types.reading import Reading
from fer_xai.types.tables import check_names, cleaned, drawn
from fer_xai.types.units import moment_labels, person_labels


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Faces(Constructors, Reading):
    """Faces of a dataset: a table, and a reader of pixels that is called when they are needed.

    Pixels are uint8 at rest and read lazily; sizes may differ between faces. Pixel coordinates of
    landmarks are x (right), y (down), with pixel centres at whole numbers, as in ``image[y, x]``.

    Parameters
    ----------
    table
        One row a face, with the columns of :data:`COLUMNS`; ``emotion`` holds canonical names.
        None, NaN and white space in the other columns mean "unknown" and become "".
    reader
        Called with a row number of the *original* table; returns the pixels ``(H, W, 3)``, or grey
        ones ``(H, W)`` or ``(H, W, 1)``: uint8, other whole numbers from 0 to 255, or floats in
        [0, 1], which are rounded to 8 bits. Where many faces at once are cheaper it has a method
        ``many(rows)`` that yields them in order. Where they come from files it has the methods of
        :class:`fer_xai.types.image_files.ImageFiles`, which tell digests and sizes without
        decoding.
    landmarks
        ``(N, 68, 2)`` in the pixels of each face's own image, NaN where unknown; None if no face
        has any.
    name
        What the dataset is called in results.
    rows
        Row numbers handed to ``reader``; all, by default.
    skipped, left_out
        Bad files that were to be skipped (path and reason); faces of each emotion not asked for.

    Examples
    --------
    >>> from fer_xai.types import COLUMNS
    >>> table = pd.DataFrame({"id": ["a", "b"], "emotion": ["fear", "anger"]}, columns=COLUMNS)
    >>> greys = np.zeros((2, 8, 8), dtype=np.uint8)
    >>> faces = Faces(table=table, reader=lambda row: greys[row], name="mine")
    >>> faces, faces.labels, faces.pixels(4).shape
    (Faces(mine: 2 faces (anger 1, fear 1)), tensor([5, 3]), torch.Size([2, 3, 4, 4]))
    """

    table: pd.DataFrame
    reader: Callable[[int], NDArray[Any]]
    name: str
    landmarks: NDArray[np.float32] | None = None
    rows: NDArray[np.int64] | None = None
    skipped: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict, repr=False)
    _pixels: dict[int, Tensor] = field(default_factory=dict, repr=False)
    _sizes: dict[str, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", cleaned(self.table))
        check_names(self.table, name=self.name)
        if self.landmarks is not None and self.landmarks.shape != (len(self.table), 68, 2):
            raise InputError(
                f"Expected landmarks ({len(self.table)}, 68, 2), got {self.landmarks.shape}."
            )
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(len(self.table)))

    @classmethod
    def _of(cls, made: Made, *, name: str, landmarks: NDArray[np.float32] | None = None) -> Faces:
        return cls(table=made.table, reader=made.reader, name=name, landmarks=landmarks)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        counts = self.table["emotion"].value_counts()
        shown = ", ".join(f"{name} {counts[name]}" for name in self.emotions)
        points = 0 if self.landmarks is None else int(np.isfinite(self.landmarks).all((1, 2)).sum())
        return (
            f"Faces({self.name}: {_counted(len(self), 'face')}"
            f"{f' ({shown})' if shown else ''}"
            f"{f', {points} with landmarks' if points else ''}"
            f"{f', {len(self.skipped)} skipped' if self.skipped else ''})"
        )

    @property
    def ids(self) -> list[str]:
        """The faces' names, ``(N,)``."""
        return [str(name) for name in self.table["id"]]

    @property
    def labels(self) -> Tensor:
        """Canonical emotion indices ``(N,)`` int64."""
        index = {name: position for position, name in enumerate(EMOTIONS)}
        return torch.tensor([index[name] for name in self.table["emotion"]], dtype=torch.int64)

    @property
    def persons(self) -> list[str]:
        """The person of each face, ``(N,)``: labels for ``clusters=`` of metrics.

        None is empty: a face of unknown subject and group is a person of its own. See
        :func:`fer_xai.types.units.person_labels`.
        """
        return person_labels(self.table)

    @property
    def moments(self) -> list[str]:
        """The moment of each face, ``(N,)``: labels for ``blocks=`` of metrics.

        A sequence (group) of a person, labelled with one emotion; person and emotion where no group
        is known; the face itself where nothing is. See
        :func:`fer_xai.types.units.moment_labels`.
        """
        return moment_labels(self.table)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in canonical order."""
        present = set(self.table["emotion"])
        return tuple(name for name in EMOTIONS if name in present)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names that :meth:`attribute` knows: columns of the table, and what the reader knows."""
        columns = [
            str(name) for name in self.table.columns if name not in ("id", "path", "emotion")
        ]
        return tuple(dict.fromkeys([*columns, *getattr(self.reader, "attributes", ())]))

    def attribute(self, name: str) -> list[str]:
        """Value of an attribute for each face, ``(N,)``, such as its source or its person's age.

        Parameters
        ----------
        name
            A column of the table, such as ``source`` or ``gender``, or what the reader knows, such
            as the ``style``, ``skin`` and ``glasses`` of built-in faces.

        Returns
        -------
        list
            "" where it is unknown.

        Raises
        ------
        InputError
            If the faces have no such attribute.

        Examples
        --------
        >>> from fer_xai.data.datasets.synthetic import synthetic_faces
        >>> synthetic_faces(2, style="lab").attribute("style")
        ['lab', 'lab']
        """
        if name not in self.attributes:
            raise InputError(
                f"Expected an attribute of {self.name} ({', '.join(self.attributes)}), got "
                f"{quoted(name)}."
            )
        if name in self.table:
            return [name_or_unknown(value) for value in self.table[name]]
        known: Any = self.reader
        return list(known.attribute(name, self.rows))

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[Any]) -> Faces:
        """Some of the faces: a slice, as in ``faces[:300]``, positions, or a mask ``(N,)``.

        Raises
        ------
        InputError
            For a single position: its pixels are ``faces.read(3)``, the face alone ``faces[3:4]``.
        """
        if not isinstance(rows, slice) and np.ndim(rows) != 1:
            raise InputError(
                "Expected a slice of faces, a list of positions or a mask, got "
                f"{quoted(rows)[1:-1]}: one face is faces[3:4], its pixels are faces.read(3)."
            )
        chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        if isinstance(chosen, np.ndarray) and not len(chosen):
            chosen = chosen.astype(np.int64)
        return self.subset(np.arange(len(self))[chosen])

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> Faces:
        """The faces at these positions, in this order."""
        chosen = np.ascontiguousarray(indices, dtype=np.int64)  # as torch wants it
        assert self.rows is not None
        return Faces(
            table=self.table.iloc[chosen].reset_index(drop=True),
            reader=self.reader,
            name=self.name,
            landmarks=None if self.landmarks is None else self.landmarks[chosen],
            rows=self.rows[chosen],
            skipped=self.skipped,
            left_out=self.left_out,
            _pixels={
                size: pixels[torch.from_numpy(chosen)] for size, pixels in self._pixels.items()
            },
            _sizes={name: sizes[chosen] for name, sizes in self._sizes.items()},
        )

    def limit(self, n: int, *, seed: int = 0) -> Faces:
        """At most ``n`` faces, drawn with the emotions' shares kept, in the table's order."""
        check_count("the number of faces to keep", n)
        if n >= len(self):
            return self
        return self.subset(drawn(self.labels.numpy(), n, seed=seed))


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
