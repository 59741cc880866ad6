"""Which tensors half precision can hold."""

import torch
from torch import Tensor

HALF_ROUNDING = 2.0**-10
"""Share of a value's size by which half precision may move it: twice what rounding does."""


def fits_half(value: Tensor, *, statistic: bool = False) -> bool:
    """Whether half precision holds a tensor: nothing overflows, and no part of it is lost.

    A part is a row of a matrix or kernel (what one output reads), or a whole vector; of a
    ``statistic`` that is nowhere negative, such as a running variance, each value.

    Examples
    --------
    >>> fits_half(torch.tensor([1e5])), fits_half(torch.tensor([[1.0, 1e-9], [0.5, 0.0]]))
    (False, True)
    >>> fits_half(torch.tensor([1.0, 1e-9]), statistic=True)
    False
    """
    value = value.detach().double()
    lost = (value.half().double() - value).abs()
    if not bool(torch.isfinite(lost).all()):
        return False
    if statistic and bool((value >= 0).all()):
        return bool((lost <= HALF_ROUNDING * value).all())
    rows = value.reshape(len(value), -1) if value.ndim > 1 else value.reshape(1, -1)
    lost = lost.reshape(rows.shape)
    return bool((lost.norm(dim=1) <= HALF_ROUNDING * rows.norm(dim=1)).all())
