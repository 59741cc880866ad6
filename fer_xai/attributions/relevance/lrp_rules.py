"""Rules of layer-wise relevance propagation that DeepLift does not share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """A product of a signal and a gate for LRP: the signal takes all the relevance, the gate none
    (Arras et al., WASSA 2017).

    Parameters
    ----------
    last
        Whether the gate is the second factor.

    Examples
    --------
    >>> signal, gate = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    >>> Gate(last=True)(signal, gate).sum().backward()
    >>> signal.grad, gate.grad
    (tensor([1., 1.]), None)
    """

    def __init__(self, *, last: bool) -> None:
        super().__init__()
        self.last = last

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The product."""
        return a * b.detach() if self.last else a.detach() * b


class Shared(nn.Module):
    """A convolution whose relevance is shared as other weights would share it, for LRP.

    R_i = Σ_j x_i ρ(w_ij) / (Σ_i x_i ρ(w_ij) + ρ(b_j)) R_j, where ρ favours weights of the output's
    own sign: w + γ w⁺ where z_j > 0 and w + γ w⁻ where z_j < 0 (the generalised γ rule, Andéol et
    al., TMLR 2023), or w⁺ and w⁻ alone (α1β0, its limit). So the denominator is never smaller than
    |z_j|, also where z_j may be negative, as before a shortcut. Inputs must not be negative.

    Parameters
    ----------
    conv
        The convolution.
    gamma
        γ, or None for α1β0.

    Examples
    --------
    >>> conv = nn.Conv2d(2, 1, 1, bias=False)
    >>> conv.weight.data = torch.tensor([3.0, -1.0]).view(1, 2, 1, 1)
    >>> x = torch.ones(1, 2, 1, 1, requires_grad=True)
    >>> Shared(conv, None)(x).sum().backward()  # α1β0: the positive weight takes all the relevance
    >>> x.grad.flatten() * x.detach().flatten()
    tensor([2., 0.])
    """

    def __init__(self, conv: nn.Conv2d, gamma: float | None) -> None:
        super().__init__()
        self.conv, self.gamma = conv, gamma
        self.drawn: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """The convolution's output."""
        if not torch.is_grad_enabled():
            return self.conv(x)
        found: Tensor = _Shared.apply(x, self)
        return found

    def favoured(self, value: Tensor, sign: int) -> Tensor:
        """ρ of weights or biases, for outputs of a sign."""
        own = (sign * value).clamp(min=0) * sign
        return own if self.gamma is None else value + self.gamma * own

    def halves(self, x: Tensor, z: Tensor) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """For either sign of z: ρ(w), ρ(b), and z / (Σ x ρ(w) + ρ(b)) where z has that sign."""
        conv = self.conv
        for sign in (1, -1):
            here = sign * z > 0
            if not bool(here.any()):
                continue
            weight = self.favoured(conv.weight, sign)
            bias = None if conv.bias is None else self.favoured(conv.bias, sign)
            below = conv._conv_forward(x, weight, bias)
            yield weight, bias, torch.where(here, z / torch.where(here, below, 1), 0)


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Shared) -> Tensor:
        z = part.conv(x)
        ctx.part = part
        ctx.save_for_backward(x, z)
        return z

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, z = ctx.saved_tensors
        part = ctx.part
        total = torch.zeros_like(x)
        for weight, bias, share in part.halves(x, z):
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                out = part.conv._conv_forward(leaf, weight, None)
            total += torch.autograd.grad(out, leaf, gradient * share)[0]
            if bias is not None:
                drawn = torch.einsum("bchw,bchw,c->b", gradient, share, bias)
                part.drawn.append(drawn)
        return total, None


class Constant(nn.Module):
    """A module behind an affine part that keeps the relevance of the part's constant, face by face.

    Parameters
    ----------
    value
        ``(1, …)``: the part's output where all that it reads is zero.

    Attributes
    ----------
    drawn
        ``(B,)`` for each backward pass: relevance that the constant kept.

    Examples
    --------
    >>> bias = Constant(torch.tensor([[2.0]]))
    >>> bias(torch.ones(1, 1, requires_grad=True)).sum().backward()
    >>> bias.drawn
    [tensor([2.])]
    """

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)
        self.drawn: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """The input itself."""
        if torch.is_grad_enabled() and x.requires_grad:
            x = x.view_as(x)  # a tensor of its own to listen to
            x.register_hook(self._listen)
        return x

    def _listen(self, gradient: Tensor) -> None:
        self.drawn.append((gradient * self.value).flatten(1).sum(dim=1))
