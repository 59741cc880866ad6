"""Landmarks as users hand them in: one check, and the axes of a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_count
from fer_xai.errors import InputError
from fer_xai.landmarks.placing import too_large

Points = NDArray[np.float32] | Tensor
"""``(N, 68, 2)`` iBUG points in pixels x, y; NaN where unknown."""

OTHER_SETS = {
    5: "the eyes, the nose and the mouth's corners say nothing of brows, lids, lips and jaw",
    37: "RAF-DB's 37 points have other places",
    49: "the jaw and the inner corners of the mouth are missing",
    51: "the jaw (points 0 to 16) is missing",
    66: "the inner corners of the mouth are missing",
    98: "the 98 points of WFLW have other places",
    106: "the 106 points have other places",
}
"""Why points of another number cannot stand for 68."""


def check_landmarks(landmarks: object, *, size: int) -> Tensor:
    """Landmarks ``(N, 68, 2)`` of images of side ``size``, as float32 on the CPU.

    A face with a point that is NaN or infinite is unknown, and is not judged. The others must lie
    in their images, at least in part, must not leave them as points of larger images do
    (:func:`fer_xai.landmarks.placing.too_large`), and must not be mirrored: seen from the eyes,
    with the mouth below, points 36–41 are those on the left of the image. Points of smaller images
    cannot be told from small faces, and pass.

    Parameters
    ----------
    landmarks
        Array or tensor of iBUG points in pixels x, y.
    size
        Side of the images that the points were measured on.

    Raises
    ------
    InputError
        One sentence saying what is wrong and how to mend it.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> check_landmarks(canonical_landmarks()[None], size=64).shape
    torch.Size([1, 68, 2])
    >>> check_landmarks(canonical_landmarks()[None] * [-1, 1] + [63, 0], size=64)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the left eye (points 36 to 41) on the left of the image, ...
    """
    check_count("size", size)
    points = _numbers(landmarks)
    if points.ndim != 3 or points.shape[1:] != (68, 2):
        raise InputError(
            f"Expected landmarks (N, 68, 2), got {tuple(points.shape)}: {_remedy(points)}."
        )
    known = known_faces(points)
    rows = known.nonzero()[:, 0]
    found = points[rows]
    low, high = found.amin(dim=1), found.amax(dim=1)  # (K, 2)
    _refuse(
        (high - low).amax(dim=1) == 0,
        rows,
        "landmarks at different places",
        "whose 68 points are all the same: write NaN for faces that were not found",
    )
    _refuse(
        (low.amin(dim=1) >= 0) & (high.amax(dim=1) <= 1) & (size > 2),
        rows,
        f"landmarks in pixels of images of side {size}",
        f"whose points all lie between 0 and 1: multiply shares of the side by {size}",
    )
    outside = ((high < -0.5) | (low > size - 0.5)).any(dim=1)
    large = too_large(found, torch.tensor([[size, size]]))
    _refuse(
        large & (large.sum() > outside.sum()),  # a few of them lie wholly outside
        rows,
        f"landmarks in images of side {size}",
        "whose points leave it at the right and at the bottom: they look measured on larger "
        "images; say of which side (points_size=, --landmarks-size), scale them "
        "(Faces.landmarks_at), or write NaN for single faces that are wrong",
    )
    _refuse(
        outside,
        rows,
        f"landmarks in images of side {size}",
        "wholly outside: scale points that were measured on images of another size "
        "(Faces.landmarks_at), or write NaN for these faces",
    )
    _refuse(
        mirrored_faces(found),
        rows,
        "the left eye (points 36 to 41) on the left of the image, seen with the mouth below the "
        "eyes",
        "with it on the right: renumber the points of mirrored images with "
        "points[:, fer_xai.landmarks.MIRROR], or swap x and y if they are rows before columns",
    )
    return points


def known_faces(points: Tensor) -> Tensor:
    """``(N,)`` bool: which faces have 68 finite points.

    Examples
    --------
    >>> known_faces(torch.tensor([[[0.0, 1.0]], [[torch.nan, 1.0]]]))
    tensor([ True, False])
    """
    return torch.isfinite(points).flatten(1).all(dim=1)


def mirrored_faces(points: Tensor) -> Tensor:
    """``(N,)`` bool: on which faces left and right are swapped.

    However a head is turned, going from the image's left eye (points 36 to 41) to the right one
    (42 to 47), the mouth lies on the right hand side, which is below.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points = torch.from_numpy(canonical_landmarks()[None])
    >>> mirrored_faces(points), mirrored_faces(points * torch.tensor([-1.0, 1.0]))
    (tensor([False]), tensor([True]))
    """
    axes = face_axes(points)
    below = points[:, 48:68].mean(dim=1) - axes.origin
    return (below * axes.down).sum(dim=1) < 0


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceAxes:
    """Where each face is, how large, and which way it is turned, from its eyes.

    Attributes
    ----------
    origin
        ``(N, 2)`` point halfway between the centres of the eyes.
    along, down
        ``(N, 2)`` unit vectors: from the image's left eye to the right one, and towards the mouth.
    unit
        ``(N, 1)`` distance of the eyes' centres in pixels, at least 0.001.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> axes = face_axes(torch.from_numpy(canonical_landmarks()[None]))
    >>> axes.along.round(decimals=3).tolist(), round(axes.unit.item(), 1)
    ([[1.0, 0.0]], 27.9)
    """

    origin: Tensor
    along: Tensor
    down: Tensor
    unit: Tensor

    def local(self, points: Tensor) -> Tensor:
        """``(N, V, 2)`` pixels to face coordinates: right and down, in eye distances."""
        q = points - self.origin[:, None]
        right = (q * self.along[:, None]).sum(dim=-1)
        below = (q * self.down[:, None]).sum(dim=-1)
        return torch.stack([right, below], dim=-1) / self.unit[:, None]

    def pixels(self, local: Tensor) -> Tensor:
        """``(N, V, 2)`` face coordinates to pixels."""
        right = local[..., :1] * self.along[:, None]
        below = local[..., 1:] * self.down[:, None]
        return self.origin[:, None] + (right + below) * self.unit[:, None]


def face_axes(points: Tensor) -> FaceAxes:
    """Axes of faces ``(N, 68, 2)``.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points = torch.from_numpy(canonical_landmarks()[None])
    >>> axes = face_axes(points)
    >>> bool(torch.allclose(axes.pixels(axes.local(points)), points, atol=1e-4))
    True
    """
    left, right = points[:, 36:42].mean(dim=1), points[:, 42:48].mean(dim=1)  # (N, 2)
    across = right - left
    unit = across.norm(dim=1).clamp(min=1e-3)[:, None]
    along = across / unit
    down = torch.stack([-along[:, 1], along[:, 0]], dim=1)
    return FaceAxes(origin=(left + right) / 2, along=along, down=down, unit=unit)


def _numbers(landmarks: object) -> Tensor:
    """Landmarks as float32, or the sentence that says what they are."""
    if isinstance(landmarks, Tensor):
        if landmarks.is_complex():
            raise InputError("Expected landmarks as real numbers (N, 68, 2), got complex ones.")
        return landmarks.detach().to("cpu", torch.float32)
    try:
        return torch.from_numpy(np.array(landmarks, dtype=np.float32, order="C"))
    except (TypeError, ValueError):
        raise InputError(
            "Expected landmarks as an array or tensor of numbers (N, 68, 2), got "
            f"{type(landmarks).__name__}: write NaN for faces without landmarks."
        ) from None


def _remedy(points: Tensor) -> str:
    """What to do about landmarks of another shape."""
    shape = tuple(points.shape)
    if shape == (68, 2):
        return "add the axis of faces with landmarks[None]"
    if shape[1:] == (2, 68):
        return "put the points before x and y with swapaxes(1, 2)"
    if shape[1:] == (136,):
        return "reshape them to (N, 68, 2), x before y"
    if shape[1:] == (68, 3):
        return "leave the third coordinate out with landmarks[..., :2]"
    count = shape[-2] if len(shape) > 1 and shape[-1] == 2 else 0
    reason = f"{OTHER_SETS[count]}, and " if count in OTHER_SETS else ""
    return f"{reason}areas of a face need the 68 points of iBUG in pixels x, y"


def _refuse(bad: Tensor, rows: Tensor, expected: str, got: str) -> None:
    """Raise if any face is bad: how many, the first of them, and what to do."""
    if bool(bad.any()):
        count = f"{int(bad.sum())} of {len(rows)}" if len(rows) > 1 else "a face"
        first = f" (the first is face {int(rows[bad][0])})" if len(rows) > 1 else ""
        raise InputError(f"Expected {expected}, got {count}{first} {got}.")
