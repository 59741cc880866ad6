"""Image files to uint8 RGB, whatever their mode, and a reader of many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_xai.errors import InputError
from fer_xai.types.file_digests import FileDigests
from fer_xai.types.workers import workers

_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
"""EXIF's key of an image's orientation, and those that swap height and width."""


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Pixels of an image file, uint8 ``(H, W, 3)``.

    Grey, palette, 16-bit and transparent images (over black) become RGB; EXIF orientation is
    applied. The suffix is not trusted: some published ``.jpg`` are PNG inside.

    Raises
    ------
    InputError
        If the file is missing, is no readable image, or claims more pixels than
        ``PIL.Image.MAX_IMAGE_PIXELS`` (89 million): a file of a few bytes can claim any number.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (4, 3), 128).save(Path(folder) / "grey.png")
    ...     pixels = read_image(Path(folder) / "grey.png")
    >>> pixels.shape, pixels[0, 0].tolist()
    ((3, 4, 3), [128, 128, 128])
    """
    with _opened(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I") or image.mode == "F":
            values = np.asarray(image, dtype=np.float64)
            top = 65535.0 if values.max() > 255 else 255.0
            grey = np.clip(values / top * 255, 0, 255).round().astype(np.uint8)
            return np.repeat(grey[:, :, None], 3, axis=2)
        if "A" in image.getbands() or "transparency" in image.info:
            black = Image.new("RGBA", image.size, "black")
            image = Image.alpha_composite(black, image.convert("RGBA"))
        return np.array(image.convert("RGB"), dtype=np.uint8)


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width of an image file as :func:`read_image` returns it, from its header alone.

    Raises
    ------
    InputError
        As :func:`read_image` does.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (4, 3)).save(Path(folder) / "grey.png")
    ...     image_size(Path(folder) / "grey.png")
    (3, 4)
    """
    with _opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
        return (width, height) if turned else (height, width)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """An image file; whatever is wrong with it, here or in the block, becomes one sentence."""
    try:
        with Image.open(path) as image:
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and image.width * image.height > most:
                raise Image.DecompressionBombError(f"{image.width:,} × {image.height:,} pixels")
            yield image
    except FileNotFoundError:
        raise InputError(
            f"Expected an image at {path}, found none: check the dataset's root, or pass "
            "skip_bad (--skip-bad) to leave such faces out and list them."
        ) from None
    except Image.DecompressionBombError as error:
        raise InputError(
            f"Expected an image of at most {Image.MAX_IMAGE_PIXELS:,} pixels, but {path} claims "
            f"more ({error}): make it smaller, or pass skip_bad (--skip-bad) to leave such faces "
            "out and list them."
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"Expected a readable image, but {path} is damaged ({error}): replace it, or pass "
            "skip_bad (--skip-bad) to leave such faces out and list them."
        ) from None


@dataclass(eq=False)
class ImageFiles:
    """Reader of image files, a file a face.

    Attributes
    ----------
    paths
        Paths of the files.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (4, 3)).save(Path(folder) / "grey.png")
    ...     files = ImageFiles([str(Path(folder) / "grey.png")])
    ...     files.sizes(np.array([0])).tolist(), files(0).shape
    ([[3, 4]], (3, 4, 3))
    """

    paths: Sequence[str]
    _files: FileDigests = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._files = FileDigests(self.paths)

    def __call__(self, row: int) -> NDArray[np.uint8]:
        """Pixels of a file, uint8 ``(H, W, 3)``."""
        pixels = read_image(self.paths[row])
        self._files.learn_size(row, *pixels.shape[:2])
        return pixels

    def known_digests(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Digests ``(n, 16)`` of files that need not be read for them, and which these are."""
        return self._files.known(rows)

    def digests(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Digests ``(n, 16)`` of the files' bytes, which the pixels depend on alone."""
        return self._files.of(rows)

    def sizes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Heights and widths ``(n, 2)``, from the files' headers where they are not known yet."""
        self._files.known(rows)
        sizes = self._files.sizes(rows)
        missing = rows[~sizes.all(axis=1)]
        if len(missing):
            with ThreadPoolExecutor(max_workers=workers()) as pool:
                found = pool.map(lambda row: image_size(self.paths[row]), missing.tolist())
                for row, size in zip(missing.tolist(), found, strict=True):
                    self._files.learn_size(row, *size)
            sizes = self._files.sizes(rows)
        return sizes

    def check_unchanged(self, rows: NDArray[np.int64]) -> None:
        """Refuse files that were written to since their digests were taken."""
        self._files.check_unchanged(rows)

    def remember(self) -> None:
        """Write down the digests that were found, for later processes."""
        self._files.save()
