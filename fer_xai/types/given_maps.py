"""Maps and targets that were made elsewhere, as tensors of one form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fer_xai.checks import quoted
from fer_xai.emotions import EMOTIONS, emotion_index
from fer_xai.errors import InputError


def as_maps(maps: Any) -> Tensor:
    """Maps ``(B, H, W)`` as floats without a graph; tensors of floats are handed through.

    Raises
    ------
    InputError
        For another number of axes, maps of several sizes, or what is no numbers.

    Examples
    --------
    >>> as_maps([np.zeros((4, 4)), np.ones((4, 4))]).shape
    torch.Size([2, 4, 4])
    """
    if not isinstance(maps, Tensor):
        try:
            maps = torch.from_numpy(np.array([np.asarray(one) for one in maps], dtype=np.float32))
        except (TypeError, ValueError):
            raise InputError(
                "Expected maps (B, H, W) as a tensor, an array or a list of arrays of one size, "
                f"got {type(maps).__name__}: resize them to the size of the images."
            ) from None
    if maps.ndim != 3:
        advice = {
            2: "one map is maps[None]",
            4: "join the channels first, as maps.sum(dim=1) does",
        }.get(maps.ndim, "hand in one map a face")
        raise InputError(f"Expected maps (B, H, W), got {tuple(maps.shape)}: {advice}.")
    maps = maps.detach()
    return maps if maps.is_floating_point() else maps.float()


def as_targets(targets: Any, count: int) -> Tensor:
    """Canonical emotion indices ``(count,)`` int64 of indices or names; one name is for all.

    Raises
    ------
    InputError
        For another number of them, an unknown name, or an index of no emotion.

    Examples
    --------
    >>> as_targets(["fear", "happy"], 2), as_targets("fear", 2)
    (tensor([5, 0]), tensor([5, 5]))
    """
    if isinstance(targets, str):
        targets = [targets] * count
    if not isinstance(targets, Tensor):
        try:
            listed = [
                emotion_index(one) if isinstance(one, str) else _whole(one) for one in targets
            ]
        except TypeError:
            raise InputError(
                f"Expected targets as names or canonical indices, one a map, got {quoted(targets)}."
            ) from None
        targets = torch.tensor(listed, dtype=torch.int64)
    if targets.shape != (count,) or targets.is_floating_point() or targets.dtype == torch.bool:
        raise InputError(
            f"Expected {count} targets, one a map, as names or canonical indices, got "
            f"{tuple(targets.shape)} of {str(targets.dtype).removeprefix('torch.')}."
        )
    targets = targets.detach().to(torch.int64)
    if count and not 0 <= int(targets.min()) <= int(targets.max()) < len(EMOTIONS):
        raise InputError(
            f"Expected canonical emotion indices 0 to {len(EMOTIONS) - 1} as targets, got values "
            f"from {int(targets.min())} to {int(targets.max())}: see fer_xai.emotions.EMOTIONS."
        )
    return targets


def _whole(value: Any) -> int:
    """A whole number that is no truth value."""
    if isinstance(value, bool | np.bool_) or int(value) != value:
        raise TypeError(value)
    return int(value)
