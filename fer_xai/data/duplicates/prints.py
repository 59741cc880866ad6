"""What tells images apart and alike: digests of files and pixels, small grey images, hashes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_xai.data.crops import whole_files
from fer_xai.data.duplicates.candidates import labels_extra
from fer_xai.data.duplicates.near import SIDE
from fer_xai.types import Faces
from fer_xai.types.pixels import resized

HASHES = ("phash", "dhash")
"""Perceptual hashes of 64 bits: signs of low frequencies (pHash) and of differences between
neighbours (dHash), both of the library imagehash."""


class _Print(NamedTuple):
    file: str
    pixels: str
    grey: NDArray[np.uint16]
    shape: tuple[int, int]
    colour: bool
    hashes: list[NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prints:
    """One line a face: what its copies are known by. No pixels beyond 64×64 grey are kept.

    Attributes
    ----------
    files
        SHA-256 of each file; "" for a face that has no file of its own.
    pixels
        SHA-256 of each image's size and RGB pixels, however they are stored.
    grey
        ``(N, 64, 64)`` uint16: sums of the three channels.
    shapes
        ``(N, 2)`` height and width.
    colour
        ``(N,)`` whether channels differ anywhere.
    hashes
        ``(N, 8)`` bytes of each perceptual hash that was asked for.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> found = read_prints(synthetic_faces(2, size=16))
    >>> len(found), found.files, found.grey.shape, found.pixels[0] == found.pixels[1]
    (2, ['', ''], (2, 64, 64), False)
    """

    files: list[str]
    pixels: list[str]
    grey: NDArray[np.uint16]
    shapes: NDArray[np.int64]
    colour: NDArray[np.bool_]
    hashes: dict[str, NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.pixels)


def read_each(
    tables: Sequence[Faces],
    *,
    hashes: Sequence[str] = (),
    advance: Callable[[], object] | None = None,
) -> Prints:
    """Prints of several tables, one after another: see :func:`read_prints`.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> len(read_each([synthetic_faces(2, size=16), synthetic_faces(1, size=16)]))
    3
    """
    total = sum(len(faces) for faces in tables)
    grey = np.empty((total, SIDE, SIDE), dtype=np.uint16)  # once: it is most of what is kept
    parts, first = [], 0
    for faces in tables:
        own = grey[first : first + len(faces)]
        parts.append(_read_into(own, faces, hashes=hashes, advance=advance))
        first += len(faces)
    return Prints(
        files=[name for part in parts for name in part.files],
        pixels=[name for part in parts for name in part.pixels],
        grey=grey,
        shapes=np.concatenate([np.zeros((0, 2), np.int64), *(part.shapes for part in parts)]),
        colour=np.concatenate([np.zeros(0, dtype=bool), *(part.colour for part in parts)]),
        hashes={
            name: np.concatenate(
                [np.zeros((0, 8), np.uint8), *(part.hashes[name] for part in parts)]
            )
            for name in hashes
        },
    )


def read_prints(
    faces: Faces, *, hashes: Sequence[str] = (), advance: Callable[[], object] | None = None
) -> Prints:
    """Read every image once and keep what its copies are known by.

    Parameters
    ----------
    faces
        Faces of any size.
    hashes
        Names of :data:`HASHES`; they need the extra ``labels``.
    advance
        Called after each face.

    Raises
    ------
    InputError
        If an image cannot be read, or imagehash is asked for and not installed.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> read_prints(synthetic_faces(3, size=16)).shapes.tolist()
    [[16, 16], [16, 16], [16, 16]]
    """
    return read_each([faces], hashes=hashes, advance=advance)


def _read_into(
    grey: NDArray[np.uint16],
    faces: Faces,
    *,
    hashes: Sequence[str],
    advance: Callable[[], object] | None,
) -> Prints:
    imagehash = labels_extra("imagehash") if hashes else None
    paths = whole_files(faces)
    files, pixels, shapes, colour = [], [], [], []
    bits = {name: np.empty((len(faces), 8), dtype=np.uint8) for name in hashes}

    def one(index: int) -> _Print:
        image = faces.read(index)
        small = resized(image, SIDE).numpy().sum(axis=0, dtype=np.uint16)
        return _Print(
            file_sha256(paths[index]),
            pixels_sha256(image),
            small,
            (image.shape[0], image.shape[1]),
            bool((image != image[:, :, :1]).any()),
            [_hash(imagehash, name, image) for name in hashes],
        )

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(faces), 1024):
            chunk = range(start, min(start + 1024, len(faces)))
            for index, found in zip(chunk, pool.map(one, chunk), strict=True):
                files.append(found.file)
                pixels.append(found.pixels)
                shapes.append(found.shape)
                colour.append(found.colour)
                grey[index] = found.grey
                for name, value in zip(hashes, found.hashes, strict=True):
                    bits[name][index] = value
                if advance is not None:
                    advance()
    return Prints(
        files=files,
        pixels=pixels,
        grey=grey,
        shapes=np.array(shapes, dtype=np.int64).reshape(-1, 2),
        colour=np.array(colour, dtype=bool),
        hashes=bits,
    )


def file_sha256(path: str) -> str:
    """SHA-256 of a file; "" where the path names none, as a row of a table does.

    Examples
    --------
    >>> file_sha256("fer2013.csv, row 2")
    ''
    """
    if not path or not Path(path).is_file():
        return ""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixels_sha256(image: NDArray[np.uint8]) -> str:
    """SHA-256 of an image's size and pixels ``(H, W, 3)``.

    Examples
    --------
    >>> pixels_sha256(np.zeros((2, 8, 3), np.uint8)) == pixels_sha256(np.zeros((4, 4, 3), np.uint8))
    False
    """
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()


def _hash(imagehash: Any, name: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bits = getattr(imagehash, name)(Image.fromarray(image)).hash
    return np.packbits(np.asarray(bits, dtype=bool).ravel())
