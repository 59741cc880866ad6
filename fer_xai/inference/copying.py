"""Deep copies of networks, with the activations that they keep cut out of their graphs."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor

from fer_xai.inference.fingerprint import parts_of

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
