"""One registry for models, datasets, attributions, metrics and studies.

What is built in is found by its folder: the modules of a package are imported when a name is first
asked for, and their decorators fill the registry. Other packages add theirs through entry points of
the group ``fer_xai.<kind>``.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from fer_xai.errors import FerXaiError, UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind, imported on first use.

    Parameters
    ----------
    kind
        Name of the kind, in the singular: it names the entry-point group and stands in errors.
    modules
        Module that registers each name, where the names are known without an import.
    package
        Package whose modules, those of its sub-packages included, register the built-in names.
    first
        Modules of the package whose names come first in every listing, in this order; names of
        other modules follow, by module.

    Examples
    --------
    >>> shapes: Registry[int] = Registry("shape")
    >>> shapes.register("square")(4)
    4
    >>> shapes["square"], list(shapes)
    (4, ['square'])
    >>> shapes["sqare"]
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown shape 'sqare': did you mean square?
    """

    def __init__(
        self,
        kind: str,
        modules: Mapping[str, str] | None = None,
        *,
        package: str | None = None,
        first: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self._modules = dict(modules or {})
        self._static = tuple(self._modules)
        self._package = package
        self._first = tuple(first)
        self._entries: dict[str, T] = {}
        self._registered_by: dict[str, str] = {}
        self._found = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an object under a name; a name can be taken once."""
        module = _caller()

        def file(entry: T) -> T:
            known = self._entries.get(name)
            if known is not None and known is not entry and not _same_definition(known, entry):
                raise FerXaiError(
                    f"The {self.kind} name {name!r} is taken by {known!r}: choose another name."
                )
            self._entries[name] = entry
            self._registered_by.setdefault(name, module)
            return entry

        return file

    def __iter__(self) -> Iterator[str]:
        """Every name: what is built in comes first, then what was registered or plugged in."""
        self._find_all()
        place = {f"{self._package}.{name}": number for number, name in enumerate(self._first)}
        listed = sorted(
            self._entries, key=lambda name: _place(self._registered_by[name], place, self._package)
        )
        return iter(dict.fromkeys([*self._static, *listed, *self._modules]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            self._find_all()
        if name not in self._entries:
            if name not in self._modules:
                raise UnknownNameError(self.unknown(name))
            target, _, attribute = self._modules[name].partition(":")
            module = importlib.import_module(target)
            if attribute:  # a plugin names its object instead of calling `register`
                self._entries.setdefault(name, getattr(module, attribute))
                self._registered_by.setdefault(name, target)
        if name not in self._entries:
            raise FerXaiError(f"{self._modules[name]} does not register the {self.kind} {name!r}.")
        return self._entries[name]

    def _find_all(self) -> None:
        """Import the package's modules and list the plugins, once."""
        if self._found:
            return
        self._found = True
        if self._package is not None:
            for module in modules_of(self._package):
                importlib.import_module(module)
        for point in entry_points(group=f"fer_xai.{self.kind}"):
            if point.name in self._modules or point.name in self._entries:
                raise FerXaiError(
                    f"The {self.kind} name {point.name!r} of {point.value} is taken: rename it."
                )
            self._modules[point.name] = point.value

    def unknown(self, name: str) -> str:
        """The sentence that says a name is not here, and which ones are close."""
        names = list(self)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(names)}."
        )
        return f"Unknown {self.kind} {name!r}: {hint}"


def modules_of(package: str) -> list[str]:
    """Names of all modules of a package, those of its sub-packages included, sorted.

    Examples
    --------
    >>> [name.partition("perturb.")[2] for name in modules_of("fer_xai.perturb")][-2:]
    ['fills.skin', 'moves']
    """
    folder = importlib.import_module(package).__path__
    found = []
    for module in pkgutil.iter_modules(folder, f"{package}."):
        found += modules_of(module.name) if module.ispkg else [module.name]
    return sorted(found)


def _place(module: str, first: Mapping[str, int], package: str | None) -> tuple[bool, int, str]:
    """Where the names of a module stand in a listing; those of other packages come last."""
    outside = package is not None and not module.startswith(f"{package}.")
    return outside, first.get(module, len(first)), module


def _caller() -> str:
    """Name of the module that calls the function that calls this one."""
    frame = sys._getframe(2)
    return str(frame.f_globals.get("__name__", ""))


def _same_definition(one: object, other: object) -> bool:
    """Whether two objects are one definition imported twice (``python -m`` does that)."""
    names = [getattr(thing, "__qualname__", None) for thing in (one, other)]
    files = [
        getattr(getattr(thing, "__code__", None), "co_filename", None) for thing in (one, other)
    ]
    return names[0] is not None and names[0] == names[1] and files[0] == files[1]
