"""Landmarks and the images that they are said to be of: do they lie in them?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.landmarks.placing import too_large
from fer_xai.landmarks.points import mirrored_faces
from fer_xai.landmarks.template import INNER


def check_placed(
    points: NDArray[np.float32],
    sizes: NDArray[np.int64],
    names: Sequence[str],
    *,
    where: str,
) -> None:
    """Points of images must lie in them, and must not be mirrored.

    A face's points may leave the image at the jaw, and a head may be turned; but the middle of the
    brows, eyes, nose and mouth lies inside, and they do not leave it as points of larger images do
    (:func:`fer_xai.landmarks.placing.too_large`).

    Parameters
    ----------
    points
        ``(N, 68, 2)`` in pixels of each image; NaN where unknown.
    sizes
        ``(N, 2)`` height and width of each image.
    names
        Names of the images.
    where
        Where the points come from, for the sentence.

    Raises
    ------
    InputError
        Naming the first face that is wrong, and how many are.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points, sizes = canonical_landmarks()[None], np.array([[64, 64]])
    >>> check_placed(points, sizes, ["a.png"], where="points.csv")
    >>> check_placed(points + 70, sizes, ["a.png"], where="points.csv")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected landmarks inside their images in points.csv, but 1 of 1 ...
    >>> check_placed(points * [-1, 1] + [63, 0], sizes, ["a.png"], where="points.csv")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected landmarks in iBUG order in points.csv, but left and ...
    """
    known = np.isfinite(points).all(axis=(1, 2))
    middle = points[:, INNER].mean(axis=1)  # (N, 2) as x, y
    inside = (middle > -0.5) & (middle < sizes[:, ::-1] - 0.5)
    outside = np.flatnonzero(known & ~inside.all(axis=1))
    widths = torch.from_numpy(sizes[known][:, ::-1].copy())
    large = np.flatnonzero(known)[too_large(torch.from_numpy(points[known]), widths).numpy()]
    if len(large) > len(outside):  # a few of them lie wholly outside
        height, width = (int(side) for side in sizes[large[0]])
        raise InputError(
            f"Expected landmarks inside their images in {where}, but in {len(large)} of "
            f"{int(known.sum())} faces they leave the image at the right and at the bottom, first "
            f"{names[large[0]]}, whose points reach ({points[large[0], :, 0].max():.0f}, "
            f"{points[large[0], :, 1].max():.0f}) in {width}×{height} pixels: they look measured "
            "on larger images; say on what size (--landmarks-size, points_size=)."
        )
    if len(outside):
        first = outside[0]
        x, y = (float(value) for value in middle[first])
        height, width = (int(side) for side in sizes[first])
        raise InputError(
            f"Expected landmarks inside their images in {where}, but {len(outside)} of "
            f"{int(known.sum())} faces lie outside, first {names[first]}, whose middle is "
            f"({x:.0f}, {y:.0f}) in {width}×{height} pixels: say on what size they were measured "
            "(--landmarks-size)."
        )
    turned = np.flatnonzero(known & mirrored_faces(torch.from_numpy(points)).numpy())
    if len(turned):
        raise InputError(
            f"Expected landmarks in iBUG order in {where}, but left and right are swapped in "
            f"{len(turned)} of {int(known.sum())} faces, first {names[turned[0]]}: the points are "
            "of mirrored images; mirror them back and renumber them by "
            "fer_xai.landmarks.template.MIRROR."
        )
