"""Names of the files in folders, each folder read once: which files are there, and which miss."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fer_xai.types import Faces

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif"),
    *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Suffixes of images that are read."""

_ENDINGS = frozenset(SUFFIXES)
_CLUTTER = ("thumbs.db", "desktop.ini", "__macosx")
_FIRST = frozenset({".", *(word[0] for word in _CLUTTER), *(word[0].upper() for word in _CLUTTER)})
"""Characters that hidden names begin with."""


def is_hidden(name: str) -> bool:
    """Whether a system left a file or folder there: ``._1.jpg``, ``.DS_Store``, ``Thumbs.db``.

    Examples
    --------
    >>> [is_hidden(name) for name in ("._1.jpg", "Thumbs.db", "1.jpg")]
    [True, True, False]
    """
    return name[:1] == "." or (len(name) < 12 and name.lower() in _CLUTTER)


def is_image_name(name: str) -> bool:
    """Whether a name is that of an image that can be read, in capitals or not.

    Examples
    --------
    >>> is_image_name("AF01ANS.JPG"), is_image_name("._1.jpg"), is_image_name("readme.txt")
    (True, False, False)
    """
    start, dot, ending = name.rpartition(".")
    return f"{dot}{ending.lower()}" in _ENDINGS and bool(start) and not is_hidden(name)


def image_files(root: Path) -> Iterator[str]:
    """Paths below a folder of all images in and under it, with slashes, sorted; none is opened.

    Hidden files and folders are passed over, links to folders are followed once.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for name in ("b.PNG", "._b.PNG", "a/1.jpg", "notes.txt"):
    ...         (Path(place) / name).parent.mkdir(exist_ok=True)
    ...         (Path(place) / name).touch()
    ...     list(image_files(Path(place)))
    ['a/1.jpg', 'b.PNG']
    """
    found: list[str] = []
    seen: set[str] = set()
    for folder, inner, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not is_hidden(name))
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        start = "" if below == "." else f"{below}/"
        found += [start + name for name in names if is_image_name(name)]
    return iter(sorted(found))


@dataclass(frozen=True)
class Listing:
    """The files of folders, each of which is read when it is first asked for.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     (Path(place) / "1.JPG").touch()
    ...     files = Listing()
    ...     files.found(place, "1.jpg"), files.found(place, "2.jpg"), files.found("/nowhere", "1")
    ('1.JPG', None, None)
    """

    _names: dict[str, set[str]] = field(default_factory=dict)
    _lower: dict[str, dict[str, str]] = field(default_factory=dict)  # made when a name misses

    def _known(self, place: str) -> set[str]:
        names = self._names.get(place)
        if names is None:
            names = self._names[place] = _names(place)
        return names

    def found(self, folder: str | Path, name: str) -> str | None:
        """The name as the folder has it, in capitals or not; None where it is not there."""
        place = str(folder)
        names = self._known(place)
        if name in names:
            return name
        if place not in self._lower:
            self._lower[place] = {known.lower(): known for known in sorted(names)}
        return self._lower[place].get(name.lower())

    def path(self, folder: str | Path, name: str) -> str:
        """Path of a file, its name as the folder has it; as it is asked for where it is missing."""
        names = self._names.get(folder) if isinstance(folder, str) else None
        if names is None or name not in names:
            name = self.found(folder, name) or name
        return f"{folder}{os.sep}{name}"

    def unsorted(self, folder: str | Path) -> frozenset[str]:
        """Names of the files and folders in a folder, without the hidden ones."""
        return frozenset(self._known(str(folder)))

    def names(self, folder: str | Path) -> list[str]:
        """Names of the files and folders in a folder, without the hidden ones, sorted."""
        return sorted(self._known(str(folder)))


def _names(folder: str) -> set[str]:
    """Names in a folder that are not hidden; none where it cannot be read."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - 300,000 of them
    except OSError:
        return set()
    return {name for name in names if name[0] not in _FIRST or not is_hidden(name)}


def contents(root: Path, *, most: int = 6) -> str:
    """What a folder holds, in a few words, for a sentence on what it lacks.

    Examples
    --------
    >>> contents(Path("/nowhere"))
    'it cannot be read'
    """
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if not is_hidden(entry.name))
    except OSError:
        return "it is a file" if root.is_file() else "it cannot be read"
    if not names:
        return "it is empty"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"it holds {', '.join(names[:most])}{rest}"


def in_file(path: str) -> bool:
    """Whether a path of a table names a row of a file, as in ``fer2013.csv, row 2``.

    Examples
    --------
    >>> in_file("/data/fer2013.csv, row 2"), in_file("/data/1.png")
    (True, False)
    """
    file, mark, number = path.rpartition(", row ")
    return bool(mark) and bool(file) and number.isdigit()


def missing_files(faces: Faces) -> list[int]:
    """Positions of the faces whose image file is not there; each folder is read once.

    Faces that are rows of a file, built-in ones, and those without a path have no file of their
    own.

    Examples
    --------
    >>> from fer_xai.data.images import faces_from_files
    >>> rows = [("1.png", "/nowhere/1.png", "fear", "test", "", "mine", "")]
    >>> missing_files(faces_from_files(rows, name="mine"))
    [0]
    """
    there: dict[str, set[str]] = {}
    absent = []
    for index, path in enumerate(faces.table["path"]):
        folder, _, name = path.rpartition(os.sep)
        if not name:
            continue  # a reader of its own, which names no file
        if folder not in there:
            if not os.path.isabs(path) and ":" in path.split("/")[0]:  # noqa: PTH117
                continue  # "synthetic:wild/test/00000"
            there[folder] = _there(folder or (os.sep if path[0] == os.sep else "."))
        if name not in there[folder] and not in_file(path):
            absent.append(index)
    return absent


def _there(folder: str) -> set[str]:
    """Names in a folder; links that lead nowhere are left out."""
    try:
        with os.scandir(folder) as entries:
            return {e.name for e in entries if not e.is_symlink() or os.path.exists(e.path)}  # noqa: PTH110
    except OSError:
        return set()
