"""Drawn images for tiny copies of the datasets, in their true layouts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def draw():
    """Write a plain grey image; ``read`` gives its value back (±3 where JPEG has rounded)."""

    def write(path: Path, value: int = 128, *, size: int = 20, kind: str | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(path, format=kind)
        return path

    return write
