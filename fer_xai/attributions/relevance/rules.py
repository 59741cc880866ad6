"""Rules of DeepLift, LRP-0 and guided backprop: what activations, pools and products pass back.

A rule replaces a part's derivative by a *multiplier*, and automatic differentiation does the rest:
it adds up what several readers of a tensor send back, and hands it through everything linear. So no
rule depends on how a graph branches. What reaches the input is multiplied with it in the end.

===============  ==============================================================================
DeepLift         secants from the baseline, (f(x) − f(x₀)) / (x − x₀), times x − x₀ in the end
LRP-0            secants from zero, f(x) / x, times x in the end
LRP-γ, -α1β0     relevance a convolution's other weights would share, divided by what it reads
guided           the gradient, where it is positive
===============  ==============================================================================

Ancona et al. (ICLR 2018, sec. 2.2) showed that LRP-ε and DeepLift's rescale rule are of this form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Elementwise = Callable[[Tensor], Tensor]
_ROUNDING = 8
"""Units in the last place of a layer's largest value by which two sums of it may differ."""


class Secant(nn.Module):
    """An elementwise activation that passes back the slope of a secant.

    The secant starts at the value that the activation saw while :func:`recording`, DeepLift's
    baseline, or at zero if it has seen none, as LRP has it (then f(0) must be 0). Where both ends
    differ by no more than rounding, the secant is the tangent in their middle: the floor is eight
    units in the last place of the face's largest value in the layer, since that is the error of
    float32's sums.

    Parameters
    ----------
    function
        From a tensor to one of the same shape, each element by itself.
    at_zero
        Slope of a ReLU's tangent at zero; one half where it compares two values, so that both have
        a share of a tie.

    Examples
    --------
    >>> relu = Secant(F.relu)
    >>> with torch.no_grad(), recording(relu):
    ...     _ = relu(torch.tensor([[-1.0]]))
    >>> x = torch.tensor([[3.0]], requires_grad=True)
    >>> relu(x).sum().backward()
    >>> x.grad  # (3 − 0) / (3 − (−1))
    tensor([[0.7500]])
    """

    def __init__(self, function: Elementwise, *, at_zero: float = 0.0) -> None:
        super().__init__()
        self.function, self.at_zero = function, at_zero
        self.start: tuple[Tensor, Tensor] | None = None
        self.records = False

    def forward(self, x: Tensor) -> Tensor:
        """``function(x)``."""
        if self.records:
            y = self.function(x)
            self.start = (x, y)
            return y
        if not torch.is_grad_enabled():
            return self.function(x)
        found: Tensor = _Secant.apply(x, self)
        return found

    def slope(self, x: Tensor, y: Tensor) -> Tensor:
        """(f(x) − f(x₀)) / (x − x₀), in float32 or better."""
        if self.start is None:
            away, rise, middle = x, y, x / 2
        else:
            x0, y0 = self.start
            away, rise, middle = x - x0, y - y0, (x + x0) / 2
        error = _ROUNDING * torch.finfo(x.dtype).eps
        size = x.abs().flatten(1).amax(dim=1).view(-1, *[1] * (x.ndim - 1))
        near = away.abs() <= error * size
        slope = rise / torch.where(near, 1, away)
        if self.function is F.relu:  # its tangent needs no pass of its own
            tangent = torch.heaviside(middle, torch.full_like(middle, self.at_zero))
            return torch.where(near, tangent.to(slope), slope)
        return torch.where(near, _derivative(self.function, middle), slope)


class _Secant(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Secant) -> Tensor:
        y = part.function(x)
        ctx.part = part
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, y = ctx.saved_tensors
        with torch.no_grad():
            return gradient * ctx.part.slope(x, y), None


def _derivative(function: Elementwise, at: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = at.detach().requires_grad_()
        slope: Tensor = torch.autograd.grad(function(leaf).sum(), leaf)[0]
    return slope


@contextmanager
def recording(net: nn.Module) -> Iterator[None]:
    """Within it, parts keep what they see as the start of their secants.

    Parameters
    ----------
    net
        A network with :class:`Secant` or :class:`Product` in it, or one of them.

    Examples
    --------
    >>> tanh = Secant(torch.tanh)
    >>> with torch.no_grad(), recording(tanh):
    ...     tanh(torch.zeros(1, 1))
    tensor([[0.]])
    >>> tanh.start
    (tensor([[0.]]), tensor([[0.]]))
    """
    parts = [part for part in net.modules() if isinstance(part, Secant | Product)]
    for part in parts:
        part.records = True
    try:
        yield
    finally:
        for part in parts:
            part.records = False


def forget(net: nn.Module) -> None:
    """Let go of what was recorded.

    Parameters
    ----------
    net
        A network with :class:`Secant` or :class:`Product` in it, or one of them.

    Examples
    --------
    >>> tanh = Secant(torch.tanh)
    >>> tanh.start = (torch.zeros(1, 1), torch.zeros(1, 1))
    >>> forget(tanh)
    >>> tanh.start is None
    True
    """
    for part in net.modules():
        if isinstance(part, Secant | Product):
            part.start = None


class Product(nn.Module):
    """a · b for DeepLift: each factor passes back the mean of the other one's two values.

    Δ(ab) = Δa (b + b₀) / 2 + Δb (a + a₀) / 2: the Shapley values of the two factors, as in SHAP's
    deep explainer (Lundberg & Lee, NeurIPS 2017).

    Examples
    --------
    >>> product = Product()
    >>> with torch.no_grad(), recording(product):
    ...     _ = product(torch.zeros(1), torch.ones(1))
    >>> a, b = torch.full((1,), 2.0, requires_grad=True), torch.full((1,), 5.0, requires_grad=True)
    >>> product(a, b).backward()
    >>> a.grad, b.grad  # (5 + 1) / 2 and (2 + 0) / 2; 2 · 3 + 4 · 1 = 10
    (tensor([3.]), tensor([1.]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.start: tuple[Tensor, Tensor] | None = None
        self.records = False

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The product."""
        if self.records:
            self.start = (a, b)
        if self.records or not torch.is_grad_enabled():
            return a * b
        found: Tensor = _Product.apply(a, b, self)
        return found


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, part: Product) -> Tensor:
        ctx.part = part
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        a, b = ctx.saved_tensors
        a0, b0 = ctx.part.start
        to_a = (gradient * (b + b0) / 2).sum_to_size(a.shape)
        to_b = (gradient * (a + a0) / 2).sum_to_size(b.shape)
        return to_a, to_b, None


class Larger(nn.Module):
    """The larger of two values for DeepLift, b + relu(a − b), or the smaller, b − relu(b − a).

    Parameters
    ----------
    smaller
        Whether it is the smaller.

    Examples
    --------
    >>> Larger(smaller=False)(torch.tensor([[1.0, 5.0]]), torch.tensor([[2.0, 3.0]]))
    tensor([[2., 5.]])
    """

    def __init__(self, *, smaller: bool) -> None:
        super().__init__()
        self.sign = -1 if smaller else 1
        self.relu = Secant(F.relu, at_zero=0.5)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Element by element."""
        return b + self.sign * self.relu(self.sign * (a - b))


class MaxPool(nn.Module):
    """Max-pooling by pairs for DeepLift, max(a, b) = b + relu(a − b).

    Captum's rule for max-pools loses what a window's largest place does not differ in: 8 and 60 %
    of a score was missing in GiMeFive's maps. Through ReLUs the rescale rule loses nothing, for
    windows that overlap, reach over the border or round up too.

    Parameters
    ----------
    kernel, stride, padding
        ``(rows, columns)``, as in :class:`torch.nn.MaxPool2d`.
    ceil_mode
        Whether the last window may reach over the border.

    Examples
    --------
    >>> pool = MaxPool((2, 2), (2, 2), (0, 0), ceil_mode=False)
    >>> pool(torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
    tensor([[[[4.]]]])
    """

    def __init__(
        self,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        *,
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.ceil_mode = ceil_mode
        self.relus = nn.ModuleList(
            Secant(F.relu, at_zero=0.5) for _ in range(kernel[0] * kernel[1] - 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, C, h, w)``."""
        (high, wide), (down, right) = self.kernel, self.stride
        rows, bottom = self._windows(x.shape[-2], axis=0)
        columns, behind = self._windows(x.shape[-1], axis=1)
        # a window that reaches over the border holds the border too, so repeating it adds nothing
        top, left = self.padding
        x = F.pad(x, (left, behind, top, bottom), mode="replicate")
        largest: Tensor | None = None
        for index in range(high * wide):
            i, j = divmod(index, wide)
            view = x[
                ..., i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * right + 1 : right
            ]
            largest = view if largest is None else view + self.relus[index - 1](largest - view)
        assert largest is not None
        return largest

    def _windows(self, extent: int, *, axis: int) -> tuple[int, int]:
        """Number of windows along an axis, and by how much to pad its end."""
        kernel, stride, padding = self.kernel[axis], self.stride[axis], self.padding[axis]
        room = extent + 2 * padding - kernel
        n = (-(-room // stride) if self.ceil_mode else room // stride) + 1
        if self.ceil_mode and (n - 1) * stride >= extent + padding:
            n -= 1  # a window has to begin before the end
        return n, max(0, (n - 1) * stride + kernel - padding - extent)


class Guided(nn.Module):
    """A ReLU that passes positive gradients alone (Springenberg et al., 2015).

    Attributes
    ----------
    forward_too
        Whether they pass only where the activation was positive; otherwise deconvolution's rule.

    Examples
    --------
    >>> x = torch.tensor([1.0, -1.0, 2.0], requires_grad=True)
    >>> (Guided()(x) * torch.tensor([3.0, 3.0, -3.0])).sum().backward()
    >>> x.grad
    tensor([3., 0., 0.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.forward_too = True

    def forward(self, x: Tensor) -> Tensor:
        """The ReLU."""
        found: Tensor = _Guided.apply(x, self.forward_too)
        return found


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, forward_too: bool) -> Tensor:
        y = x.relu()
        ctx.forward_too = forward_too
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        if not ctx.forward_too:
            return gradient.clamp(min=0), None
        return torch.ops.aten.threshold_backward(gradient, y, 0).clamp_(min=0), None  # a ReLU's own
