"""Two recordings of one person are no copies, however alike they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def of_one_recording(
    pairs: NDArray[np.int64], table: pd.DataFrame, pixels: NDArray[np.object_]
) -> NDArray[np.bool_]:
    """Which pairs may show one photograph, by what is known of their recording.

    Frames of one person in one studio are as alike as copies: in CK+, all 113 pairs of peak frames
    that :func:`fer_xai.data.duplicates.near_pairs` finds are of one person in two sequences, with
    two emotions. So a pair is left out where both faces are known to be of one person of one data
    set and of two recordings (``group``), unless their pixels are identical.

    Parameters
    ----------
    pairs
        ``(P, 2)`` positions in the table.
    table
        A row a face: ``set``, ``subject`` and ``group``, "" where unknown.
    pixels
        ``(N,)`` digests of the pixels.

    Returns
    -------
    ndarray
        ``(P,)``: False for pairs of two recordings.

    Examples
    --------
    >>> table = pd.DataFrame({"set": "ckplus", "subject": "S050", "group": ["1", "1", "2", ""]})
    >>> pairs = np.array([[0, 1], [0, 2], [0, 3]])
    >>> of_one_recording(pairs, table, np.array(["a", "b", "c", "d"], dtype=object)).tolist()
    [True, False, True]
    """
    one, two = pairs.T
    apart = pixels[one] != pixels[two]
    for column, same in (("set", True), ("subject", True), ("group", False)):
        values = table[column].to_numpy().astype(str)
        apart &= (values[one] == values[two]) == same
        if column != "set":
            apart &= (values[one] != "") & (values[two] != "")
    return ~apart


def same_recorded(table: pd.DataFrame, pixels: Sequence[str]) -> Callable[[int, int], bool]:
    """Whether two faces are different frames of one recorded person, and so no two labellings.

    Frames of one sequence may differ in their labels (CK+'s neutral first frame and its peak), and
    so may two recordings of one person, without any label being wrong. Two faces with identical
    pixels are one frame.

    Parameters
    ----------
    table
        A row a face: ``set``, and ``subject`` and ``group`` where they are known.
    pixels
        ``(N,)`` digests of the pixels.

    Examples
    --------
    >>> table = pd.DataFrame({"set": "ckplus", "subject": "S050", "group": ["1", "1", "2", ""]})
    >>> same = same_recorded(table, ["a", "b", "a", "c"])
    >>> same(0, 1), same(0, 2), same(1, 2), same(0, 3)
    (True, False, True, False)
    """
    if not {"subject", "group"} <= set(table.columns):
        return lambda one, two: False
    columns = (table[name].astype(str).tolist() for name in ("set", "subject", "group"))
    persons = [
        f"{name}\0{subject}" if subject and group else ""
        for name, subject, group in zip(*columns, strict=True)
    ]

    def same(one: int, two: int) -> bool:
        return persons[one] != "" and persons[one] == persons[two] and pixels[one] != pixels[two]

    return same
