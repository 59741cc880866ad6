"""The detector that face-alignment uses: S3FD."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.detect.boxes import DETECTORS, Detector
from fer_xai.detect.fan_files import S3FD, fetched, module

LEAST = 0.5
"""Least score of a face."""


class S3fd(Detector):
    """Faces of any size by S3FD (Zhang et al., ICCV 2017), through the package face-alignment.

    Its weights are fetched at first use, or read from the folder that follows the name.

    Examples
    --------
    >>> DETECTORS["s3fd"].with_option("weights").folder
    PosixPath('weights')
    """

    name = "s3fd"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def with_option(self, option: str) -> S3fd:
        """The detector with weights from a folder."""
        return S3fd(Path(option))

    def boxes(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Boxes of faces that score .5 or more."""
        found = _detector(self.folder).detect_from_image(image)
        return np.array([box[:4] for box in found], dtype=np.float64).reshape(-1, 4)


@cache
def _detector(folder: Path | None) -> Any:
    with fetched([S3FD], folder) as place:
        return module("face_alignment.detection.sfd").FaceDetector(
            device="cpu", path_to_detector=str(place / S3FD), filter_threshold=LEAST
        )


DETECTORS.register("s3fd")(S3fd())
