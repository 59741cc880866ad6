"""Private copies of a model: tried on noise, hooks left behind, BatchNorm folded.

SyncBatchNorm, which asks other processes for their batches, is BatchNorm in a private copy.
"""

from __future__ import annotations

import copy
import threading
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from fer_xai.batchnorm.built import check_built
from fer_xai.batchnorm.synchronised import replace_sync
from fer_xai.copying import network_copy
from fer_xai.errors import InputError
from fer_xai.inference.folding import folded

FOLD_TOLERANCE = 1e-5
"""Largest change by folding of logits of noise, as a share of the largest where that is above 1."""
_NOISE_IMAGES = 4


def private_copies(model: Any, device: torch.device, *, fold: bool) -> tuple[Any, Any]:
    """A copy in evaluation mode without gradients and hooks, and one with BatchNorm folded.

    The second is None where folding is not asked for, not possible, or moves logits of noise.

    Raises
    ------
    InputError
        For anything but a wrapped network, one that cannot be copied, one that fails on images of
        its size, one that answers with NaN, infinity or probabilities, one whose weights are made
        by hooks, or whose lazy layers are not built yet.

    Examples
    --------
    >>> from fer_xai.models.fer_model import FERModel
    >>> net = nn.Sequential(nn.Conv2d(3, 2, 2), nn.BatchNorm2d(2), nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "anger"], size=2)
    >>> plain, folded = private_copies(model, torch.device("cpu"), fold=True)
    >>> plain is model, any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    (False, False)
    """
    wrapped = all(hasattr(model, name) for name in ("net", "emotions", "size", "columns"))
    if not isinstance(model, nn.Module) or not wrapped:
        raise InputError(
            f"Expected a FERModel, got {type(model).__name__}: load one with fer_xai.load_model, "
            "or wrap a network as FERModel(net, emotions=…, size=…)."
        )
    _refuse_weight_hooks(model)
    check_built(model)
    private: Any = network_copy(model, name=str(model.name)).eval().requires_grad_(False)
    for module in private.modules():  # hooks of the user's are not ours to run
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
        module._backward_hooks.clear()
        module._backward_pre_hooks.clear()
    private = private.to(device=device, memory_format=torch.channels_last)
    side, generator = private.size, torch.Generator().manual_seed(0)
    noise = torch.rand(_NOISE_IMAGES, 3, side, side, generator=generator).to(device)
    answers = _answers(private, noise)
    replace_sync(private, noise)
    return private, _folded(private, noise, answers) if fold else None


def _refuse_weight_hooks(model: nn.Module) -> None:
    """Weights that a hook makes before each pass are no parameters, and no copy would make them."""
    for name, module in model.named_modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm | WeightNorm | BasePruningMethod):
                raise InputError(
                    f"Expected weights that are parameters, but {name or 'the network'} has its "
                    f"made by a hook ({type(hook).__name__}): bake them in with remove_weight_norm,"
                    " remove_spectral_norm or prune.remove of torch.nn.utils, or use torch.nn."
                    "utils.parametrizations."
                )


def _answers(model: Any, noise: Tensor) -> Tensor:
    """Logits of noise, if there are any."""
    try:
        with torch.inference_mode(), no_tf32():
            answers: Tensor = model(noise)
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"Expected {model.name} to take images (B, 3, {model.size}, {model.size}), but it "
            f"failed on them ({said}): wrap it with the size and the channels that it was "
            "made for, FERModel(…, size=…, channels=1 or 3)."
        ) from error
    if not bool(torch.isfinite(answers).all()):
        raise InputError(
            f"Expected finite logits from {model.name}, got NaN or infinity for images of noise: "
            "check its weights."
        )
    shares = bool((answers >= 0).all()) and bool(((answers.sum(dim=1) - 1).abs() < 1e-4).all())
    if shares and answers.shape[1] > 1:
        raise InputError(
            f"Expected logits from {model.name}, got probabilities (each image's sum to 1): say "
            'FERModel(…, ends_in="softmax"), or leave its softmax out.'
        )
    return answers


def _folded(model: Any, noise: Tensor, answers: Tensor) -> Any:
    """The model with its network traced and BatchNorm folded, or None where that is not exact."""
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        return None
    other = copy.copy(model)
    other._modules = dict(model._modules)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = folded(model.net)
    except Exception:  # noqa: BLE001 - tracing runs the user's code, which may raise anything
        return None
    other.net = traced.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    with torch.inference_mode(), no_tf32():
        merged = other(noise)
    room = FOLD_TOLERANCE * answers.abs().max().clamp(min=1)
    return other if bool((answers - merged).abs().max() <= room) else None


class _FullPrecision:
    """Flags that are set while any thread needs them, and restored when the last one is done."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._flags: AbstractContextManager[None] = nullcontext()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._flags = torch.backends.cudnn.flags(
                    enabled=torch.backends.cudnn.enabled,
                    benchmark=torch.backends.cudnn.benchmark,
                    deterministic=torch.backends.cudnn.deterministic,
                    allow_tf32=False,
                )
                self._flags.__enter__()
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._flags.__exit__(None, None, None)


_FULL_PRECISION = _FullPrecision()


def no_tf32() -> AbstractContextManager[None]:
    """Convolutions in full single precision on a GPU, where PyTorch shortens them by default.

    Threads may be within it at the same time: the flag is the process's.

    Examples
    --------
    >>> with no_tf32():
    ...     torch.backends.cudnn.allow_tf32
    False
    """
    return _FULL_PRECISION
