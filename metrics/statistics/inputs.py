"""Checks of what the statistics are handed: scores, their bounds, levels and margins.

NaN says that a score is undefined; it is left out and counted. Infinity says that something went
wrong before: it is refused here, since leaving it out would hide it.
"""

from __future__ import annotations

from math import inf
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_xai.checks import check_number, quoted
from fer_xai.errors import InputError

Bounds = tuple[float, float]
ROUNDING = 1e-5
"""Share of its range by which a score may lie outside of its bounds: float32 gives no more."""


def check_scores(scores: ArrayLike, *, name: str = "scores", bounds: Bounds | None = None) -> None:
    """Scores as numbers, each finite or NaN, and within their bounds where these are known.

    Parameters
    ----------
    scores
        Any shape.
    name
        What they are, for the sentence.
    bounds
        Smallest and largest value that a score can have; either may be infinite. Rounding of
        float32 is let pass.

    Raises
    ------
    InputError
        If something else than a number is among them, or infinity, or a score out of bounds; and if
        the bounds are no range.

    Examples
    --------
    >>> check_scores([0.5, float("nan")], bounds=(0, 1))
    >>> check_scores([[0.5, 0.25], [0.5, float("inf")]])
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected finite scores, or NaN where one is undefined, got inf at ...
    >>> check_scores([0.5, 75], bounds=(0, 1))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected scores within the bounds 0 and 1, got 75 at row 1: ...
    """
    table = _numbers(scores, name)
    if np.isinf(table).any():
        raise InputError(
            f"Expected finite {name}, or NaN where one is undefined, got "
            f"{_first(table, np.isinf(table))}: look for what divided by 0 or ran over there, or "
            "mark it as undefined by NaN."
        )
    if bounds is None:
        return
    low, high = _checked_bounds(bounds)
    ends = [abs(end) for end in (low, high) if np.isfinite(end)]
    slack = ROUNDING * (high - low if len(ends) == 2 else max(1.0, *ends, 1.0))
    outside = (table < low - slack) | (table > high + slack)
    if outside.any():
        raise InputError(
            f"Expected {name} within the bounds {low:g} and {high:g}, got "
            f"{_first(table, outside)}: hand in the bounds of this very score, in its own unit."
        )


def check_level(level: object) -> None:
    """A level of coverage, between 0 and 1 and neither.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_level(95)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected level above 0 and below 1, got 95.
    """
    check_number("level", level, 0, 1)


def check_margin(margin: object) -> None:
    """A margin above 0, in the unit of the scores.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_margin("2%")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a margin above 0, in units of the score, got '2%'.
    """
    try:
        check_number("margin", margin, 0)
    except InputError:
        raise InputError(
            f"Expected a margin above 0, in units of the score, got {margin!r}."
        ) from None


def _numbers(scores: ArrayLike, name: str) -> NDArray[np.float64]:
    """Scores in double precision; None is undefined, as NaN is."""
    try:
        table = np.asarray(scores)
        numeric = table.dtype.kind in "biuf"
        if table.dtype.kind == "O" and not any(isinstance(x, str | bytes) for x in table.flat):
            table, numeric = table.astype(np.float64), True
    except (TypeError, ValueError, RuntimeError):
        numeric = False
    if not numeric:
        listed = list(scores) if isinstance(scores, list | tuple | np.ndarray) else [scores]
        odd = [one for one in listed if not isinstance(one, Real | None)]
        raise InputError(
            f"Expected {name} as numbers, one a face, or NaN where one is undefined, got "
            f"{quoted(odd[0] if odd else scores)}: hand in a list or an array of floats."
        )
    return np.asarray(table, dtype=np.float64)


def _checked_bounds(bounds: Bounds) -> Bounds:
    try:
        low, high = (float(end) for end in bounds)
    except (TypeError, ValueError):
        low, high = inf, -inf
    if not low < high:
        raise InputError(
            f"Expected bounds as the smallest and the largest value of a score, got {bounds!r}."
        )
    return low, high


def _first(table: NDArray[np.float64], wrong: NDArray[np.bool_]) -> str:
    """The first wrong score and where it stands."""
    place = np.argwhere(wrong)[0].tolist()
    names = ("row", "column", *(f"axis {k}" for k in range(2, table.ndim)))
    at = ", ".join(f"{axis} {index}" for axis, index in zip(names, place, strict=False))
    return f"{table[tuple(place)]:.6g}{f' at {at}' if at else ''}"
