"""Faces with other images, for tests of occlusion."""

import torch

from fer_xai.types import Faces


def with_pixels(faces, images, **columns):
    """The faces with other images."""
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return Faces(
        table=faces.table.assign(**columns),
        reader=lambda row: pixels[row],
        landmarks=faces.landmarks,
        name="marked",
    )
