"""From which likeness on are two faces copies? What is found where there can be none tells.

Sets that share no image (photographs and built-in faces, or sources that are named as apart) have
no copies of each other: each match between them is false. The unit is a face of the first set,
compared with all of the second; pairs share faces and are not independent. A share of such faces
has the exact interval of Clopper and Pearson, given the second set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_xai.data.duplicates.near import LIKE, NearPairs
from studies.questions.label_audit.agreement import share_interval

LOWEST = 0.9
"""Least correlation that the table of thresholds looks at."""
TRIED = (0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
"""Correlations that are tried."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Apart:
    """Matches between two sets that share no image.

    Attributes
    ----------
    one, two
        Names of the sets.
    faces, others
        Number of faces of each.
    near
        Their matches, from a correlation of :data:`LOWEST` on.

    Examples
    --------
    >>> none = NearPairs(pairs=np.zeros((0, 2), int), correlation=np.zeros(0), detail=np.zeros(0),
    ...                  mirrored=np.zeros(0, bool))
    >>> Apart(one="a", two="b", faces=9, others=5, near=none).false_matches(0.95)
    0
    """

    one: str
    two: str
    faces: int
    others: int
    near: NearPairs

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.one} against {self.two}"

    def false_matches(self, like: float) -> int:
        """Faces of the first set that match a face of the second."""
        return len(np.unique(self.near.above(like).pairs[:, 0]))


def chosen_threshold(apart: list[Apart], *, most: float) -> float | None:
    """Loosest correlation, from the package's own rule up, whose false matches are few enough.

    Parameters
    ----------
    apart
        Comparisons of sets that share no image.
    most
        Largest share of faces with a false match, in any of the comparisons.

    Returns
    -------
    float or None
        None where even the strictest has too many.

    Examples
    --------
    >>> chosen_threshold([], most=0.001)
    0.95
    """
    for like in TRIED:
        if like >= LIKE and all(one.false_matches(like) <= most * one.faces for one in apart):
            return like
    return None


def thresholds_table(
    near: NearPairs, splits: np.ndarray[tuple[int], np.dtype[np.str_]], apart: list[Apart]
) -> pd.DataFrame:
    """Pairs, leaked test faces and false matches at each correlation.

    Parameters
    ----------
    near
        Matches among the faces, from :data:`LOWEST` on.
    splits
        ``(N,)`` splits of the faces.
    apart
        Comparisons of sets that share no image.

    Examples
    --------
    >>> near = NearPairs(pairs=np.array([[0, 1]]), correlation=np.array([0.93]),
    ...                  detail=np.array([0.9]), mirrored=np.array([False]))
    >>> found = thresholds_table(near, np.array(["train", "test"]), [])
    >>> found[found["pairs"] > 0]["correlation, at least"].tolist()
    [0.9, 0.91, 0.92, 0.93]
    """
    rows = []
    for like in TRIED:
        pairs = near.above(like).pairs
        one, two = splits[pairs[:, 0]], splits[pairs[:, 1]]
        leaked = np.concatenate(
            [
                pairs[(one == "train") & (two == "test"), 1],
                pairs[(one == "test") & (two == "train"), 0],
            ]
        )
        row: dict[str, float | int] = {
            "correlation, at least": like,
            "pairs": len(pairs),
            "test faces with a training copy": len(np.unique(leaked)),
        }
        for comparison in apart:
            row[f"false: {comparison.name}"] = comparison.false_matches(like)
        rows.append(row)
    return pd.DataFrame(rows)


def false_matches_table(apart: list[Apart], like: float) -> pd.DataFrame:
    """Share of faces with a false match at a threshold, with its interval.

    Examples
    --------
    >>> none = NearPairs(pairs=np.zeros((0, 2), int), correlation=np.zeros(0), detail=np.zeros(0),
    ...                  mirrored=np.zeros(0, bool))
    >>> comparison = Apart(one="a", two="b", faces=100, others=5, near=none)
    >>> false_matches_table([comparison], 0.95)["share high"].round(2).tolist()
    [3.62]
    """
    rows = []
    for one in apart:
        count = one.false_matches(like)
        low, high = share_interval(count, one.faces)
        rows.append(
            {
                "faces of": one.one,
                "against": one.two,
                "faces": one.faces,
                "others": one.others,
                "false matches": count,
                "share": 100 * count / one.faces,
                "share low": 100 * low,
                "share high": 100 * high,
            }
        )
    return pd.DataFrame(rows)


def sets_of(apart: tuple[str, ...], known: Mapping[str, int]) -> list[tuple[str, str]]:
    """Pairs of sets that are named as apart: ``A,B``.

    Raises
    ------
    InputError
        If a text names no two different sets of the audit.

    Examples
    --------
    >>> sets_of(("rafdb,fer2013",), {"rafdb": 9, "fer2013": 5})
    [('rafdb', 'fer2013')]
    """
    from fer_xai.errors import InputError

    found = []
    for text in apart:
        names = [name.strip() for name in text.split(",")]
        if len(set(names)) != 2 or len(names) != 2 or not set(names) <= set(known):
            raise InputError(
                f"Expected --apart as two of the sets {', '.join(known)}, such as A,B, got "
                f"{text!r}."
            )
        found.append((names[0], names[1]))
    return found
