"""Normal numbers whose bits do not depend on the machine.

Logarithms, sines and inverse error functions of mathematical libraries differ in the last digit
between instruction sets and between a CPU and a GPU. Here they are series, evaluated in float64 by
additions, multiplications, divisions and square roots alone, one operation of PyTorch each. IEEE
754 defines the result of each of these to the last bit, so the sums are equal everywhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST = 6.764
"""Normal numbers stay below this magnitude, √(2 log 2³³): the radius is drawn with 32 bits."""
_CHUNK = 32768  # pairs at a time, few enough for the cache
_ATANH = [1 / (2 * k + 1) for k in range(8)]
_SIN = [(-1) ** k / math.factorial(2 * k + 1) for k in range(6)]
_COS = [(-1) ** k / math.factorial(2 * k) for k in range(7)]
_BELOW_ONE = 0x3FE6A09E << 32
"""Bits of √½, cut off: a float64 is brought to [√½, √2) by its bits, less these."""
_ONE, _FRACTION = 0x3FF00000 << 32, (1 << 52) - 1


def normals(words: Tensor) -> Tensor:
    """Standard normal numbers, two of each word (Box & Muller, Ann. Math. Stat. 1958).

    The upper half of a word gives the pair's radius, the lower half its angle. Relative errors
    before rounding are below 2⁻³⁵, so that numbers lie within 0.501 units in the last place of
    float32 from the exact transformation; their bits are the same on every device.

    Parameters
    ----------
    words
        int64 ``(N, n)``, random bits.

    Returns
    -------
    Tensor
        float32 ``(N, 2 · n)``, below :data:`LARGEST` in magnitude.

    Examples
    --------
    >>> normals(torch.zeros(1, 1, dtype=torch.int64)).shape
    torch.Size([1, 2])
    """
    halves = words.contiguous().view(torch.int32).reshape(-1, 2)  # the lower half comes first
    out = torch.empty(halves.shape, dtype=torch.float32, device=words.device)
    step = _CHUNK if words.device.type == "cpu" else max(len(halves), 1)
    for pairs, made in zip(halves.split(step), out.split(step), strict=True):
        _box_muller(pairs, made)
    return out.reshape(len(words), 2 * words.shape[1])


def _box_muller(pairs: Tensor, out: Tensor) -> None:
    """Fill ``out`` ``(n, 2)`` from int32 ``(n, 2)``: bits of angles and of radii.

    An angle is a sign, whether the axes are swapped, and 30 bits between −π/4 and π/4.
    """
    bits = pairs[:, 0].contiguous()
    uniform = pairs[:, 1].double().add_(2**31 + 0.5).mul_(2.0**-32)  # (0, 1), exactly
    radius = logarithm(uniform).mul_(-2).sqrt_()
    radius.mul_((bits & 2).sub_(1))  # the sign
    angle = (bits >> 2).double().add_(0.5).mul_(math.pi / 2**31)
    square = angle * angle
    cosine = _series(square, _COS).mul_(radius)
    sine = _series(square, _SIN).mul_(angle).mul_(radius)
    swapped = (bits & 1).bool()
    out[:, 0] = torch.where(swapped, sine, cosine)
    out[:, 1] = torch.where(swapped, cosine, sine)


def logarithm(values: Tensor) -> Tensor:
    """Natural logarithm of positive float64 numbers, to a relative 2⁻³⁸, by IEEE operations alone.

    log x = e · log 2 + 2 · atanh((m − 1) / (m + 1)) with x = m · 2ᵉ and m from √½ to √2.

    Parameters
    ----------
    values
        float64, normal numbers above 0.

    Examples
    --------
    >>> logarithm(torch.tensor([0.5, 1.0], dtype=torch.float64)) / math.log(2)
    tensor([-1.,  0.], dtype=torch.float64)
    """
    bits = values.contiguous().view(torch.int64) + (_ONE - _BELOW_ONE)
    exponent = (bits >> 52).sub_(1023).double()
    part = bits.bitwise_and_(_FRACTION).add_(_BELOW_ONE).view(torch.float64)  # m
    above = part - 1
    ratio = above.div_(part.add_(1))
    series = _series(ratio * ratio, _ATANH).mul_(ratio).mul_(2)
    return series.add_(exponent.mul_(math.log(2)))


def inverse_erf(values: Tensor) -> Tensor:
    """Inverse error function of float32 numbers, to a relative 2⁻²¹, by IEEE operations alone.

    Giles, "Approximating the erfinv function", GPU Computing Gems 2011, in single precision.

    Parameters
    ----------
    values
        Any floating dtype, from −1 to 1, where it is infinite; next to these ends the error of
        float64 numbers that no float32 stands for is larger.

    Returns
    -------
    Tensor
        The same dtype.

    Examples
    --------
    >>> inverse_erf(torch.tensor([-1.0, 0.0, 0.5]))
    tensor([  -inf, 0.0000, 0.4769])
    """
    x = values.double()
    inside = (1 - x).mul_(1 + x).clamp_(min=2.0**-1000)
    w = logarithm(inside).neg_()
    near = _series(w - 2.5, _NEAR)
    far = _series(w.clamp(min=0).sqrt_().sub_(3), _FAR)
    found = torch.where(w < 5, near, far).mul_(x)
    found = torch.where(x.abs() < 1, found, x * math.inf)
    return torch.where(x.abs() <= 1, found, math.nan).to(values.dtype)


_NEAR = [
    1.50140941,
    0.246640727,
    -0.00417768164,
    -0.00125372503,
    0.00021858087,
    -4.39150654e-06,
    -3.5233877e-06,
    3.43273939e-07,
    2.81022636e-08,
]
_FAR = [
    2.83297682,
    1.00167406,
    0.00943887047,
    -0.0076224613,
    0.00573950773,
    -0.00367342844,
    0.00134934322,
    0.000100950558,
    -0.000200214257,
]


def _series(x: Tensor, coefficients: list[float]) -> Tensor:
    """Σ c · xᵏ; each product and each sum is rounded, whatever the machine."""
    total = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total.mul_(x).add_(coefficient)
    return total
