"""The interface and the registry of occluders."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fer_xai.errors import InputError
from fer_xai.perturb.occluders.frame import FaceFrame
from fer_xai.registry import Registry


class Occluded(NamedTuple):
    """Faces with something before them.

    Attributes
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    masks
        Bool ``(B, H, W)``: the pixels that are hidden; all others are those of the face, bit by
        bit.

    Examples
    --------
    >>> masks = torch.tensor([[[True, False]], [[False, False]]])
    >>> Occluded(torch.zeros(2, 3, 1, 2), masks).covered
    tensor([ True, False])
    """

    images: Tensor
    masks: Tensor

    @property
    def covered(self) -> Tensor:
        """Bool ``(B,)``: faces of which something is hidden.

        The others are as they were: their landmarks are unknown, or the occluder lies outside of
        the image. Count them, and leave them out of what is said about occlusion.
        """
        return self.masks.flatten(1).any(dim=1)


class Occluder(ABC):
    """Something that hides a part of a face.

    A module of this package that registers an instance adds an occluder; nothing else is edited.
    It defines how far each pixel lies from its edge; smaller and larger ones follow, since a
    smaller level of that distance cuts a smaller shape from it.

    Attributes
    ----------
    name
        The name that it is chosen by.
    within_face
        Whether it ends at the face's outline; an object does not.
    drawn
        Whether it has a look of its own (:meth:`look`), and is not filled by default.

    Examples
    --------
    >>> OCCLUDERS["mouth"], OCCLUDERS["sunglasses"].drawn
    (Mouth('mouth'), True)
    """

    name: str
    within_face: bool = True
    drawn: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def meaning(self) -> str:
        """The first sentence of its docstring, for the tables of the documentation."""
        words = " ".join((inspect.getdoc(self) or "").split("\n\n")[0].split())
        return words.partition(". ")[0].rstrip(".")

    def with_option(self, option: str) -> Occluder:
        """The occluder with an option, as in ``patch:mouth``.

        Raises
        ------
        InputError
            If it has none, or for another value than it takes.
        """
        raise InputError(
            f"Expected the occluder {self.name!r} without an option, got "
            f"'{self.name}:{option}': leave out the colon and what follows it."
        )

    @abstractmethod
    def distance(self, frame: FaceFrame) -> Tensor:
        """Distance ``(B, H, W)`` of each pixel from the edge in the face's unit, negative inside.

        Parameters
        ----------
        frame
            The faces.
        """

    def counts(self, frame: FaceFrame) -> Tensor | None:
        """``(B,)`` pixels of each face that it hides in its own size.

        None if its own size is where the distance is 0 or less.
        """
        del frame
        return None

    def look(self, images: Tensor, frame: FaceFrame) -> Tensor:
        """Colours ``(B, 3, H, W)`` of an occluder that is drawn, wherever it may lie.

        Parameters
        ----------
        images
            ``(B, 3, H, W)`` in [0, 1].
        frame
            The faces.

        Raises
        ------
        InputError
            If it has no look of its own.
        """
        del images, frame
        raise InputError(f"Expected a fill for the occluder {self.name!r}, got none: name one.")


class Fitted:
    """An occluder fitted to some faces, in any number of sizes.

    Parameters
    ----------
    occluder
        The occluder.
    frame
        The faces.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> fitted = Fitted(OCCLUDERS["lower"], frame)
    >>> share = (fitted.masks(0.25) & frame.face).sum() / frame.face.sum()
    >>> round(share.item(), 2)
    0.25
    """

    def __init__(self, occluder: Occluder, frame: FaceFrame) -> None:
        self.occluder, self.frame = occluder, frame
        # too little to matter, but no two pixels are at one distance, so that counts are exact
        apart = torch.arange(frame.height * frame.width, dtype=torch.float64) * 1e-12
        own = occluder.distance(frame).double()
        self.distance = own + apart.reshape(frame.height, frame.width)  # (B, H, W)

    @cached_property
    def _sorted(self) -> Tensor:
        """Distances of the face's own pixels in order, ``(B, P)``, the others behind."""
        face = torch.where(self.frame.face, self.distance, torch.inf)
        return torch.from_numpy(np.sort(face.flatten(1).numpy(), axis=1))

    def levels(self, share: float | None) -> Tensor:
        """``(B,)`` largest distance that is hidden, for a share of the face or the own size."""
        counts = self.occluder.counts(self.frame) if share is None else None
        if share is None and counts is None:
            return torch.zeros(len(self.frame), dtype=torch.float64)
        if counts is None:
            counts = (self.frame.pixels * share).round().long()
        found = self._sorted.gather(1, (counts - 1).clamp(min=0)[:, None])[:, 0]
        return torch.where(counts > 0, found, -torch.inf)

    def masks(self, share: float | None = None) -> Tensor:
        """Bool ``(B, H, W)``: the pixels that are hidden.

        Parameters
        ----------
        share
            Share of the face's pixels; the occluder's own size by default.
        """
        found = self.distance <= self.levels(share)[:, None, None]
        limit = self.frame.face if self.occluder.within_face else self.frame.known[:, None, None]
        return found & limit

    def opacity(self, share: float | None = None) -> Tensor:
        """``(B, 1, H, W)`` share of each pixel that an object hides, 0 outside of its mask.

        Parameters
        ----------
        share
            As for :meth:`masks`.
        """
        depth = (self.levels(share)[:, None, None] - self.distance).float()
        soft = (0.5 + depth / self.frame.pixel[:, None, None]).clamp(0, 1)
        return (soft * self.masks(share))[:, None]


OCCLUDERS: Registry[Occluder] = Registry(
    "occluder",
    package="fer_xai.perturb.occluders",
    first=("features", "halves", "sunglasses", "surgical_mask", "hand", "patches"),
    holds=Occluder,
    wanted="a fer_xai.perturb.occluders.Occluder",
    remedy="derive a class from Occluder and register an instance",
)
"""Occluders by name; :func:`occluder_named` also reads options, as in ``patch:mouth``."""


def occluder_named(name: str) -> Occluder:
    """An occluder by its name, which may end in an option.

    Parameters
    ----------
    name
        A name of :data:`OCCLUDERS`, or ``patch:mouth``: a random patch as large as that occluder.

    Raises
    ------
    UnknownNameError
        For an unknown name.
    InputError
        For an option of an occluder that has none, or a value that it does not take.

    Examples
    --------
    >>> occluder_named("mouth"), occluder_named("patch:mouth")
    (Mouth('mouth'), Patch('patch:mouth'))
    >>> occluder_named("scarf")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown occluder 'scarf': choose from ...
    """
    if not isinstance(name, str):
        raise InputError(
            f"Expected an occluder as a name, got {name!r}: choose from {', '.join(OCCLUDERS)}."
        )
    kind, colon, option = name.partition(":")
    occluder = OCCLUDERS[kind]
    return occluder.with_option(option) if colon else occluder
