"""Keys of tensors by what they hold, for results that are kept."""

from __future__ import annotations

import torch
from torch import Tensor


class TensorKeys:
    """Numbers that stand for tensors; one that is changed in place gets another number.

    A copy of each tensor is kept and compared. The versions that PyTorch counts would not do: a
    change through NumPy or ``.data`` counts none, and tensors of inference mode have none.

    Examples
    --------
    >>> keys, maps = TensorKeys(), torch.tensor([1.0, torch.nan])
    >>> keys.of(maps), keys.of(maps), keys.of(maps.neg_())
    (0, 0, 1)
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Tensor, int]] = {}  # copies and numbers by identity
        self._given = 0

    def of(self, tensor: Tensor) -> int:
        """The number of a tensor as it is now."""
        known = self._known.get(id(tensor))
        if known is None or not _same(known[0], tensor):
            known = (tensor.detach().clone(), self._given)
            self._known[id(tensor)] = known
            self._given += 1
        return known[1]


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same values at the same places, NaN included."""
    about = [(tensor.device, tensor.dtype, tensor.shape) for tensor in (one, other)]
    if about[0] != about[1]:
        return False
    same = torch.equal(one, other)
    return same or bool(((one == other) | (one.isnan() & other.isnan())).all())
