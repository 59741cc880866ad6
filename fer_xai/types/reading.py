"""How faces are read: at once where they are few, in batches that are decoded ahead otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_count
from fer_xai.errors import InputError
from fer_xai.types.batch import Batch
from fer_xai.types.identity import files_digest, pixels_digest
from fer_xai.types.pixels import as_pixels
from fer_xai.types.readers import StoredReader
from fer_xai.types.streams import PixelStream, streamed
from fer_xai.types.workers import workers

AT_ONCE = 2**32
"""Bytes of images that are handed out at once; more are read in batches."""
KEPT = 2**28
"""Bytes of pixels that stay in memory to be used again; those of larger sets are read anew."""


class Sliced(Protocol):
    """Pixels of faces by slices, ``(n, 3, size, size)`` uint8: a stream, or a tensor.

    Examples
    --------
    >>> def first(pixels: Sliced) -> Tensor:
    ...     return pixels[0:1]
    """

    def __len__(self) -> int:
        """Number of faces."""
        ...

    def __getitem__(self, part: slice, /) -> Tensor:
        """Pixels of a slice."""
        ...


class At:
    """Pixels of faces at one size, of which each slice is read when it is asked for.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> at = At(synthetic_faces(5), 16)
    >>> len(at), at[3:9].shape
    (5, torch.Size([2, 3, 16, 16]))
    """

    def __init__(self, faces: Reading, size: int) -> None:
        self.faces, self.size = faces, size

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, part: slice, /) -> Tensor:
        return self.faces.pixels(self.size, part)


class Reading:
    """What :class:`fer_xai.types.Faces` does with its reader.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> isinstance(synthetic_faces(1), Reading)
    True
    """

    table: pd.DataFrame
    reader: Callable[[int], NDArray[Any]]
    name: str
    landmarks: NDArray[np.float32] | None
    rows: NDArray[np.int64] | None
    _pixels: dict[int, Tensor]
    _sizes: dict[str, NDArray[np.int64]]
    ids: Any
    labels: Any

    def __len__(self) -> int:
        return len(self.table)

    @property
    def images(self) -> Tensor:
        """All images ``(N, 3, H, W)`` float32 in [0, 1]; their sizes must be equal.

        Raises
        ------
        InputError
            If their sizes differ, or they take more than 4 GiB.
        """
        self.check_room(len(self), self.side, each=4)
        return self.pixels(self.side).float() / 255

    @property
    def side(self) -> int:
        """Side in pixels of all images, which is known without decoding files.

        Raises
        ------
        InputError
            If they are not square, or their sizes differ.
        """
        sizes = np.unique(self.image_sizes, axis=0)
        if len(sizes) != 1 or sizes[0, 0] != sizes[0, 1]:
            raise InputError(
                f"Expected square faces of one size, got {len(sizes)} sizes: read them with "
                "faces.pixels(size) or faces.batches(…, size=…)."
            )
        return int(sizes[0, 0])

    def read(self, index: int) -> NDArray[np.uint8]:
        """Pixels of one face, uint8 ``(H, W, 3)``.

        Raises
        ------
        InputError
            If the reader returns anything but pixels of a colour or a grey image.
        """
        assert self.rows is not None
        return self.checked(self.reader(int(self.rows[index])), index)

    def checked(self, image: Any, index: int) -> NDArray[np.uint8]:
        """What the reader returned for a face as uint8 ``(H, W, 3)``."""
        plain = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size > 0
        if plain and image.shape[2:] == (3,) and image.flags.writeable:
            return image
        return as_pixels(image, face=str(self.table["id"].iloc[index]))

    def pixels(
        self, size: int, rows: slice | Sequence[int] | NDArray[Any] | Tensor = slice(None)
    ) -> Tensor:
        """Faces at one size: uint8 ``(n, 3, size, size)``, all of them or those at some positions.

        Those of a set of up to :data:`KEPT` bytes are all read, and stay in memory. Larger sets are
        read anew each time, from the cache on disk where they have lain in files.

        Parameters
        ----------
        size
            Side in pixels.
        rows
            Positions of the faces.

        Raises
        ------
        InputError
            If they take more than 4 GiB.
        """
        if size not in self._pixels and self._small(size):
            for _ in self._streamed(size, batch=256):  # which keeps them
                pass
        if size in self._pixels:
            kept = self._pixels[size]
            if isinstance(rows, slice):
                return kept if rows == slice(None) else kept[rows]
            return kept[torch.as_tensor(np.asarray(rows))]
        positions = np.arange(len(self))
        positions = positions[rows if isinstance(rows, slice) else np.asarray(rows)]
        self.check_room(len(positions), size)
        found = torch.empty((len(positions), 3, size, size), dtype=torch.uint8)
        with PixelStream(self, size, positions=positions) as stream:
            for start in range(0, len(positions), stream.unit):
                part = slice(start, start + stream.unit)
                found[part] = stream[part]
        return found

    def stream(self, size: int, *, batch: int = 64) -> AbstractContextManager[Sliced]:
        """Faces at one size by slices, ``stream[start:stop]``, decoded ahead of their use.

        Each face is asked for once, and about in order; several threads may ask. Small sets are
        read at once, and stay in memory.
        """
        if size in self._pixels or self._small(size):
            return nullcontext(self.pixels(size))
        return PixelStream(self, size, batch=batch)

    def sliced(self, size: int) -> Sliced:
        """Faces at one size by slices ``[start:stop]``, each read when it is asked for.

        For readers that need some of the faces, or the same ones several times; those that need
        each face once take :meth:`stream`, which decodes ahead. Small sets are read at once, and
        stay in memory.

        Parameters
        ----------
        size
            Side in pixels.
        """
        return self.pixels(size) if size in self._pixels or self._small(size) else At(self, size)

    def landmarks_at(self, size: int) -> NDArray[np.float32]:
        """Landmarks ``(N, 68, 2)`` in pixels of the faces resized to ``size``; NaN where unknown.

        Resizing maps pixel *areas*, so a point moves by ``(p + 1/2) · size / native − 1/2``.
        """
        if self.landmarks is None:
            return np.full((len(self), 68, 2), np.nan, dtype=np.float32)
        native = self.image_sizes[:, None, ::-1].astype(np.float32)  # (N, 1, 2) as width, height
        return (self.landmarks + 0.5) * size / native - 0.5

    def batches(self, batch_size: int = 64, *, size: int) -> Iterator[Batch]:
        """Batches in the table's order, at one size, decoded ahead of their use.

        Memory does not grow with the number of faces. Images are resized once: rows of files are
        kept on disk, where the user's cache can be written to, in up to 16 GiB (or as many bytes as
        the environment variable ``FER_XAI_CACHE_BYTES`` says).

        Parameters
        ----------
        batch_size
            Faces a batch; the last one may have fewer.
        size
            Side in pixels.

        Raises
        ------
        InputError
            For a batch size or a size that is no whole number of 1 or more.
        """
        check_count("a batch size", batch_size)
        check_count("a size in pixels", size)
        return self._batches(batch_size, size)

    def _batches(self, batch_size: int, size: int) -> Iterator[Batch]:
        labels, ids, start = self.labels, self.ids, 0
        points = None if self.landmarks is None else torch.from_numpy(self.landmarks_at(size))
        for pixels in self._streamed(size, batch=batch_size):
            part = slice(start, start := start + len(pixels))
            yield Batch(
                pixels=pixels,
                labels=labels[part],
                landmarks=(
                    torch.full((len(pixels), 68, 2), torch.nan) if points is None else points[part]
                ),
                ids=ids[part],
            )

    def _streamed(self, size: int, *, batch: int) -> Iterator[Tensor]:
        """Pixels a batch at a time; those of a small set are kept once all have been read."""
        if size in self._pixels:
            yield from self._pixels[size].split(batch)
            return
        small = self._small(size)
        found = torch.empty((len(self) if small else 0, 3, size, size), dtype=torch.uint8)
        start = 0
        for pixels in streamed(self, size, batch=batch):
            if small:
                found[start : start + len(pixels)] = pixels
            start += len(pixels)
            yield pixels
        if small:
            self._pixels[size] = found

    def fingerprint(self, size: int) -> str:
        """SHA-256 over ids, labels and what identifies the pixels: what a manifest records.

        That are the digests of the files where faces lie in files, whatever the size, and pixels at
        ``size`` elsewhere; see :mod:`fer_xai.types.identity`.
        """
        assert self.rows is not None
        if isinstance(self.reader, StoredReader):
            digests = self.reader.digests(self.rows)
            self.reader.remember()
            return files_digest(self.ids, self.labels, digests, size=size)
        return pixels_digest(self.ids, self.labels, self._streamed(size, batch=256))

    def _small(self, size: int) -> bool:
        """Whether the pixels stay in memory."""
        return 3 * size**2 * len(self) <= KEPT

    def check_room(self, n: int, size: int, *, each: int = 1) -> None:
        """Refuse to hand out more at once than fits in memory anywhere.

        Parameters
        ----------
        n, size
            Number of faces, and their side in pixels.
        each
            Bytes of a value.

        Raises
        ------
        InputError
            If they take more than 4 GiB.
        """
        needed = 3 * size**2 * n * each
        if needed > AT_ONCE:
            raise InputError(
                f"Expected at most {AT_ONCE / 2**30:.0f} GiB of images at once, but {n:,} faces "
                f"of {self.name} at {size}×{size} pixels take {needed / 2**30:.1f} GiB: read them "
                f"with faces.batches(size={size}), or fewer of them, as in faces[:300]."
            )

    @property
    def image_sizes(self) -> NDArray[np.int64]:
        """Native (height, width) of every face, ``(N, 2)``; files are not decoded for them."""
        if "native" not in self._sizes:
            assert self.rows is not None
            if isinstance(self.reader, StoredReader):
                found = self.reader.sizes(self.rows)
                self.reader.remember()
            elif hasattr(self.reader, "many"):
                images = enumerate(self.reader.many(self.rows))
                found = np.array([self.checked(image, k).shape[:2] for k, image in images])
            else:
                with ThreadPoolExecutor(max_workers=workers()) as pool:
                    shapes = pool.map(lambda index: self.read(index).shape[:2], range(len(self)))
                    found = np.array(list(shapes))
            self._sizes["native"] = found.astype(np.int64).reshape(-1, 2)
        return self._sizes["native"]
