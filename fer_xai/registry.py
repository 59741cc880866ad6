"""One registry for models, datasets, attributions, metrics and studies.

What is built in is found by its folder: the modules of a package are imported when a name is first
asked for, and their decorators fill the registry. Other packages add theirs through entry points of
the group ``fer_xai.<kind>``.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from fer_xai.errors import FerXaiError, InputError, UnknownNameError, did_you_mean

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
    holds
        Type of the entries; by default they are not checked.
    wanted, remedy
        Description of an entry, and advice to those whose entry is something else, for errors.

    Examples
    --------
    >>> shapes: Registry[int] = Registry("shape", holds=int, wanted="a number", remedy="count")
    >>> shapes.register("square")(4)
    4
    >>> shapes["square"], list(shapes)
    (4, ['square'])
    >>> shapes["sqare"]
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown shape 'sqare': did you mean square?
    >>> shapes.register("circle")("round")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the registered shape 'circle' as a number, got str: count.
    """

    def __init__(
        self,
        kind: str,
        modules: Mapping[str, str] | None = None,
        *,
        package: str | None = None,
        first: Sequence[str] = (),
        holds: type[Any] = object,
        wanted: str = "",
        remedy: str = "",
    ) -> None:
        self.kind = kind
        self._modules = dict(modules or {})
        self._package = package
        self._first = tuple(first)
        self._holds, self._wanted, self._remedy = holds, wanted, remedy
        self._entries: dict[str, T] = {}
        self._registered_by: dict[str, str] = {}
        self._namespaces: dict[str, dict[str, Any]] = {}  # of the modules that registered names
        self._plugins: dict[str, EntryPoint] = {}
        self._clashes: dict[str, EntryPoint] = {}  # plugins whose name another thing has
        self._found = False
        self._finding = threading.local()  # imports ask for names themselves
        self._lock = threading.RLock()

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an object under a name; a name can be taken once.

        The names of built-in modules and of plugins are theirs, also before these are imported.
        """
        module, namespace = _caller()

        def file(entry: T) -> T:
            self._check(name, entry)
            if self._package is None or not _inside(module, self._package):
                self._find_all()
            with self._lock:
                if taken := self._taken(name, entry, module, namespace):
                    raise FerXaiError(
                        f"The {self.kind} name {name!r} is taken by {taken}: choose another name."
                    )
                self._entries[name] = entry
                self._registered_by[name] = module
                self._namespaces[name] = namespace
            return entry

        return file

    def _taken(self, name: str, entry: T, module: str, namespace: dict[str, Any]) -> str:
        """What has a name that a module asks for; nothing if the module may have it."""
        owner = self._owner(name)
        if owner and not _inside(module, owner):
            return f"{self._entries.get(name, owner)!r}"
        known = self._entries.get(name)
        if known is None or known is entry or _same_definition(known, entry):
            return ""
        if module == self._registered_by[name] and namespace is not self._namespaces.get(name):
            return ""  # the module is run again: after an import that failed, or by ``python -m``
        return repr(known)

    def _owner(self, name: str) -> str:
        """Module that a name is known to belong to before it is imported."""
        if name in self._modules:
            return self._modules[name]
        return _target(self._plugins[name]) if name in self._plugins else ""

    def _check(self, name: str, entry: object) -> T:
        """An entry, if it is of the type that the registry holds."""
        if not isinstance(entry, self._holds):
            kind = type(entry).__name__
            got = f"the class {entry.__name__}" if isinstance(entry, type) else kind
            raise InputError(
                f"Expected the registered {self.kind} {name!r} as {self._wanted}, got {got}: "
                f"{self._remedy}."
            )
        return cast(T, entry)

    def __iter__(self) -> Iterator[str]:
        """Every name: what is built in comes first, then what was registered or plugged in."""
        self._find_all()
        place = {f"{self._package}.{name}": number for number, name in enumerate(self._first)}
        listed = sorted(
            (name for name in self._entries if name not in self._plugins),
            key=lambda name: _place(self._registered_by.get(name, ""), place, self._package),
        )
        return iter(dict.fromkeys([*self._modules, *listed, *self._plugins]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __getitem__(self, name: str) -> T:
        self._find_all()
        if name in self._clashes:
            point = self._clashes[name]
            raise FerXaiError(
                f"The {self.kind} name {name!r} of {point.value} is taken: rename it, or remove "
                f"{_source(point)}."
            )
        if name not in self._entries:
            if name in self._plugins:
                self._load(name, self._plugins[name])
            elif name in self._modules:
                with self._whole():
                    importlib.import_module(self._modules[name])
            else:
                raise UnknownNameError(self.unknown(name))
        if name not in self._entries:
            raise FerXaiError(f"{self._owner(name)} does not register the {self.kind} {name!r}.")
        return self._check(name, self._entries[name])

    def loaded(self) -> dict[str, T]:
        """Entries that are built in or in use, by name; no plugin is imported for them."""
        return {name: self._entries[name] for name in self if name in self._entries}

    def names_of(self, entry: T) -> list[str]:
        """Names of entries that equal an object, a plugin's own included; none is imported."""
        known: dict[str, object] = {**self.loaded()}
        for name, point in self._plugins.items():
            if _inside(type(entry).__module__, _target(point)):  # which is imported, then
                parts, module = point.attr.split("."), sys.modules.get(_target(point))
                known.setdefault(
                    name, reduce(lambda at, part: getattr(at, part, None), parts, module)
                )
        return [name for name in self if name in known and known[name] == entry]

    def _load(self, name: str, point: EntryPoint) -> None:
        """Import a plugin; whatever is wrong with it is said in one sentence."""
        try:
            with self._whole():
                entry = point.load()
        except (Exception, SystemExit) as error:
            raise FerXaiError(
                f"Expected the {self.kind} {name!r} at {point.value} of {_source(point)}, got "
                f"{type(error).__name__} ({error}): reinstall or remove the package."
            ) from error
        if ":" in point.value:  # else its module calls `register`
            self._entries.setdefault(name, self._check(name, entry))
            self._registered_by.setdefault(name, _target(point))

    def _find_all(self) -> None:
        """Import the package's modules and list the plugins, once.

        Threads may import side by side (Python locks each module), so none waits here for another
        one that waits for a module of its own.
        """
        if self._found or getattr(self._finding, "now", False):
            return
        self._finding.now = True
        try:
            for module in [] if self._package is None else modules_of(self._package):
                with self._whole():
                    importlib.import_module(module)
            with self._lock:
                if not self._found:
                    self._list_plugins()
                    self._found = True
        finally:
            self._finding.now = False

    def _list_plugins(self) -> None:
        """List the plugins; one whose name is taken is refused when that name is asked for."""
        for point in entry_points(group=f"fer_xai.{self.kind}"):
            known = self._plugins.get(point.name)
            if known is not None and known.value == point.value:
                continue  # one package, found twice
            own = _inside(self._registered_by.get(point.name, ""), _target(point))
            if known or point.name in self._modules or (point.name in self._entries and not own):
                self._clashes[point.name] = point
            else:
                self._plugins[point.name] = point

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Forget what modules registered whose import fails in this block."""
        before = set(self._entries)
        try:
            yield
        except BaseException:
            with self._lock:
                for name in self._entries.keys() - before:
                    if self._registered_by.get(name) not in sys.modules:
                        del self._entries[name]
            raise

    def unknown(self, name: str) -> str:
        """The sentence that says a name is not here, and which ones are close."""
        names = list(self)
        hint = did_you_mean(name, names) or f"choose from {', '.join(names)}."
        return f"Unknown {self.kind} {name!r}: {hint}"


def modules_of(package: str) -> list[str]:
    """Names of all modules of a package, those of its sub-packages included, sorted.

    Examples
    --------
    >>> [name.partition("perturb.")[2] for name in modules_of("fer_xai.perturb.fills")][-2:]
    ['fills.prepared', 'fills.skin']
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


def _inside(module: str, package: str) -> bool:
    """Whether a module is a package or lies in it."""
    return module == package or module.startswith(f"{package}.")


def _target(point: EntryPoint) -> str:
    """Module that an entry point names."""
    return point.value.partition(":")[0].strip()


def _source(point: EntryPoint) -> str:
    """Package that brings an entry point, in words."""
    return f"the package {point.dist.name if point.dist else _target(point).partition('.')[0]}"


def _caller() -> tuple[str, dict[str, Any]]:
    """Name and namespace of the module that calls the function that calls this one."""
    namespace = sys._getframe(2).f_globals
    name = str(namespace.get("__name__", ""))
    spec = namespace.get("__spec__")  # of a module that is run by ``python -m``
    return (spec.name if name == "__main__" and spec is not None else name), namespace


def _same_definition(one: object, other: object) -> bool:
    """Whether two objects are one definition that was run twice, such as a notebook's cell."""
    names = [
        (getattr(thing, "__module__", None), getattr(thing, "__qualname__", None))
        for thing in (one, other)
    ]
    files = [
        getattr(getattr(thing, "__code__", None), "co_filename", None) for thing in (one, other)
    ]
    return names[0][1] is not None and names[0] == names[1] and files[0] == files[1]
