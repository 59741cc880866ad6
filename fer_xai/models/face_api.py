"""Networks of the package ``@vladmandic/face-api``: emotions, and 68 landmarks.

Both are one stack of depthwise separable convolutions with dense sums, and one linear layer. The
architecture is published with the package, in ``src/faceFeatureExtractor`` and
``src/faceProcessor`` (MIT licence: V. Mühler's face-api.js, continued by V. Mandic); widths are
those of its manifests. The package puts a softmax behind the network of emotions; here it returns
logits.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from fer_xai.models.architecture import Architecture
from fer_xai.models.registry import MODELS
from fer_xai.models.separable import (
    SeparableConv2d,
    depthwise_from_tensorflow,
    kernel_from_tensorflow,
    same_padding,
)
from fer_xai.models.tfjs import manifest_in, read_manifest

EXPRESSIONS, LANDMARKS = "face_expression_model", "face_landmark_68_model"
"""Names of the two models in the package's folder ``model``."""
EMOTIONS = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
"""Order of the outputs, from the package's ``src/faceExpressionNet/FaceExpressions.ts``."""
SIDE = 112
"""Side of the images that both networks were trained on, in pixels."""
MEAN = (122.782 / 255, 117.001 / 255, 104.298 / 255)
"""Colour that is subtracted from RGB in [0, 1]; nothing is divided after it."""
WIDTHS = (32, 64, 128, 256)
_PLAIN = ("dense0.conv0", "fc")
"""Layers that are no separable convolutions."""


class DenseBlock(nn.Module):
    """Four convolutions, the first of stride 2; each further one reads the sum of those before.

    Parameters
    ----------
    inputs, outputs
        Channels.
    plain
        Whether the first convolution is no separable one, as in the first block.

    Examples
    --------
    >>> DenseBlock(3, 32, plain=True)(torch.rand(2, 3, 112, 112)).shape
    torch.Size([2, 32, 56, 56])
    """

    def __init__(self, inputs: int, outputs: int, *, plain: bool = False) -> None:
        super().__init__()
        self.conv0: nn.Module
        if plain:
            self.pad = same_padding(2)
            self.conv0 = nn.Conv2d(inputs, outputs, 3, stride=2)
        else:
            self.pad = nn.Identity()
            self.conv0 = SeparableConv2d(inputs, outputs, stride=2, bias=True)
        self.relu0 = nn.ReLU()
        for index in (1, 2, 3):
            self.add_module(f"conv{index}", SeparableConv2d(outputs, outputs, bias=True))
            self.add_module(f"relu{index}", nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, outputs, H / 2, W / 2)`` of maps ``(B, inputs, H, W)``."""
        rectified = total = self.relu0(self.conv0(self.pad(x)))
        for index in (1, 2, 3):
            total = total + getattr(self, f"conv{index}")(rectified)
            rectified = getattr(self, f"relu{index}")(total)
        answer: Tensor = rectified
        return answer


class FaceApiNet(nn.Module):
    """Four dense blocks, the mean over places, and one linear layer.

    Parameters
    ----------
    outputs
        7 logits of emotions; 136 coordinates of landmarks as shares of the image's side.

    Examples
    --------
    >>> net = FaceApiNet()
    >>> net(torch.rand(2, 3, 112, 112)).shape, sum(weight.numel() for weight in net.parameters())
    (torch.Size([2, 7]), 323687)
    """

    def __init__(self, *, outputs: int = 7) -> None:
        super().__init__()
        channels = 3
        for index, width in enumerate(WIDTHS):
            self.add_module(f"dense{index}", DenseBlock(channels, width, plain=index == 0))
            channels = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``(B, outputs)`` of RGB images ``(B, 3, 112, 112)`` less :data:`MEAN`."""
        for index in range(len(WIDTHS)):
            x = getattr(self, f"dense{index}")(x)
        answer: Tensor = self.fc(self.pool(x).flatten(1))
        return answer


def read_face_api(place: str | Path, *, model: str = EXPRESSIONS) -> dict[str, Tensor] | None:
    """State of a network from the package's own files, its quantised weights made floats.

    Parameters
    ----------
    place
        The package's folder, its folder ``model``, or one of the model's two files in there.
    model
        Name of the model in the package.

    Returns
    -------
    dict or None
        For :class:`FaceApiNet`; None where the place is a file of another kind.

    Raises
    ------
    InputError
        If the files are missing or damaged, or hold weights of another layout.

    Examples
    --------
    >>> read_face_api("mine.safetensors") is None
    True
    """
    manifest = manifest_in(Path(place), model)
    if manifest is None:
        return None
    state: dict[str, Tensor] = {}
    for name, values in read_manifest(manifest).items():
        *parts, leaf = name.split("/")
        layer = ".".join(parts)
        if leaf == "filters":
            state[f"{layer}.weight"] = kernel_from_tensorflow(values)
        elif leaf == "depthwise_filter":
            state[f"{layer}.depthwise.weight"] = depthwise_from_tensorflow(values)
        elif leaf == "pointwise_filter":
            state[f"{layer}.pointwise.weight"] = kernel_from_tensorflow(values)
        elif leaf == "weights":
            state[f"{layer}.weight"] = torch.from_numpy(values.T.copy())
        elif leaf == "bias" and layer not in _PLAIN:
            state[f"{layer}.pointwise.bias"] = torch.from_numpy(values)
        else:
            state[f"{layer}.{leaf}"] = torch.from_numpy(values)
    return state


MODELS.register("face_api")(
    Architecture(
        build=lambda classes: FaceApiNet(outputs=classes),
        cam_layer="dense3",
        size=SIDE,
        greyscale=False,
        mean=MEAN,
        std=(1.0, 1.0, 1.0),
        parameters=323_430,
        wiring={"emotions": EMOTIONS},
        read=read_face_api,
        reference="npm @vladmandic/face-api",
    )
)
