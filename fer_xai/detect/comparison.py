"""How far two sets of landmarks lie apart: by face, by part of the face, by emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.errors import InputError

POINT_GROUPS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "mouth": (48, 68)}
)
"""First point of each part of the face, and the one after its last, in the order of iBUG-68."""
OUTER_CORNERS = (36, 45)
"""Outer corners of the eyes, whose distance is the unit of errors."""


def point_errors(points: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far does each point lie from the true one? Lower is better.

    The distance is a share of the distance between the true outer corners of the eyes (Sagonas et
    al., "300 Faces in-the-Wild Challenge", ICCV Workshops 2013).

    Parameters
    ----------
    points, truth
        ``(N, 68, 2)`` in the same pixels; NaN where unknown.

    Returns
    -------
    ndarray
        ``(N, 68)``; NaN for faces that either lacks.

    Raises
    ------
    InputError
        If they are not of one shape ``(N, 68, 2)``.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> truth = canonical_landmarks()[None]
    >>> float(point_errors(truth + np.float32([3, 4]), truth).mean().round(3))
    0.127
    """
    if points.shape != truth.shape or points.shape[1:] != (68, 2):
        raise InputError(
            f"Expected two sets of landmarks (N, 68, 2) of the same faces, got {points.shape} and "
            f"{truth.shape}."
        )
    one, other = points.astype(np.float64), truth.astype(np.float64)
    left, right = OUTER_CORNERS
    unit = np.linalg.norm(other[:, left] - other[:, right], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.linalg.norm(one - other, axis=2) / unit[:, None]
    known = np.isfinite(one).all(axis=(1, 2)) & np.isfinite(other).all(axis=(1, 2)) & (unit > 0)
    errors[~known] = np.nan
    return np.asarray(errors, dtype=np.float64)


def yaw(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far is each face turned to a side? ``(N,)`` from −1 to 1, 0 when it looks ahead.

    The place of the tip of the nose (point 30) between the outer corners of the eyes, along the
    line through them: −1 above the left corner, 1 above the right one. A measure of pose that
    needs no camera, and no angle.

    Parameters
    ----------
    points
        ``(N, 68, 2)``.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> yaw(canonical_landmarks()[None])
    array([0.])
    """
    left, right = (points[:, corner].astype(np.float64) for corner in OUTER_CORNERS)
    across = right - left
    with np.errstate(divide="ignore", invalid="ignore"):
        place = ((points[:, 30] - left) * across).sum(axis=1) / (across**2).sum(axis=1)
    return np.asarray(2 * place - 1, dtype=np.float64).round(6) + 0.0


def comparison_table(
    points: NDArray[np.float32], truth: NDArray[np.float32], emotions: Sequence[str]
) -> pd.DataFrame:
    """Mean errors over all faces and points, by emotion, by part of the face and by pose.

    Parameters
    ----------
    points, truth
        ``(N, 68, 2)`` in the same pixels; NaN where unknown.
    emotions
        Emotion of each face, ``(N,)``.

    Returns
    -------
    DataFrame
        ``part``, ``faces`` compared, ``only first`` and ``only second`` (faces that one alone
        has), ``mean`` and ``median`` of the faces' mean errors, and the share of faces above .1.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> truth = canonical_landmarks()[None]
    >>> comparison_table(truth + 1, truth, ["fear"])[["part", "faces", "mean"]].round(3).head(3)
       part  faces   mean
    0   all      1  0.036
    1  fear      1  0.036
    2   jaw      1  0.036
    """
    errors = point_errors(points, truth)
    has_one, has_other = (
        np.asarray(np.isfinite(part).all(axis=(1, 2)), dtype=bool) for part in (points, truth)
    )
    named = np.asarray(emotions)
    everyone = np.ones(len(points), dtype=bool)
    rows = [_row("all", errors, everyone, has_one, has_other)]
    rows += [
        _row(name, errors, named == name, has_one, has_other) for name in dict.fromkeys(emotions)
    ]
    rows += [
        _row(name, errors[:, first:last], everyone, has_one, has_other)
        for name, (first, last) in POINT_GROUPS.items()
    ]
    turned = np.abs(yaw(truth))
    rows += [
        _row(name, errors, chosen, has_one, has_other)
        for name, chosen in (
            ("frontal (|yaw| < .2)", turned < 0.2),
            ("turned (.2 to .5)", (turned >= 0.2) & (turned < 0.5)),
            ("profile (.5 or more)", turned >= 0.5),
        )
        if chosen.any()
    ]
    return pd.DataFrame(rows)


def _row(
    part: str,
    errors: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    has_one: NDArray[np.bool_],
    has_other: NDArray[np.bool_],
) -> dict[str, object]:
    """Errors over the faces that both sets have."""
    both = errors[chosen & np.isfinite(errors).all(axis=1)].mean(axis=1)
    return {
        "part": part,
        "faces": len(both),
        "only first": int((chosen & has_one & ~has_other).sum()),
        "only second": int((chosen & has_other & ~has_one).sum()),
        "mean": float(both.mean()) if len(both) else np.nan,
        "median": float(np.median(both)) if len(both) else np.nan,
        "above .1": float((both > 0.1).mean()) if len(both) else np.nan,
    }
