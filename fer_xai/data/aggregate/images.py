"""Images of both editions as links or copies, in folders of splits and emotions."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd
from PIL import Image

from fer_xai.data.datasets.aggregate import LINKED, REMOVED
from fer_xai.data.edition_reader import PIXELS, REMAKE, EditionReader
from fer_xai.data.listing import is_image_name
from fer_xai.errors import InputError
from fer_xai.files import unwritable

Images = Literal["list", "link", "copy"]
FOLDER = "images"


def image_names(edition: pd.DataFrame, name: str) -> list[str]:
    """Paths below the edition's folder at which its images lie; "" for faces that are removed.

    Parameters
    ----------
    edition
        The list: ``set``, ``path``, ``sha256``, ``emotion``, ``split`` and ``status``.
    name
        Name of the list's file.

    Examples
    --------
    >>> row = {"set": "rafdb", "path": "Image/1.JPG", "sha256": "0a", "emotion": "fear"}
    >>> edition = pd.DataFrame([row | {"split": "test", "status": "kept"}])
    >>> image_names(edition, "clean.csv")
    ['images/clean/test/fear/rafdb_000000.JPG']
    """
    found = []
    columns = (edition[key] for key in ("set", "path", "sha256", "emotion", "split", "status"))
    for row, (of, path, told, emotion, split, status) in enumerate(zip(*columns, strict=True)):
        if status == REMOVED:
            found.append("")
            continue
        own = not told.startswith(PIXELS) and is_image_name(path.rpartition("/")[2])
        ending = PurePosixPath(path).suffix if own else ".png"
        stem = name.removesuffix(".csv")
        found.append(f"{FOLDER}/{stem}/{split}/{emotion}/{of}_{row:06d}{ending}")
    return found


@contextmanager
def placed(
    out: Path,
    lists: Mapping[str, pd.DataFrame],
    reader_of: Callable[[pd.DataFrame], EditionReader],
    *,
    how: Images,
    advance: Callable[[], object] | None = None,
) -> Iterator[Callable[[], None]]:
    """Make the folder of images under a name of its own; the context gets what puts it in place.

    A folder that was there is removed once the context has ended; if that fails or is interrupted,
    the folder from before is put back. A link in its place is removed, and what it leads to stays.

    Parameters
    ----------
    out
        Folder of the aggregate.
    lists
        Each list with its column ``image``.
    reader_of
        Makes the reader of a list's rows.
    how
        Links or copies. Links are symbolic, or hard ones where the system makes no symbolic ones.
        Faces that are no files (rows of a table, boxes) become PNG files in both.
    advance
        Called after each image.

    Raises
    ------
    InputError
        If an image is no longer the one that was listed, the folder that is there holds files that
        the lists do not name, or it cannot be written. Nothing is left behind then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with placed(Path(place), {}, lambda rows: None, how="copy") as put:
    ...         put()
    ...     os.listdir(place)
    ['images']
    """
    swap = _Swap(out)
    try:
        swap.check(lists)
        try:
            swap.staged.mkdir(parents=True)
            maker = _Maker(swap.staged, how)
            for rows in lists.values():
                maker.fill(rows[rows["image"] != ""], reader_of, advance)
        except OSError as error:
            raise unwritable(out / FOLDER, error) from error
        made = swap.staged.lstat()

        def put() -> None:
            swap.check(lists)
            try:
                if os.path.lexists(swap.folder):
                    swap.folder.rename(swap.before)
                swap.staged.rename(swap.folder)
            except OSError as error:
                raise unwritable(out / FOLDER, error) from error

        try:
            yield put
        except BaseException:
            swap.undo(made)
            raise
        if swap.done(made):
            _removed(swap.before)
    finally:
        _removed(swap.staged)


@dataclass
class _Swap:
    """The folder of images, the new one before it is in place, and the one that was there.

    What happened is told by the disk, so that an interrupt at any line leaves no doubt about it.
    """

    out: Path

    def __post_init__(self) -> None:
        self.folder = self.out / FOLDER
        self.staged = self.out / f".{FOLDER}.{os.getpid()}.tmp"
        self.before = self.out / f".{FOLDER}.{os.getpid()}.old"

    def check(self, lists: Mapping[str, pd.DataFrame]) -> None:
        """Refuse a folder that holds files of the user's own, which would be deleted with it."""
        if self.folder.is_symlink() or not self.folder.exists():
            return  # what a link leads to is left as it is
        own = {self.out / name for rows in lists.values() for name in rows["image"] if name}
        parents = {parent for file in own for parent in file.parents}
        foreign = [] if self.folder.is_dir() else [self.folder]
        for place, folders, files in os.walk(self.folder, onerror=_raised):
            foreign += [Path(place) / name for name in folders if Path(place) / name not in parents]
            foreign += [Path(place) / name for name in files if Path(place) / name not in own]
        if foreign:
            more = f" and {len(foreign) - 1:,} more" if len(foreign) > 1 else ""
            raise InputError(
                f"Expected nothing in {self.folder} beside the images of the lists, since the "
                f"folder is replaced, got {min(foreign)}{more}: move what is yours elsewhere, or "
                "choose another --out."
            )

    def done(self, made: os.stat_result) -> bool:
        """Whether the folder that was made is in place."""
        try:
            return os.path.samestat(self.folder.lstat(), made)
        except OSError:
            return False

    def undo(self, made: os.stat_result) -> None:
        """Put the folder that was there back in place."""
        try:
            if self.done(made):
                self.folder.rename(self.staged)
            if os.path.lexists(self.before) and not os.path.lexists(self.folder):
                self.before.rename(self.folder)
        except OSError as error:
            kept = self.before if os.path.lexists(self.before) else self.folder
            raise InputError(
                f"Expected to leave {self.folder} as it was, but it cannot be renamed "
                f"({error.strerror or type(error).__name__}): the images from before are in "
                f"{kept}, rename that folder to {FOLDER}."
            ) from error


def _raised(error: OSError) -> None:
    raise unwritable(Path(str(error.filename)), error) from error


def _removed(place: Path) -> None:
    """Remove a folder, or a link to one but not what it leads to."""
    if place.is_symlink():
        place.unlink(missing_ok=True)
    else:
        shutil.rmtree(place, ignore_errors=True)


@dataclass
class _Maker:
    """Makes the images of one list after another; copies of one face are one file."""

    base: Path
    how: Images
    _made: dict[str, Path] = field(default_factory=dict)  # name of a face -> its image

    def fill(
        self,
        rows: pd.DataFrame,
        reader_of: Callable[[pd.DataFrame], EditionReader],
        advance: Callable[[], object] | None,
    ) -> None:
        reader = reader_of(rows)
        folders: set[Path] = set()
        names = zip(rows["id"], rows["sha256"], rows["image"], strict=True)
        for row, (face, told, image) in enumerate(names):
            target = self.base / PurePosixPath(image).relative_to(FOLDER)
            if target.parent not in folders:
                target.parent.mkdir(parents=True)
                folders.add(target.parent)
            if face in self._made:
                _linked(self._made[face], target)
            elif told.startswith(PIXELS):
                pixels = reader(row)
                grey = bool((pixels == pixels[:, :, :1]).all())
                Image.fromarray(pixels[:, :, 0] if grey else pixels).save(target, "PNG")
            elif self.how == LINKED:
                _symbolic(reader.places[row], target)
            else:
                _copied(reader.places[row], target, told)
            if not target.is_symlink():
                self._made.setdefault(face, target)
            if advance is not None:
                advance()


def _linked(made: Path, target: Path) -> None:
    """One more name of a file, or a copy where the disk has no hard links."""
    try:
        os.link(made, target)
    except OSError:
        shutil.copyfile(made, target)


def _symbolic(source: str, target: Path) -> None:
    """A symbolic link, or a hard one where the system makes no symbolic ones."""
    with suppress(OSError, NotImplementedError):
        target.symlink_to(source)
        return
    os.link(source, target)


def _copied(source: str, target: Path, told: str) -> None:
    """A copy of the file that was listed."""
    try:
        content = Path(source).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != told:
        raise InputError(
            f"Expected {source} as it was when its data set was read, but its digest differs: "
            f"{REMAKE}."
        )
    target.write_bytes(content)
