"""Small networks, one for each way in which graphs branch.

A network is built with one of three styles of activation: modules, modules that work in place, or
functions. Weights are random, biases are not zero, and running statistics are those of noise.
"""

from __future__ import annotations

import zlib
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from fer_xai.emotions import SIX
from fer_xai.models import FERModel
from tests.zoo import branches

SIZE = 12
STYLES = ("module", "inplace", "function")


def _rows(*, bias: bool = True) -> dict[str, dict[str, Any]]:
    def conv(inside: int, out: int, side: int = 3, **options: Any) -> nn.Conv2d:
        return nn.Conv2d(inside, out, side, padding=side // 2, bias=bias, **options)

    return {
        "chain": {"forward": lambda n, x: n.h(n.r(n.c[1](n.r(n.c[0](x)))))},
        "pre-activation": {"forward": branches.pre_activation},
        "two activations in a row": {"forward": lambda n, x: n.h(n.r(n.r(n.c[0](x))))},
        "conv beside its input": {"forward": branches.conv_beside, "head": 16},
        "activation beside its input": {"forward": branches.activation_beside},
        "dense": {"forward": branches.dense, "head": 16, "grow": conv(8, 4), "grow2": conv(12, 4)},
        "ghost": {"forward": branches.ghost, "head": 12, "depth": conv(8, 8, groups=8)},
        "inception": {"forward": branches.inception, "head": 24, "over": nn.MaxPool2d(3, 1, 1)},
        "dual path": {"forward": branches.dual_path, "head": 12},
        "global branch and crops": {"forward": branches.crops},
        "squeeze and excitation": {
            "forward": branches.gated,
            "one": conv(8, 4, 1),
            "two": conv(4, 8, 1),
            "gate": nn.Sigmoid(),
        },
        "spatial gate": {"forward": branches.spatial_gate},
        "shared convolution": {
            "forward": lambda n, x: n.h(n.r(n.c[1](n.r(n.c[1](n.r(n.c[0](x))))))),
        },
        "two inputs to one activation": {
            "forward": lambda n, x: n.h(n.r(n.c[0](x) + n.also(x))),
            "also": conv(3, 8, 1),
        },
        "overlapping max-pool": {
            "forward": lambda n, x: n.h(n.r(n.c[1](n.over(n.c[0](x))))),
            "over": nn.MaxPool2d(3, 2, 1),
        },
        "max-pool that rounds up": {
            "forward": lambda n, x: n.h(n.c[1](n.over(n.r(n.c[0](x))))),
            "over": nn.MaxPool2d(3, 2, ceil_mode=True),
        },
        "shared max-pool": {
            "forward": lambda n, x: n.h(n.over(n.r(n.c[1](n.over(n.r(n.c[0](x))))))),
            "over": nn.MaxPool2d(2),
        },
        "functional pools": {
            "forward": lambda n, x: n.h(
                F.avg_pool2d(n.r(n.c[1](F.max_pool2d(n.r(n.c[0](x)), 2))), 2)
            ),
        },
        "chunks": {"forward": branches.chunks},
        "constants": {"forward": branches.constants},
        "channel shuffle": {"forward": branches.shuffled},
        "flattened beside an activation": {
            "forward": branches.flattened,
            "over": nn.MaxPool2d(2),
            "wide": nn.Linear(8 * 36, 6, bias=bias),
        },
        "dropout and stochastic depth": {
            "forward": branches.dropped,
            "drop": nn.Dropout2d(0.5),
            "skip": StochasticDepth(0.5, "row"),
        },
        "batch norms": {
            "forward": lambda n, x: n.h(n.r(n.b(n.c[1](n.r(n.a(n.c[0](x))))))),
            "a": nn.BatchNorm2d(8),
            "b": nn.BatchNorm2d(8),
        },
        "batch norm of a sum": {
            "forward": branches.norm_of_a_sum,
            "a": nn.BatchNorm2d(8),
        },
        "re-parametrised": {
            "forward": branches.three_beside,
            "point": conv(8, 8, 1),
            "a": nn.BatchNorm2d(8),
        },
        "hourglass": {"forward": branches.hourglass, "down": nn.MaxPool2d(2)},
        "transposed convolution": {
            "forward": lambda n, x: n.h(n.r(n.up(n.r(n.c[0](x))))),
            "up": nn.ConvTranspose2d(8, 8, 2, 2, bias=bias),
        },
        "accumulated in place": {"forward": branches.accumulated},
        "every second pixel": {
            "forward": lambda n, x: n.h(n.r(n.c[1](n.r(n.c[0](x))[..., ::2, ::2]))),
        },
        "padded": {
            "forward": lambda n, x: n.h(
                n.r(n.point(F.pad(n.r(n.c[0](x)), (1, 1, 1, 1), mode="replicate")))
            ),
            "point": conv(8, 8, 1),
        },
        "maxout": {"forward": branches.maximum, "wide": conv(4, 8)},
    }


RELU_NETS = tuple(_rows())
BIAS_FREE = tuple(
    name
    for name in RELU_NETS
    if name
    not in (
        "constants",
        "squeeze and excitation",
        "spatial gate",
        "accumulated in place",
        "batch norms",
        "maxout",
        "batch norm of a sum",
        "re-parametrised",
    )
)
"""Those that are homogeneous without biases: ReLUs, sums and pools alone."""
ACTIVATIONS = {
    name: getattr(nn, name)
    for name in (
        "LeakyReLU",
        "PReLU",
        "ELU",
        "GELU",
        "SiLU",
        "Hardswish",
        "Tanh",
        "ReLU6",
        "Sigmoid",
        "Softplus",
    )
}


def small(name: str, *, style: str = "module", bias: bool = True) -> FERModel:
    """One of the small networks; black is zero at its input."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(name.encode()))
        if name in ACTIVATIONS:
            net = branches.Net(
                branches.pre_activation, act=ACTIVATIONS[name], style=style, bias=bias
            )
        else:
            net = branches.Net(style=style, bias=bias, **_rows(bias=bias)[name])
        settled(net, SIZE, bias=bias)
    return FERModel(net, emotions=SIX, size=SIZE, mean=(0,) * 3, std=(1,) * 3, name=name).eval()


def settled(net: nn.Module, size: int, *, bias: bool = True) -> None:
    """Biases that are not zero, and running statistics of noise."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for module in net.modules():
        if bias and isinstance(getattr(module, "bias", None), nn.Parameter):
            nn.init.normal_(module.bias, std=0.1)
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        norm.momentum = None
    net.eval()
    for norm in norms:
        norm.train()
    with torch.no_grad():
        net(torch.rand(8, 3, size, size))
