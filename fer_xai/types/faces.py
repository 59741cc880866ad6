"""Faces: a table, and a reader of pixels that is called when they are needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_count, name_or_unknown, quoted
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError
from fer_xai.types.pixels import as_pixels, resized
from fer_xai.types.units import moment_labels, person_labels

T = TypeVar("T")

COLUMNS: tuple[str, ...] = ("id", "path", "emotion", "split", "subject", "source", "group")
"""Columns of every dataset's table.

``subject`` names the person, ``group`` what holds several images of one moment: a sequence of
frames, views from several cameras, or copies of one image. Both are "" where unknown; None, NaN and
white space become "". A subject means the same person wherever it stands in the table, and faces of
one group are of one person, so a name of a group must not come twice with different persons. What
follows for statistics is told by :attr:`Faces.persons` and :attr:`Faces.moments`: an unknown
subject makes no face part of another's person, and such a face counts as independent.
"""

_TEXTS = ("path", "split", "subject", "source", "group")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of faces, ready for a model.

    Attributes
    ----------
    images
        ``(B, 3, H, W)`` float32 in [0, 1].
    labels
        ``(B,)`` int64, canonical emotion index (:data:`fer_xai.emotions.EMOTIONS`).
    landmarks
        ``(B, 68, 2)`` float32, iBUG points in pixels x, y of these images; NaN where unknown.
    ids
        The faces' names.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> batch = next(iter(synthetic_faces(2, size=16).batches(2, size=16)))
    >>> batch.images.shape, batch.labels, batch.landmarks.shape
    (torch.Size([2, 3, 16, 16]), tensor([0, 1]), torch.Size([2, 68, 2]))
    """

    images: Tensor
    labels: Tensor
    landmarks: Tensor
    ids: list[str]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Faces:
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
        ``many(rows)`` that yields them in order.
    landmarks
        ``(N, 68, 2)`` in the pixels of each face's own image, NaN where unknown; None if no face
        has any.
    name
        What the dataset is called in results.
    rows
        Row numbers handed to ``reader``; all, by default.
    skipped
        Faces left out when reading was told to skip bad files: path and reason.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["a", "b"], "emotion": ["fear", "anger"]})
    >>> table = table.reindex(columns=list(COLUMNS))  # nothing else is known
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
    _pixels: dict[int, Tensor] = field(default_factory=dict, repr=False)
    _sizes: dict[str, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table.columns]
        if missing:
            raise InputError(
                f"Expected a table with columns {', '.join(COLUMNS)}; {', '.join(missing)} missing."
            )
        object.__setattr__(self, "table", _cleaned(self.table))
        self._check_names()
        if self.landmarks is not None and self.landmarks.shape != (len(self.table), 68, 2):
            raise InputError(
                f"Expected landmarks ({len(self.table)}, 68, 2), got {self.landmarks.shape}."
            )
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(len(self.table)))

    def _check_names(self) -> None:
        unknown = sorted({str(name) for name in set(self.table["emotion"]) - set(EMOTIONS)})
        if unknown:
            some = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise InputError(
                "Expected canonical emotion names in the table, got "
                f"{', '.join(quoted(name)[1:-1] for name in unknown[:5])}{some}: map them with "
                "fer_xai.emotions.parse_emotion."
            )
        ids = self.ids
        nameless = [row for row, name in enumerate(ids) if not name_or_unknown(name)]
        if nameless:
            raise InputError(
                f"Expected an id for each face of {self.name}, but row {nameless[0]} of the table "
                "has none: results are told apart by it."
            )
        if len(set(ids)) < len(ids):
            first: dict[str, int] = {}
            for row, name in enumerate(ids):
                if first.setdefault(name, row) != row:
                    raise InputError(
                        f"Expected each face once in {self.name}, got the id {quoted(name)} twice, "
                        f"in rows {first[name]} and {row} of the table: results are told apart by "
                        "it."
                    )

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
    def images(self) -> Tensor:
        """All images ``(N, 3, H, W)`` float32 in [0, 1]; their sizes must be equal."""
        sizes = np.unique(self._image_sizes(), axis=0)
        if len(sizes) != 1 or sizes[0, 0] != sizes[0, 1]:
            raise InputError(
                f"Expected square faces of one size, got {len(sizes)} sizes: read them with "
                "faces.pixels(size) or faces.batches(…, size=…)."
            )
        return self.pixels(int(sizes[0, 0])).float() / 255

    def read(self, index: int) -> NDArray[np.uint8]:
        """Pixels of one face, uint8 ``(H, W, 3)``.

        Raises
        ------
        InputError
            If the reader returns anything but pixels of a colour or a grey image.
        """
        assert self.rows is not None
        return self._checked(self.reader(int(self.rows[index])), index)

    def _checked(self, image: object, index: int) -> NDArray[np.uint8]:
        """What the reader returned for a face as uint8 ``(H, W, 3)``."""
        return as_pixels(image, face=str(self.table["id"].iloc[index]))

    def pixels(self, size: int) -> Tensor:
        """Every face at one size: uint8 ``(N, 3, size, size)``, kept in memory once made."""
        if size not in self._pixels:
            faces = self._read_all(lambda image: (resized(image, size), image.shape[:2]))
            self._pixels[size] = (
                torch.stack([pixels for pixels, _ in faces])
                if faces
                else torch.zeros((0, 3, size, size), dtype=torch.uint8)
            )
            self._sizes["native"] = np.array([native for _, native in faces]).reshape(-1, 2)
        return self._pixels[size]

    def landmarks_at(self, size: int) -> NDArray[np.float32]:
        """Landmarks ``(N, 68, 2)`` in pixels of the faces resized to ``size``; NaN where unknown.

        Resizing maps pixel *areas*, so a point moves by ``(p + 1/2) · size / native − 1/2``.
        """
        if self.landmarks is None:
            return np.full((len(self), 68, 2), np.nan, dtype=np.float32)
        native = self._image_sizes()[:, None, ::-1].astype(np.float32)  # (N, 1, 2) as width, height
        return (self.landmarks + 0.5) * size / native - 0.5

    def batches(self, batch_size: int, *, size: int) -> Iterator[Batch]:
        """Batches in the table's order, at one size."""
        pixels, labels = self.pixels(size), self.labels
        landmarks, ids = torch.from_numpy(self.landmarks_at(size)), self.ids
        for start in range(0, len(self), batch_size):
            part = slice(start, start + batch_size)
            yield Batch(
                images=pixels[part].float() / 255,
                labels=labels[part],
                landmarks=landmarks[part],
                ids=ids[part],
            )

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> Faces:
        """The faces at these positions, in this order."""
        chosen = np.asarray(indices, dtype=np.int64)
        assert self.rows is not None
        return Faces(
            table=self.table.iloc[chosen].reset_index(drop=True),
            reader=self.reader,
            name=self.name,
            landmarks=None if self.landmarks is None else self.landmarks[chosen],
            rows=self.rows[chosen],
            skipped=self.skipped,
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
        order = np.random.default_rng(seed).permutation(len(self))
        labels = self.labels.numpy()[order]
        rank_in_class = np.empty(len(self))
        for emotion in np.unique(labels):
            members = np.flatnonzero(labels == emotion)
            rank_in_class[members] = (np.arange(len(members)) + 0.5) / len(members)
        kept = order[np.argsort(rank_in_class, kind="stable")[:n]]
        return self.subset(np.sort(kept))

    def fingerprint(self, size: int) -> str:
        """SHA-256 over ids, labels and pixels at ``size``: what a manifest records."""
        digest = hashlib.sha256("\n".join(self.ids).encode())
        digest.update(self.labels.numpy().tobytes())
        digest.update(self.pixels(size).numpy().tobytes())
        return digest.hexdigest()

    def _image_sizes(self) -> NDArray[np.int64]:
        """Native (height, width) of every face, ``(N, 2)``."""
        if "native" not in self._sizes:
            shapes = self._read_all(lambda image: image.shape[:2])
            self._sizes["native"] = np.array(shapes, dtype=np.int64).reshape(-1, 2)
        return self._sizes["native"]

    def _read_all(self, take: Callable[[NDArray[np.uint8]], T]) -> list[T]:
        """What ``take`` makes of each face's pixels, which are read once and let go."""
        assert self.rows is not None
        many = getattr(self.reader, "many", None)
        if many is not None:
            images = zip(range(len(self)), many(self.rows), strict=True)
            return [take(self._checked(image, index)) for index, image in images]
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            return list(pool.map(lambda index: take(self.read(index)), range(len(self))))


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _cleaned(table: pd.DataFrame) -> pd.DataFrame:
    """The table with "" wherever a text is unknown; the one handed in is left as it is."""
    changed = {}
    for column in _TEXTS:
        values = list(table[column])
        texts = [name_or_unknown(value) for value in values]
        if any(type(value) is not str for value in values) or texts != values:
            changed[column] = pd.Series(texts, index=table.index, dtype=object)
    return table.assign(**changed) if changed else table
