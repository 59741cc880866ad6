"""The provider ``face-alignment``: 2DFAN-4, a large network trained on many data sets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_xai.detect.fan_files import FAN, fetched, module
from fer_xai.detect.provider import PROVIDERS, Found, ImageProvider, Pixels
from fer_xai.models.checkpoints import file_digest
from fer_xai.types.pixels import resized

PACKAGE = "1.5.0"
"""Version of face-alignment that the adapter was written for."""
LEAST_SIDE = 256
"""Crops with a smaller side are scaled up to it, since points lie on a grid of 3 % of the crop."""


class FaceAlignment(ImageProvider):
    """2DFAN-4 of the package face-alignment: large, slow, trained on 300W-LP.

    Bulat & Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?",
    ICCV 2017. Weights are fetched at first use, or read from the folder that follows the name. The
    whole crop is handed over as the face's box, so that no detector runs, and the confidence is the
    mean height of the 68 heat maps. Neither its compilation nor its averaging over mirror images is
    used: both are switched off by name, since version 1.5 switches them on.

    Examples
    --------
    >>> provider = PROVIDERS["face-alignment"].with_option("weights")
    >>> provider.folder, provider.threshold
    (PosixPath('weights'), 0.2)
    """

    name = "face-alignment"
    option = "FOLDER"
    threshold = 0.2

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def with_option(self, option: str) -> FaceAlignment:
        """The provider with weights from a folder."""
        return FaceAlignment(Path(option))

    @property
    def version(self) -> str:
        """Version of the package and digest of the weights."""
        with fetched([FAN], self.folder) as place:
            return f"{PACKAGE}-{_digest(place / FAN)}"

    def locate(self, images: Sequence[Pixels]) -> Found:
        """Points in pixels of each image, and mean heights of the heat maps."""
        network = _network(self.folder)
        points = np.full((len(images), 68, 2), np.nan, dtype=np.float32)
        confidence = np.zeros(len(images), dtype=np.float32)
        for row, image in enumerate(images):
            found, scores = _points_of(network, image)
            if found is not None:
                points[row], confidence[row] = found, scores
        return points, confidence


def _points_of(network: Any, image: Pixels) -> tuple[NDArray[np.float32] | None, float]:
    """Points of one crop, and their mean score."""
    height, width = image.shape[:2]
    side = max(LEAST_SIDE, height, width)
    large = resized(image, side).permute(1, 2, 0).contiguous().numpy()  # uint8, as it has to be
    found, scores, _ = network.get_landmarks_from_image(
        large, detected_faces=[[0, 0, side, side]], return_landmark_score=True
    )
    if not found:
        return None, 0.0
    # its points count from the corner of the image, ours from the middle of the first pixel
    scale = np.array([width, height], dtype=np.float32) / side
    points = np.asarray(found[0], dtype=np.float32)[:, :2] * scale - np.float32(0.5)
    return points, float(np.clip(np.mean(scores[0]), 0, 1))


@cache
def _network(folder: Path | None) -> Any:
    """The network, once a process; ``folder`` as its detector, which needs no weights."""
    package = module("face_alignment")
    with fetched([FAN], folder) as place, _hub_at(place):
        return package.FaceAlignment(
            package.LandmarksType.TWO_D,
            device="cpu",
            flip_input=False,
            compile=False,
            face_detector="folder",
        )


@contextmanager
def _hub_at(place: Path) -> Iterator[None]:
    """Let the package find its weights in a folder: it looks into ``checkpoints`` of torch's."""
    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory(prefix="fer-xai-hub-") as hub:
        (Path(hub) / "checkpoints").symlink_to(place.resolve(), target_is_directory=True)
        torch.hub.set_dir(hub)
        try:
            yield
        finally:
            torch.hub.set_dir(before)


@cache
def _digest(path: Path) -> str:
    return file_digest(path)[:12]


PROVIDERS.register("face-alignment")(FaceAlignment())
