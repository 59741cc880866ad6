"""Answers of landmark providers kept on disk, by image and by the provider's version."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.detect.provider import Found, ImageProvider, Pixels
from fer_xai.errors import InputError
from fer_xai.files import DamagedFileError, cache_folder, read_arrays, write_arrays

DIGEST = 16
"""Bytes of an image's digest."""
AUTO = "auto"


def default_folder() -> Path:
    """The user's own cache folder: below ``XDG_CACHE_HOME``, which is ``~/.cache`` by default.

    Examples
    --------
    >>> default_folder().parts[-2:]
    ('fer-xai', 'landmarks')
    """
    return cache_folder("landmarks")


def image_digest(image: Pixels) -> bytes:
    """Digest of an image's size and pixels.

    Examples
    --------
    >>> one, other = np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)
    >>> len(image_digest(one)), image_digest(one) == image_digest(other)
    (16, False)
    """
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=DIGEST)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


@dataclass(frozen=True)
class Cache:
    """A provider's answers in 16 files, by the first digit of the image's digest.

    A file that is damaged, or holds anything else, is made anew. Processes may share a folder: each
    file is replaced whole, and what another one has written meanwhile is at worst found again.

    Attributes
    ----------
    folder
        Folder of all providers.
    required
        Whether a folder that cannot be written to is an error; otherwise it is a warning.

    Examples
    --------
    >>> import tempfile
    >>> from fer_xai.detect.provider import provider_named
    >>> images, place = [np.zeros((4, 4, 3), np.uint8)], Path(tempfile.mkdtemp())
    >>> cache = Cache(place, required=True)
    >>> points, confidence = cache.located(provider_named("template"), images)
    >>> points.shape, len(list(place.rglob("*.npz")))
    ((1, 68, 2), 1)
    """

    folder: Path
    required: bool
    _unwritable: list[str] = field(default_factory=list, repr=False)

    def located(self, provider: ImageProvider, images: Sequence[Pixels]) -> Found:
        """Answers of a provider, which is asked for those alone that are not kept."""
        digests = [image_digest(image) for image in images]
        points = np.full((len(images), 68, 2), np.nan, dtype=np.float32)
        confidence = np.full(len(images), np.nan, dtype=np.float32)
        files: dict[Path, dict[bytes, tuple[NDArray[np.float32], np.float32]]] = {}
        missing: dict[bytes, list[int]] = {}
        for index, digest in enumerate(digests):
            path = self._file(provider, digest)
            if path not in files:
                files[path] = _read(path)
            if digest in files[path]:
                points[index], confidence[index] = files[path][digest]
            else:
                missing.setdefault(digest, []).append(index)
        if missing:
            firsts = [indices[0] for indices in missing.values()]
            new_points, new_confidence = provider.locate([images[index] for index in firsts])
            changed = set()
            for row, (digest, indices) in enumerate(missing.items()):
                points[indices], confidence[indices] = new_points[row], new_confidence[row]
                path = self._file(provider, digest)
                files[path][digest] = new_points[row], new_confidence[row]
                changed.add(path)
            for path in sorted(changed):
                self._write(path, files[path])
        return points, confidence

    def _file(self, provider: ImageProvider, digest: bytes) -> Path:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{provider.label}-{provider.version}")
        return self.folder / name / f"{digest.hex()[0]}.npz"

    def _write(self, path: Path, rows: dict[bytes, tuple[NDArray[np.float32], np.float32]]) -> None:
        if self._unwritable:
            return
        arrays: dict[str, NDArray[Any]] = {
            "images": np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, DIGEST),
            "points": np.stack([points for points, _ in rows.values()]),
            "confidence": np.array([confidence for _, confidence in rows.values()], np.float32),
        }
        try:
            write_arrays(path, arrays)
        except InputError as error:
            if self.required:
                raise
            self._unwritable.append(str(error))
            warnings.warn(
                f"Landmarks are not kept for the next time. {error}", UserWarning, stacklevel=2
            )


def _read(path: Path) -> dict[bytes, tuple[NDArray[np.float32], np.float32]]:
    """Answers of a file by image; none where it is missing or damaged."""
    try:
        arrays = read_arrays(path)
    except (FileNotFoundError, DamagedFileError):  # it is made anew
        return {}
    images, points = arrays.get("images"), arrays.get("points")
    confidence = arrays.get("confidence")
    if images is None or points is None or confidence is None:
        return {}
    n = len(images) if images.ndim else 0
    if (
        images.shape != (n, DIGEST)
        or images.dtype != np.uint8
        or points.shape != (n, 68, 2)
        or confidence.shape != (n,)
        or not all(part.dtype == np.float32 for part in (points, confidence))
    ):
        return {}
    return {row.tobytes(): (points[index], confidence[index]) for index, row in enumerate(images)}


def cache_at(cache: str | Path | None) -> Cache | None:
    """The cache that a user means: ``"auto"`` for the default folder, None for none.

    Examples
    --------
    >>> cache_at(None) is None, cache_at("kept").folder
    (True, PosixPath('kept'))
    """
    if cache is None:
        return None
    if cache == AUTO:
        return Cache(default_folder(), required=False)
    return Cache(Path(cache), required=True)
