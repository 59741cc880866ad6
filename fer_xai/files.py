"""Files that are written whole or not at all, and read with a sentence where they are damaged."""

from __future__ import annotations

import errno
import io
import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError

REMADE = "delete it, and the same command makes it anew"
"""What to do about a damaged file of a run."""


class DamagedFileError(InputError):
    """A file of this package's own that cannot be read, such as one that was cut off.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "maps.npz"
    ...     _ = path.write_bytes(b"cut off")
    ...     try:
    ...         read_arrays(path)
    ...     except DamagedFileError as error:
    ...         str(error).endswith("delete it, and the same command makes it anew.")
    True
    """


def cache_folder(name: str) -> Path:
    """A folder in the user's own cache: below ``XDG_CACHE_HOME``, which is ``~/.cache`` by default.

    Users without a home folder get a path below which nothing can be kept.

    Parameters
    ----------
    name
        Name of what is kept there.

    Examples
    --------
    >>> cache_folder("faces").parts[-2:]
    ('fer-xai', 'faces')
    """
    told = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(told) if Path(told).is_absolute() else Path("~/.cache").expanduser()
    except RuntimeError:  # a user without a home, as in a container
        base = Path(os.devnull)  # nothing can be kept below it
    return base / "fer-xai" / name


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """A file appears under its name complete, or not at all; a failed write leaves nothing behind.

    Parameters
    ----------
    path
        Path of the file; its folder is made.
    write
        Called with the path of a temporary file beside it.

    Raises
    ------
    InputError
        If there is no room on the disk, or the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "note.txt"
    >>> write_whole(place, lambda temporary: temporary.write_text("done"))
    >>> place.read_text()
    'done'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def unwritable(path: Path, error: OSError) -> InputError:
    """The sentence for a file that cannot be written.

    Examples
    --------
    >>> print(unwritable(Path("maps.npz"), OSError(errno.ENOSPC, "No space left on device")))
    Expected to write maps.npz, but it cannot be written (No space left on device): free some
    room, then start the same command again.
    """
    remedy = (
        "free some room, then start the same command again"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "choose a place that can be written to"
    )
    return InputError(
        f"Expected to write {path}, but it cannot be written "
        f"({error.strerror or type(error).__name__}): {remedy}."
    )


def write_bytes(path: Path, content: bytes) -> None:
    """Bytes as a file that appears complete, or not at all.

    Raises
    ------
    InputError
        If it cannot be written; nothing is left behind then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(Path(folder) / "notes.txt", b"whole")
    ...     (Path(folder) / "notes.txt").read_text(), os.listdir(folder)
    ('whole', ['notes.txt'])
    """
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def read_json(path: Path, *, remedy: str) -> dict[str, Any]:
    """The object that a JSON file of this package's own holds.

    Parameters
    ----------
    path
        Path of the file.
    remedy
        What to do where it is damaged, to end the sentence with.

    Raises
    ------
    DamagedFileError
        If it is empty, cut off, or holds something else.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "manifest.json"
    ...     write_bytes(path, b'{"seed": 0}')
    ...     read_json(path, remedy=REMADE)
    {'seed': 0}
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # of brackets in brackets
        raise damaged(path, error, remedy=remedy) from None
    if not isinstance(found, dict):
        raise damaged(path, ValueError("no object"), remedy=remedy)
    return found


def damaged(path: Path, error: Exception, *, remedy: str) -> DamagedFileError:
    """The sentence for a file that cannot be read.

    Examples
    --------
    >>> print(damaged(Path("run.json"), ValueError("no object"), remedy=REMADE))
    Expected run.json to be whole, but it cannot be read (ValueError: no object): delete it, and
    the same command makes it anew.
    """
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:80]
    return DamagedFileError(
        f"Expected {path} to be whole, but it cannot be read ({reason}): {remedy}."
    )


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Arrays as ``.npz``.

    Raises
    ------
    InputError
        If it cannot be written; nothing is left behind then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "maps.npz"
    ...     write_arrays(path, {"maps": np.zeros((2, 4, 4))})
    ...     read_arrays(path)["maps"].shape
    (2, 4, 4)
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path, *, remedy: str = REMADE) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz``, no pickles.

    Parameters
    ----------
    path
        Path of the file.
    remedy
        Advice for a damaged file, which ends the sentence.

    Raises
    ------
    DamagedFileError
        If it cannot be read, such as one that was cut off.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "maps.npz"
    ...     write_arrays(path, {"maps": np.zeros((2, 4, 4)), "targets": np.array([0, 5])})
    ...     sorted(read_arrays(path))
    ['maps', 'targets']
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, KeyError, AttributeError, BadZipFile, zlib.error) as bad:
        raise damaged(path, bad, remedy=remedy) from None
