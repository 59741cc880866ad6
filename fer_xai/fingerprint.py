"""Fingerprint of a network: all that its answers and its copies depend on, for comparison later."""

from __future__ import annotations

import types
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

_VALUES = frozenset({bool, int, str, bytes, type(None)})
_NUMBERS = frozenset({float, complex})
_MAPPINGS = frozenset({dict, OrderedDict})
_IMMUTABLE = frozenset({tuple, frozenset})
_MUTABLE = frozenset({list, set})
_WHOLE = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, fx.Graph)
"""What a deep copy shares, and a traced graph, whose code its module has as text."""
_SPAN = 1 << 16
"""Words that are weighed one by one; a longer tensor's spans are weighed in turn."""
_WEIGHTS: dict[torch.device, Tensor] = {}


class Same:
    """Equal to another of the same object alone, whatever that object's own equality says.

    It does not keep the object alive, unless Python allows no weak reference to it.

    Examples
    --------
    >>> array, other = np.zeros(2), np.zeros(2)
    >>> Same(array) == Same(array), Same(array) == Same(other)
    (True, False)
    """

    __slots__ = ("_of",)

    def __init__(self, value: object) -> None:
        try:
            self._of: Callable[[], object] = weakref.ref(value)
        except TypeError:
            self._of = lambda: value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Same):
            return NotImplemented
        mine = self._of()
        return mine is not None and mine is other._of()

    __hash__ = None  # type: ignore[assignment]  # what it refers to may be gone


def fingerprint(value: object, *, in_place: bool = False) -> object:
    """What a network, with all that it consists of, is now.

    Two fingerprints of a network are equal if neither its parts, their types, options and hooks nor
    any number in it have changed between them. Tensors and arrays are compared by a checksum of
    their bytes, since a change through ``.data`` or NumPy counts no version; other objects by what
    pickling would save of them, and by identity where they cannot be pickled, as functions and
    hooks are. Variables that a function closes over, globals and attributes of classes are not
    looked at.

    Parameters
    ----------
    value
        The network, or a tuple of networks.
    in_place
        True if copies share the parameters and buffers, so that they are compared by identity
        alone. The training mode counts then too; without it copies are in evaluation mode.

    Examples
    --------
    >>> net = nn.Linear(2, 2)
    >>> before, shared = fingerprint(net), fingerprint(net, in_place=True)
    >>> net.bias.data += 1
    >>> before == fingerprint(net), shared == fingerprint(net, in_place=True)
    (False, True)
    """
    reading = _Reading(in_place=in_place)
    found = reading.read(value)
    reading.settle()
    return found


def parts_of(value: object) -> list[object]:
    """Tensors, modules, containers and other mutable objects that a network consists of.

    Parameters
    ----------
    value
        The network, or any other object.

    Examples
    --------
    >>> net = nn.Linear(2, 2)
    >>> net.kept = {"last": [torch.ones(1)]}
    >>> sum(isinstance(part, Tensor) for part in parts_of(net))
    3
    """
    reading = _Reading(in_place=True, sums=False)
    reading.read(value)
    return reading.parts


class _Reading:
    """One walk through the parts of a network."""

    def __init__(self, *, in_place: bool, sums: bool = True) -> None:
        self.in_place, self.sums = in_place, sums
        self.parts: list[object] = []  # kept, so that no other object gets a number of theirs
        self._numbers: dict[int, int] = {}
        self._pending: list[tuple[list[int], Tensor]] = []

    def read(self, value: Any) -> object:
        """An object as values that can be compared."""
        kind = type(value)
        if kind in _VALUES:
            return kind, value
        if kind in _NUMBERS:
            return kind, repr(value)  # NaN is itself, and -0.0 is not 0.0
        if kind in _IMMUTABLE:
            return kind, *map(self.read, value)
        if kind is object or isinstance(value, _WHOLE):
            return Same(value)
        number = self._numbers.setdefault(id(value), len(self.parts))
        if number < len(self.parts):
            return "again", number
        self.parts.append(value)
        if kind in _MUTABLE:
            return kind, *map(self.read, value)
        if kind in _MAPPINGS:
            return kind, *((self.read(key), self.read(one)) for key, one in value.items())
        if isinstance(value, Tensor):
            return self._tensor(value) if self.sums else None
        if kind is np.ndarray and not value.dtype.hasobject:
            return (value.dtype.str, value.shape, zlib.crc32(value.tobytes()) if self.sums else 0)
        if isinstance(value, torch.jit.ScriptModule):
            return self._script(value)
        if isinstance(value, nn.Module):
            return self._module(value)
        return self._object(value)

    def settle(self) -> None:
        """Fetch the checksums of tensors on other devices, all at once."""
        for device in {total.device for _, total in self._pending}:
            of_device = [pair for pair in self._pending if pair[1].device == device]
            numbers = torch.stack([total for _, total in of_device]).tolist()
            for (cell, _), number in zip(of_device, numbers, strict=True):
                cell.append(number)

    def _module(self, module: nn.Module) -> object:
        found: list[object] = [type(module)]
        for option, value in vars(module).items():
            if option in ("_parameters", "_buffers") and self.in_place and self.sums:
                found.append([(name, Same(one)) for name, one in value.items() if one is not None])
            elif option.endswith("_hooks") and isinstance(value, dict):
                found.append([Same(hook) for hook in value.values()] if value else None)
            elif option != "training" or self.in_place:
                found.append((option, self.read(value)))
        return found

    def _script(self, module: torch.jit.ScriptModule) -> object:
        """A script's tensors, and its code and options as text."""
        tensors = [*module.parameters(), *module.buffers()]
        return Same(module), module._c.dump_to_str(True, True, False), self.read(tensors)

    def _object(self, value: Any) -> object:
        try:
            saved = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001 - the user's code, or an object that cannot be pickled
            return Same(value)
        if isinstance(saved, str):
            return Same(value)
        saved = [list(part) if isinstance(part, Iterator) else part for part in saved]
        return type(value), self.read(saved)

    def _tensor(self, tensor: Tensor) -> object:
        tensor = tensor.detach()
        about = (type(tensor), tensor.dtype, tuple(tensor.shape), str(tensor.device))
        if tensor.device.type == "meta" or not tensor.numel():
            return about
        try:
            if tensor.is_quantized:
                tensor = tensor.dequantize()
            words = _words(tensor if tensor.layout == torch.strided else tensor.to_dense())
        except Exception:  # noqa: BLE001 - a tensor of another library's, without bytes
            return about, Same(tensor), tensor._version
        if words.device.type == "cpu":
            return about, zlib.crc32(words.numpy().data)
        cell: list[int] = []
        self._pending.append((cell, weighed_sum(words)))
        return about, cell


def _words(tensor: Tensor) -> Tensor:
    """The bytes of a tensor as one row of whole numbers."""
    row = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)
    if row.device.type == "cpu":
        return row.view(torch.uint8)
    sizes = {1: torch.uint8, 2: torch.int16, 4: torch.int32}
    return row.view(sizes.get(row.element_size(), torch.int64))


def weighed_sum(words: Tensor) -> Tensor:
    """A checksum that the tensor's own device computes, as a scalar that stays there.

    It is the sum, modulo 2^64, of each word times a random weight of its position, the family of
    hashes of Carter and Wegman (1979): words that change places change it.

    Parameters
    ----------
    words
        ``(N,)`` whole numbers.

    Examples
    --------
    >>> words = torch.tensor([3, 5, 7], dtype=torch.int32)
    >>> bool(weighed_sum(words) == weighed_sum(words[[1, 0, 2]]))
    False
    """
    weights = _WEIGHTS.get(words.device)
    if weights is None:
        random = torch.Generator().manual_seed(0)
        drawn = torch.randint(-(1 << 62), 1 << 62, (2, _SPAN), generator=random) * 2 + 1
        weights = _WEIGHTS[words.device] = drawn.to(words.device)
    spans = [(span.long() * weights[0, : span.shape[-1]]).sum(-1) for span in _spans(words)]
    sums = torch.cat([span.reshape(-1) for span in spans])
    if len(sums) > 1:
        return weighed_sum(sums) if len(sums) > _SPAN else (sums * weights[1, : len(sums)]).sum()
    return sums[0]


def _spans(words: Tensor) -> list[Tensor]:
    """Words as rows of a full span, and the rest."""
    whole = len(words) // _SPAN * _SPAN
    parts = words[:whole].view(-1, _SPAN), words[whole:]
    return [part for part in parts if part.numel()]
