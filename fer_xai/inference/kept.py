"""One predictor a model: a private copy that is made once and again when the model has changed."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from torch import nn

from fer_xai.batchnorm.built import check_built
from fer_xai.fingerprint import fingerprint
from fer_xai.inference.predictor import Classifier, Precision, Predictor

_KEPT: weakref.WeakKeyDictionary[Any, _Kept] = weakref.WeakKeyDictionary()
_KEEPING = threading.Lock()


class _Kept:
    """Predictors of a model by device, precision and batch size, and what the model was then."""

    def __init__(self, state: object) -> None:
        self.state = state
        self.predictors: dict[tuple[str, str, int | None], Predictor] = {}


def predictor_of(
    model: Classifier | Predictor,
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int | None = None,
) -> Predictor:
    """The predictor of a model: a kept one where the model is as it was when that was made.

    A predictor works on a private copy, which takes longer to make than many a use of it. The last
    one is kept as long as the model lives. A model whose weights, buffers, parts, options or hooks
    have changed since, in place or not, gets a new one
    (:func:`fer_xai.fingerprint.fingerprint`). Threads that share it take turns.

    Parameters
    ----------
    model
        The classifier; a predictor is returned as it is.
    device, precision, batch_size
        As in :class:`~fer_xai.inference.predictor.Predictor`, which is kept for each combination.

    Returns
    -------
    Predictor
        Shared by all callers.

    Raises
    ------
    InputError
        For what a predictor refuses.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import load_model
    >>> model = load_model("gimefive")
    >>> first = predictor_of(model, device="cpu")
    >>> first is predictor_of(model, device="cpu")
    True
    >>> with torch.no_grad():
    ...     _ = model.net.conv1.weight.mul_(2)
    >>> first is predictor_of(model, device="cpu")
    False
    """
    if isinstance(model, Predictor):
        return model
    if not isinstance(model, nn.Module):
        return Predictor(model, device=device, precision=precision, batch_size=batch_size)
    check_built(model)
    key = (device, precision, batch_size)
    with _KEEPING:
        state = fingerprint(model)
        kept = _KEPT.get(model)
        if kept is None or kept.state != state:
            kept = _Kept(state)
        if key in kept.predictors:
            return kept.predictors[key]
        made = Predictor(model, device=device, precision=precision, batch_size=batch_size)
        kept.predictors[key] = made
        _KEPT[model] = kept
        return made
