"""The interface and the registry of conditions."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_images, check_number, names_of_images
from fer_xai.draws.streams import Streams, streams
from fer_xai.errors import InputError
from fer_xai.perturb.conditions.moving import moved_points, sampled
from fer_xai.registry import Registry


class Degraded(NamedTuple):
    """Images under a condition.

    Attributes
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    points
        ``(B, 68, 2)`` landmarks in pixels of these images, or None where none were handed in.
    theta
        ``(B, 2, 3)`` affine maps from normalised places of these images back to those of the
        images before, as :func:`torch.nn.functional.affine_grid` takes them; None where nothing
        moves.

    Examples
    --------
    >>> Degraded(torch.zeros(1, 3, 4, 4), None, None).theta is None
    True
    """

    images: Tensor
    points: Tensor | None
    theta: Tensor | None


class Condition(ABC):
    """A condition of images, by severity: 0 leaves an image as it is, bit by bit.

    A module of this package that registers an instance adds a condition; nothing else is edited.

    Attributes
    ----------
    name
        The name that it is chosen by.
    unit
        Unit of the severity.
    most
        Largest severity.
    severities
        The sweep of a study, rising, without 0.
    form
        Format of a severity in words.

    Examples
    --------
    >>> CONDITIONS["rotation"], CONDITIONS["rotation"].unit
    (Rotation('rotation'), '° in the plane')
    """

    name: str
    unit: str
    most: float
    severities: tuple[float, ...]
    form: str = "{:g} %"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def meaning(self) -> str:
        """The first sentence of its docstring, for tables and reports."""
        words = " ".join((inspect.getdoc(self) or "").split("\n\n")[0].split())
        return words.partition(". ")[0].rstrip(".")

    @abstractmethod
    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images ``(B, 3, H, W)`` under a severity above 0, in [0, 1].

        Parameters
        ----------
        images
            ``(B, 3, H, W)`` in [0, 1].
        severity
            Severity in :attr:`unit`.
        sources
            Random numbers of each face, the same at every severity.
        """

    def theta(self, severity: float, sources: Streams) -> Tensor | None:
        """``(B, 2, 3)`` affine maps of a condition that moves the face; None for all others.

        Parameters
        ----------
        severity, sources
            As for :meth:`changed`.
        """
        del severity, sources
        return None

    def label(self, severity: float, side: int) -> str:
        """The severity in words, on images of a side in pixels.

        Parameters
        ----------
        severity
            Severity in :attr:`unit`.
        side
            Side of the images in pixels.
        """
        del side
        return self.form.format(severity)


class Geometric(Condition):
    """A condition that moves the face; the border's pixels are repeated beyond the image.

    Examples
    --------
    >>> isinstance(CONDITIONS["shift"], Geometric), isinstance(CONDITIONS["blur"], Geometric)
    (True, False)
    """

    @abstractmethod
    def matrices(self, severity: float, sources: Streams) -> Tensor:
        """``(B, 2, 3)`` float32: normalised places of the changed image back to the one before."""

    def theta(self, severity: float, sources: Streams) -> Tensor | None:
        """``(B, 2, 3)`` float32."""
        return self.matrices(severity, sources)

    def changed(self, images: Tensor, severity: float, sources: Streams) -> Tensor:
        """Images ``(B, 3, H, W)`` whose face has moved."""
        return sampled(images, self.matrices(severity, sources), border="border").clamp(0, 1)


CONDITIONS: Registry[Condition] = Registry(
    "condition",
    package="fer_xai.perturb.conditions",
    first=("light", "camera", "frame"),
    holds=Condition,
    wanted="a fer_xai.perturb.conditions.Condition",
    remedy="derive a class from Condition and register an instance",
)
"""Conditions by name."""


def condition_named(name: object) -> Condition:
    """A condition by its name.

    Raises
    ------
    InputError, UnknownNameError
        For anything but a known name.

    Examples
    --------
    >>> condition_named("blur")
    Blur('blur')
    >>> condition_named("fog")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Unknown condition 'fog': choose from ...
    """
    if not isinstance(name, str):
        raise InputError(
            f"Expected a condition as a name, got {name!r}: choose from {', '.join(CONDITIONS)}."
        )
    return CONDITIONS[name]


def degrade(
    images: Tensor,
    condition: str,
    severity: float,
    *,
    points: NDArray[np.floating] | Tensor | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Degraded:
    """Images under a condition, and where their landmarks come to lie.

    What is random about a face (its noise; the side that light, a shift or a turn comes from) is
    the same at every severity, on every device and in every batch.

    Parameters
    ----------
    images
        ``(B, 3, S, S)`` in [0, 1], square.
    condition
        Name of :data:`CONDITIONS`.
    severity
        Severity in the condition's unit (:attr:`Condition.unit`), from 0, which changes nothing,
        to :attr:`Condition.most`.
    points
        ``(B, 68, 2)`` landmarks in pixels x, y of these images; NaN where unknown.
    ids
        Names of the faces, each once, which seed what is random; their positions by default.
    seed
        Seed of the random numbers.

    Returns
    -------
    Degraded
        Images, landmarks, and the affine maps of conditions that move the face.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown condition, a severity out of range, images that are not square, or points or
        ids that do not fit them.

    Examples
    --------
    >>> images = torch.rand(2, 3, 16, 16)
    >>> degrade(images, "dark", 1.0, ids=["anna", "ben"]).images.mean() < images.mean()
    tensor(True)
    >>> torch.equal(degrade(images, "rotation", 0.0).images, images)
    True
    """
    chosen = condition_named(condition)
    check_images(images)
    check_number(f"the severity of {condition}", severity, 0, chosen.most, ends=True)
    height, width = images.shape[-2:]
    if height != width:
        raise InputError(
            f"Expected square images (B, 3, S, S), got {tuple(images.shape)}: crop or resize them."
        )
    names = names_of_images(ids, len(images))
    known = None if points is None else torch.as_tensor(points).detach().to("cpu", torch.float32)
    if known is not None and known.shape != (len(images), 68, 2):
        raise InputError(
            f"Expected landmarks ({len(images)}, 68, 2), got {tuple(known.shape)}: hand in those "
            "of these images."
        )
    if severity == 0 or not len(images):
        return Degraded(images, known, None)

    def sources() -> Streams:
        return streams((seed, name, f"condition {chosen.name}") for name in names)

    theta = chosen.theta(severity, sources())
    made = chosen.changed(images, severity, sources())
    if theta is not None and known is not None:
        known = moved_points(known, theta, side=height)
    return Degraded(made, known, theta)
