"""Faces' pixels at one size, decoded ahead of their use and no more than a few batches of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.types.pixel_cache import PixelCache, pixel_cache
from fer_xai.types.pixel_packs import row_bytes
from fer_xai.types.pixels import resized
from fer_xai.types.readers import StoredReader
from fer_xai.types.workers import workers

UNIT = 32
"""Faces that a thread reads at a time, or about as many as make whole batches."""
RENDERED = 256
"""Faces at a time of readers that make many at once."""
UNIT_BYTES = 2**23
"""Bytes of the faces that a thread reads at a time, at most."""
AHEAD = 2**26
"""Bytes that are read ahead at most, beside one unit a thread."""
FEW = 8
"""Images up to which no threads are started for them."""


class Source(Protocol):
    """What a stream reads: faces' pixels by position.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> source: Source = synthetic_faces(1)
    """

    reader: Callable[[int], Any]
    rows: NDArray[np.int64] | None

    def checked(self, image: object, index: int) -> NDArray[np.uint8]:
        """What the reader returned for a face as uint8 ``(H, W, 3)``."""
        ...


class PixelStream:
    """Pixels ``(n, 3, size, size)`` uint8 of slices of faces, by ``stream[start:stop]``.

    Slices may be asked for by several threads, each face once and about in order; what lies ahead
    of them is read meanwhile. Used as a context, which ends what is still being read.

    Parameters
    ----------
    source
        The faces.
    size
        Side of the images in pixels.
    positions
        Positions of the faces that are read, in order; all of them by default.
    batch
        Faces of most slices, so that these need no joining.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> with PixelStream(synthetic_faces(5), 16, batch=2) as stream:
    ...     [tuple(stream[start : start + 2].shape) for start in (0, 2, 4)]
    [(2, 3, 16, 16), (2, 3, 16, 16), (1, 3, 16, 16)]
    """

    def __init__(
        self,
        source: Source,
        size: int,
        *,
        positions: NDArray[np.int64] | None = None,
        batch: int = UNIT,
    ) -> None:
        self.source, self.size, self.width = source, size, row_bytes(size)
        assert source.rows is not None
        self.positions = np.arange(len(source.rows)) if positions is None else positions
        self.rows = source.rows[self.positions]
        self.many = getattr(source.reader, "many", None)
        self.unit = RENDERED if self.many is not None else _unit(batch, self.width)
        self._kept = _Kept(source.reader, self.rows, size)
        threads = 1 if self.many is not None else workers()
        self.ahead = threads + max(1, min(AHEAD // (self.unit * self.width), 2 * threads))
        self._units: dict[int, Future[NDArray[np.uint8]]] = {}
        self._left: dict[int, int] = {}
        self._next = 0
        self._lock = threading.Lock()
        few = len(self.rows) <= FEW or (len(self.rows) <= RENDERED and self._kept.whole)
        self._pool = None if few else ThreadPoolExecutor(threads, "faces")

    def __len__(self) -> int:
        return len(self.rows)

    def __enter__(self) -> PixelStream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._kept.close()

    def __getitem__(self, part: slice) -> Tensor:
        start, stop, _ = part.indices(len(self))
        first, last = start // self.unit, -(-stop // self.unit)
        pieces = []
        for number in range(first, last):
            begin = number * self.unit
            rows = self._read(number)
            piece = rows[max(0, start - begin) : stop - begin]
            pieces.append(piece)
            self._used(number, len(piece))
        found = pieces[0] if len(pieces) == 1 else np.concatenate([self._none(), *pieces])
        count = 3 * self.size * self.size
        pixels = torch.from_numpy(found if count == self.width else found[:, :count].copy())
        return pixels.view(-1, 3, self.size, self.size)

    def _none(self) -> NDArray[np.uint8]:
        return np.empty((0, self.width), dtype=np.uint8)

    def _read(self, number: int) -> NDArray[np.uint8]:
        if self._pool is None:
            return self._made(number)
        with self._lock:
            units = -(-len(self) // self.unit)
            self._next = max(self._next, number)
            while self._next < min(units, number + self.ahead):
                if self._next not in self._left:
                    begin = self._next * self.unit
                    self._left[self._next] = min(self.unit, len(self) - begin)
                    self._units[self._next] = self._pool.submit(self._made, self._next)
                self._next += 1
            if number not in self._units:  # asked for a second time, or out of order
                self._left[number] = min(self.unit, len(self) - number * self.unit)
                self._units[number] = self._pool.submit(self._made, number)
            unit = self._units[number]
        return unit.result()

    def _used(self, number: int, count: int) -> None:
        with self._lock:
            self._left[number] = self._left.get(number, self.unit) - count
            if self._left[number] <= 0:
                self._units.pop(number, None)

    def _made(self, number: int) -> NDArray[np.uint8]:
        """Rows ``(n, row_bytes)`` of a unit."""
        part = slice(number * self.unit, min((number + 1) * self.unit, len(self)))
        out = np.zeros((part.stop - part.start, self.width), dtype=np.uint8)
        if self.many is not None:
            for at, image in enumerate(self.many(self.rows[part])):
                self._put(out, at, self.source.checked(image, int(self.positions[part][at])))
            return out
        missing, digests = self._kept.fill(part, out)
        for at in missing.tolist():
            image = self.source.reader(int(self.rows[part][at]))
            self._put(out, at, self.source.checked(image, int(self.positions[part][at])))
        self._kept.check_unchanged(self.rows[part][missing])
        if digests is not None and len(missing):
            self._kept.add(digests[missing], out[missing])
        return out

    def _put(self, out: NDArray[np.uint8], at: int, image: NDArray[np.uint8]) -> None:
        side = self.size
        place = out[at, : 3 * side * side].reshape(3, side, side)
        if image.shape[:2] == (side, side):
            place[:] = image.transpose(2, 0, 1)
        else:
            place[:] = resized(image, side).numpy()


def _unit(batch: int, width: int) -> int:
    """Faces a unit: whole batches, if they are not too large for a thread."""
    whole = UNIT if batch > 4 * UNIT else batch * -(-UNIT // batch)
    return min(whole, max(1, UNIT_BYTES // width))


class _Kept:
    """Rows in the cache on disk, and those to be written there; nothing without a cache."""

    def __init__(self, reader: object, rows: NDArray[np.int64], size: int) -> None:
        self.rows = rows
        self.reader = reader if isinstance(reader, StoredReader) else None
        self.cache: PixelCache | None = None if self.reader is None else pixel_cache(size)
        self.full = False
        self._lock = threading.Lock()
        self._waiting: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        if self.reader is not None and self.cache is not None:
            self.digests, self.known = self.reader.known_digests(rows)
            self.packs, self.places = self.cache.locate(self.digests)
            self.packs[~self.known] = -1

    @property
    def whole(self) -> bool:
        """Whether all rows are kept."""
        return self.cache is not None and bool((self.packs >= 0).all())

    def fill(
        self, part: slice, out: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8] | None]:
        """Copy the rows of a unit that are kept; which are missing, and the digests of all."""
        if self.cache is None or self.reader is None:
            return np.arange(len(out)), None
        packs, places, digests = self.packs[part], self.places[part], self.digests[part]
        if not self.known[part].all():
            digests = self.reader.digests(self.rows[part])
            packs, places = self.cache.locate(digests)
        whole = self.cache.read(packs, places, out)
        return np.flatnonzero(~whole), digests

    def check_unchanged(self, rows: NDArray[np.int64]) -> None:
        """Refuse pixels of files that are no longer those whose digests are known."""
        if self.reader is not None:
            self.reader.check_unchanged(rows)

    def add(self, digests: NDArray[np.uint8], rows: NDArray[np.uint8]) -> None:
        """Keep rows that were made, as soon as there are enough of them."""
        assert self.cache is not None
        with self._lock:
            if self.full:
                return
            self._waiting.append((digests, rows))
            if sum(len(some) for some, _ in self._waiting) < self.cache.capacity:
                return
            waiting, self._waiting = self._waiting, []
        self._write(waiting)

    def _write(self, waiting: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> None:
        assert self.cache is not None
        digests, rows = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
        _, first = np.unique(digests, axis=0, return_index=True)  # copies are kept once
        first.sort()
        if not self.cache.write(digests[first], rows[first]):
            self.full = True

    def close(self) -> None:
        """Write what is left, if it is worth a file."""
        if self.cache is None or self.reader is None:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if sum(len(some) for some, _ in waiting) >= self.cache.worth and not self.full:
            self._write(waiting)
        self.reader.remember()


def streamed(source: Source, size: int, *, batch: int) -> Iterator[Tensor]:
    """Pixels of all faces, a batch at a time.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> [len(pixels) for pixels in streamed(synthetic_faces(5), 16, batch=2)]
    [2, 2, 1]
    """
    with PixelStream(source, size, batch=batch) as stream:
        for start in range(0, len(stream), batch):
            yield stream[start : start + batch]
