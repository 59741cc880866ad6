"""Networks of a trained one's build that have learned nothing."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal, TypeVar, get_args
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fer_xai.checks import check_choice, check_images
from fer_xai.errors import InputError
from fer_xai.norms import batchnorms, recalibrate
from fer_xai.seeding import generator

Statistics = Literal["recalibrate", "keep", "reset"]
M = TypeVar("M", bound=nn.Module)
_CALIBRATED_TOGETHER = 64
_KEPT = 64
_RECALIBRATED: WeakKeyDictionary[nn.Module, dict[str, list[Tensor]]] = WeakKeyDictionary()
"""Of each trained model, BatchNorm's buffers by what they were taken of: the networks that every
method and chunk of faces is held against are the same, drawn quickly and recalibrated slowly."""


def randomised(
    model: M,
    *,
    seed: int,
    layers: Sequence[str] | None = None,
    batchnorm: Statistics = "recalibrate",
    images: Tensor | None = None,
) -> M:
    """A copy of a model whose parameters are drawn anew, bare ones among them.

    Modules with a ``reset_parameters`` initialise themselves. Whatever that leaves alone (class
    tokens, position embeddings, the ``in_proj_weight`` of attention, layer scales, …) is drawn
    from a normal distribution with the mean and standard deviation of the trained tensor, or, where
    all its entries are alike, with their magnitude as the deviation. So no trained value survives,
    but where a fresh one is the same by design: ones and zeros of normalisation layers, biases that
    start at zero, tensors that are zero throughout.

    A layer is drawn alike whichever others are drawn with it, so that a cascade takes one step at
    a time. Draws are made on the CPU; PyTorch's global generator is left as found.

    Parameters
    ----------
    model
        The trained model, which stays as it is.
    seed
        Of all draws.
    layers
        Names of the modules whose own parameters are drawn; all by default.
    batchnorm
        Running statistics, which are no parameters: ``recalibrate`` takes those of ``images``,
        since activations of random weights have another scale, for each BatchNorm at or behind a
        layer that is drawn; ``keep`` leaves the trained ones; ``reset`` sets those of the layers
        drawn to mean 0 and variance 1.
    images
        ``(N, 3, H, W)`` in [0, 1], to recalibrate with.

    Returns
    -------
    nn.Module
        On the model's device and in its mode. Other buffers are the trained model's.

    Raises
    ------
    InputError
        For an unknown layer or policy, or fewer than two images where BatchNorm needs them.
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
        drawn = _reinitialised(copy.deepcopy(model).cpu(), seed)
        fresh = copy.deepcopy(model)
        for name in chosen:
            own, other = (dict(part.named_parameters(recurse=False))
                          for part in (fresh.get_submodule(name), drawn[name]))  # fmt: skip
            for key, trained in modules[name].named_parameters(recurse=False):
                made: Tensor = other[key]
                missing = ~torch.isfinite(made)
                if bool(missing.any()):
                    own_draw = generator(seed, "drawn", name, key)
                    mean, deviation = _moments(trained)
                    noise = mean + deviation * torch.randn(trained.shape, generator=own_draw)
                    made = torch.where(missing, noise, made)
                own[key].copy_(made)
        held = _RECALIBRATED.setdefault(model, {})
        _settle(
            fresh, chosen, everything=layers is None, policy=batchnorm, images=images, held=held
        )
    return fresh


def _reinitialised(model: nn.Module, seed: int) -> dict[str, nn.Module]:
    """Modules by name after their ``reset_parameters``; what that left alone is NaN."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.fill_(torch.nan)
    modules = dict(model.named_modules())
    with torch.random.fork_rng(devices=[]):
        for name, module in modules.items():  # parents come first: a layer's own word is the last
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                # the CPU's generator alone: torch.manual_seed would seed the accelerators' as well
                torch.default_generator.manual_seed(generator(seed, name).initial_seed())
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
    *,
    everything: bool,
    policy: Statistics,
    images: Tensor | None,
    held: dict[str, list[Tensor]],
) -> None:
    """BatchNorm's running statistics after layers were drawn anew; ``held`` are those known."""
    norms = batchnorms(model)
    if policy == "reset":
        for name in set(drawn) & set(norms):
            norms[name].reset_running_stats()  # type: ignore[operator]
    if policy != "recalibrate" or not norms or not drawn:
        return
    if images is None or len(images) < 2:
        raise InputError(
            f"Expected at least two images to recalibrate BatchNorm on, got "
            f"{0 if images is None else len(images)}: hand in more, or choose keep or reset."
        )
    check_images(images)
    device = next(model.buffers()).device
    batches = [
        part.to(device) for part in images.tensor_split(-(-len(images) // _CALIBRATED_TOGETHER))
    ]  # of two images at least
    if not everything:
        order = _reached(model, batches[0][:2])
        behind = order[min(order.index(name) for name in drawn) :]
        norms = {name: norm for name, norm in norms.items() if name in behind}
    buffers = [buffer for norm in norms.values() for buffer in norm.buffers(recurse=False)]
    key = _digest([*model.state_dict().values(), images], also=",".join(norms))
    if key in held:
        for buffer, known in zip(buffers, held[key], strict=True):
            buffer.copy_(known)
        return
    recalibrate(model, batches, norms=list(norms.values()))
    if len(held) == _KEPT:
        del held[next(iter(held))]  # the oldest
    held[key] = [buffer.clone() for buffer in buffers]


def _digest(tensors: Iterable[Tensor], *, also: str) -> str:
    """Of what tensors hold."""
    made = hashlib.sha256(also.encode())
    for tensor in tensors:
        made.update(f"{tuple(tensor.shape)} {tensor.dtype} {tensor.device}".encode())
        raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        made.update(raw.numpy().tobytes())
    return made.hexdigest()


def layers_of(model: nn.Module, images: Tensor) -> list[str]:
    """Modules with parameters of their own, in the order in which a pass reaches them.

    Modules that are never called, only read (the output projection of attention), take the place
    of the one that they are part of.

    Parameters
    ----------
    model
        Takes the images.
    images
        ``(B, 3, H, W)``; what is in them does not matter.
    """
    modules = dict(model.named_modules())
    return [
        name for name in _reached(model, images)
        if next(modules[name].named_parameters(recurse=False), None) is not None
    ]  # fmt: skip


def _reached(model: nn.Module, images: Tensor) -> list[str]:
    """Every module, in the order in which a pass reaches it."""
    place: dict[str, int] = {}

    def note(name: str, *_: object) -> None:
        place.setdefault(name, len(place))

    names = [name for name, _ in model.named_modules()]
    hooks = [part.register_forward_pre_hook(partial(note, name))
             for name, part in model.named_modules()]  # fmt: skip
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
