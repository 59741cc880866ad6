"""DeepLift's rescale rule and LRP-0 one pixel at a time, without automatic differentiation.

With each activation replaced by its own constant factor, a network is affine, and what a pixel adds
is the network's answer to that pixel alone less its answer to nothing (Shrikumar et al., 2017, sec.
3; Ancona et al., ICLR 2018). Factors come from two plain passes, whatever the graph looks like.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

ACTIVATIONS = {F.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_}


class _Activations(TorchFunctionMode):
    """Keeps what activations read and give, or multiplies by factors in their order."""

    def __init__(self, factors=None):
        super().__init__()
        self.factors, self.seen = factors, []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func not in ACTIVATIONS:
            return func(*args, **(kwargs or {}))
        x = args[0]
        if self.factors is not None:
            self.seen.append(None)
            return x * self.factors[len(self.seen) - 1]
        y = x.clamp(min=0)
        self.seen.append((x.double().clone(), y.double().clone()))
        return y


def contributions_slow(net: nn.Module, inputs, start, column: int):
    """What each value of an input ``(C, H, W)`` adds to a logit; ``start`` None is LRP-0.

    The network's max-pools are read as what they are for the input alone, so it may have none for
    DeepLift.
    """
    net = net.double()
    inputs = inputs.double()
    with torch.no_grad():
        with _Activations() as ours:
            net(inputs[None])
        if start is None:
            begun = [(torch.zeros_like(x), torch.zeros_like(y)) for x, y in ours.seen]
            away = inputs
        else:
            with _Activations() as theirs:
                net(start.double()[None])
            begun, away = theirs.seen, inputs - start.double()
        factors = []
        for (x, y), (x0, y0) in zip(ours.seen, begun, strict=True):
            same = x == x0
            secant = (y - y0) / torch.where(same, 1, x - x0)
            factors.append(torch.where(same, (x > 0).double(), secant))
        units = torch.diag(away.flatten()).unflatten(1, inputs.shape)
        with _Activations(factors):
            answers = net(torch.cat([units, torch.zeros_like(units[:1])]))[:, column]
    return (answers[:-1] - answers[-1]).unflatten(0, inputs.shape)
