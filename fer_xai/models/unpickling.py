"""Tensors of a pickled file that holds other objects too: nothing of it is ever called."""

from __future__ import annotations

import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


class Placeholder:
    """What stands for an object of a pickled file that is neither a tensor nor a plain container.

    Whatever it is made of and filled with is thrown away; :attr:`of` names the class or function.

    Examples
    --------
    >>> Placeholder("anything", here=1).of
    ''
    """

    of = ""
    dump_patches = False  # old files ask it of classes

    def __init__(self, *args: object, **kwargs: object) -> None:
        del args, kwargs

    def __new__(cls, *args: object, **kwargs: object) -> Placeholder:
        """A placeholder, whatever its class would have been made of."""
        del args, kwargs
        return super().__new__(cls)

    def ignore(*args: object, **kwargs: object) -> None:
        """Take what a pickle fills an object with, and keep nothing."""
        del args, kwargs

    __setstate__ = __setitem__ = append = extend = add = ignore

    @classmethod
    def named(cls, name: str) -> type[Placeholder]:
        """A class of its own, which a pickle may make objects of."""
        return type("Placeholder", (cls,), {"of": name, "__slots__": ()})


class _Dict(dict[Any, Any]):
    """A dictionary whose attributes (``_metadata``) a pickle cannot set."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        del state


class _Make:
    """A function that makes a tensor or a container; no pickle can change its attributes."""

    __slots__ = ("_make",)
    _make: Callable[..., Any]

    def __init__(self, make: Callable[..., Any]) -> None:
        object.__setattr__(self, "_make", make)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"a pickle sets {name} of a function")

    def __setstate__(self, state: object) -> None:
        del state

    def __call__(self, *args: Any) -> Any:
        return self._make(*args)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> Tensor:
    whole = [offset, *size, *stride]
    if not isinstance(storage, torch.storage.TypedStorage):
        raise pickle.UnpicklingError("a tensor without a storage")
    if not all(type(one) is int and one >= 0 for one in whole) or len(size) != len(stride):
        raise pickle.UnpicklingError("a tensor with a shape that cannot be")
    if all(size):
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= storage._size():
            raise pickle.UnpicklingError("a tensor that is larger than what is stored of it")
    return torch.empty(0, dtype=storage.dtype).set_(
        storage._untyped_storage, offset, tuple(size), tuple(stride)
    )


def _first(first: Any, *_: object) -> Any:
    return first


def _of_type(make: Any, kind: object, args: Any, *_: object) -> Any:
    del kind
    return make(*args) if isinstance(make, _Make) else Placeholder()


class _Untyped:
    """What stands for a storage of bytes; no pickle can change it."""

    __slots__ = ()
    dtype = torch.uint8

    def __setstate__(self, state: object) -> None:
        del state


_KNOWN = {
    ("torch._utils", "_rebuild_tensor"): _Make(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Make(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Make(_first),
    ("torch._utils", "_rebuild_parameter_with_state"): _Make(_first),
    ("torch._tensor", "_rebuild_from_type_v2"): _Make(_of_type),
    ("torch", "Size"): _Make(lambda sides=(): tuple(sides)),
    ("collections", "OrderedDict"): _Make(lambda pairs=(): _Dict(pairs)),
    ("collections", "defaultdict"): _Make(lambda *_: _Dict()),
    ("torch.storage", "UntypedStorage"): _Untyped(),
    ("torch", "UntypedStorage"): _Untyped(),
}


_IN_PYTHON: Any = pickle._Unpickler
"""The unpickler that Python falls back on: in the other four damaged bytes ask for 64 GB."""


class _Unpickler(_IN_PYTHON):  # type: ignore[misc]
    """Tensors, numbers, texts and plain containers as they are, placeholders for the rest."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """One of ours instead of what a pickle asks for: nothing is imported."""
        known = _KNOWN.get((module_name, global_name))
        if known is not None:
            return known
        return Placeholder.named(f"{module_name}.{global_name}".replace("builtins.", "")[:120])


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


_PICKLE: Any = SimpleNamespace(
    __name__="fer_xai.models.unpickling", Unpickler=_Unpickler, load=_load, loads=None
)
"""What ``torch.load`` uses in the place of ``pickle``."""


def read_inertly(path: Path) -> Any:
    """Content of a ``torch.save`` file, with a :class:`Placeholder` for each unknown object.

    No class, function or module that the file names is imported or called.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    pickle.UnpicklingError
        If the file is a script of TorchScript, or its tensors cannot be made. Damaged files raise
        whatever reading them raises.

    Examples
    --------
    >>> import datetime, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "old.pt"
    ...     torch.save({"weight": torch.ones(2), "made": datetime.date(2020, 1, 1)}, path)
    ...     found = read_inertly(path)
    >>> found["weight"], found["made"].of
    (tensor([1., 1.]), 'datetime.date')
    """
    if tarfile.is_tarfile(path):
        raise pickle.UnpicklingError("it is a tar file, as PyTorch wrote them before 0.1.10")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise pickle.UnpicklingError("it is a script of TorchScript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the source of a class has changed
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_PICKLE)
