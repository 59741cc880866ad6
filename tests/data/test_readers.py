"""What a reader of one's own may return: read as meant, or one sentence that names the face."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fer_xai.errors import InputError
from fer_xai.types import COLUMNS, Faces

COLOUR = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
GREY = COLOUR[:, :, 0]
THRICE = np.repeat(GREY[:, :, None], 3, axis=2)


def _faces(image):
    table = pd.DataFrame([("a.png", "", "fear", "test", "", "", "")], columns=list(COLUMNS))
    return Faces(table=table, reader=lambda row: image, name="x")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (COLOUR, COLOUR),
        (GREY, THRICE),
        (GREY[:, :, None], THRICE),
        (COLOUR.astype(np.int64), COLOUR),
        (COLOUR.astype(np.uint16), COLOUR),
        (COLOUR / 255, COLOUR),
        ((COLOUR / 255).astype(np.float32), COLOUR),
        ((GREY / 255).astype(np.float32), THRICE),
        (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 3))),
        (COLOUR[:, ::-1], COLOUR[:, ::-1]),
        (Image.fromarray(COLOUR), COLOUR),
        (torch.from_numpy(COLOUR), COLOUR),
        (COLOUR.tolist(), COLOUR),
    ],
    ids=[
        "uint8",
        "grey",
        "one channel",
        "int64",
        "uint16",
        "float64",
        "float32",
        "grey float",
        "black",
        "turned",
        "PIL",
        "tensor",
        "list",
    ],
)
def test_pixels_are_read_as_meant(image, expected):
    faces = _faces(image)
    read = faces.read(0)
    assert read.dtype == np.uint8
    assert np.array_equal(read, expected)
    assert np.array_equal(faces.pixels(8)[0].permute(1, 2, 0).numpy(), expected)
    assert faces.images.max() == pytest.approx(np.max(expected) / 255)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (COLOUR.astype(np.float32), r"got float32 from \d+ to 2\d+: return image.astype\(np.uint8"),
        (COLOUR / 127.5 - 1, r"got float64 from -1 to "),
        (np.full((8, 8, 3), np.nan), "got float64 from nan to nan"),
        (COLOUR.astype(np.int64) - 1, "got int64 from -1 to "),
        (COLOUR.astype(np.uint16) * 257, "got uint16 from .* to "),
        (GREY > 127, r"got shape \(8, 8\)|got bool: "),
        (COLOUR.astype(np.complex64), "got complex64: "),
        (COLOUR.transpose(2, 0, 1), r"got shape \(3, 8, 8\): convert the image to RGB, channels l"),
        (np.zeros((8, 8, 4), np.uint8), r"got shape \(8, 8, 4\)"),
        (np.zeros((0, 8, 3), np.uint8), r"got shape \(0, 8, 3\)"),
        (COLOUR[None], r"got shape \(1, 8, 8, 3\)"),
        (None, "got NoneType"),
        ("a.png", "got str"),
    ],
    ids=[
        "0 to 255",
        "-1 to 1",
        "NaN",
        "negative",
        "16 bit",
        "bool",
        "complex",
        "CHW",
        "RGBA",
        "empty",
        "batch",
        "None",
        "path",
    ],
)
def test_what_is_no_image_is_one_sentence(image, sentence):
    for read in (lambda: _faces(image).read(0), lambda: _faces(image).pixels(4)):
        with pytest.raises(
            InputError, match=f"^Expected pixels .*the reader of 'a.png', {sentence}"
        ):
            read()


def test_many_at_once_are_checked_too():
    class Reader:
        def __init__(self, image):
            self.image = image

        def __call__(self, row):
            return self.image

        def many(self, rows):
            return [self.image for _ in rows]

    table = _faces(COLOUR).table
    assert np.array_equal(
        Faces(table=table, reader=Reader(COLOUR / 255), name="x").pixels(8)[0].permute(1, 2, 0),
        COLOUR,
    )
    with pytest.raises(InputError, match="the reader of 'a.png', got float64 from"):
        Faces(table=table, reader=Reader(COLOUR * 1.0), name="x").pixels(8)
