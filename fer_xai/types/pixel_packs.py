"""Packs: files of resized pixels, written whole and never changed, within a bound.

A pack holds the digests of its images, a sum over each row, by which damage is known, and the rows.

``FER_XAI_CACHE_BYTES`` is the bound in bytes of all packs together (16 GiB if not set); 0 means
that none are kept. Where a new pack would exceed it, packs that nobody has read for an hour go
first, those read least recently before others; if these are not enough, the new one is not kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.files import write_whole

BOUND = "FER_XAI_CACHE_BYTES"
"""Environment variable of the bound."""
DEFAULT_BOUND = 2**34
PACK = 2**25
"""Bytes of a pack at most (but one row)."""
WORTH = 128
"""Rows from which on a pack is written, where it is not full."""
UNUSED = 3600.0
"""Seconds without a reader after which a pack may go."""
SPARE = 2**30
"""Bytes of the disk that are left free."""

INDEX = np.dtype([("digest", "<u8", (2,)), ("sum", "<u8")])
"""Type of a pack's index."""


def bound() -> int:
    """Bytes that the cache may take, as the environment says.

    Raises
    ------
    InputError
        If the variable holds no whole number.

    Examples
    --------
    >>> bound() >= 0
    True
    """
    text = os.environ.get(BOUND, "").strip()
    if not text:
        return DEFAULT_BOUND
    if not text.isdecimal():
        raise InputError(
            f"Expected the environment variable {BOUND} as a whole number of bytes (0 keeps no "
            f"pixels on disk), got {text!r}."
        )
    return int(text)


def row_bytes(size: int) -> int:
    """Bytes of a row: the pixels, filled up to whole words.

    Examples
    --------
    >>> row_bytes(64), row_bytes(3)
    (12288, 32)
    """
    return -(-3 * size * size // 8) * 8


def sums(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Sum over each row's words, by which damage is known.

    Examples
    --------
    >>> sums(np.ones((2, 8), np.uint8)).tolist() == [0x0101010101010101] * 2
    True
    """
    return np.asarray(rows.view(np.uint64).sum(axis=1, dtype=np.uint64))


def write_pack(folder: Path, digests: NDArray[np.uint8], rows: NDArray[np.uint8]) -> bool:
    """Keep rows as a pack of a folder; False where that cannot be, or exceeds the bound.

    Parameters
    ----------
    folder
        Folder of packs of one size.
    digests
        ``(n, 16)`` digests of the images.
    rows
        ``(n, row_bytes)`` uint8.

    Examples
    --------
    >>> import tempfile
    >>> digests, rows = np.zeros((1, 16), np.uint8), np.ones((1, 16), np.uint8)
    >>> write_pack(Path(tempfile.mkdtemp()) / "decoder" / "2px", digests, rows)
    True
    """
    index = np.zeros(len(rows), dtype=INDEX)
    index["digest"] = np.ascontiguousarray(digests).view(np.uint64).reshape(-1, 2)
    index["sum"] = sums(rows)

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.save(file, index, allow_pickle=False)
            np.save(file, rows, allow_pickle=False)

    name = hashlib.sha256(index["digest"].tobytes()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _make_room(folder.parent.parent, rows.nbytes + index.nbytes):
            return False
        write_whole(folder / f"{name}.pack", save)
    except (OSError, InputError):  # it is a cache: what is not kept is made again
        return False
    return True


def index_of(path: Path, width: int) -> tuple[NDArray[Any], int] | None:
    """Index of a pack and where its rows begin; None where it is damaged or of another kind.

    Parameters
    ----------
    path
        Path of the pack.
    width
        Bytes of a row.

    Examples
    --------
    >>> index_of(Path("no.pack"), 16) is None
    True
    """
    try:
        with path.open("rb") as file:
            index = np.load(file, allow_pickle=False)
            major = np.lib.format.read_magic(file)
            if major != (1, 0):
                return None
            shape, _, kind = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
            whole = os.fstat(file.fileno()).st_size == start + len(index) * width
    except (OSError, ValueError, EOFError, SyntaxError, TypeError):
        return None
    if index.dtype != INDEX or index.ndim != 1 or kind != np.uint8:
        return None
    return (index, start) if whole and shape == (len(index), width) else None


def remove(path: Path) -> None:
    """Delete a file, where that can be done.

    Examples
    --------
    >>> remove(Path("no.pack"))
    """
    with suppress(OSError):
        path.unlink()


def _make_room(root: Path, needed: int) -> bool:
    """Whether a pack fits below the root, after unused ones have gone for it.

    Packs alone are counted and deleted, and what broken writes have left of them.
    """
    most = bound()
    files = []
    for path in root.glob("*/*px/*"):
        if path.suffix not in (".pack", ".tmp"):  # no file of this cache
            continue
        with suppress(OSError):
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files) + needed
    now = time.time()
    for used, size, path in sorted(files) if needed <= most else ():
        if total <= most or now - used < UNUSED:
            break
        remove(path)
        total -= size
    return total <= most and shutil.disk_usage(root).free >= needed + SPARE
