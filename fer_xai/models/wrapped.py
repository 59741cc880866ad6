"""Networks as they are handed in: wrappers that are looked through, and what cannot be used."""

from __future__ import annotations

from typing import Any

from torch import nn

from fer_xai.errors import InputError


def bare(net: Any) -> nn.Module:
    """The network without the wrappers of ``torch.compile``, ``DataParallel`` and the like.

    Raises
    ------
    InputError
        For anything that is no module.

    Examples
    --------
    >>> net = nn.Linear(3, 2)
    >>> bare(nn.DataParallel(net)) is net
    True
    """
    if type(net).__name__ == "ExportedProgram":
        raise InputError(
            "Expected the network as a torch.nn.Module, got an ExportedProgram: hand in its "
            "module()."
        )
    if not isinstance(net, nn.Module):
        raise InputError(
            f"Expected the network as a torch.nn.Module, got {type(net).__name__}: build it "
            "first, or load one of ours by load_model(name)."
        )
    while True:
        kind = type(net).__name__
        if kind == "OptimizedModule":
            net = net._orig_mod
        elif kind in ("DataParallel", "DistributedDataParallel"):
            net = net.module
        else:
            return net


def check_usable(net: nn.Module, name: str) -> None:
    """Refuse a network whose weights do not exist yet.

    Raises
    ------
    InputError
        For weights on the device ``meta``.

    Examples
    --------
    >>> check_usable(nn.Linear(3, 2, device="meta"), "mine")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected weights of mine, but weight is on the device meta, ...
    """
    for weight, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if tensor.is_meta:
            raise InputError(
                f"Expected weights of {name}, but {weight} is on the device meta, which holds "
                "none: build the network on the CPU and load its weights."
            )
