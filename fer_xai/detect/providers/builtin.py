"""The provider ``builtin``: a small network of our own, for aligned crops of 48 to 224 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from fer_xai.checks import quoted
from fer_xai.detect.network import SIDE, LandmarkNet
from fer_xai.detect.provider import PROVIDERS, Found, ImageProvider, Pixels
from fer_xai.errors import InputError
from fer_xai.models.checkpoints import file_digest, load_state, read_state
from fer_xai.types.pixels import resized

SHIPPED = ("rafdb", "synthetic")
"""Weights that may come with the package, the better ones for real faces first."""
BATCH = 32
"""Crops a pass. Always as many, so that a face's points do not depend on its neighbours."""
CODE = "1"
"""Version of what this module makes of crops and answers."""
TRAIN = "python -m training.landmarks --out runs/landmarks"


class Builtin(ImageProvider):
    """A small network of our own for aligned crops, with a confidence that there is a face.

    Trained on RAF-DB's training faces (``builtin:rafdb``, for non-commercial research) or on
    built-in faces alone (``builtin:synthetic``); the former is taken where it is shipped. The path
    of weights of one's own may be named instead.

    Examples
    --------
    >>> PROVIDERS["builtin"].with_option("mine.safetensors").label
    'builtin:mine.safetensors'
    """

    name = "builtin"
    option = "rafdb, synthetic or a path of weights"

    def __init__(self, weights: str | None = None) -> None:
        self.weights = weights

    def with_option(self, option: str) -> Builtin:
        """The provider with the weights that are named."""
        return Builtin(option)

    @property
    def chosen(self) -> str:
        """Name or path of the weights; empty where none are named and none are shipped."""
        if self.weights is not None:
            return self.weights
        return next((name for name in SHIPPED if shipped_file(name) is not None), "")

    @property
    def label(self) -> str:
        """The provider's name, with that of its weights."""
        chosen = self.chosen
        return f"builtin:{Path(chosen).name}" if chosen else self.name

    @property
    def version(self) -> str:
        """Version of the code, and digest of the weights."""
        return f"{CODE}-{file_digest(self._file())[:12]}"

    def locate(self, images: Sequence[Pixels]) -> Found:
        """Points in pixels of each image, and probabilities of a face."""
        net = self.network()
        crops = _crops(images)
        points, confidence = [], []
        with torch.inference_mode():
            for part in crops.split(BATCH):
                full = part.new_zeros(BATCH, *part.shape[1:])
                full[: len(part)] = part
                found, logits = net.both_ways(full.float() / 255)
                points.append(found[: len(part)])
                confidence.append(logits[: len(part)].sigmoid())
        if not points:
            return np.empty((0, 68, 2), np.float32), np.empty(0, np.float32)
        sides = torch.tensor([image.shape[1::-1] for image in images])[:, None]  # (B, 1, 2)
        placed = (torch.cat(points) + 0.5) * sides / SIDE - 0.5
        return placed.numpy(), torch.cat(confidence).numpy()

    def network(self) -> LandmarkNet:
        """The network with its weights, read once a process."""
        file = self._file()
        return _network(file, file_digest(file))

    def _file(self) -> Path:
        """The file of weights.

        Raises
        ------
        InputError
            If there is none.
        """
        chosen = self.chosen
        shipped = shipped_file(chosen) if chosen in SHIPPED else None
        if shipped is not None:
            return shipped
        if not chosen or chosen in SHIPPED:
            named = f"landmarks-{chosen}" if chosen else "landmarks-rafdb or landmarks-synthetic"
            raise InputError(
                f"Expected the weights {named} of the provider builtin, but they are not shipped: "
                f"train them ({TRAIN}) and name builtin:runs/landmarks/weights.safetensors, or use "
                "another provider."
            )
        if not Path(chosen).is_file():
            raise InputError(
                f"Expected weights of the provider builtin as {', '.join(SHIPPED)} or a path, got "
                f"{quoted(chosen)}, which is no file: train some with {TRAIN}."
            )
        return Path(chosen)


def shipped_file(name: str) -> Path | None:
    """File of weights that come with the package; None where it does not.

    Examples
    --------
    >>> shipped_file("somebody") is None
    True
    """
    with as_file(files("fer_xai") / "weights" / f"landmarks-{name}.safetensors") as path:
        return path if path.is_file() else None


def available() -> bool:
    """Whether weights of the provider are shipped.

    Examples
    --------
    >>> available() == any(shipped_file(name) is not None for name in SHIPPED)
    True
    """
    return any(shipped_file(name) is not None for name in SHIPPED)


def _crops(images: Sequence[Pixels]) -> Tensor:
    """Images at the network's size, uint8 ``(B, 3, 64, 64)``."""
    shapes = {image.shape for image in images}
    if len(shapes) == 1:  # at once, which is much faster
        stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        if stacked.shape[2:] == (SIDE, SIDE):
            return stacked
        return tv.resize(stacked, [SIDE, SIDE], antialias=True)
    parts = [resized(image, SIDE) for image in images]
    return torch.stack(parts) if parts else torch.zeros((0, 3, SIDE, SIDE), dtype=torch.uint8)


@cache
def _network(path: Path, digest: str) -> LandmarkNet:
    del digest  # another content is another network
    net = LandmarkNet()
    load_state(net, read_state(path)[0], what="the provider builtin")
    return net.eval().requires_grad_(False)


PROVIDERS.register("builtin")(Builtin())
