"""Landmarks that somebody hands in: are they points of these images?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.landmarks.points import OTHER_SETS


def as_points(values: object, *, where: str) -> NDArray[np.float32]:
    """Points ``(N, 68, 2)`` from an array, refused if they are not 68 points.

    Parameters
    ----------
    values
        An array or what can be made one.
    where
        The file or argument, for the sentence.

    Raises
    ------
    InputError
        For another shape, or what is no number.

    Examples
    --------
    >>> as_points(np.zeros((2, 68, 2)), where="points.npz").shape
    (2, 68, 2)
    >>> as_points(np.zeros((2, 5, 2)), where="points.npz")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected 68 points a face in points.npz, got 5: the eyes, ...
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise InputError(f"Expected numbers in {where}, got {array.dtype}.")
    if array.ndim == 3 and array.shape[1:] == (68, 3):
        raise InputError(
            f"Expected points as x, y in {where}, got three coordinates: leave out the depth."
        )
    if array.ndim != 3 or array.shape[2] != 2:
        raise InputError(f"Expected points (N, 68, 2) in {where}, got shape {array.shape}.")
    if array.shape[1] != 68:
        raise InputError(wrong_number(array.shape[1], where=where))
    points = array.astype(np.float32)
    return np.where(np.isfinite(points), points, np.float32(np.nan))


def wrong_number(count: int, *, where: str) -> str:
    """The sentence for points of another number than 68.

    Examples
    --------
    >>> print(wrong_number(70, where="a.pts"))
    Expected 68 points a face in a.pts, got 70: take iBUG-68 landmarks, or the provider builtin.
    """
    why = f"{OTHER_SETS[count]}, " if count in OTHER_SETS else ""
    return (
        f"Expected 68 points a face in {where}, got {count}: {why}take iBUG-68 landmarks, or the "
        "provider builtin."
    )


def check_some_known(points: NDArray[np.float32], *, where: str) -> None:
    """At least one face must have all of its points.

    Raises
    ------
    InputError
        If every face has a point that is NaN.

    Examples
    --------
    >>> check_some_known(np.full((3, 68, 2), np.nan, np.float32), where="points.npz")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected landmarks in points.npz, but each of 3 faces has ...
    """
    if len(points) and not np.isfinite(points).all(axis=(1, 2)).any():
        raise InputError(
            f"Expected landmarks in {where}, but each of {len(points)} faces has points that are "
            "NaN or missing: locate them with another provider, such as builtin."
        )
