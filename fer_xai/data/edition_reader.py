"""Reader of an edition's images: streamed and cached like those of its sources, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.duplicates.prints import pixels_sha256
from fer_xai.data.registry import DATASETS, Problems
from fer_xai.errors import InputError
from fer_xai.types import Faces
from fer_xai.types.file_digests import DIGEST, content_digest
from fer_xai.types.image_files import ImageFiles
from fer_xai.types.readers import StoredReader
from fer_xai.types.workers import workers

PIXELS = "pixels:"
"""Beginning of the digest of a face that is no file: a row of a table, a box in a photograph."""
REMAKE = "run python -m fer_xai.data aggregate anew"


def listed_digests(faces: Faces, pixels: Sequence[str]) -> list[str]:
    """Digests of faces as an edition lists them, hexadecimal: those by which readers know them.

    Parameters
    ----------
    faces
        Faces of a source.
    pixels
        ``(N,)`` SHA-256 of each face's pixels, which stand for faces that are in no file.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> [len(digest) for digest in listed_digests(synthetic_faces(2), ["0a", "0b"])]
    [32, 32]
    """
    if not isinstance(faces.reader, StoredReader):
        return [content_digest(f"{PIXELS}{told}".encode()).hex() for told in pixels]
    assert faces.rows is not None
    found = faces.reader.digests(faces.rows)
    faces.reader.remember()
    return [row.tobytes().hex() for row in found]


class EditionReader:
    """Reads faces of an edition, each of which has to be the one that is listed.

    It is a :class:`fer_xai.types.readers.StoredReader` with the digests of the sources' own
    readers, so that the cache holds each image once. A face that is no file is known by its listed
    digest alone, and its pixels are compared whenever they are read.

    Parameters
    ----------
    sets
        Name of the loader and root of each set, as the manifest holds them.
    rows
        A row a face: ``id``, ``set``, ``source_split``, ``sha256`` and ``digest``.
    places
        ``(N,)`` paths of the images.
    exported
        Whether all faces are image files, rows of tables and boxes too.

    Raises
    ------
    InputError
        If a digest of the list is damaged.

    Examples
    --------
    >>> import hashlib, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = Path(folder) / "1.png"
    ...     Image.new("L", (4, 3)).save(place)
    ...     content = place.read_bytes()
    ...     row = {"id": "mine/1.png", "set": "mine", "source_split": "test"}
    ...     row["sha256"] = hashlib.sha256(content).hexdigest()
    ...     row["digest"] = content_digest(content).hex()
    ...     reader = EditionReader({}, pd.DataFrame([row]), [str(place)], exported=False)
    ...     reader(0).shape, reader.sizes(np.array([0])).tolist()
    ((3, 4, 3), [[3, 4]])
    """

    def __init__(
        self,
        sets: Mapping[str, Any],
        rows: pd.DataFrame,
        places: Sequence[str],
        *,
        exported: bool,
    ) -> None:
        self.places, self._sets = places, sets
        self._sums = rows["sha256"].tolist()
        self._splits = list(zip(rows["set"], rows["source_split"], strict=True))
        self._ids = rows["id"].tolist()
        self._of_file = np.array([not told.startswith(PIXELS) for told in self._sums], dtype=bool)
        self._exported = exported
        self._files = ImageFiles(places)
        self._listed = _digests(rows["digest"].tolist())
        self._tables: dict[tuple[str, str], Callable[[str], NDArray[np.uint8]]] = {}

    def whole(self, row: int) -> bool:
        """Whether a face is a whole image file."""
        return self._exported or bool(self._of_file[row])

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Pixels of one face, uint8 ``(H, W, 3)``.

        Raises
        ------
        InputError
            If they are not those that were listed.
        """
        if not self._of_file[row]:
            image = self._files(row) if self._exported else self._of_source(row)
            if PIXELS + pixels_sha256(image) != self._sums[row]:
                raise self._changed(row)
            return image
        one = np.array([row])
        self.digests(one)
        image = self._files(row)
        self._files.check_unchanged(one)
        return image

    def known_digests(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Digests ``(n, 16)`` that are known without reading a file, and which these are."""
        of_file = self._of_file[rows]
        known = ~of_file
        found, known[of_file] = self._files.known_digests(rows[of_file])
        here = known & of_file
        self._check(rows[here], found[known[of_file]])
        return self._listed[rows], known

    def digests(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Digests ``(n, 16)``, those of files compared with the list."""
        of_file = rows[self._of_file[rows]]
        self._check(of_file, self._files.digests(of_file))
        return self._listed[rows]

    def sizes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Heights and widths ``(n, 2)``, from headers where the faces are files."""
        headers = self._of_file[rows] | self._exported
        found = np.empty((len(rows), 2), dtype=np.int64)
        found[headers] = self._files.sizes(rows[headers])
        with ThreadPoolExecutor(max_workers=workers()) as pool:
            shapes = pool.map(lambda row: self(row).shape[:2], rows[~headers].tolist())
            found[~headers] = np.array(list(shapes), dtype=np.int64).reshape(-1, 2)
        return found

    def check_unchanged(self, rows: NDArray[np.int64]) -> None:
        """Refuse files that were written to since their digests were taken."""
        self._files.check_unchanged(rows[self._of_file[rows]])

    def remember(self) -> None:
        """Write down the digests that were found, for later processes."""
        self._files.remember()

    def _check(self, rows: NDArray[np.int64], found: NDArray[np.uint8]) -> None:
        other = (found != self._listed[rows]).any(axis=1)
        if other.any():
            raise self._changed(int(rows[other.argmax()]))

    def _changed(self, row: int) -> InputError:
        return InputError(
            f"Expected {self.places[row]} as it was when the edition was made, but its digest "
            f"differs: restore it, or {REMAKE}."
        )

    def _of_source(self, row: int) -> NDArray[np.uint8]:
        """Pixels of a face that is no file, from its data set."""
        key = self._splits[row]
        if key not in self._tables:
            self._tables[key] = self._table(*key)
        return self._tables[key](self._ids[row].removeprefix(f"{key[0]}/"))

    def _table(self, name: str, split: str) -> Callable[[str], NDArray[np.uint8]]:
        """Reader of the faces of one split of a source by their names."""
        known = self._sets[name]
        faces = DATASETS[known["dataset"]](
            Path(known["root"]), split=split, problems=Problems(skip=True)
        )
        where = {name: index for index, name in enumerate(faces.ids)}

        def read(name: str) -> NDArray[np.uint8]:
            if name not in where:
                raise InputError(
                    f"Expected {name} in {known['root']}, as the edition lists it, found none: "
                    f"restore it, or {REMAKE}."
                )
            return faces.read(where[name])

        return read


def _digests(told: Sequence[str]) -> NDArray[np.uint8]:
    """Digests ``(n, 16)`` of hexadecimal ones."""
    try:
        if any(len(one) != 2 * DIGEST for one in told):
            raise ValueError("of another length")
        return np.frombuffer(bytes.fromhex("".join(told)), dtype=np.uint8).reshape(-1, DIGEST)
    except ValueError:
        raise InputError(
            f"Expected digests of {2 * DIGEST} hexadecimal digits in the list of an edition, got "
            f"others: {REMAKE}."
        ) from None
