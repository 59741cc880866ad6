"""One registry for models, datasets, attributions, metrics and studies.

Names are listed statically, so that listing them imports nothing heavy; the module behind a name
is imported when the name is first asked for, and its decorator fills the entry in. Other packages
add theirs through entry points of the group ``fer_xai.<kind>``.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from fer_xai.errors import FerXaiError, UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind, imported on first use.

    Parameters
    ----------
    kind
        What is registered, in the singular: it names the entry-point group and the errors.
    modules
        Static map from each built-in name to the module that registers it.

    Examples
    --------
    >>> shapes: Registry[int] = Registry("shape", {})
    >>> shapes.register("square")(4)
    4
    >>> shapes["square"], list(shapes)
    (4, ['square'])
    >>> shapes["sqare"]
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown shape 'sqare': did you mean square?
    """

    def __init__(self, kind: str, modules: Mapping[str, str]) -> None:
        self.kind = kind
        self._modules = dict(modules)
        self._entries: dict[str, T] = {}
        self._plugins_listed = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an object under a name; a name can be taken once."""

        def file(entry: T) -> T:
            known = self._entries.get(name)
            if known is not None and known is not entry and not _same_definition(known, entry):
                raise FerXaiError(
                    f"The {self.kind} name {name!r} is taken by {known!r}: choose another name."
                )
            self._entries[name] = entry
            return entry

        return file

    def __iter__(self) -> Iterator[str]:
        """Every name: built-in order first, then what was registered or plugged in."""
        self._list_plugins()
        return iter(dict.fromkeys([*self._modules, *self._entries]))

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            self._list_plugins()
            if name not in self._modules:
                raise UnknownNameError(self.unknown(name))
            target, _, attribute = self._modules[name].partition(":")
            module = importlib.import_module(target)
            if attribute:  # a plugin names its object instead of calling `register`
                self._entries.setdefault(name, getattr(module, attribute))
        if name not in self._entries:
            raise FerXaiError(f"{self._modules[name]} does not register the {self.kind} {name!r}.")
        return self._entries[name]

    def _list_plugins(self) -> None:
        if self._plugins_listed:
            return
        self._plugins_listed = True
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


def _same_definition(one: object, other: object) -> bool:
    """Whether two objects are one definition imported twice (``python -m`` does that)."""
    names = [getattr(thing, "__qualname__", None) for thing in (one, other)]
    files = [
        getattr(getattr(thing, "__code__", None), "co_filename", None) for thing in (one, other)
    ]
    return names[0] is not None and names[0] == names[1] and files[0] == files[1]
