"""The provider ``face-api``: the 68-point network of the package ``@vladmandic/face-api``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.detect.network import mirrored
from fer_xai.detect.provider import PROVIDERS, Found, ImageProvider, Pixels
from fer_xai.errors import InputError
from fer_xai.models.checkpoints import file_digest, load_state
from fer_xai.models.face_api import LANDMARKS, MEAN, SIDE, FaceApiNet, read_face_api
from fer_xai.models.tfjs import files_of, manifest_in

BATCH = 32
"""Crops a pass. Always as many, so that a face's points do not depend on its neighbours."""
CODE = "1"
"""Version of what this module makes of crops and answers."""
MARGIN = 1 / 16
"""Padding on every side, as a share of the crop's longer side."""


class FaceApi(ImageProvider):
    """The 68-point network of the npm package ``@vladmandic/face-api``, independent of RAF-DB.

    The folder of the unpacked package, or its folder ``model``, follows the name; nothing is
    fetched. Tight crops are padded by a sixteenth of their side with the colours of their edges, to
    a square, and the answer is the mean over the crop and its mirror image. The network does not
    say whether there is a face, so no confidence is known and every crop counts as found.

    Examples
    --------
    >>> provider = PROVIDERS["face-api"].with_option("package")
    >>> provider.folder, provider.label
    (PosixPath('package'), 'face-api')
    """

    name = "face-api"
    option = "FOLDER"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def with_option(self, option: str) -> FaceApi:
        """The provider with the files of a folder."""
        return FaceApi(Path(option))

    @property
    def version(self) -> str:
        """Version of the code, and digests of the manifest and of the numbers."""
        return f"{CODE}-{'-'.join(digest[:12] for digest in self._digests())}"

    def locate(self, images: Sequence[Pixels]) -> Found:
        """Points in pixels of each image; no confidence."""
        net = _network(self._manifest(), self._digests())
        points = np.full((len(images), 68, 2), np.nan, dtype=np.float32)
        for start in range(0, len(images), BATCH):
            some = images[start : start + BATCH]
            crops = torch.zeros(BATCH, 3, SIDE, SIDE)
            for row, image in enumerate(some):
                crops[row] = _crop(image)
            found = _both_ways(net, crops)[: len(some)].numpy()
            for row, image in enumerate(some):
                side, (left, top) = _square(image)
                corner = np.array([left, top], dtype=np.float32)
                points[start + row] = (found[row] + 0.5) * (side / SIDE) - 0.5 - corner
        return points, np.full(len(images), np.nan, dtype=np.float32)

    def _manifest(self) -> Path:
        """The manifest of the weights.

        Raises
        ------
        InputError
            If no folder was named, or it holds none.
        """
        if self.folder is None:
            raise InputError(
                "Expected the folder of the package behind the provider face-api, got none: fetch "
                "it (npm pack @vladmandic/face-api, then unpack it) and name its folder, as in "
                "face-api:FOLDER."
            )
        manifest = manifest_in(self.folder, LANDMARKS)
        if manifest is None or not manifest.is_file():
            raise InputError(
                f"Expected the folder of the package behind the provider face-api, but "
                f"{self.folder} is none: name the folder that holds {LANDMARKS}.bin."
            )
        return manifest

    def _digests(self) -> tuple[str, ...]:
        """Digests of the files that the network depends on; one that is missing is told later."""
        return tuple(file_digest(file) for file in files_of(self._manifest()) if file.is_file())


def _square(image: Pixels) -> tuple[int, tuple[int, int]]:
    """Side of the padded square in pixels, and how far the image begins right and below in it."""
    height, width = image.shape[:2]
    side = max(height, width)
    side += 2 * round(MARGIN * side)
    return side, ((side - width) // 2, (side - height) // 2)


def _crop(image: Pixels) -> Tensor:
    """An image padded to a square, at the network's size: ``(3, 112, 112)`` less the mean."""
    side, (left, top) = _square(image)
    height, width = image.shape[:2]
    pads = ((top, side - height - top), (left, side - width - left), (0, 0))
    padded = torch.from_numpy(np.pad(image, pads, mode="edge")).permute(2, 0, 1)[None]
    resized = F.interpolate(
        padded.float() / 255, size=(SIDE, SIDE), mode="bilinear", antialias=True
    )
    return resized[0] - torch.tensor(MEAN).view(3, 1, 1)


def _both_ways(net: FaceApiNet, crops: Tensor) -> Tensor:
    """Points ``(B, 68, 2)`` in pixels of the crops, the mean of them and their mirror images."""
    with torch.inference_mode():
        shares = net(torch.cat([crops, crops.flip(-1)])).reshape(-1, 68, 2)
    one, other = (SIDE * shares).chunk(2)
    return (one + mirrored(other, side=SIDE)) / 2


@cache
def _network(manifest: Path, digests: tuple[str, ...]) -> FaceApiNet:
    del digests  # another content is another network
    net = FaceApiNet(outputs=2 * 68)
    load_state(net, read_face_api(manifest, model=LANDMARKS) or {}, what="the provider face-api")
    return net.eval().requires_grad_(False)


PROVIDERS.register("face-api")(FaceApi())
