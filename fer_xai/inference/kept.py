"""One predictor a model: a private copy that is made once and again when the model has changed."""

from __future__ import annotations

import threading
import weakref
import zlib
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.inference.predictor import Classifier, Precision, Predictor

_KEPT: weakref.WeakKeyDictionary[Any, _Kept] = weakref.WeakKeyDictionary()
_KEEPING = threading.Lock()
_APART = {"training", "_parameters", "_buffers", "_modules"}
_PLAIN = (bool, int, float, complex, str, bytes, type, type(None), torch.dtype, torch.device)
_State = list[tuple[Any, ...]]


class _Kept:
    """Predictors of a model by device, precision and batch size, and what the model was then."""

    def __init__(self, state: _State) -> None:
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
    have changed since, in place or not, gets a new one.

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
    key = (device, precision, batch_size)
    with _KEEPING:
        state = _state(model)
        kept = _KEPT.get(model)
        if kept is None or kept.state != state:
            kept = _Kept(state)
        if key in kept.predictors:
            return kept.predictors[key]
        made = Predictor(model, device=device, precision=precision, batch_size=batch_size)
        kept.predictors[key] = made
        _KEPT[model] = kept
        return made


def _state(model: nn.Module) -> _State:
    """All that a copy depends on: types and options of the parts, their hooks, and all tensors.

    Tensors are told by a checksum of their bytes, since a change through ``.data`` or NumPy counts
    no version. The training mode does not matter: the copy is in evaluation mode.
    """
    state: _State = []
    for name, module in model.named_modules(remove_duplicate=False):
        state.append((name, type(module)))
        for option, value in vars(module).items():
            if option not in _APART:
                state.append((name, option, _frozen(value)))
        for tensors in (module._parameters, module._buffers):
            for own, tensor in tensors.items():
                state.append((name, own, None if tensor is None else _checksum(tensor)))
    return state


def _frozen(value: object) -> object:
    """What an option is now, such that a later change of it makes a difference."""
    if isinstance(value, Tensor):
        return _checksum(value)
    if isinstance(value, dict):
        return [(_frozen(key), _frozen(one)) for key, one in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [type(value), *map(_frozen, value)]
    if isinstance(value, _PLAIN):
        return type(value), repr(value)  # NaN is itself
    try:
        return weakref.ref(value)  # equal as long as it is the same; it may refer to the model
    except TypeError:
        return type(value), id(value)


def _checksum(tensor: Tensor) -> tuple[Any, ...]:
    tensor = tensor.detach()
    about = (tensor.dtype, tuple(tensor.shape), str(tensor.device))
    if tensor.device.type == "meta" or not tensor.numel():
        return about
    if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_quantized:
        version = None if tensor.is_inference() else tensor._version
        return (*about, id(tensor), version, float(tensor.double().sum()))
    values = tensor.contiguous().reshape(-1).view(torch.uint8)
    return (*about, zlib.crc32(values.numpy().data))
