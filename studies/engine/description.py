"""What a value is, as JSON: its content, its code and its wiring."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import re
import types
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fer_xai.models.untrained import calibrated_from
from studies.engine.bytecode import code_content, globals_read, names_used
from studies.engine.libraries import base_name, of_library, of_library_module, qualified_name

_PROCESS = uuid.uuid4().hex
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_DEPTH = 100
"""Levels of nested values and calls that are described; of deeper ones, nothing is reused."""
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_OF_RNN = frozenset(("_flat_weights", "_flat_weight_refs"))
"""Attributes by which a recurrent network finds its parameters, those of its original in a copy."""
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_OF_EVERY_CLASS = frozenset(
    (
        *("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__"),
        *("__annotate__", "__annotate_func__", "__annotations_cache__", "__abstractmethods__"),
        *("_abc_impl", "__dataclass_fields__", "__dataclass_params__", "__match_args__"),
        *("__orig_bases__", "__parameters__", "__type_params__", "__firstlineno__"),
        "__static_attributes__",
    )
)
"""Entries of a class that do not change what it does, or repeat other entries."""
_BY_REPR = (
    *(float, complex, bytes, range, PurePath, re.Pattern, type(...), type(NotImplemented)),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format),
)


class _Seen:
    """Objects that one digest has already met, so that each is described once and cycles end."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, Any]] = {}
        self.uses: set[tuple[str, frozenset[str]]] = set()
        """Python modules with the names that were taken from them."""

    def again(self, value: Any) -> str | None:
        """Label of a value that was met before."""
        found = self._known.get(id(value))
        return None if found is None else found[0]

    def add(self, value: Any, name: str = "") -> None:
        """Give a value its label, and keep it, so that no other value gets its address."""
        self._known.setdefault(id(value), (f"{len(self._known)} {name}".strip(), value))

    def copy(self) -> _Seen:
        """The same objects; what is met from here on is met in the copy alone."""
        other = _Seen()
        other._known, other.uses = dict(self._known), set(self.uses)
        return other


def module_digest(model: nn.Module, seen: _Seen | None = None) -> str:
    """SHA-256 of a module: see :func:`studies.engine.digests.model_digest`."""
    seen = _Seen() if seen is None else seen
    total = hashlib.sha256()
    tensors: list[tuple[str, Tensor]] = [*model.named_parameters(remove_duplicate=False)]
    tensors += [*model.named_buffers(remove_duplicate=False)]
    sources = calibrated_from(model)
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        total.update(f"{name} {sources.get(name) or _tensor(tensor)}\n".encode())
    modules = []
    for name, module in model.named_modules(remove_duplicate=False):
        modules.append((name, module, seen.again(module)))
        seen.add(module, name)  # before any is described: they may hold one another
    for name, module, again in modules:
        found = _module(module, seen) if again is None else ["module again", again]
        total.update(json.dumps([name, found], sort_keys=True).encode())
    return total.hexdigest()


def described(value: Any) -> Any:
    """What a value is, as JSON: equal descriptions mean equal content.

    A function is described by its code, what it encloses and the globals it reads; an object by its
    class and attributes. Functions and classes of the libraries
    (:data:`studies.engine.libraries.LIBRARIES`) and of Python's own are described by their name.
    What cannot be looked into is described by this process alone.

    Examples
    --------
    >>> described({"side": 8, "kinds": {"b", "a"}})
    ['mapping', [['kinds', ['set', ['"a"', '"b"']]], ['side', 8]]]
    """
    return _described(value, _Seen(), 0)


def _described(value: Any, seen: _Seen, depth: int) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if depth > _DEPTH:
        return _opaque(value)
    inner = functools.partial(_described, seen=seen, depth=depth + 1)
    if isinstance(value, Enum):
        return ["enum", inner(kind), value.name, inner(value.value)]
    if isinstance(value, tuple) and kind is tuple:
        return ["tuple", *map(inner, value)]
    if isinstance(value, types.CodeType):
        return ["code", code_content(value, inner)]
    by_name = _by_name(value)
    if by_name is not None:
        return by_name
    if isinstance(value, _BY_REPR) and of_library(kind):
        return [kind.__name__, repr(value)]
    if isinstance(value, nn.Module):
        again = seen.again(value)
        return ["module again", again] if again else ["module", module_digest(value, seen)]
    if not isinstance(value, Tensor | np.ndarray | np.generic) or not of_library(kind):
        again = seen.again(value)
        if again is not None:
            return ["again", again]
        seen.add(value)
    content = _content_of(value, seen, depth)
    if content is None:
        return _opaque(value)
    if of_library(kind) or isinstance(value, types.FunctionType | type):
        return content
    return [inner(kind), content, _attributes(value, seen, depth)]


def _by_name(value: Any) -> list[str] | None:
    """Functions and classes of libraries, Python modules of theirs, and loggers: their names."""
    if isinstance(value, np.ufunc):
        return ["function", "numpy." + value.__name__]
    if isinstance(value, logging.Logger):  # an answer does not depend on it
        return ["logger", value.name]
    if isinstance(value, types.ModuleType):
        return ["python module", value.__name__]
    if isinstance(value, types.MethodType) or not of_library(value):
        return None
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType | type):
        return None  # such as the method ``get`` of a dictionary
    if isinstance(value, type):
        return ["class", qualified_name(value)]
    if callable(value) and hasattr(value, "__qualname__"):
        return ["function", qualified_name(value)]
    return None


def _content_of(value: Any, seen: _Seen, depth: int) -> Any:
    """Content of a value without its class; None where it cannot be determined."""
    inner = functools.partial(_described, seen=seen, depth=depth + 1)
    if isinstance(value, types.FunctionType):
        return _function(value, seen, depth)
    if isinstance(value, type):
        return ["class", qualified_name(value), *_code_of_class(value, seen, depth)]
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            return None
        content = sha256(np.ascontiguousarray(value).tobytes())
        return ["array", str(value.dtype), list(value.shape), content]
    if isinstance(value, Mapping):
        pairs = [(inner(key), one) for key, one in value.items()]
        pairs.sort(key=lambda pair: json.dumps(pair[0], sort_keys=True))
        return ["mapping", [[key, inner(one)] for key, one in pairs]]
    if isinstance(value, set | frozenset):
        members = (_described(one, seen.copy(), depth + 1) for one in value)
        return ["set", sorted(json.dumps(one, sort_keys=True) for one in members)]
    if isinstance(value, list | tuple | deque):
        return [base_name(value), *map(inner, value)]
    if isinstance(value, (bool, int, str, *_BY_REPR)):
        return [base_name(value), _plain(value)]
    if isinstance(value, slice):
        return ["slice", inner(value.start), inner(value.stop), inner(value.step)]
    return _held_by_wrapper(value, inner) or _held_by_object(value, seen, depth)


def _held_by_wrapper(value: Any, inner: Callable[[Any], Any]) -> list[Any] | None:
    """Functions behind a method, a partial function, a property or another descriptor."""
    if isinstance(value, functools.partial):
        return ["partial", inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, types.MethodType):
        return ["method", inner(value.__func__), inner(value.__self__)]
    if isinstance(value, types.BuiltinMethodType | types.MethodWrapperType):
        return ["method", value.__qualname__, inner(value.__self__)]
    if isinstance(value, staticmethod | classmethod):
        return [type(value).__name__, inner(value.__func__)]
    if isinstance(value, property):
        return ["property", inner(value.fget), inner(value.fset), inner(value.fdel)]
    if isinstance(value, functools.cached_property):  # it may hold a lock
        return ["property", inner(value.func)]
    if isinstance(value, weakref.ref):
        return ["weak reference", inner(value())]
    if of_library(type(value)) and hasattr(value, "__get__") and hasattr(value, "__name__"):
        return ["slot", value.__name__]
    return None


def _held_by_object(value: Any, seen: _Seen, depth: int) -> list[Any] | None:
    inner = functools.partial(_described, seen=seen, depth=depth + 1)
    if dataclasses.is_dataclass(value):
        attributes = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        attributes |= getattr(value, "__dict__", {})
    elif hasattr(value, "__dict__"):
        attributes = vars(value)
    else:
        return None
    return [
        "object",
        qualified_name(type(value)),
        {name: inner(attributes[name]) for name in sorted(attributes)},
    ]


def _attributes(value: Any, seen: _Seen, depth: int) -> dict[str, Any]:
    """Attributes of an object of a user's class that is a dictionary, a tensor and the like."""
    if not isinstance(value, Tensor | np.ndarray | Mapping | set | frozenset | list | tuple | str):
        return {}
    attributes = getattr(value, "__dict__", {})
    return {name: _described(attributes[name], seen, depth + 1) for name in sorted(attributes)}


def _function(function: types.FunctionType, seen: _Seen, depth: int) -> list[Any]:
    inner = functools.partial(_described, seen=seen, depth=depth + 1)
    code = function.__code__
    globals_ = function.__globals__
    names = names_used(code)
    read = {
        name: _global(globals_[name], names, seen, depth + 1)
        for name in sorted(globals_read(code) & globals_.keys())
    }
    defaults = [inner(function.__defaults__), inner(function.__kwdefaults__)]
    enclosed = [inner(_content(cell)) for cell in function.__closure__ or ()]
    attributes = inner(vars(function)) if vars(function) else None
    return [
        "function",
        qualified_name(function),
        code_content(code, inner),
        defaults,
        enclosed,
        read,
        attributes,
    ]


def _global(value: Any, names: frozenset[str], seen: _Seen, depth: int) -> Any:
    """A global that a function reads: its content.

    From a Python module of the user's own, only what the function may take from it counts:
    all that bears a name which the function uses.
    """
    if not isinstance(value, types.ModuleType) or of_library_module(value.__name__):
        return _described(value, seen, depth)
    taken = frozenset(names & vars(value).keys())
    if (value.__name__, taken) in seen.uses:
        return ["python module again", value.__name__, sorted(taken)]
    seen.uses.add((value.__name__, taken))
    attributes = {
        name: _global(vars(value)[name], names, seen, depth + 1) for name in sorted(taken)
    }
    return ["python module", value.__name__, attributes]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # of a function that names itself before it is bound
        return None


def _code_of_class(kind: type, seen: _Seen, depth: int) -> list[Any]:
    """All that a class and the user's classes above it define; libraries' classes by name.

    Methods (static ones and those of the class, too), properties, and values of attributes.
    """
    inner = functools.partial(_described, seen=seen, depth=depth + 1)
    found: list[Any] = [] if type(kind) is type else [inner(type(kind))]
    for base in kind.__mro__:
        if of_library(base):
            found.append(qualified_name(base))
            continue
        seen.add(base)
        own = {name: vars(base)[name] for name in sorted(vars(base).keys() - _OF_EVERY_CLASS)}
        found.append([qualified_name(base), {name: inner(one) for name, one in own.items()}])
    return found


def _module(module: nn.Module, seen: _Seen) -> list[Any]:
    """Kind, code, settings and hooks of one module; registered tensors and modules apart."""
    settings = {
        name: _described(value, seen, 1)
        for name, value in sorted(vars(module).items())
        if name not in _OF_EVERY_MODULE and not (name in _OF_RNN and isinstance(module, nn.RNNBase))
    }
    hooks = [
        [_described(hook, seen, 1) for hook in getattr(module, name, {}).values()]
        for name in _HOOKS
    ]
    code = _described(type(module), seen, 1)
    return [code, _ADDRESS.sub("", module.extra_repr()), settings, hooks]


def _tensor(tensor: Tensor) -> list[Any]:
    values = tensor.detach().cpu().contiguous().reshape(-1)
    raw = values.view(torch.uint8) if values.numel() else values
    digest = sha256(raw.numpy().tobytes()) if values.numel() else ""
    return ["tensor", str(tensor.dtype), list(tensor.shape), digest]


def _plain(value: Any) -> Any:
    """A number, text or the like of a user's class, as a plain one."""
    for kind in (bool, int, str):
        if isinstance(value, kind):
            return kind(value)
    return repr(value)


def _opaque(value: Any) -> list[str]:
    return ["opaque", type(value).__qualname__, f"{_PROCESS}-{id(value):x}"]


def sha256(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal.

    Examples
    --------
    >>> sha256(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()
