"""Digests of files, remembered by path, size and times, so that a file is read once for them."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.files import cache_folder, write_whole

DIGEST = 16
"""Bytes of a file's digest."""
MOST = 1_000_000
"""Files that are remembered; beyond that number those asked for last stay."""
SETTLED = 2.0
"""Seconds after which a file counts as settled: one that is younger when it is read could change
once more within the resolution of its times, and is not remembered."""

_FORMAT = "digests-2.npy"
_ROW = np.dtype(
    [
        *(("path", "<u8"), ("bytes", "<i8"), ("modified", "<i8"), ("changed", "<i8")),
        ("inode", "<u8"),
        *(("digest", "u1", (DIGEST,)), ("height", "<i4"), ("width", "<i4")),
    ]
)
Rows = NDArray[Any]


def content_digest(content: bytes) -> bytes:
    """Digest of a file's bytes.

    Examples
    --------
    >>> len(content_digest(b"one")), content_digest(b"one") == content_digest(b"two")
    (16, False)
    """
    return hashlib.blake2b(content, digest_size=DIGEST).digest()


@dataclass(eq=False)
class FileDigests:
    """Digests and image sizes of a list of files, found when they are first asked for.

    They are remembered on disk (:meth:`save`) for later processes, which then read no file as long
    as path, number of bytes, inode and both times (of the content and of the file's entry) are the
    same.

    Attributes
    ----------
    paths
        Paths of the files.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "a.png"
    >>> _ = place.write_bytes(b"one")
    >>> found = FileDigests([str(place)])
    >>> found.of(np.array([0]))[0].tobytes() == content_digest(b"one")
    True
    """

    paths: Sequence[str]
    _rows: Rows = field(init=False, repr=False)
    _known: NDArray[np.bool_] = field(init=False, repr=False)
    _looked: NDArray[np.bool_] = field(init=False, repr=False)
    _settled: NDArray[np.bool_] = field(init=False, repr=False)
    _new: bool = field(init=False, default=False, repr=False)

    def __post_init__(self) -> None:
        self._rows = np.zeros(len(self.paths), dtype=_ROW)
        self._known = np.zeros(len(self.paths), dtype=bool)
        self._looked = np.zeros(len(self.paths), dtype=bool)
        self._settled = np.zeros(len(self.paths), dtype=bool)

    def known(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Digests ``(n, 16)`` that are known without reading a file, and which these are."""
        unseen = indices[~self._looked[indices]]
        if len(unseen):
            self._recall(unseen)
        return self._rows["digest"][indices], self._known[indices]

    def of(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Digests ``(n, 16)`` of some files; those that are not known are read.

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        _, known = self.known(indices)
        for index in indices[~known]:
            self._read(int(index))
        return np.ascontiguousarray(self._rows["digest"][indices])

    def sizes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Heights and widths ``(n, 2)`` of the images, 0 where they are not known yet."""
        rows = self._rows[indices]
        return np.stack([rows["height"], rows["width"]], axis=1).astype(np.int64)

    def learn_size(self, index: int, height: int, width: int) -> None:
        """Note the size of an image."""
        row = self._rows[index]
        if (row["height"], row["width"]) != (height, width):
            row["height"], row["width"] = height, width
            self._new = True

    def check_unchanged(self, indices: NDArray[np.int64]) -> None:
        """Refuse files that are no longer those whose digests are known.

        Raises
        ------
        InputError
            If a file was written to since its digest was taken: its pixels are of other content.
        """
        for index in indices[self._known[indices]].tolist():
            path, row = self.paths[index], self._rows[index]
            try:
                now = _facts(path, os.stat(path))  # noqa: PTH116
            except OSError:
                now = ()
            if now != tuple(int(row[name]) for name in _FACTS):
                raise InputError(
                    f"Expected {path} to stay as it is while its data set is in use, but it was "
                    "changed: load the data set anew."
                )

    def save(self) -> None:
        """Remember what has been found out, where the user's cache can be written to."""
        if not self._new:
            return
        self._new = False
        chosen = self._rows[self._known & self._settled]
        if not len(chosen):
            return
        earlier = _remembered()
        other = earlier[~np.isin(earlier["path"], chosen["path"])]
        merged = np.concatenate([chosen, other])[:MOST]
        merged = merged[np.unique(merged["path"], return_index=True)[1]]

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.save(file, merged, allow_pickle=False)
                np.save(file, _sum(merged), allow_pickle=False)

        try:
            write_whole(cache_folder("faces") / _FORMAT, write)
        except InputError:  # it is a cache: without it files are read once more
            return
        _Kept.stamp = None

    def _read(self, index: int) -> None:
        """Read a file for its digest, and note its size and times."""
        path, now = self.paths[index], time.time_ns()
        try:
            before = os.stat(path)  # noqa: PTH116 - 300,000 of them
            with open(path, "rb") as file:  # noqa: PTH123
                content = file.read()
        except FileNotFoundError:
            raise InputError(
                f"Expected an image at {path}, found none: check the dataset's root, or pass "
                "skip_bad (--skip-bad) to leave such faces out and list them."
            ) from None
        except OSError as error:
            raise InputError(
                f"Expected a readable image, but {path} cannot be read ({error.strerror}): replace "
                "it, or pass skip_bad (--skip-bad) to leave such faces out and list them."
            ) from None
        row = self._rows[index]
        row["digest"] = np.frombuffer(content_digest(content), dtype=np.uint8)
        for name, value in zip(_FACTS, _facts(path, before), strict=True):
            row[name] = value
        youngest = max(before.st_mtime_ns, before.st_ctime_ns)
        self._settled[index] = now - youngest > SETTLED * 1e9
        self._known[index] = self._looked[index] = self._new = True

    def _recall(self, indices: NDArray[np.int64]) -> None:
        """Take over what is remembered of files that have not changed."""
        self._looked[indices] = True
        remembered = _remembered()
        if not len(remembered):
            return
        facts: list[tuple[int, ...]] = []
        for index in indices.tolist():
            path = self.paths[index]
            try:
                now = os.stat(path)  # noqa: PTH116
            except OSError:  # told by its reader
                facts.append((0,) * len(_FACTS))
            else:
                facts.append(_facts(path, now))
        first, *others = zip(*facts, strict=True)
        keys = np.array(first, dtype=np.uint64)
        places = np.searchsorted(remembered["path"], keys)
        places[places == len(remembered)] = 0
        found = remembered[places]
        same = found["path"] == keys
        for name, values in zip(_FACTS[1:], others, strict=True):
            same &= found[name] == np.array(values, dtype=_ROW[name])
        self._rows[indices[same]] = found[same]
        self._known[indices[same]] = self._settled[indices[same]] = True


_FACTS = ("path", "bytes", "modified", "changed", "inode")
"""Columns by which a file is known to be the same."""


def _facts(path: str, status: os.stat_result) -> tuple[int, ...]:
    """Values of :data:`_FACTS` of a file."""
    times = status.st_mtime_ns, status.st_ctime_ns
    return _path_key(path), status.st_size, *times, status.st_ino & (2**64 - 1)


def _path_key(path: str) -> int:
    full = path if path.startswith("/") else os.path.abspath(path)  # noqa: PTH100
    return int.from_bytes(hashlib.blake2b(os.fsencode(full), digest_size=8).digest(), "little")


class _Kept:
    """What the file of the user's cache held when it was last read, by its time."""

    lock = threading.Lock()
    stamp: tuple[str, int, int] | None = None
    rows: Rows = np.zeros(0, dtype=_ROW)


def _remembered() -> Rows:
    """Rows of the user's cache in the order of their paths; none where it is missing or damaged."""
    file = cache_folder("faces") / _FORMAT
    with _Kept.lock:
        try:
            status = file.stat()
        except OSError:
            return np.zeros(0, dtype=_ROW)
        stamp = (str(file), status.st_mtime_ns, status.st_size)
        if stamp != _Kept.stamp:
            _Kept.rows, _Kept.stamp = _loaded(file), stamp
        return _Kept.rows


def _loaded(path: Path) -> Rows:
    try:
        with path.open("rb") as file:
            rows, checked = (np.load(file, allow_pickle=False) for _ in range(2))
    except (OSError, ValueError, EOFError, SyntaxError):
        return np.zeros(0, dtype=_ROW)
    whole = rows.dtype == _ROW and rows.ndim == 1 and np.array_equal(_sum(rows), checked)
    return rows if whole else np.zeros(0, dtype=_ROW)


def _sum(rows: Rows) -> NDArray[np.uint8]:
    """Digest of the rows, by which a damaged file is known."""
    return np.frombuffer(content_digest(np.ascontiguousarray(rows).tobytes()), dtype=np.uint8)
