"""Faces as occluders see them: landmarks and pixels in coordinates that turn with each."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import names_of_images
from fer_xai.draws.streams import Streams, streams
from fer_xai.errors import InputError
from fer_xai.landmarks.template import canonical_landmarks
from fer_xai.perturb.occluders.shapes import inside

_FOREHEAD = 0.75  # how far the face reaches above the brows, as in face_regions
_NOSE = 0.57  # how far the nose's base lies below the eyes in a face seen from the front
_SMALLEST = 1.0  # pixels between the eyes' centres, below which landmarks say nothing


class FaceFrame:
    """Faces with landmarks, in coordinates of their own.

    A face's origin lies between its eyes, its first axis points along the line through the eyes to
    the right in the image, its second one down the face; the unit is the distance between the
    eyes' centres. Everything is made on the CPU, so that no device changes a pixel.

    Parameters
    ----------
    points
        ``(B, 68, 2)`` iBUG points in pixels x, y; NaN where unknown.
    height, width
        Sides of the images in pixels.
    ids
        Names of the faces, which seed random occluders; their positions by default.
    seed
        Seed of the random generators.

    Raises
    ------
    InputError
        If points are not ``(B, 68, 2)``, are mirrored, or there is not one name for each face.

    Attributes
    ----------
    known
        ``(B,)`` bool: faces whose 68 points are all known and do not coincide.
    points
        ``(B, 68, 2)`` in the face's coordinates; those of the canonical face where unknown.
    u, v
        ``(B, H, W)`` coordinates of every pixel.
    pixel
        ``(B,)`` side of a pixel in the face's unit.

    Examples
    --------
    >>> frame = FaceFrame(canonical_landmarks()[None], height=64, width=64)
    >>> frame.points[0, 36:48].mean(dim=0).abs().max() < 1e-6  # the origin is between the eyes
    tensor(True)
    >>> frame.u.shape, frame.known
    (torch.Size([1, 64, 64]), tensor([True]))
    """

    def __init__(
        self,
        points: NDArray[np.floating] | Tensor,
        *,
        height: int,
        width: int,
        ids: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        given = _checked(points)
        self.height, self.width, self.seed = height, width, seed
        self.ids = names_of_images(ids, len(given))
        finite = torch.isfinite(given).flatten(1).all(dim=1)
        apart = given[:, 42:48].mean(dim=1) - given[:, 36:42].mean(dim=1)
        side = given.new_tensor([width, height])
        inside = ((given >= 0) & (given <= side)).all(dim=2).any(dim=1)
        self.known = finite & (apart.norm(dim=1) >= _SMALLEST) & inside
        rest = torch.from_numpy(canonical_landmarks()) * (min(height, width) / 64)
        self.placed = torch.where(self.known[:, None, None], given, rest)  # in pixels
        left, right = (self.placed[:, eye].mean(dim=1) for eye in (slice(36, 42), slice(42, 48)))
        across = right - left
        self.unit = across.norm(dim=1)  # (B,) pixels
        self.along = across / self.unit[:, None]
        self.down = torch.stack([-self.along[:, 1], self.along[:, 0]], dim=1)
        self.origin = (left + right) / 2
        self.pixel = 1 / self.unit
        self.points = self.local(self.placed)
        _refuse_mirrored(self.points, self.known)

    def __len__(self) -> int:
        return len(self.placed)

    def local(self, places: Tensor) -> Tensor:
        """Places ``(B, N, 2)`` in pixels, in the coordinates of their faces."""
        away = places - self.origin[:, None]
        axes = torch.stack([self.along, self.down], dim=1)  # (B, 2, 2)
        return (away[:, :, None] * axes[:, None]).sum(dim=-1) / self.unit[:, None, None]

    @cached_property
    def u(self) -> Tensor:
        """First coordinate of every pixel."""
        return self._coordinate(self.along)

    @cached_property
    def v(self) -> Tensor:
        """Second coordinate of every pixel."""
        return self._coordinate(self.down)

    def _coordinate(self, axis: Tensor) -> Tensor:
        step = axis / self.unit[:, None]  # (B, 2)
        x = torch.arange(self.width) - self.origin[:, :1]
        y = torch.arange(self.height) - self.origin[:, 1:]
        return (y * step[:, 1:])[:, :, None] + (x * step[:, :1])[:, None]

    def scaled(self, factor: Tensor, *, about: Tensor) -> FaceFrame:
        """The faces as what is larger by a factor about a place sees them.

        Parameters
        ----------
        factor
            ``(B,)``, above 0.
        about
            ``(B, 2)`` places in the face's coordinates, which stay where they are.
        """
        found = copy(self)
        found.face, found.pixel = self.face, self.pixel / factor
        for name, values, place in (("u", self.u, about[:, 0]), ("v", self.v, about[:, 1])):
            middle = place[:, None, None]
            setattr(found, name, middle + (values - middle) / factor[:, None, None])
        return found

    @cached_property
    def tall(self) -> Tensor:
        """``(B,)`` unit of heights: above 1 for a head turned aside, whose eyes come together."""
        return (self.points[:, 33, 1] / _NOSE).clamp(0.7, 2.0)

    @cached_property
    def face(self) -> Tensor:
        """Bool ``(B, H, W)``: the face, from the jaw to the forehead; nothing where unknown."""
        brows = self.points[:, 17:27].flip(1) - torch.tensor([0.0, _FOREHEAD])
        outline = torch.cat([self.points[:, :17], brows * torch.tensor([0.9, 1.0])], dim=1)
        return inside(self.u, self.v, outline) & self.known[:, None, None]

    @cached_property
    def pixels(self) -> Tensor:
        """``(B,)`` number of the face's pixels in the image."""
        return self.face.flatten(1).sum(dim=1)

    def streams(self, *salt: str) -> Streams:
        """Random numbers of each face, by the seed, its name and a salt."""
        return streams((self.seed, name, *salt) for name in self.ids)

    def colour(self, images: Tensor, places: Tensor) -> Tensor:
        """Colour ``(B, 3)`` of images around places ``(B, N, 2)`` in the face's coordinates.

        The mean over the brighter half of the places, without the brightest one: shadows, hair and
        lines are darker than skin. Places beyond the image's border are moved to it.
        """
        axes = torch.stack([self.along, self.down], dim=1)
        away = (places[..., None] * axes[:, None]).sum(dim=2) * self.unit[:, None, None]
        at = (self.origin[:, None] + away).round().long()
        x, y = at[..., 0].clamp(0, self.width - 1), at[..., 1].clamp(0, self.height - 1)
        rows = torch.arange(len(self))[:, None]
        found = images.movedim(1, -1)[rows, y.to(images.device), x.to(images.device)]  # (B, N, 3)
        ordered = found.sort(dim=1).values
        return ordered[:, found.shape[1] // 2 : max(found.shape[1] - 1, 1)].mean(dim=1)


def _checked(points: object) -> Tensor:
    if not isinstance(points, Tensor | np.ndarray):
        raise InputError(
            f"Expected landmarks (B, 68, 2) as a tensor or an array, got {type(points).__name__}."
        )
    given = torch.as_tensor(points)
    if given.ndim != 3 or given.shape[1:] != (68, 2):
        raise InputError(
            f"Expected landmarks (B, 68, 2) in the order of iBUG, in pixels x, y, got "
            f"{tuple(given.shape)}: locate 68 points in each face."
        )
    return given.detach().cpu().float()


def _refuse_mirrored(points: Tensor, known: Tensor) -> None:
    """Points of a mirrored face that keep their numbers have the mouth above the eyes."""
    turned = known & (points[:, 48:60, 1].mean(dim=1) < 0)
    if bool(turned.any()):
        raise InputError(
            f"Expected landmarks 36 to 41 on the eye that is to the left in an upright face, got "
            f"{int(turned.sum())} of {len(turned)} faces mirrored: number the points of a mirrored "
            "image anew, points[:, MIRROR] of fer_xai.landmarks.template."
        )
