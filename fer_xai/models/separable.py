"""Depthwise separable convolutions, and TensorFlow's layouts and "same" padding in PyTorch.

TensorFlow pads so that a stride of s leaves ⌈n / s⌉ cells, and puts the odd cell behind: a kernel
of 3 with stride 2 over an even side sees one row of padding at the end and none at the start, where
PyTorch's ``padding=1`` has one at the start (https://www.tensorflow.org/api_docs/python/tf/nn,
"Notes on padding").
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_xai.errors import InputError


class SeparableConv2d(nn.Module):
    """A convolution a channel, then one of 1×1 across channels, with nothing between the two.

    Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017.

    Parameters
    ----------
    inputs, outputs
        Channels.
    stride
        1, or 2 for even sides; padded as TensorFlow's "same".
    bias
        Whether the second convolution has one.

    Examples
    --------
    >>> SeparableConv2d(3, 8, stride=2)(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 8, 16, 16])
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, bias: bool = False) -> None:
        super().__init__()
        self.pad = same_padding(stride)
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride=stride, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, outputs, ⌈H / stride⌉, ⌈W / stride⌉)`` of maps ``(B, inputs, H, W)``."""
        answer: Tensor = self.pointwise(self.depthwise(self.pad(x)))
        return answer


def same_padding(stride: int) -> nn.Module:
    """The zeros that TensorFlow's "same" puts around maps before a kernel of 3.

    Parameters
    ----------
    stride
        1: one cell on every side; 2: one cell behind, as for even sides.

    Examples
    --------
    >>> same_padding(1)(torch.ones(1, 1, 4, 4)).shape, same_padding(2)(torch.ones(1, 1, 4, 4)).shape
    (torch.Size([1, 1, 6, 6]), torch.Size([1, 1, 5, 5]))
    """
    return nn.ZeroPad2d((1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))


def kernel_from_tensorflow(kernel: NDArray[np.float32]) -> Tensor:
    """TensorFlow's kernel ``(rows, columns, inputs, outputs)`` with PyTorch's order of axes.

    Raises
    ------
    InputError
        For another number of axes.

    Examples
    --------
    >>> kernel_from_tensorflow(np.zeros((3, 3, 8, 16), np.float32)).shape
    torch.Size([16, 8, 3, 3])
    """
    return _reordered(kernel, (3, 2, 0, 1))


def depthwise_from_tensorflow(kernel: NDArray[np.float32]) -> Tensor:
    """TensorFlow's kernel ``(rows, columns, channels, 1)`` with PyTorch's order of axes.

    Examples
    --------
    >>> depthwise_from_tensorflow(np.zeros((3, 3, 8, 1), np.float32)).shape
    torch.Size([8, 1, 3, 3])
    """
    return _reordered(kernel, (2, 3, 0, 1))


def _reordered(kernel: NDArray[np.float32], axes: tuple[int, ...]) -> Tensor:
    if kernel.ndim != len(axes):
        raise InputError(
            f"Expected a kernel (rows, columns, inputs, outputs), got the shape {kernel.shape}: "
            "choose the architecture that was trained."
        )
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(axes)))
