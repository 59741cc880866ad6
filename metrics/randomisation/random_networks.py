"""Random networks: copies of a trained network that have learned nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal, TypeVar, get_args
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from fer_xai.batchnorm.recalibration import check_known, recalibrate
from fer_xai.batchnorm.running_statistics import (
    RunningStatistics,
    is_fixed_norm,
    running_statistics,
)
from fer_xai.checks import check_choice, check_images
from fer_xai.copying import network_copy
from fer_xai.draws.initial import repeatable
from fer_xai.draws.streams import stream
from fer_xai.errors import InputError

Statistics = Literal["recalibrate", "keep", "reset"]
M = TypeVar("M", bound=nn.Module)
_CALIBRATED_TOGETHER = 64
_KEPT = 64
_POWER_ITERATIONS = 50
Known = dict[str, RunningStatistics]
_RECALIBRATED: WeakKeyDictionary[nn.Module, dict[str, list[Tensor]]] = WeakKeyDictionary()
"""BatchNorm's buffers of each trained model, by the digest of weights and images that they were
taken from. Every method and chunk of faces is compared with the same random networks, which are
drawn quickly and recalibrated slowly."""
_STATISTICS: WeakKeyDictionary[nn.Module, Known] = WeakKeyDictionary()
"""Modules that keep running statistics, for each trained model."""


def randomised(
    model: M,
    *,
    seed: int,
    layers: Sequence[str] | None = None,
    batchnorm: Statistics = "recalibrate",
    images: Tensor | None = None,
) -> M:
    """A copy of a model whose parameters are drawn anew, including bare parameters.

    Modules with a ``reset_parameters`` initialise themselves. All other parameters (class tokens,
    position embeddings, the ``in_proj_weight`` of attention, layer scales, …) are drawn from a
    normal distribution with the mean and standard deviation of the trained tensor; if all its
    entries are equal, the deviation is their magnitude. So no trained value survives, except where
    a fresh one is the same by design: ones and zeros of normalisation layers, biases that start at
    zero, tensors that are zero throughout. A frozen BatchNorm, whose learned values are buffers, is
    drawn as BatchNorm is: its scale becomes 1 and its offset 0.

    A layer is drawn the same whichever others are drawn with it, so that a cascade takes one step
    at a time, and on every machine (:mod:`fer_xai.draws.initial`). PyTorch's global generator is
    left as found.

    Parameters
    ----------
    model
        The trained model, which stays as it is.
    seed
        Seed of all draws.
    layers
        Names of the modules whose own parameters are drawn; all by default.
    batchnorm
        Policy for running statistics, which are no parameters. ``recalibrate`` takes them from
        ``images``, because activations of random weights have another scale, for each layer that
        keeps some (see :mod:`fer_xai.batchnorm.running_statistics`) at or behind a drawn layer;
        ``keep`` leaves the trained ones; ``reset`` sets those of drawn layers to mean 0 and
        variance 1.
    images
        ``(N, 3, H, W)`` in [0, 1], to recalibrate with.

    Returns
    -------
    nn.Module
        The random copy, on the model's device and in its mode. Other buffers are the trained
        model's, except those of parametrisations (``spectral_norm``), which follow the weights.

    Raises
    ------
    InputError
        If a layer or the policy is unknown, BatchNorm needs at least two images and there are
        fewer, the policy cannot be applied to the running statistics, or the model cannot be
        copied.

    Examples
    --------
    >>> trained = nn.Linear(3, 2)
    >>> random = randomised(trained, seed=0)
    >>> bool((random.weight == trained.weight).any()), random.weight.shape
    (False, torch.Size([2, 3]))
    """
    check_choice("batchnorm", batchnorm, get_args(Statistics))
    modules = dict(model.named_modules())
    chosen = list(modules) if layers is None else list(layers)
    unknown = [name for name in chosen if name not in modules]
    if unknown:
        raise InputError(
            f"Expected names of the model's modules as layers, got {', '.join(unknown)}: see "
            "model.named_modules()."
        )
    # A caller's inference mode would forbid gradients of the copy for good.
    with torch.inference_mode(mode=False), torch.no_grad():
        drawn = _reinitialised(network_copy(model).cpu(), seed)
        fresh = network_copy(model)
        for name in chosen:
            own, other = (
                dict(part.named_parameters(recurse=False))
                for part in (fresh.get_submodule(name), drawn[name])
            )
            for key, trained in modules[name].named_parameters(recurse=False):
                made: Tensor = other[key]
                missing = ~torch.isfinite(made)
                if bool(missing.any()):
                    own_draw = stream(seed, "drawn", name, key)
                    mean, deviation = _moments(trained)
                    noise = mean + deviation * own_draw.randn(*trained.shape)
                    made = torch.where(missing, noise, made)
                own[key].copy_(made)
            _redrawn_buffers(fresh.get_submodule(name))
        if batchnorm != "keep" and chosen:
            known = statistics_of(model, images)
            if batchnorm == "reset":
                _reset({name: fresh.get_submodule(name) for name in chosen}, known)
            elif known:
                held = _RECALIBRATED.setdefault(model, {})
                _settle(fresh, chosen, known, everything=layers is None, images=images, held=held)
    return fresh


def statistics_of(model: nn.Module, images: Tensor | None) -> Known:
    """A model's running statistics, tried once; ``images`` tell the shape where no size does.

    Raises
    ------
    InputError
        If there may be some, but nothing to try it with.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    >>> {name: kept.kind for name, kept in statistics_of(net, torch.rand(1, 3, 8, 8)).items()}
    {'1': 'cumulative'}
    """
    if model not in _STATISTICS:
        tensor = next(chain(model.parameters(), model.buffers()), None)
        size = getattr(model, "size", None)
        if images is not None and len(images):
            sample = images[:1]
        elif isinstance(size, int):
            sample = torch.zeros(1, 3, size, size)
        elif any(buffer.is_floating_point() for buffer in model.buffers()):
            raise _no_images(0)
        else:
            return {}
        _STATISTICS[model] = running_statistics(
            model, sample if tensor is None else sample.to(tensor.device)
        )
    return _STATISTICS[model]


def _no_images(n: int) -> InputError:
    return InputError(
        f"Expected at least two images to recalibrate BatchNorm on, got {n}: hand in more, or "
        "choose keep or reset."
    )


def _redrawn_buffers(module: nn.Module) -> None:
    """Reset what a drawn layer has learned in buffers.

    A frozen BatchNorm loses its scale and offset; parametrisations compute their buffers from their
    new weights, by iteration in training mode.
    """
    if is_fixed_norm(module):
        for key, value in (("weight", 1), ("bias", 0)):
            module.get_buffer(key).fill_(value)
    if isinstance(module, ParametrizationList) and next(module.buffers(), None) is not None:
        modes = {part: part.training for part in module.modules()}
        module.train()
        for _ in range(_POWER_ITERATIONS):
            module()
        for part, mode in modes.items():
            part.training = mode


def _reset(drawn: dict[str, nn.Module], known: Known) -> None:
    """Running statistics of these layers as they are before any batch."""
    for name in drawn.keys() & known.keys():
        module: Any = drawn[name]
        buffers = {key: module.get_buffer(key) for key in known[name].buffers}
        if callable(getattr(module, "reset_running_stats", None)):
            module.reset_running_stats()
        elif buffers.keys() <= {"running_mean", "running_var"}:
            for key, buffer in buffers.items():
                buffer.fill_(float(key == "running_var"))
        else:
            raise InputError(
                f"Expected running_mean and running_var of {name} to reset, got "
                f"{', '.join(buffers)}: choose recalibrate or keep."
            )


def _reinitialised(model: nn.Module, seed: int) -> dict[str, nn.Module]:
    """Modules by name after their ``reset_parameters``; what that left alone is NaN."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.fill_(torch.nan)
    modules = dict(model.named_modules())
    for name, module in modules.items():  # parents come first: a layer's own word is the last
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            with repeatable(seed, name):
                reset()
    return modules


def _moments(trained: Tensor) -> tuple[float, float]:
    values = trained.cpu().double()
    mean = float(values.mean())
    deviation = float(values.std(correction=0))
    return mean, deviation if deviation > 1e-6 * abs(mean) else abs(mean)


def _settle(
    model: nn.Module,
    drawn: Sequence[str],
    known: Known,
    *,
    everything: bool,
    images: Tensor | None,
    held: dict[str, list[Tensor]],
) -> None:
    """Running statistics after layers were drawn anew; ``held`` are those taken before."""
    if images is None or len(images) < 2:
        raise _no_images(0 if images is None else len(images))
    check_images(images)
    device = next(model.buffers()).device
    batches = [
        part.to(device) for part in images.tensor_split(-(-len(images) // _CALIBRATED_TOGETHER))
    ]  # of two images at least
    if not everything:
        order = _reached(model, batches[0][:2])
        behind = order[min(order.index(name) for name in drawn) :]
        known = {name: kept for name, kept in known.items() if name in behind}
    check_known(known)
    key = _digest([*model.state_dict().values(), images], also=",".join(known))
    if key in held:
        for buffer, value in zip(_buffers(model, known), held[key], strict=True):
            buffer.copy_(value)
        return
    recalibrate(model, batches, statistics=known)
    if len(held) == _KEPT:
        del held[next(iter(held))]  # the oldest
    held[key] = [buffer.clone() for buffer in _buffers(model, known)]


def _buffers(model: nn.Module, names: Iterable[str]) -> list[Tensor]:
    """Buffers of these modules, in their order."""
    return [buffer for name in names for buffer in model.get_submodule(name).buffers(recurse=False)]


def _digest(tensors: Iterable[Tensor], *, also: str) -> str:
    """SHA-256 of the values of tensors, their shapes, types and devices."""
    made = hashlib.sha256(also.encode())
    for tensor in tensors:
        made.update(f"{tuple(tensor.shape)} {tensor.dtype} {tensor.device}".encode())
        raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        made.update(raw.numpy().tobytes())
    return made.hexdigest()


def layers_of(model: nn.Module, images: Tensor) -> list[str]:
    """Modules with parameters of their own, in the order in which a pass reaches them.

    A frozen BatchNorm, whose learned values are buffers, is among them. Modules that are never
    called and only read (the output projection of attention) take the place of the module that they
    belong to.

    Parameters
    ----------
    model
        Network that takes the images.
    images
        ``(B, 3, H, W)``; their values do not matter.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    >>> layers_of(net, torch.zeros(1, 3, 4, 4))
    ['0', '3']
    """
    modules = dict(model.named_modules())
    return [
        name
        for name in _reached(model, images)
        if is_fixed_norm(modules[name])
        or next(modules[name].named_parameters(recurse=False), None) is not None
    ]


def _reached(model: nn.Module, images: Tensor) -> list[str]:
    """Every module, in the order in which a pass reaches it."""
    place: dict[str, int] = {}

    def note(name: str, *_: object) -> None:
        place.setdefault(name, len(place))

    names = [name for name, _ in model.named_modules()]
    hooks = [
        part.register_forward_pre_hook(partial(note, name)) for name, part in model.named_modules()
    ]
    was_training = {module: module.training for module in model.modules()}
    try:
        with torch.inference_mode():
            model.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in was_training.items():
            module.training = mode

    def where(name: str) -> int:
        while name not in place:
            name = name.rpartition(".")[0]
        return place[name]

    return sorted(names, key=where)
