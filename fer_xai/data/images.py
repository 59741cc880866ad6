"""Image files to uint8 RGB, whatever their mode; and faces whose pixels lie in such files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Pixels of an image file, uint8 ``(H, W, 3)``.

    Grey, palette, 16-bit and transparent images (over black) become RGB; EXIF orientation is
    applied. The suffix is not trusted: some published ``.jpg`` are PNG inside.

    Raises
    ------
    InputError
        If the file is missing or is no readable image.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (4, 3), 128).save(Path(folder) / "grey.png")
    ...     pixels = read_image(Path(folder) / "grey.png")
    >>> pixels.shape, pixels[0, 0].tolist()
    ((3, 4, 3), [128, 128, 128])
    """
    try:
        with Image.open(path) as opened:
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
    except FileNotFoundError:
        raise InputError(
            f"Expected an image at {path}, found none: check the dataset's root, or pass "
            "skip_bad (--skip-bad) to leave such faces out and list them."
        ) from None
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as error:
        raise InputError(
            f"Expected a readable image, but {path} is damaged ({error}): replace it, or pass "
            "skip_bad (--skip-bad) to leave such faces out and list them."
        ) from None


def faces_from_files(rows: Sequence[tuple[str, ...]], *, name: str) -> Faces:
    """Faces from rows ``(id, path, emotion, split, subject, source, group)``, read when needed.

    Examples
    --------
    >>> row = ("1.png", "/faces/1.png", "fear", "test", "", "mine", "")
    >>> faces_from_files([row], name="mine")  # no file is opened yet
    Faces(mine: 1 face (fear 1))
    """
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    paths: list[str] = list(table["path"])
    return Faces(table=table, reader=lambda row: read_image(paths[row]), name=name)
