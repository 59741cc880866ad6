"""What a run is made of, by digest: models with their whole wiring, faces, options that hold code.

Every run folder and every shard of the studies is told apart by these, so that nothing is reused
for another model, other faces or other options.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import types
import uuid
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fer_xai.types import Faces

SIZE = 64
"""Side at which every study takes the faces' digest, in pixels."""
OURS = frozenset(("fer_xai", "metrics", "studies", "training"))
PEERS = frozenset(("einops", "numpy", "scipy", "timm", "torch", "torchvision"))
LIBRARIES = OURS | PEERS | frozenset(("builtins", "functools", "math", "operator"))
"""Packages whose functions and classes are told apart by name: a manifest records their versions,
and the commit of this one."""
_PROCESS = uuid.uuid4().hex
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_DEPTH = 6


def model_digest(model: nn.Module) -> str:
    """SHA-256 of all that a model's answers and maps depend on.

    Parameters and buffers (those that no state dict holds, too), the kind and settings of every
    module and the code of the user's own, and the wiring of a :class:`fer_xai.FERModel`: name,
    emotions, size, greyscale, mean, deviation, CAM layers and reshape. Where something is held
    whose content cannot be told (an object written in C, say), the digest differs from process to
    process, so that nothing is ever reused for it.

    Examples
    --------
    >>> import fer_xai, torch
    >>> nets = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 6)) for _ in range(2)]
    >>> nets[1].load_state_dict(nets[0].state_dict())
    <All keys matched successfully>
    >>> one, two = (fer_xai.FERModel(net, emotions="gimefive", size=8) for net in nets)
    >>> model_digest(one) == model_digest(two)
    True
    >>> two.cam_layer = "1"
    >>> model_digest(one) == model_digest(two)
    False
    """
    total = hashlib.sha256()
    tensors: list[tuple[str, Tensor]] = [*model.named_parameters(remove_duplicate=False)]
    tensors += [*model.named_buffers(remove_duplicate=False)]
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        total.update(f"{name} {_tensor(tensor)}\n".encode())
    for name, module in model.named_modules(remove_duplicate=False):
        total.update(json.dumps([name, _module(module)], sort_keys=True).encode())
    return total.hexdigest()


def faces_digests(faces: Faces, sizes: Iterable[int] = ()) -> dict[str, str | None]:
    """SHA-256 of faces, for a manifest: pixels, labels and names; landmarks; persons and groups.

    Parameters
    ----------
    faces
        That are read; where their files lie does not matter.
    sizes
        Sides at which models are fed, beside :data:`SIZE`.
    """
    columns = [column for column in faces.table.columns if column != "path"]
    people = faces.table[columns].astype(str).to_csv(index=False)
    landmarks = faces.landmarks
    found: dict[str, str | None] = {
        "faces": faces.fingerprint(SIZE),
        "landmarks": None if landmarks is None else _sha(np.ascontiguousarray(landmarks).tobytes()),
        "people": _sha(people.encode()),
    }
    for size in sorted(set(sizes) - {SIZE}):
        found[f"faces at {size} pixels"] = faces.fingerprint(size)
    return found


def code_digest(values: Iterable[Any]) -> str:
    """SHA-256 of methods or metrics, with their parameters and the code of the user's own."""
    return _sha(json.dumps([described(value) for value in values], sort_keys=True).encode())


def described(value: Any, *, depth: int = 0) -> Any:
    """What a value is, as JSON: equal descriptions mean equal content.

    Functions are told apart by their code, what they enclose and the globals they read; objects by
    their class and attributes. What cannot be looked into is described by this process alone.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if depth > _DEPTH:
        code = getattr(value, "__code__", None)
        return [_name(value), _code(code)] if code is not None else _opaque(value)
    inner = functools.partial(described, depth=depth + 1)
    if isinstance(value, float | complex | bytes | PurePath | torch.dtype | torch.device):
        return [type(value).__name__, repr(value)]
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            return _opaque(value)
        content = _sha(np.ascontiguousarray(value).tobytes())
        return ["array", str(value.dtype), list(value.shape), content]
    if isinstance(value, Mapping):
        pairs = [[inner(key), inner(one)] for key, one in value.items()]
        return ["mapping", sorted(pairs, key=lambda pair: json.dumps(pair, sort_keys=True))]
    if isinstance(value, set | frozenset):
        return ["set", sorted(json.dumps(inner(one), sort_keys=True) for one in value)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(inner, value)]
    if isinstance(value, functools.partial):
        return ["partial", inner(value.func), inner(value.args), inner(value.keywords)]
    if isinstance(value, types.MethodType):
        return ["method", inner(value.__func__), inner(value.__self__)]
    if isinstance(value, type):
        return ["class", _name(value), *_code_of_class(value, depth=depth)]
    if _of_library(value) and callable(value) and hasattr(value, "__qualname__"):
        return ["function", _name(value)]
    if isinstance(value, types.FunctionType):
        return _function(value, depth=depth)
    if isinstance(value, nn.Module):
        return ["module", model_digest(value)]
    if dataclasses.is_dataclass(value):
        held = {f.name: inner(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return [inner(type(value)), held]
    if hasattr(value, "__dict__") and not isinstance(value, types.ModuleType):
        return [inner(type(value)), inner(vars(value))]
    return _opaque(value)


def _function(function: types.FunctionType, *, depth: int) -> list[Any]:
    inner = functools.partial(described, depth=depth + 1)
    code = function.__code__
    names = sorted(_names(code) & function.__globals__.keys())
    read = {name: _global(function.__globals__[name], depth=depth + 1) for name in names}
    defaults = [inner(function.__defaults__), inner(function.__kwdefaults__)]
    enclosed = [inner(_content(cell)) for cell in function.__closure__ or ()]
    return ["function", _name(function), _code(code), defaults, enclosed, read]


def _global(value: Any, *, depth: int) -> Any:
    """A global that a function reads: its content, or its name where it is no plain value."""
    plain = value is None or isinstance(value, bool | int | float | str | list | tuple | Tensor)
    if plain or isinstance(value, types.FunctionType):
        return described(value, depth=depth)
    return _name(value) if hasattr(value, "__name__") else type(value).__qualname__


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # of a function that names itself before it is bound
        return None


def _names(code: types.CodeType) -> set[str]:
    inside = [_names(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*inside)


def _code(code: types.CodeType) -> str:
    """Digest of byte code and constants, docstrings and line numbers apart."""
    total = hashlib.sha256(code.co_code)
    # the first constant of a function with a docstring is that
    consts = code.co_consts[1:] if code.co_flags & 0x4000000 else code.co_consts
    for const in consts:
        text = _code(const) if isinstance(const, types.CodeType) else repr(const)
        total.update(f"{text}\n".encode())
    total.update(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    return total.hexdigest()


def _code_of_class(kind: type, *, depth: int = 0) -> list[Any]:
    """The code of a class's own methods, and of what it inherits from; of libraries nothing."""
    if _of_library(kind):
        return []
    own = {
        name: described(one, depth=depth + 3)  # what methods call is looked into less deeply
        for name, one in sorted(vars(kind).items())
        if (isinstance(one, types.FunctionType) and not name.startswith("__")) or name == "__call__"
    }
    above = [_name(base) for base in kind.__mro__[1:] if not _of_library(base)]
    return [own, above]


def _module(module: nn.Module) -> list[Any]:
    """Kind, code and settings of one module, tensors and inner modules apart."""
    settings = {
        name: described(value, depth=1)
        for name, value in vars(module).items()
        if value is not None and not name.startswith("_") and name != "training"
    }
    kind = type(module)
    return [_name(kind), _ADDRESS.sub("", module.extra_repr()), _code_of_class(kind), settings]


def _tensor(tensor: Tensor) -> list[Any]:
    values = tensor.detach().cpu().contiguous().reshape(-1)
    raw = values.view(torch.uint8) if values.numel() else values
    digest = _sha(raw.numpy().tobytes()) if values.numel() else ""
    return ["tensor", str(tensor.dtype), list(tensor.shape), digest]


def _of_library(value: Any) -> bool:
    return str(getattr(value, "__module__", "") or "builtins").partition(".")[0] in LIBRARIES


def _name(value: Any) -> str:
    parts = (getattr(value, "__module__", ""), getattr(value, "__qualname__", value.__name__))
    return ".".join(str(part) for part in parts if part)


def _opaque(value: Any) -> list[str]:
    return ["opaque", type(value).__qualname__, f"{_PROCESS}-{id(value):x}"]


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
