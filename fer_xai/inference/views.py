"""Views of a network: its weights, shared, with hooks and passing state of their own."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

Nets = tuple[Any, Any]
"""A model, and the same with BatchNorm folded, or None."""


class Views:
    """Views of two networks for threads that run them at the same time.

    Weights and buffers are the networks' own tensors, so that a change in place is seen by all;
    modules are copies, so that a hook on one view, or what a module keeps from one part of a pass
    to the next, meets that view's micro-batch alone.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten())
    >>> views = Views().take((net, None), torch.rand(2, 3, 2, 2), count=2)
    >>> len(views), views[0][0] is net, views[0][0][0].weight is net[0].weight
    (2, False, True)
    """

    def __init__(self) -> None:
        self._of: list[object] = []
        self._made: list[Nets] = []
        self._possible = False

    def take(self, nets: Nets, noise: Tensor, count: int) -> list[Nets]:
        """Views of the networks, made when first asked for and again when a part was replaced.

        Parameters
        ----------
        nets
            What is viewed.
        noise
            Images to try them on.
        count
            How many views there should be.

        Returns
        -------
        list
            As many views, or none where the networks cannot be shared: they have hooks, are scripts
            or compiled, draw random numbers, change their own buffers, cannot be copied, or
            a copy answers otherwise.
        """
        modules = [module for net in nets if net is not None for module in net.modules()]
        if any(_hooked(module) for module in modules):
            return []
        parts: list[object] = [
            part for module in modules for part in (module, *module._parameters.values())
        ]
        parts += [part for module in modules for part in module._buffers.values()]
        parts += [module.training for module in modules]
        same = len(parts) == len(self._of)
        if not same or any(one is not two for one, two in zip(parts, self._of, strict=True)):
            self._of, self._made = parts, []
            self._possible = not any(map(_foreign, modules)) and _repeatable(nets, noise)
        while self._possible and len(self._made) < count:
            try:
                view = _view(nets)
                self._possible = _alike(nets, view, noise)
            except Exception:  # noqa: BLE001 - copying and running call the user's code
                self._possible = False
            else:
                self._made.append(view)
        return self._made[:count] if self._possible else []


def _hooked(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def _foreign(module: nn.Module) -> bool:
    """Whether a module is a script, whose copy has weights of its own, or is compiled."""
    return isinstance(module, torch.jit.ScriptModule) or type(module).__name__ == "OptimizedModule"


def _view(nets: Nets) -> Nets:
    """A deep copy of the networks in which the tensors are the same."""
    memo: dict[int, Any] = {}
    for net in nets:
        for tensor in [] if net is None else [*net.parameters(), *net.buffers()]:
            memo[id(tensor)] = tensor
    return copy.deepcopy(nets, memo)


def _answers(nets: Nets, noise: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return [net(noise) for net in nets if net is not None]


def _repeatable(nets: Nets, noise: Tensor) -> bool:
    """Whether a pass draws no random numbers and changes no buffer, so that order cannot matter."""
    buffers = [buffer for net in nets if net is not None for buffer in net.buffers()]
    with torch.random.fork_rng(devices=[]):
        seed, state = torch.get_rng_state(), [buffer.clone() for buffer in buffers]
        try:
            _answers(nets, noise)
        except Exception:  # noqa: BLE001 - the user's code; the pass that matters will say it
            return False
        drawn = not torch.equal(seed, torch.get_rng_state())
    changed = [pair for pair in zip(buffers, state, strict=True) if not _equal(*pair)]
    for buffer, before in changed:
        buffer.copy_(before)  # as if it had not been tried
    return not changed and not drawn


def _alike(one: Nets, two: Nets, noise: Tensor) -> bool:
    return all(map(_equal, _answers(one, noise), _answers(two, noise)))


def _equal(one: Tensor, two: Tensor) -> bool:
    return torch.equal(one, two) or bool(((one == two) | (one.isnan() & two.isnan())).all())
