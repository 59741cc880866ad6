"""The interface and the registry of occluders."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
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

    def anchor(self, frame: FaceFrame) -> Tensor | None:
        """``(B, 2)`` place about which it grows and shrinks as a whole, in the face's coordinates.

        None if it grows at its edge, all around, which keeps each of its parts where it is.
        """
        del frame
        return None

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
    """An occluder fitted to some faces, in one size or several.

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
    >>> masks = Fitted(OCCLUDERS["lower"], frame).sized(0.25).masks
    >>> round(((masks & frame.face).sum() / frame.face.sum()).item(), 2)
    0.25
    """

    def __init__(self, occluder: Occluder, frame: FaceFrame) -> None:
        self.occluder, self.frame = occluder, frame
        self.distance = _unequal(occluder.distance(frame))  # (B, H, W)
        self._sorted: Tensor | None = None

    def sized(self, share: float | None = None) -> Sized:
        """The occluder in one size.

        Parameters
        ----------
        share
            Share of the face's pixels that it hides; its own size by default.
        """
        counts = self.occluder.counts(self.frame) if share is None else None
        if share is not None:
            counts = (self.frame.pixels * share).round().long()
        if counts is None:
            level = torch.zeros(len(self.frame), dtype=torch.float64)
            return Sized(self.occluder, self.frame, self.distance, level)
        anchor = None if share is None else self.occluder.anchor(self.frame)
        if anchor is None:
            if self._sorted is None:
                self._sorted = _sorted(self.distance, self.frame.face)
            level = _level(self._sorted, counts)
            return Sized(self.occluder, self.frame, self.distance, level)
        frame, distance, factor = self.frame, self.distance, torch.ones(len(self.frame))
        for _ in range(_ROUNDS):
            own = ((distance <= 0) & frame.face).flatten(1).sum(dim=1)
            factor = (factor * (counts / own.clamp(min=1)).sqrt()).clamp(*_SCALES)
            frame = self.frame.scaled(factor, about=anchor)
            distance = _unequal(self.occluder.distance(frame))
        return Sized(self.occluder, frame, distance, _level(_sorted(distance, frame.face), counts))


class Sized:
    """An occluder in one size on some faces.

    Parameters
    ----------
    occluder, frame
        The occluder, and the faces in the size's coordinates.
    distance
        ``(B, H, W)`` distances from its edge.
    level
        ``(B,)`` largest distance that is hidden.

    Attributes
    ----------
    masks
        Bool ``(B, H, W)``: the pixels that are hidden.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> hand = Fitted(OCCLUDERS["hand"], frame).sized()
    >>> bool((hand.paint(torch.ones(1, 3, 64, 64))[0, 0][hand.masks[0]] < 1).all())
    True
    """

    def __init__(
        self, occluder: Occluder, frame: FaceFrame, distance: Tensor, level: Tensor
    ) -> None:
        self.occluder, self.frame = occluder, frame
        self.depth = level[:, None, None] - distance
        limit = frame.face if occluder.within_face else frame.known[:, None, None]
        self.masks = (self.depth >= 0) & limit

    def paint(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)`` with the drawn occluder before the faces.

        Its edge is soft, and lies within the mask: all other pixels are those of the images.

        Parameters
        ----------
        images
            ``(B, 3, H, W)`` in [0, 1].
        """
        look = self.occluder.look(images, self.frame)
        opacity = (0.5 + self.depth.float() / self.frame.pixel[:, None, None]).clamp(0, 1)
        mixed = images.lerp(look, opacity[:, None].to(images))
        return torch.where(self.masks[:, None].to(images.device), mixed, images)


_ROUNDS = 2  # of scaling, after which the edge makes up for what is missing
_SCALES = (0.2, 4.0)


def _unequal(distance: Tensor) -> Tensor:
    """Distances ``(B, H, W)`` as float64, no two of them equal, so that counts are exact."""
    apart = torch.arange(math.prod(distance.shape[1:]), dtype=torch.float64) * 1e-12
    return distance.double() + apart.reshape(distance.shape[1:])


def _sorted(distance: Tensor, face: Tensor) -> Tensor:
    """Distances of the face's own pixels in order, ``(B, P)``, with infinity for all others."""
    own = torch.where(face, distance, torch.inf).flatten(1)
    return torch.from_numpy(np.sort(own.numpy(), axis=1))


def _level(ordered: Tensor, counts: Tensor) -> Tensor:
    """``(B,)`` largest of the first so many distances."""
    found = ordered.gather(1, (counts - 1).clamp(min=0)[:, None])[:, 0]
    return torch.where(counts > 0, found, -torch.inf)


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
    (Mouth('mouth'), Patch('patch'))
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
