"""mini-Xception, as the package ``fer`` carries it, and the reader of its Keras file.

Arriaga, Valdenegro-Toro & Plöger, "Real-time Convolutional Neural Networks for Emotion and Gender
Classification", arXiv 1710.07557, figure 3; widths, strides, padding and BatchNorm's epsilon are
those that the package's own ``emotion_model.hdf5`` states in its ``model_config``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError
from fer_xai.models.architecture import Architecture
from fer_xai.models.keras_files import Layer, layers_of
from fer_xai.models.registry import MODELS
from fer_xai.models.separable import (
    SeparableConv2d,
    depthwise_from_tensorflow,
    kernel_from_tensorflow,
)

FILE = "emotion_model.hdf5"
"""Name of the file in the package ``fer``."""
EPSILON, MOMENTUM = 1e-3, 0.01
"""BatchNorm's: Keras's defaults, its momentum .99 in PyTorch's way."""
WIDTHS = (16, 32, 64, 128)
_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=MOMENTUM)


class XceptionBlock(nn.Module):
    """Two separable convolutions and a max-pool beside a 1×1 convolution of stride 2.

    Parameters
    ----------
    inputs, outputs
        Channels.
    odd
        Whether the maps that come in have an odd side, which decides where "same" pads the pool.

    Examples
    --------
    >>> XceptionBlock(8, 16, odd=False)(torch.rand(2, 8, 60, 60)).shape
    torch.Size([2, 16, 30, 30])
    >>> XceptionBlock(8, 16, odd=True)(torch.rand(2, 8, 15, 15)).shape
    torch.Size([2, 16, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, *, odd: bool) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.bn_shortcut = _norm(outputs)
        self.conv1 = SeparableConv2d(inputs, outputs)
        self.bn1 = _norm(outputs)
        self.relu = nn.ReLU()
        self.conv2 = SeparableConv2d(outputs, outputs)
        self.bn2 = _norm(outputs)
        # an even side is padded behind alone, which is what a window that is cut off sees
        self.pool = nn.MaxPool2d(3, stride=2, padding=int(odd), ceil_mode=not odd)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, outputs, ⌈H / 2⌉, ⌈W / 2⌉)`` of maps ``(B, inputs, H, W)``."""
        deep = self.relu(self.bn1(self.conv1(x)))
        deep = self.pool(self.bn2(self.conv2(deep)))
        sum_: Tensor = deep + self.bn_shortcut(self.shortcut(x))
        return sum_


class MiniXception(nn.Module):
    """mini-Xception: two convolutions, four blocks, class maps and their mean.

    The published network ends in a softmax; this one leaves it out and returns logits, whose
    softmax is the published answer. Sides of images are multiples of 16 (64 was trained).

    Examples
    --------
    >>> net = MiniXception()
    >>> net(torch.rand(2, 1, 64, 64)).shape, sum(weight.numel() for weight in net.parameters())
    (torch.Size([2, 7]), 56951)
    """

    def __init__(self, *, classes: int = 7) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, bias=False)
        self.bn1 = _norm(8)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 8, 3, bias=False)
        self.bn2 = _norm(8)
        self.relu2 = nn.ReLU()
        channels = 8
        for stage, width in enumerate(WIDTHS, start=1):  # 60, 30, 15 and 8 pixels come in
            self.add_module(f"block{stage}", XceptionBlock(channels, width, odd=stage == 3))
            channels = width
        self.conv3 = nn.Conv2d(channels, classes, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of grey images ``(B, 1, 64, 64)`` in [−1, 1]."""
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        for stage in range(1, len(WIDTHS) + 1):
            x = getattr(self, f"block{stage}")(x)
        logits: Tensor = self.pool(self.conv3(x)).flatten(1)
        return logits


def read_mini_xception(place: str | Path) -> dict[str, Tensor] | None:
    """State of the network from the Keras file of the package ``fer``.

    Parameters
    ----------
    place
        The file (``.hdf5`` or ``.h5``), or a folder that has ``emotion_model.hdf5`` in it or
        below, such as the installed package.

    Returns
    -------
    dict or None
        For :class:`MiniXception`; None where the place is a file of another kind.

    Raises
    ------
    InputError
        If the file is missing or damaged, is of another network, or h5py is not installed.

    Examples
    --------
    >>> read_mini_xception("mine.safetensors") is None
    True
    """
    file = Path(place)
    if file.is_dir():
        found = sorted(file.rglob(FILE))
        if len(found) != 1:
            raise InputError(
                f"Expected one file {FILE} in {file} or below, found {len(found) or 'none'}: give "
                "the folder of the package fer, or the path of the file."
            )
        file = found[0]
    if file.suffix.lower() not in (".hdf5", ".h5"):
        return None
    return _state(layers_of(file), file)


def _state(layers: Mapping[str, Layer], file: Path) -> dict[str, Tensor]:
    """The network's state from the layers of a file, by kind and in order of their numbers."""
    kinds = {"conv2d": 7, "batch_normalization": 14, "separable_conv2d": 8}
    ordered = {kind: _in_order(layers, kind) for kind in kinds}
    for kind, count in kinds.items():
        if len(ordered[kind]) != count:
            raise InputError(
                f"Expected {count} layers {kind} of a mini-Xception in {file}, got "
                f"{len(ordered[kind])}: choose the architecture that was trained."
            )
    convs, norms, separable = (iter(ordered[kind]) for kind in kinds)
    state: dict[str, Tensor] = {}

    def conv(name: str) -> None:
        state[f"{name}.weight"] = kernel_from_tensorflow(_part(next(convs), "kernel", file))

    def norm(name: str) -> None:
        layer = next(norms)
        for theirs, ours in _NORM.items():
            state[f"{name}.{ours}"] = torch.from_numpy(_part(layer, theirs, file))
        state[f"{name}.num_batches_tracked"] = torch.tensor(0)

    for index in (1, 2):
        conv(f"conv{index}")
        norm(f"bn{index}")
    for stage in range(1, len(WIDTHS) + 1):  # each block's shortcut was made before its depths
        conv(f"block{stage}.shortcut")
        norm(f"block{stage}.bn_shortcut")
        for index in (1, 2):
            layer, name = next(separable), f"block{stage}.conv{index}"
            kernel = _part(layer, "depthwise_kernel", file)
            state[f"{name}.depthwise.weight"] = depthwise_from_tensorflow(kernel)
            kernel = _part(layer, "pointwise_kernel", file)
            state[f"{name}.pointwise.weight"] = kernel_from_tensorflow(kernel)
            norm(f"block{stage}.bn{index}")
    conv("conv3")
    state["conv3.bias"] = torch.from_numpy(_part(ordered["conv2d"][-1], "bias", file))
    return state


def _in_order(layers: Mapping[str, Layer], kind: str) -> list[Layer]:
    """Layers of a kind, in the order in which Keras numbered them."""
    numbered = {}
    for name, layer in layers.items():
        match = re.fullmatch(rf"{kind}(?:_(\d+))?", name)
        if match:
            numbered[int(match[1] or 0)] = layer
    return [numbered[number] for number in sorted(numbered)]


def _part(layer: Layer, name: str, file: Path) -> NDArray[np.float32]:
    if name not in layer:
        raise InputError(
            f"Expected a {name} in a layer of {file}, got {', '.join(layer) or 'nothing'}: choose "
            "the architecture that was trained."
        )
    return layer[name]


MODELS.register("mini_xception")(
    Architecture(
        build=lambda classes: MiniXception(classes=classes),
        cam_layer="block4",
        size=64,
        greyscale=False,
        parameters=55_798,
        wiring={"channels": 1, "normalisation": "half", "emotions": NATIVE_ORDERS["fer2013"]},
        read=read_mini_xception,
        reference="arXiv 1710.07557",
    )
)
