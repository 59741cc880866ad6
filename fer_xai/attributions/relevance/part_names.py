"""Kinds of network parts by name: linear, elementwise, gating, homogeneous, non-negative."""

from __future__ import annotations

from torch import nn

from fer_xai.attributions.core.canonizers import PASSIVE

AFFINE_MODULES = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.Flatten,
    nn.Unflatten,
    nn.Upsample,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.ChannelShuffle,
    nn.modules.padding._ReflectionPadNd,
    nn.modules.padding._ReplicationPadNd,
    nn.modules.padding._ConstantPadNd,
    *PASSIVE,
)
"""Modules that a multiplier passes as a gradient does: linear, a constant apart."""
ELEMENTWISE_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
    nn.Softsign,
    nn.LogSigmoid,
    nn.Softshrink,
    nn.Tanhshrink,
)
ELEMENTWISE = frozenset(
    {
        "relu",
        "relu6",
        "hardtanh",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardsigmoid",
        "sigmoid",
        "tanh",
        "softplus",
        "softsign",
        "logsigmoid",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "abs",
        "square",
        "exp",
        "prelu",
        "threshold",
    }
)
"""Functions and methods of one tensor, each element by itself."""
SHAPES = frozenset(
    {
        "getitem",
        "flatten",
        "reshape",
        "view",
        "permute",
        "transpose",
        "contiguous",
        "squeeze",
        "unsqueeze",
        "expand",
        "expand_as",
        "chunk",
        "split",
        "tensor_split",
        "unbind",
        "unflatten",
        "narrow",
        "select",
        "index_select",
        "movedim",
        "swapaxes",
        "flip",
        "roll",
        "clone",
        "to",
        "float",
        "type_as",
        "view_as",
        "reshape_as",
        "adjoint",
        "t",
        ".T",
        ".mT",
        ".values",
        "Flatten",
        "Unflatten",
    }
)
AFFINE = SHAPES | {
    "add",
    "sub",
    "rsub",
    "neg",
    "cat",
    "concat",
    "stack",
    "mean",
    "sum",
    "avg_pool1d",
    "avg_pool2d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "interpolate",
    "upsample",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "dropout",
    "dropout2d",
    "alpha_dropout",
    "feature_dropout",
    "stochastic_depth",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose2d",
    "linear",
    "batch_norm",
    "unfold",
    "fold",
}
"""Functions and methods that are linear in the tensors that depend on the image, a constant apart;
where their other tensors (weights) depend on it too they are refused."""
WEIGHTED = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "linear", "batch_norm"}
PRODUCTS = {"mul", "matmul", "bmm"}
SCALED = {"mul", "div", "truediv", "matmul", "bmm", "einsum"}
"""Linear in one tensor where the others are constants."""
LARGEST = {"max_pool2d", "adaptive_max_pool2d", "amax"}
GATES = {"sigmoid", "hardsigmoid", "softmax"}
HOMOGENEOUS = {
    "relu",
    "ReLU",
    "leaky_relu",
    "LeakyReLU",
    "PReLU",
    "prelu",
    "max_pool2d",
    "MaxPool2d",
    "AdaptiveMaxPool2d",
    "adaptive_max_pool2d",
    "max",
    "min",
    "amax",
    "amin",
    "maximum",
    "minimum",
}
"""Parts with f(tx) = t f(x) for t > 0: their gradient times their input is their output already."""
POSITIVE = SHAPES | {
    "add",
    "cat",
    "concat",
    "stack",
    "mean",
    "sum",
    "mul",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "max_pool2d",
    "adaptive_max_pool2d",
    "dropout",
    "stochastic_depth",
    "AvgPool2d",
    "MaxPool2d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "Flatten",
    "Unflatten",
    "maximum",
    "amax",
}
"""Parts that give nothing negative if they read nothing negative."""
GUIDED = (
    AFFINE
    | PRODUCTS
    | LARGEST
    | {
        "div",
        "truediv",
        "layer_norm",
        "group_norm",
        "normalize",
        "einsum",
    }
)
"""Names of what has no rule and needs none beside ReLUs: their gradient is passed as it is."""
GUIDED_MODULES = (
    *AFFINE_MODULES,
    nn.ReLU,
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.LocalResponseNorm,
    nn.MaxPool2d,
    nn.AdaptiveMaxPool2d,
    nn.LPPool2d,
)
