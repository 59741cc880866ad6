"""SyncBatchNorm as the BatchNorm that it is in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_TWINS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


@contextmanager
def unsynchronised(model: nn.Module) -> Iterator[None]:
    """Meanwhile each SyncBatchNorm, and what was derived from it, asks no other process.

    Examples
    --------
    >>> net = nn.Sequential(nn.SyncBatchNorm(3))
    >>> with unsynchronised(net):  # it trains on a CPU, and in one process
    ...     net(torch.rand(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    >>> type(net[0]).__name__
    'SyncBatchNorm'
    """
    changed = [module for module in model.modules() if isinstance(module, nn.SyncBatchNorm)]
    kinds = [type(module) for module in changed]
    try:
        for module, kind in zip(changed, kinds, strict=True):
            module.__class__ = _ALONE.get(kind) or _ALONE.setdefault(kind, _alone(kind))
        yield
    finally:
        for module, kind in zip(changed, kinds, strict=True):
            module.__class__ = kind


@torch.no_grad()
def replace_sync(model: nn.Module, images: Tensor) -> None:
    """Put the BatchNorm of as many dimensions in the place of each SyncBatchNorm of a model.

    The model answers as before; what folds, merges or traces BatchNorm now knows it as one.

    Parameters
    ----------
    model
        In evaluation mode; changed in place, with the same tensors under the same names.
    images
        ``(B, 3, H, W)``, for the pass that shows the number of dimensions.

    Examples
    --------
    >>> net = nn.Sequential(nn.SyncBatchNorm(3)).eval()
    >>> replace_sync(net, torch.rand(1, 3, 4, 4))
    >>> type(net[0]).__name__
    'BatchNorm2d'
    """
    asked = {module for module in model.modules() if type(module) is nn.SyncBatchNorm}
    if not asked:
        return
    dimensions: dict[nn.Module, set[int]] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        dimensions.setdefault(module, set()).add(inputs[0].ndim)

    hooks = [module.register_forward_pre_hook(note) for module in asked]
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
    twins: dict[nn.Module, nn.Module] = {}
    for module, seen in dimensions.items():
        kinds = {_TWINS.get(number) for number in seen}
        kind = kinds.pop()
        if kinds or kind is None:  # of no one number of dimensions: it stays as it is
            continue
        twin: Any = kind.__new__(kind)
        twin.__dict__ = module.__dict__
        twins[module] = twin
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child in twins:
                parent._modules[name] = twins[child]


class _Alone(nn.SyncBatchNorm):
    """SyncBatchNorm that takes the statistics of its own batch."""

    forward = nn.modules.batchnorm._BatchNorm.forward


_ALONE: dict[type[nn.SyncBatchNorm], type[nn.SyncBatchNorm]] = {nn.SyncBatchNorm: _Alone}


def _alone(kind: type[nn.SyncBatchNorm]) -> type[nn.SyncBatchNorm]:
    """A class like this one to which SyncBatchNorm's own pass is BatchNorm's."""
    return type(kind.__name__, (kind, _Alone), {"__module__": kind.__module__})
