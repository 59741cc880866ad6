"""What is explained: which emotion of each face, and which one it is contrasted with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Protocol, SupportsIndex, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length
from fer_xai.emotions import emotion_index
from fer_xai.errors import InputError

Targets = Tensor | NDArray[Any] | Sequence[int] | Sequence[str] | str


class Outputs(Protocol):
    """The part of a model that this module asks: which output column stands for which emotion.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model: Outputs = FERModel(net, emotions=["fear", "happiness"], size=8)
    >>> model.canonical(torch.tensor([0, 1]))
    tensor([5, 0])
    """

    def canonical(self, columns: Tensor) -> Tensor:
        """Canonical emotion index of each output column."""
        ...

    def columns(self, labels: Tensor) -> Tensor:
        """Output column of each canonical emotion index."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ExplainedTargets:
    """What is explained of N faces.

    Attributes
    ----------
    targets
        ``(N,)`` int64: canonical index of the emotion that is explained.
    columns
        ``(N, 1)`` int64: its output column.
    against
        ``(N,)`` int64: canonical index of the emotion that it is contrasted with, or None.
    against_columns
        ``(N, 1)`` int64: that emotion's output column, or None.

    Examples
    --------
    >>> found = ExplainedTargets(targets=torch.tensor([5]), columns=torch.tensor([[0]]))
    >>> found.against is None
    True
    """

    targets: Tensor
    columns: Tensor
    against: Tensor | None = None
    against_columns: Tensor | None = None


def explained_targets(
    model: Outputs,
    n: int,
    *,
    targets: Targets | None = None,
    against: Targets | None = None,
    logits: Tensor | None = None,
) -> ExplainedTargets:
    """What is explained of ``n`` faces: the one place where this is decided.

    Parameters
    ----------
    model
        A :class:`fer_xai.FERModel`, or a predictor's ``model``.
    n
        Number of faces.
    targets
        ``(n,)`` canonical emotion indices (not output columns) or names, the name of one emotion
        for all, or None for each face's predicted emotion, which ``logits`` tell.
    against
        Emotions that the targets are contrasted with, given likewise, or None.
    logits
        ``(n, C)`` logits of the faces; needed where ``targets`` is None, and not read otherwise.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown emotion or one that is not among the model's outputs, a number of them that
        is not ``n``, a contrast of every target with itself, and for neither targets nor logits.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    >>> model = FERModel(net, emotions=["fear", "happiness", "anger"], size=8)
    >>> logits = torch.tensor([[0.1, 2.0, 0.3], [1.5, 0.2, 0.4]])
    >>> predicted = explained_targets(model, 2, logits=logits)
    >>> predicted.targets, predicted.columns  # happiness and fear
    (tensor([0, 5]), tensor([[1], [0]]))
    >>> contrast = explained_targets(model, 2, targets="fear", against=["happiness", "anger"])
    >>> contrast.columns, contrast.against_columns
    (tensor([[0], [0]]), tensor([[1], [2]]))
    """
    if targets is not None:
        chosen = canonical_targets(targets, n, what="targets")
        columns = model.columns(chosen)
    elif logits is not None:
        check_length("logits", len(logits), n)
        columns = logits.detach().argmax(dim=1).cpu()
        chosen = model.canonical(columns)
    else:
        raise InputError(
            "Expected targets, or logits to tell the predicted emotions from, got neither: hand in "
            "logits=predictor.logits(images)."
        )
    if against is None:
        return ExplainedTargets(targets=chosen, columns=columns[:, None])
    opposed = canonical_targets(against, n, what="against")
    if n and bool((opposed == chosen).all()):
        raise InputError(
            "Expected emotions other than the targets to contrast them with, got the same for "
            "every image: such a contrast is zero."
        )
    return ExplainedTargets(
        targets=chosen,
        columns=columns[:, None],
        against=opposed,
        against_columns=model.columns(opposed)[:, None],
    )


def canonical_targets(targets: Targets, n: int, *, what: str = "targets") -> Tensor:
    """Canonical emotion indices ``(n,)`` of emotions given by name or index.

    Parameters
    ----------
    targets
        One emotion's name for all, or ``n`` names or canonical indices.
    n
        Number of images.
    what
        Name of the argument, for the message of an error.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown emotion, or a number of them that is not ``n``.

    Examples
    --------
    >>> canonical_targets("fear", 2), canonical_targets(["happy", "anger"], 2)
    (tensor([5, 5]), tensor([0, 3]))
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
    """A whole number; truth values are refused, since True would be taken for emotion 1."""
    if isinstance(number, bool | np.bool_):
        raise TypeError
    return index(cast(SupportsIndex, number))
