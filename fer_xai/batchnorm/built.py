"""Layers that are built by their first pass, and buffers that hold numbers."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from fer_xai.errors import InputError


def check_built(model: nn.Module) -> None:
    """A network without layers that are built by their first pass.

    Raises
    ------
    InputError
        Naming one that is not built yet.

    Examples
    --------
    >>> check_built(nn.Sequential(nn.LazyLinear(4)))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a network whose layers are built, but 0 (LazyLinear) ...
    """
    for name, module in model.named_modules():
        if unbuilt(module):
            raise InputError(
                f"Expected a network whose layers are built, but {name} "
                f"({type(module).__name__}) is not yet: pass an image through it first."
            )


def floating(module: nn.Module) -> list[str]:
    """Names of a module's own floating-point buffers.

    Examples
    --------
    >>> floating(nn.BatchNorm2d(3))  # its counter of batches is a whole number
    ['running_mean', 'running_var']
    """
    return [
        name
        for name, buffer in module._buffers.items()
        if buffer is not None and not is_lazy(buffer) and buffer.is_floating_point()
    ]


def unbuilt(module: nn.Module) -> bool:
    """Whether a module's tensors come with its first pass.

    Examples
    --------
    >>> unbuilt(nn.LazyLinear(4)), unbuilt(nn.Linear(3, 4))
    (True, False)
    """
    own = [*module._buffers.values(), *module._parameters.values()]
    return any(is_lazy(tensor) for tensor in own if tensor is not None)
