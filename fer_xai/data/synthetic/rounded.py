"""Functions whose float32 results are the same on every processor.

PyTorch's own come from libraries (MKL, SLEEF) that take another way on another processor, and
differ in the last bit. Here they are taken in double precision, where such differences are a
billion times smaller, and rounded to single precision.
"""

from __future__ import annotations

from torch import Tensor


def sin(x: Tensor) -> Tensor:
    """Sine of float32 numbers.

    Examples
    --------
    >>> import torch
    >>> sin(torch.tensor([0.5])).dtype
    torch.float32
    """
    return x.double().sin_().float()


def cos(x: Tensor) -> Tensor:
    """Cosine of float32 numbers.

    Examples
    --------
    >>> import torch
    >>> cos(torch.tensor([0.0]))
    tensor([1.])
    """
    return x.double().cos_().float()


def exp(x: Tensor) -> Tensor:
    """Exponential of float32 numbers.

    Examples
    --------
    >>> import torch
    >>> exp(torch.tensor([0.0]))
    tensor([1.])
    """
    return x.double().exp_().float()


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent of float32 numbers.

    Examples
    --------
    >>> import torch
    >>> tanh(torch.tensor([0.0]))
    tensor([0.])
    """
    return x.double().tanh_().float()


def sqrt(x: Tensor) -> Tensor:
    """Square root of float32 numbers.

    Examples
    --------
    >>> import torch
    >>> sqrt(torch.tensor([4.0]))
    tensor([2.])
    """
    return x.double().sqrt_().float()


def power(x: Tensor, exponent: float) -> Tensor:
    """Power of float32 numbers.

    Examples
    --------
    >>> import torch
    >>> power(torch.tensor([4.0]), 0.25).round(decimals=4)
    tensor([1.4142])
    """
    return x.double().pow_(exponent).float()


def sigmoid(x: Tensor) -> Tensor:
    """Logistic function of float32 numbers.

    Examples
    --------
    >>> import torch
    >>> sigmoid(torch.tensor([0.0]))
    tensor([0.5000])
    """
    return x.double().sigmoid_().float()
