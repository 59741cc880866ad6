"""Views of a network: its weights, shared, with hooks and passing state of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fer_xai.copying import deep_copy
from fer_xai.fingerprint import fingerprint, parts_of

Nets = tuple[Any, Any]
"""A model, and the same with BatchNorm folded, or None."""
_GENERATORS = (random.Random, torch.Generator, np.random.Generator, np.random.RandomState)


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
        self._state: object = None
        self._made: list[Nets] = []
        self._possible = self._keeping = self._taken = False

    def take(self, nets: Nets, noise: Tensor, count: int) -> list[Nets]:
        """Views of the networks, made when first asked for and again when a part or an option was
        changed.

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
            or compiled, draw random numbers, change their own buffers, answer the same images
            otherwise after other passes, cannot be copied, or a copy answers otherwise.
        """
        modules = [module for net in nets if net is not None for module in net.modules()]
        if any(_hooked(module) for module in modules):
            return []
        state = fingerprint(nets, in_place=True)
        if state != self._state:
            self._state, self._made = state, []
            self._possible = not any(map(_foreign, modules)) and self._try(nets, noise)
        while self._possible and len(self._made) < count:
            try:
                view = _view(nets)
                self._possible = _alike(nets, view, noise)
            except Exception:  # noqa: BLE001 - copying and running call the user's code
                self._possible = False
            else:
                self._made.append(view)
        self._taken = True
        return self._made[:count] if self._possible else []

    def passed(self, nets: Nets) -> None:
        """What the networks kept from passes since :meth:`take` is no change of theirs."""
        if self._taken and self._keeping:
            self._state = fingerprint(nets, in_place=True)
        self._taken = False

    def _try(self, nets: Nets, noise: Tensor) -> bool:
        """Whether order cannot matter, tried on a view, so that the networks keep nothing of it."""
        try:
            view = _view(nets)
            before = fingerprint(view, in_place=True)
            possible = _repeatable(view, noise)
            self._keeping = before != fingerprint(view, in_place=True)
        except Exception:  # noqa: BLE001 - the user's code; the pass that matters will say it
            return False
        return possible


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
    return deep_copy(nets, memo)


def _answers(nets: Nets, noise: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return [net(noise) for net in nets if net is not None]


def _repeatable(nets: Nets, noise: Tensor) -> bool:
    """Whether a pass draws no random numbers, changes no buffer, and answers the same after others.

    A change of a buffer, which views share, is undone.
    """
    buffers = [buffer for net in nets if net is not None for buffer in net.buffers()]
    state = [buffer.clone() for buffer in buffers]
    sources = [part for part in parts_of(nets) if isinstance(part, _GENERATORS)]
    with _unmoved_generators():
        before = _generators(sources)
        first = _answers(nets, noise)
        _answers(nets, 1 - noise[:1])
        again = _answers(nets, noise)
        drawn = before != _generators(sources)
    changed = [pair for pair in zip(buffers, state, strict=True) if not _equal(*pair)]
    for buffer, old in changed:
        buffer.copy_(old)  # as if it had not been tried
    return not changed and not drawn and all(map(_equal, first, again))


def _generators(sources: list[Any]) -> object:
    """States of the random generators that a pass could draw from."""
    own = [one.get_state() if isinstance(one, torch.Generator) else one for one in sources]
    return fingerprint((torch.get_rng_state(), random.getstate(), _numpy_state(), own))


def _numpy_state() -> Any:
    return np.random.get_state()  # noqa: NPY002 - the generator that a user's code shares


@contextmanager
def _unmoved_generators() -> Iterator[None]:
    """Context after which the generators of PyTorch, Python and NumPy are what they were."""
    python, numpy = random.getstate(), _numpy_state()
    with torch.random.fork_rng(devices=[]):
        yield
    if random.getstate() != python:
        random.setstate(python)
    if fingerprint(_numpy_state()) != fingerprint(numpy):
        np.random.set_state(numpy)  # noqa: NPY002


def _alike(one: Nets, two: Nets, noise: Tensor) -> bool:
    return all(map(_equal, _answers(one, noise), _answers(two, noise)))


def _equal(one: Tensor, two: Tensor) -> bool:
    return torch.equal(one, two) or bool(((one == two) | (one.isnan() & two.isnan())).all())
