"""What is explained: which emotion of each face, and which one it is contrasted with."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, SupportsIndex, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length
from fer_xai.emotions import emotion_index
from fer_xai.errors import InputError

Targets = Tensor | NDArray[Any] | Sequence[int] | Sequence[str] | str


def canonical_targets(targets: Targets, n: int, *, what: str) -> Tensor:
    """Canonical emotion indices ``(n,)`` of emotions given by name or index, one or one an image.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown emotion, or a number of them that does not fit.
    """
    if isinstance(targets, str):
        return torch.full((n,), emotion_index(targets))
    listed = targets.tolist() if isinstance(targets, Tensor | np.ndarray) else targets
    if not isinstance(listed, Sequence):
        raise InputError(f"Expected {what} as one emotion's name or one an image, got {targets!r}.")
    check_length(what, len(listed), n)
    try:
        chosen = [emotion_index(t) if isinstance(t, str) else _whole(t) for t in listed]
    except TypeError:
        raise InputError(
            f"Expected {what} as emotions' names or whole numbers, one an image, got {targets!r}."
        ) from None
    return torch.tensor(chosen, dtype=torch.int64)


def _whole(number: object) -> int:
    """A whole number that is no truth value: True would be taken for emotion 1."""
    if isinstance(number, bool | np.bool_):
        raise TypeError
    return index(cast(SupportsIndex, number))
