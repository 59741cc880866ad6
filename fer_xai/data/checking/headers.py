"""Formats, channels and sizes of images, by the headers of their files; no pixel is decoded."""

from __future__ import annotations

import posixpath
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from PIL import Image, UnidentifiedImageError

_ENDINGS = {
    **{".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG"},
    **{".bmp": "BMP", ".gif": "GIF", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"},
    **{".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM"},
}


@dataclass(frozen=True)
class Headers:
    """What the headers of images say.

    Attributes
    ----------
    kinds
        Number of images by format and mode, such as ``("JPEG", "L")``.
    sizes
        Number of images by width and height.
    disguised
        Number of images by their ending and their true format, where these disagree.
    unreadable
        Files without the header of an image: empty, cut off early, or another thing.

    Examples
    --------
    >>> Headers().sentences()
    []
    """

    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    disguised: Counter[tuple[str, str]] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """What they say, in a few sentences.

        Examples
        --------
        >>> Headers(Counter({("JPEG", "L"): 2}), Counter({(48, 48): 2})).sentences()
        ['2 images of 48×48, JPEG L']
        """
        if not self.sizes:
            return []
        n = self.sizes.total()
        kinds = ", ".join(
            f"{kind} {mode}" + (f" {count}" if len(self.kinds) > 1 else "")
            for (kind, mode), count in self.kinds.most_common()
        )
        (width, height), often = self.sizes.most_common(1)[0]
        of = f"{width}×{height}"
        if len(self.sizes) > 1:
            shorter = sorted(min(size) for size in self.sizes)
            of = (
                f"{len(self.sizes)} sizes, most often {of} ({often}), shorter side "
                f"{shorter[0]} to {shorter[-1]}"
            )
        found = [f"{n} image{'s' if n > 1 else ''} of {of}, {kinds}"]
        found += [
            f"{count} {ending} file{'s are' if count > 1 else ' is'} {kind} inside"
            for (ending, kind), count in self.disguised.most_common()
        ]
        return found


def read_headers(paths: Sequence[str]) -> Headers:
    """Read the headers of image files.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/1.jpg"
    ...     Image.new("L", (4, 3)).save(path, format="PNG")
    ...     read_headers([path]).sentences()
    ['1 image of 4×3, PNG L', '1 .jpg file is PNG inside']
    """
    found = Headers()
    with ThreadPoolExecutor(max_workers=4) as pool:
        for path, header in zip(paths, pool.map(_header, paths, chunksize=256), strict=True):
            if header is None:
                found.unreadable.append(path)
                continue
            kind, mode, size = header
            found.kinds[kind, mode] += 1
            found.sizes[size] += 1
            ending = posixpath.splitext(path)[1].lower()
            if _ENDINGS.get(ending, kind) != kind:
                found.disguised[ending, kind] += 1
    return found


def _header(path: str) -> tuple[str, str, tuple[int, int]] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # nothing is decoded
            with Image.open(path) as image:
                return str(image.format), image.mode, image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
