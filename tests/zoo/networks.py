"""Small networks, one for each way in which graphs branch, and the small members of families.

A network is built with one of three styles of activation: modules, modules that work in place, or
functions. Weights are random, biases are not zero, and running statistics are those of noise.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from fer_xai.emotions import SIX
from fer_xai.models import FERModel

SIZE = 12
STYLES = ("module", "inplace", "function")


class Net(nn.Module):
    """Six 3×3 convolutions (the first from three channels), activations, and a head of six."""

    def __init__(
        self,
        forward: Callable[[Any, Tensor], Tensor],
        *,
        style: str = "module",
        bias: bool = True,
        head: int = 8,
        act: type[nn.Module] = nn.ReLU,
        **parts: nn.Module,
    ) -> None:
        super().__init__()
        self.c = nn.ModuleList(
            nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1, bias=bias) for i in range(6)
        )
        inplace = {"inplace": True} if style == "inplace" and hasattr(act(), "inplace") else {}
        self.acts = nn.ModuleList(act(**inplace) for _ in range(8))
        self.style, self.count, self.body = style, 0, forward
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(head, 6, bias=bias)
        for name, part in parts.items():
            self.add_module(name, part)

    def r(self, x: Tensor) -> Tensor:
        """The next activation."""
        self.count += 1
        if self.style == "function" and isinstance(self.acts[0], nn.ReLU):
            return F.relu(x) if self.count % 2 else x.relu()
        return self.acts[(self.count - 1) % len(self.acts)](x)

    def h(self, x: Tensor) -> Tensor:
        """The head."""
        return self.fc(self.pool(x).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        self.count = 0
        return self.body(self, x)


def _pre_activation(n: Any, x: Tensor) -> Tensor:
    x = n.c[0](x)
    y = n.c[2](n.r(n.c[1](n.r(x.clone() if n.style == "inplace" else x))))
    return n.h(n.r(y + x))


def _conv_beside(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    return n.h(torch.cat([x, n.c[1](x)], dim=1))


def _activation_beside(n: Any, x: Tensor) -> Tensor:
    x = n.c[0](x)
    return n.h(n.c[1](n.r(x + 0)) + x)


def _dropped(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    return n.h(n.drop(n.skip(n.c[1](x)) + x))


def _norm_of_a_sum(n: Any, x: Tensor) -> Tensor:
    x = n.c[0](x)
    return n.h(n.c[2](n.r(n.a(n.c[1](x) + x))))


def _three_beside(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    return n.h(n.r(n.c[1](x) + n.point(x) + n.a(x)))


def _dense(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.r(n.grow(x))
    z = n.r(n.grow2(torch.cat([x, y], dim=1)))
    return n.h(torch.cat([x, y, z], dim=1))


def _ghost(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    return n.h(n.r(torch.cat([y, n.depth(y)], dim=1)[:, :12]))


def _inception(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    parts = [n.r(n.c[1](x)), n.r(n.c[3](n.r(n.c[2](x)))), n.r(n.c[4](n.over(x)))]
    return n.h(torch.cat(parts, dim=1))


def _dual_path(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    residual, dense = x[:, :4] + y[:, :4], torch.cat([x[:, 4:], y[:, 4:]], dim=1)
    return n.h(n.r(torch.cat([residual, dense], dim=1)))


def _crops(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    crops = [x[:, :, :6, :6], x[:, :, :6, 6:], x[:, :, 6:, :6], x[:, :, 6:, 6:]]
    local = torch.cat([n.r(conv(crop)) for conv, crop in zip(n.c[1:5], crops, strict=True)], dim=2)
    return 0.6 * n.h(n.r(n.c[5](x))) + 0.4 * n.h(local)


def _gated(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    scale = n.gate(n.two(n.r(n.one(n.pool(y)))))
    return n.h(n.r(y * scale + x))


def _spatial_gate(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    mask = torch.sigmoid(n.c[1](x).mean(dim=1, keepdim=True))
    return n.h(n.r(n.c[2](mask * x)))


def _maximum(n: Any, x: Tensor) -> Tensor:
    a, b = n.c[0](x).chunk(2, dim=1)
    return n.h(n.wide(torch.maximum(a, b)))


def _constants(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x) * 2 + 0.5)
    return n.h(n.r(1 - n.c[1](x) / 3))


def _chunks(n: Any, x: Tensor) -> Tensor:
    a, b = n.r(n.c[0](x)).chunk(2, dim=1)
    both = torch.cat([2 * a, -b], dim=1)
    one, two = both.split(4, dim=1)
    return n.h(n.r(n.c[1](both)) + torch.cat([two, one], dim=1))


def _shuffled(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
    return n.h(n.r(n.c[1](x.reshape(batch, channels, height, width))))


def _flattened(n: Any, x: Tensor) -> Tensor:
    x = n.over(n.c[0](x))
    return n.wide(torch.flatten(x, 1)) + n.h(n.r(x))


def _hourglass(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    small = n.r(n.c[1](n.down(x)))
    return n.h(n.r(n.c[2](x) + F.interpolate(small, scale_factor=2.0, mode="nearest")))


def _accumulated(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    y += x
    y = n.r(y)
    y = n.c[2](y)
    y.mul_(2).add_(1)
    return n.h(n.r(y))


def _rows(*, bias: bool = True) -> dict[str, dict[str, Any]]:
    def conv(inside: int, out: int, side: int = 3, **options: Any) -> nn.Conv2d:
        return nn.Conv2d(inside, out, side, padding=side // 2, bias=bias, **options)

    return {
        "chain": {"forward": lambda n, x: n.h(n.r(n.c[1](n.r(n.c[0](x)))))},
        "pre-activation": {"forward": _pre_activation},
        "two activations in a row": {"forward": lambda n, x: n.h(n.r(n.r(n.c[0](x))))},
        "conv beside its input": {"forward": _conv_beside, "head": 16},
        "activation beside its input": {"forward": _activation_beside},
        "dense": {"forward": _dense, "head": 16, "grow": conv(8, 4), "grow2": conv(12, 4)},
        "ghost": {"forward": _ghost, "head": 12, "depth": conv(8, 8, groups=8)},
        "inception": {"forward": _inception, "head": 24, "over": nn.MaxPool2d(3, 1, 1)},
        "dual path": {"forward": _dual_path, "head": 12},
        "global branch and crops": {"forward": _crops},
        "squeeze and excitation": {
            "forward": _gated,
            "one": conv(8, 4, 1),
            "two": conv(4, 8, 1),
            "gate": nn.Sigmoid(),
        },
        "spatial gate": {"forward": _spatial_gate},
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
        "chunks": {"forward": _chunks},
        "constants": {"forward": _constants},
        "channel shuffle": {"forward": _shuffled},
        "flattened beside an activation": {
            "forward": _flattened,
            "over": nn.MaxPool2d(2),
            "wide": nn.Linear(8 * 36, 6, bias=bias),
        },
        "dropout and stochastic depth": {
            "forward": _dropped,
            "drop": nn.Dropout2d(0.5),
            "skip": StochasticDepth(0.5, "row"),
        },
        "batch norms": {
            "forward": lambda n, x: n.h(n.r(n.b(n.c[1](n.r(n.a(n.c[0](x))))))),
            "a": nn.BatchNorm2d(8),
            "b": nn.BatchNorm2d(8),
        },
        "batch norm of a sum": {
            "forward": _norm_of_a_sum,
            "a": nn.BatchNorm2d(8),
        },
        "re-parametrised": {
            "forward": _three_beside,
            "point": conv(8, 8, 1),
            "a": nn.BatchNorm2d(8),
        },
        "hourglass": {"forward": _hourglass, "down": nn.MaxPool2d(2)},
        "transposed convolution": {
            "forward": lambda n, x: n.h(n.r(n.up(n.r(n.c[0](x))))),
            "up": nn.ConvTranspose2d(8, 8, 2, 2, bias=bias),
        },
        "accumulated in place": {"forward": _accumulated},
        "every second pixel": {
            "forward": lambda n, x: n.h(n.r(n.c[1](n.r(n.c[0](x))[..., ::2, ::2]))),
        },
        "padded": {
            "forward": lambda n, x: n.h(
                n.r(n.point(F.pad(n.r(n.c[0](x)), (1, 1, 1, 1), mode="replicate")))
            ),
            "point": conv(8, 8, 1),
        },
        "maxout": {"forward": _maximum, "wide": conv(4, 8)},
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
            net = Net(_pre_activation, act=ACTIVATIONS[name], style=style, bias=bias)
        else:
            net = Net(style=style, bias=bias, **_rows(bias=bias)[name])
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


FAMILIES = {
    "torchvision": (
        "resnet18",
        "densenet121",
        "squeezenet1_1",
        "googlenet",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "shufflenet_v2_x0_5",
        "mnasnet0_5",
        "efficientnet_b0",
        "vgg11",
        "regnet_x_400mf",
        "regnet_y_400mf",
        "resnext50_32x4d",
    ),
    "timm": (
        "resnet10t",
        "dla46_c",
        "ghostnet_050",
        "hrnet_w18_small",
        "repvgg_a0",
        "selecsls42",
        "mobileone_s0",
        "tinynet_e",
        "semnasnet_050",
        "lcnet_035",
        "skresnet18",
        "resnest14d",
        "ese_vovnet19b_dw",
        "cspresnet50",
        "xception41p",
        "rexnet_100",
        "gernet_s",
        "dpn48b",
        "res2net50_14w_8s",
        "nf_regnet_b0",
        "resnetv2_50",
        "convnext_atto",
        "vit_tiny_patch16_224",
    ),
}


def member(family: str, name: str, *, size: int = 64) -> FERModel:
    """A small member of a family, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if family == "torchvision":
            options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
            net = getattr(torchvision.models, name)(num_classes=6, **options)
        else:
            import timm

            options = {"img_size": size} if name.startswith("vit") else {}
            net = timm.create_model(name, num_classes=6, **options)
        settled(net, size)
    return FERModel(net, emotions=SIX, size=size, name=name).eval()
