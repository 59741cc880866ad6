"""Bodies of the small networks, one for each way in which graphs branch, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


def pre_activation(n: Any, x: Tensor) -> Tensor:
    x = n.c[0](x)
    y = n.c[2](n.r(n.c[1](n.r(x.clone() if n.style == "inplace" else x))))
    return n.h(n.r(y + x))


def conv_beside(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    return n.h(torch.cat([x, n.c[1](x)], dim=1))


def activation_beside(n: Any, x: Tensor) -> Tensor:
    x = n.c[0](x)
    return n.h(n.c[1](n.r(x + 0)) + x)


def dropped(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    return n.h(n.drop(n.skip(n.c[1](x)) + x))


def norm_of_a_sum(n: Any, x: Tensor) -> Tensor:
    x = n.c[0](x)
    return n.h(n.c[2](n.r(n.a(n.c[1](x) + x))))


def three_beside(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    return n.h(n.r(n.c[1](x) + n.point(x) + n.a(x)))


def dense(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.r(n.grow(x))
    z = n.r(n.grow2(torch.cat([x, y], dim=1)))
    return n.h(torch.cat([x, y, z], dim=1))


def ghost(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    return n.h(n.r(torch.cat([y, n.depth(y)], dim=1)[:, :12]))


def inception(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    parts = [n.r(n.c[1](x)), n.r(n.c[3](n.r(n.c[2](x)))), n.r(n.c[4](n.over(x)))]
    return n.h(torch.cat(parts, dim=1))


def dual_path(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    residual, dense = x[:, :4] + y[:, :4], torch.cat([x[:, 4:], y[:, 4:]], dim=1)
    return n.h(n.r(torch.cat([residual, dense], dim=1)))


def crops(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    crops = [x[:, :, :6, :6], x[:, :, :6, 6:], x[:, :, 6:, :6], x[:, :, 6:, 6:]]
    local = torch.cat([n.r(conv(crop)) for conv, crop in zip(n.c[1:5], crops, strict=True)], dim=2)
    return 0.6 * n.h(n.r(n.c[5](x))) + 0.4 * n.h(local)


def gated(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    scale = n.gate(n.two(n.r(n.one(n.pool(y)))))
    return n.h(n.r(y * scale + x))


def spatial_gate(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    mask = torch.sigmoid(n.c[1](x).mean(dim=1, keepdim=True))
    return n.h(n.r(n.c[2](mask * x)))


def maximum(n: Any, x: Tensor) -> Tensor:
    a, b = n.c[0](x).chunk(2, dim=1)
    return n.h(n.wide(torch.maximum(a, b)))


def constants(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x) * 2 + 0.5)
    return n.h(n.r(1 - n.c[1](x) / 3))


def chunks(n: Any, x: Tensor) -> Tensor:
    a, b = n.r(n.c[0](x)).chunk(2, dim=1)
    both = torch.cat([2 * a, -b], dim=1)
    one, two = both.split(4, dim=1)
    return n.h(n.r(n.c[1](both)) + torch.cat([two, one], dim=1))


def shuffled(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
    return n.h(n.r(n.c[1](x.reshape(batch, channels, height, width))))


def flattened(n: Any, x: Tensor) -> Tensor:
    x = n.over(n.c[0](x))
    return n.wide(torch.flatten(x, 1)) + n.h(n.r(x))


def hourglass(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    small = n.r(n.c[1](n.down(x)))
    return n.h(n.r(n.c[2](x) + F.interpolate(small, scale_factor=2.0, mode="nearest")))


def accumulated(n: Any, x: Tensor) -> Tensor:
    x = n.r(n.c[0](x))
    y = n.c[1](x)
    y += x
    y = n.r(y)
    y = n.c[2](y)
    y.mul_(2).add_(1)
    return n.h(n.r(y))
