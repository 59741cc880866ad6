"""Faces in uncropped photographs: boxes, from whichever detector is named."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_images, quoted
from fer_xai.errors import InputError
from fer_xai.registry import Registry
from fer_xai.types.pixels import as_pixels


class Detector(ABC):
    """One way to find faces in a photograph.

    A module of ``fer_xai.detect.detectors`` that registers an instance adds a detector.

    Attributes
    ----------
    name
        The name that it is chosen by.

    Examples
    --------
    >>> class Everything(Detector):
    ...     name = "everything"
    ...     def boxes(self, image):
    ...         return np.array([[0, 0, image.shape[1], image.shape[0]]])
    >>> Everything().boxes(np.zeros((4, 6, 3), np.uint8)).tolist()
    [[0, 0, 6, 4]]
    """

    name: str

    @abstractmethod
    def boxes(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Boxes ``(K, 4)`` of the faces in an image ``(H, W, 3)``: left, top, right, bottom."""

    def with_option(self, option: str) -> Detector:
        """The detector with an option, as in ``s3fd:FOLDER``.

        Raises
        ------
        InputError
            If it has none, or for another value than it takes.
        """
        raise InputError(
            f"Expected the detector {self.name!r} without an option, got "
            f"{quoted(f'{self.name}:{option}')}: leave out the colon and what follows it."
        )


DETECTORS: Registry[Detector] = Registry(
    "face detector",
    package="fer_xai.detect.detectors",
    first=("lbp",),
    holds=Detector,
    wanted="a fer_xai.detect.boxes.Detector",
    remedy="register an instance of one",
)


def faces(image: Tensor | NDArray[np.generic], detector: str = "lbp") -> NDArray[np.int64]:
    """Where are the faces in a photograph?

    Parameters
    ----------
    image
        One image: ``(3, H, W)`` in [0, 1] as a tensor, or ``(H, W, 3)`` or grey ``(H, W)`` as an
        array, uint8 or floats in [0, 1].
    detector
        A name of :data:`DETECTORS`, with an option after a colon where it takes one.

    Returns
    -------
    ndarray
        ``(K, 4)`` int64: left, top, right and bottom of each face in pixels, the last two not
        included, cut to the image; the largest face comes first. ``(0, 4)`` without any.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown detector, or what is no image.

    Examples
    --------
    >>> faces(torch.full((3, 80, 80), 0.5)).shape
    (0, 4)
    """
    name, colon, option = detector.partition(":")
    chosen = DETECTORS[name].with_option(option) if colon else DETECTORS[name]
    if isinstance(image, Tensor):
        if image.ndim == 4 and len(image) != 1:
            raise InputError(
                f"Expected one image (3, H, W), got {len(image)}: call faces for each of them."
            )
        batch = check_images(image if image.ndim == 4 else image[None])
        pixels = (255 * batch[0].detach().clamp(0, 1)).round().to("cpu", torch.uint8)
        array = pixels.permute(1, 2, 0).contiguous().numpy()
    else:
        array = as_pixels(image, face="the photograph")
    height, width = array.shape[:2]
    found = chosen.boxes(array).reshape(-1, 4)
    cut = np.clip(np.rint(found), 0, [width, height, width, height]).astype(np.int64)
    sides = cut[:, 2:] - cut[:, :2]
    cut, sides = cut[(sides > 0).all(axis=1)], sides[(sides > 0).all(axis=1)]
    return cut[np.argsort(-sides.prod(axis=1), kind="stable")]
