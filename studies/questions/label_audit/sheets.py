"""Contact sheets of near-copies, for a person's eyes alone: they show faces."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fer_xai.data.duplicates.near import NearPairs
from fer_xai.files import write_bytes

COLUMNS, TILE, GAP = 5, 96, 8


def sampled_pairs(
    near: NearPairs, identical: NDArray[np.bool_], *, many: int, seed: int
) -> NDArray[np.int64]:
    """Places of pairs drawn at random from those that are not identical anyway, in their order.

    Examples
    --------
    >>> near = NearPairs(pairs=np.array([[0, 1], [0, 2], [1, 2]]), correlation=np.ones(3),
    ...                  detail=np.ones(3), mirrored=np.zeros(3, bool))
    >>> sampled_pairs(near, np.array([True, False, False]), many=9, seed=0).tolist()
    [1, 2]
    """
    own = np.flatnonzero(~identical)
    drawn = np.random.default_rng(seed).permutation(own)[:many]
    return np.sort(drawn).astype(np.int64)


def write_sheet(
    path: Path, near: NearPairs, places: NDArray[np.int64], read: Callable[[int], NDArray[np.uint8]]
) -> None:
    """A sheet of pairs side by side, with their numbers and correlations.

    Parameters
    ----------
    path
        File to write, a PNG.
    near
        The pairs.
    places
        Those to show.
    read
        Function that reads the pixels of a face.

    Examples
    --------
    >>> import tempfile
    >>> near = NearPairs(pairs=np.array([[0, 1]]), correlation=np.ones(1), detail=np.ones(1),
    ...                  mirrored=np.zeros(1, bool))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "pairs.png"
    ...     write_sheet(path, near, np.array([0]), lambda face: np.zeros((8, 8, 3), np.uint8))
    ...     path.stat().st_size > 0
    True
    """
    lines = -(-len(places) // COLUMNS)
    width, height = 2 * TILE + 2 * GAP, TILE + 3 * GAP
    sheet = Image.new("RGB", (COLUMNS * width, max(lines, 1) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, place in enumerate(places):
        left, top = (number % COLUMNS) * width, (number // COLUMNS) * height
        for side, face in enumerate(near.pairs[place]):
            tile = Image.fromarray(read(int(face))).resize((TILE, TILE))
            sheet.paste(tile, (left + side * TILE, top + 2 * GAP))
        flip = " mirrored" if near.mirrored[place] else ""
        text = f"{number}: {near.correlation[place]:.3f}, {near.detail[place]:.2f}{flip}"
        draw.text((left, top), text, fill="black")
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())
