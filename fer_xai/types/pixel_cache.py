"""Resized pixels on disk, by the digest of the image and the size: bounded, shared, memory-mapped.

Rows lie in packs (:mod:`fer_xai.types.pixel_packs`). Pixels depend on the libraries that decode and
resize, too, so that packs of other versions lie in other folders.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import features

from fer_xai.files import cache_folder
from fer_xai.types.pixel_packs import (
    INDEX,
    PACK,
    WORTH,
    bound,
    index_of,
    remove,
    row_bytes,
    sums,
    write_pack,
)

_MAGIC = "fer-xai pixels 1"
_MAPPED = 256
"""Packs that are mapped at the same time."""
_RESIDENT = 2**26
"""Bytes of mapped packs that count as this process's memory, before they are let go."""
_PAGES = 2**16
"""Bytes that the system maps around one that is read."""


@cache
def decoder() -> str:
    """Name of the libraries' versions that pixels depend on.

    Examples
    --------
    >>> len(decoder())
    8
    """
    parts = [_MAGIC, *(f"{name} {version(name)}" for name in ("pillow", "torch", "torchvision"))]
    parts += [f"{name} {features.version(name)}" for name in ("jpg", "libjpeg_turbo", "libtiff")]
    parts += [f"{name} {features.version(name)}" for name in ("webp", "zlib", "jpg_2000")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


class PixelCache:
    """Rows of one size.

    Parameters
    ----------
    folder
        Where its packs lie.
    size
        Side of the faces in pixels.

    Examples
    --------
    >>> import tempfile
    >>> kept = PixelCache(Path(tempfile.mkdtemp()) / "decoder" / "2px", 2)
    >>> digests, rows = np.arange(32, dtype=np.uint8).reshape(2, 16), np.ones((2, 16), np.uint8)
    >>> kept.write(digests, rows)
    True
    >>> kept.refresh()
    >>> packs, places = kept.locate(digests[::-1])
    >>> found = np.zeros_like(rows)
    >>> kept.read(packs, places, found).tolist(), bool((found == 1).all())
    ([True, True], True)
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size, self.width = folder, size, row_bytes(size)
        self.capacity = max(1, PACK // self.width)
        self.worth = min(WORTH, self.capacity)
        self._lock = threading.Lock()
        self._names: list[str] = []  # each has its number for good
        self._packs: dict[str, tuple[NDArray[Any], int]] = {}  # index, and where its rows begin
        self._first = np.zeros(0, dtype=np.uint64)  # first halves of all digests, in order
        self._second = np.zeros(0, dtype=np.uint64)
        self._pack = np.zeros(0, dtype=np.int32)
        self._place = np.zeros(0, dtype=np.int32)
        self._maps: OrderedDict[int, tuple[mmap.mmap, NDArray[np.uint8]]] = OrderedDict()
        self._resident = 0

    def refresh(self) -> None:
        """Find the packs that are there now."""
        with self._lock:
            try:
                there = sorted(path.name for path in self.folder.glob("*.pack"))
            except OSError:
                there = []
            new = [name for name in there if name not in self._packs]
            known = set(there)
            if not new and known.issuperset(self._packs):
                return
            for name in new:
                found = index_of(self.folder / name, self.width)
                if found is None:
                    remove(self.folder / name)
                    known.discard(name)
                else:
                    self._packs[name] = found
            self._packs = {name: self._packs[name] for name in there if name in known}
            self._arrange()

    def _arrange(self) -> None:
        self._names += [name for name in self._packs if name not in set(self._names)]
        numbers = {name: number for number, name in enumerate(self._names)}
        own = np.array([numbers[name] for name in self._packs], dtype=np.int32)
        for number in set(self._maps) - set(own.tolist()):
            del self._maps[number]
        counts = [len(index) for index, _ in self._packs.values()]
        empty = np.zeros(0, dtype=INDEX)
        rows = np.concatenate([empty, *(index for index, _ in self._packs.values())])
        order = np.argsort(rows["digest"][:, 0], kind="stable")
        self._first, self._second = (np.ascontiguousarray(rows["digest"][order, k]) for k in (0, 1))
        self._pack = np.repeat(own, counts)[order]
        places = [np.arange(count, dtype=np.int32) for count in counts]
        self._place = np.concatenate([np.zeros(0, np.int32), *places])[order]

    def locate(self, digests: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Pack and place of the rows of some images ``(n,)``; the pack is -1 where none is."""
        with self._lock:
            first, second, pack, place = self._first, self._second, self._pack, self._place
        words = np.ascontiguousarray(digests).view(np.uint64).reshape(-1, 2)
        if not len(first):
            return np.full(len(words), -1, np.int32), np.zeros(len(words), np.int32)
        at = np.searchsorted(first, words[:, 0])
        at[at == len(first)] = 0
        same = (first[at] == words[:, 0]) & (second[at] == words[:, 1])
        return np.where(same, pack[at], -1).astype(np.int32), place[at]

    def read(
        self, packs: NDArray[np.int32], places: NDArray[np.int32], out: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """Copy rows to ``out`` ``(n, row_bytes)``; says which are whole.

        A pack that turns out to be damaged is deleted, so that its rows are made anew.
        """
        whole = np.zeros(len(packs), dtype=bool)
        for pack in np.unique(packs[packs >= 0]).tolist():
            mine = np.flatnonzero(packs == pack)
            found = self._rows(pack)
            if found is None:
                continue
            rows, index = found
            at = places[mine]
            some = rows[at[0] : at[-1] + 1] if _in_a_run(at) else rows[at]
            good = sums(some) == index["sum"][at]
            if _in_a_run(mine):
                out[mine[0] : mine[-1] + 1] = some
            else:
                out[mine] = some
            whole[mine] = good
            if not good.all():
                self._drop(pack)
            self._count(len(at) * max(self.width, _PAGES) if len(at) < 16 else some.nbytes)
        return whole

    def _rows(self, pack: int) -> tuple[NDArray[np.uint8], NDArray[Any]] | None:
        """Rows of a pack, mapped, and their index; None where the file has gone."""
        with self._lock:
            name = self._names[pack] if pack < len(self._names) else ""
            if name not in self._packs:
                return None
            index, start = self._packs[name]
            if pack in self._maps:
                self._maps.move_to_end(pack)
                return self._maps[pack][1], index
            path = self.folder / name
            try:
                with path.open("rb") as file:
                    if os.fstat(file.fileno()).st_size != start + len(index) * self.width:
                        raise ValueError("cut off")
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError):
                return None
            with suppress(OSError):
                os.utime(path)  # when it was last read
            rows = np.frombuffer(mapped, dtype=np.uint8, offset=start).reshape(-1, self.width)
            self._maps[pack] = mapped, rows
            while len(self._maps) > _MAPPED:
                self._maps.popitem(last=False)
            return rows, index

    def _count(self, read: int) -> None:
        """Let go of what was mapped, once there is much of it: it stays in the system's memory."""
        with self._lock:
            self._resident += read
            if self._resident > _RESIDENT:
                self._resident = 0
                for mapped, _ in self._maps.values():
                    if hasattr(mmap, "MADV_DONTNEED"):
                        mapped.madvise(mmap.MADV_DONTNEED)

    def _drop(self, pack: int) -> None:
        with self._lock:
            name = self._names[pack]
            self._packs.pop(name, None)
        remove(self.folder / name)

    def write(self, digests: NDArray[np.uint8], rows: NDArray[np.uint8]) -> bool:
        """Keep rows ``(n, row_bytes)`` as a pack; False where that cannot be."""
        return write_pack(self.folder, digests, rows)


@cache
def _cache_at(folder: Path, size: int) -> PixelCache:
    return PixelCache(folder, size)


def pixel_cache(size: int) -> PixelCache | None:
    """The user's cache of faces at a size, as it is now; None where none is wanted or possible.

    Raises
    ------
    InputError
        If the environment's bound is no number.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, FER_XAI_CACHE_BYTES="0"):
    ...     pixel_cache(64) is None
    True
    """
    if bound() == 0:
        return None
    found = _cache_at(cache_folder("faces") / decoder() / f"{size}px", size)
    found.refresh()
    return found


def _in_a_run(numbers: NDArray[Any]) -> bool:
    return bool(numbers[-1] - numbers[0] == len(numbers) - 1 and (np.diff(numbers) == 1).all())
