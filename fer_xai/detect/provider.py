"""The interface and the registry of landmark providers, and what they find."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.errors import InputError
from fer_xai.registry import Registry
from fer_xai.types import Faces

Pixels = NDArray[np.uint8]
"""One image, uint8 RGB ``(H, W, 3)``."""
Found = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Points ``(B, 68, 2)``, NaN where unknown, and confidences ``(B,)``, NaN where none is stated."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Landmarks:
    """Landmarks of images, and how much they are worth.

    Attributes
    ----------
    points
        ``(B, 68, 2)`` float32: iBUG points in pixels x, y of each image; NaN where not found.
    confidence
        ``(B,)`` float32 in [0, 1]: how sure the provider is that there is a face; NaN where it does
        not say.
    found
        ``(B,)`` bool: images whose points are known.
    provider
        Name of the provider, with what it was made of, such as ``builtin:rafdb``.
    version
        Version of the provider, by which its answers are cached.
    approximate
        Whether the points are a guess that does not look at the image.

    Examples
    --------
    >>> import torch
    >>> from fer_xai.detect import locate
    >>> landmarks = locate(torch.rand(2, 3, 64, 64), provider="template")
    >>> landmarks
    Landmarks(template, approximate: 2 of 2 found)
    >>> landmarks.points.shape, landmarks.found
    ((2, 68, 2), array([ True,  True]))
    """

    points: NDArray[np.float32]
    confidence: NDArray[np.float32]
    provider: str
    version: str
    approximate: bool = False

    @property
    def found(self) -> NDArray[np.bool_]:
        """``(B,)``: images whose points are known."""
        return np.asarray(np.isfinite(self.points).all(axis=(1, 2)), dtype=bool)

    @property
    def label(self) -> str:
        """The provider as reports name it: a guess says so."""
        return f"{self.provider}{', approximate' if self.approximate else ''}"

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"Landmarks({self.label}: {int(self.found.sum())} of {len(self)} found)"


class Provider(ABC):
    """One way to get landmarks.

    A module of ``fer_xai.detect.providers`` that registers an instance adds a provider; nothing
    else is edited. Derive from :class:`ImageProvider` or :class:`TableProvider`.

    Attributes
    ----------
    name
        The name that it is chosen by.
    approximate
        Whether it does not look at the image.
    option
        What may follow the name and a colon, for errors; empty where nothing may.

    Examples
    --------
    >>> PROVIDERS["csv"].meaning, PROVIDERS["csv"].option
    ('A CSV of ``image,x0,y0,…,x67,y67``, plain or compressed', 'PATH[@SIZE]')
    """

    name: str
    approximate: bool = False
    option: str = ""

    @property
    def meaning(self) -> str:
        """The first sentence of its docstring, for the tables of the documentation."""
        words = " ".join((inspect.getdoc(self) or "").split("\n\n")[0].split())
        return words.partition(". ")[0].rstrip(".")

    @property
    def label(self) -> str:
        """The provider's name in reports, with what it was made of."""
        return self.name

    @property
    @abstractmethod
    def version(self) -> str:
        """What the answers depend on besides the image: code, weights, options."""

    def with_option(self, option: str) -> Provider:
        """The provider with an option, as in ``csv:points.csv``.

        Raises
        ------
        InputError
            If it has none, or for another value than it takes.
        """
        raise InputError(
            f"Expected the provider {self.name!r} without an option, got "
            f"{quoted(f'{self.name}:{option}')}: leave out the colon and what follows it."
        )


class ImageProvider(Provider):
    """A provider that looks at pixels; its answers are cached by image.

    Attributes
    ----------
    threshold
        Confidence from which a face counts as found.
    cached
        Whether answers are worth keeping on disk.

    Examples
    --------
    >>> provider = PROVIDERS["template"]
    >>> points, confidence = provider.locate([np.zeros((64, 64, 3), np.uint8)])
    >>> points.shape, confidence.shape
    ((1, 68, 2), (1,))
    """

    threshold: float = 0.5
    cached: bool = True

    @abstractmethod
    def locate(self, images: Sequence[Pixels]) -> Found:
        """Points in pixels of each image, and confidences.

        Parameters
        ----------
        images
            Crops of one face each, of any sizes.
        """


class TableProvider(Provider):
    """A provider that knows faces by their ids or files, not by their pixels.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> points, _ = PROVIDERS["synthetic"].look_up(synthetic_faces(2))
    >>> points.shape
    (2, 68, 2)
    """

    @abstractmethod
    def look_up(self, faces: Faces) -> Found:
        """Points in pixels of each face's own image, and confidences."""


PROVIDERS: Registry[Provider] = Registry(
    "landmark provider",
    package="fer_xai.detect.providers",
    first=("builtin", "synthetic", "csv", "pts", "npz"),
    holds=Provider,
    wanted="a fer_xai.detect.provider.Provider",
    remedy="register an instance of one of its kinds",
)


FILES = {".csv": "csv", ".csv.gz": "csv", ".npz": "npz", ".pts": "pts"}
"""Providers of files by their ending."""


def provider_named(text: str) -> Provider:
    """A provider from ``NAME``, ``NAME:OPTION``, or the path of a file that one of them reads.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown name, or an option that it does not take.

    Examples
    --------
    >>> provider_named("template").approximate
    True
    >>> provider_named("runs/points.csv.gz@64").label
    'csv:points.csv.gz'
    >>> provider_named("buildin")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown landmark provider 'buildin': did you mean builtin?
    """
    name, colon, option = text.partition(":")
    if name not in PROVIDERS:
        path = text.rpartition("@")[0] or text
        ending = next((end for end in (path, text) if FILES.keys() & set(_endings(end))), "")
        if ending:
            kind = next(FILES[one] for one in _endings(ending) if one in FILES)
            return PROVIDERS[kind].with_option(text)
    provider = PROVIDERS[name]
    if not colon:
        return provider
    return provider.with_option(option)


def _endings(path: str) -> list[str]:
    """Endings of a file's name, the longest first."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return ["".join(suffixes[at:]) for at in range(len(suffixes))]
