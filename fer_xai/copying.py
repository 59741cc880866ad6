"""Deep copies of networks, with the activations that they keep cut out of their graphs."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor

from fer_xai.errors import InputError
from fer_xai.fingerprint import parts_of

T = TypeVar("T")


def deep_copy(network: T, memo: dict[int, Any] | None = None) -> T:
    """A deep copy of a network; tensors inside a graph, which PyTorch refuses to copy, are
    detached in the copy.

    Such tensors are activations that a network keeps from its last pass, in an attribute, a list or
    a dictionary, and gradients that can be differentiated again.

    Parameters
    ----------
    network
        The network, or a tuple of networks.
    memo
        What stands for some objects in the copy, by ``id``, as :func:`copy.deepcopy` takes it.

    Raises
    ------
    Exception
        Whatever the parts raise that cannot be copied for another reason.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Linear(2, 2)
    >>> net.kept = [net(torch.ones(1, 2))]
    >>> made = deep_copy(net)
    >>> torch.equal(made.kept[0], net.kept[0]), made.kept[0].requires_grad
    (True, False)
    """
    memo = {} if memo is None else memo
    parts = parts_of(network)  # alive until the copy is made, so that each id stays theirs
    for part in parts:
        if isinstance(part, Tensor):
            gradient = part.grad if part.is_leaf else None
            for tensor in (part, gradient):
                if tensor is not None and not tensor.is_leaf:
                    memo.setdefault(id(tensor), tensor.detach().clone())
    return copy.deepcopy(network, memo)


def network_copy(network: T, *, name: str = "the model") -> T:
    """A :func:`deep_copy`, whose failure is said in one sentence.

    Parameters
    ----------
    network
        The network.
    name
        Name of the network, for the error.

    Raises
    ------
    InputError
        If the network holds something that cannot be copied.

    Examples
    --------
    >>> import threading, torch
    >>> net = torch.nn.Linear(2, 2)
    >>> torch.equal(network_copy(net).weight, net.weight)
    True
    >>> net.lock = threading.Lock()
    >>> network_copy(net)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the model to be a network that can be copied, but ...
    """
    try:
        with torch.no_grad():  # or a script's copy would be part of a graph
            return deep_copy(network)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"Expected {name} to be a network that can be copied, but copying it failed ({said}): "
            "keep files, locks and the like out of its attributes."
        ) from error
