"""From votes of several people to one label: the filters that papers on FER+ use."""

from __future__ import annotations

from collections.abc import Sequence

from fer_xai.emotions import NATIVE_ORDERS
from fer_xai.errors import InputError

_EMOTIONS = NATIVE_ORDERS["ferplus"]

FILTERS = {
    "majority": "single votes are dropped; the label has more than half of the votes that are left "
    "(Barsoum et al. 2016)",
    "half": "the label has more than half of all votes, none dropped",
    "most": "the label has more votes than every other, none dropped",
}
"""Filters by name, in words."""

NOT_FACE, NOT_KNOWN, NO_LABEL = "most votes for no face", "most votes for unknown", "no clear label"
"""Why a face is left out."""


def voted(votes: Sequence[int], *, filter: str = "majority") -> tuple[str | None, str]:  # noqa: A002
    """The emotion that people voted for by a filter, or None and the reason.

    A face whose winner is "unknown" or "no face" is left out, too.

    Parameters
    ----------
    votes
        Numbers of votes: for FER+'s eight emotions in its order, then unknown, then no face.
    filter
        A name of :data:`FILTERS`.

    Raises
    ------
    InputError
        For an unknown filter.

    Examples
    --------
    >>> votes = [1, 0, 0, 0, 5, 3, 1, 0, 0, 0]  # neutral 1, anger 5, disgust 3, fear 1
    >>> [voted(votes, filter=filter)[0] for filter in FILTERS]
    ['anger', None, 'anger']
    >>> voted([0, 0, 0, 0, 0, 0, 0, 0, 2, 8])
    (None, 'most votes for no face')
    """
    if filter not in FILTERS:
        raise InputError(f"Expected a filter among {', '.join(FILTERS)}, got {filter!r}.")
    counts = [0 if count == 1 else count for count in votes] if filter == "majority" else [*votes]
    top = max(counts)
    winner = counts.index(top)
    clear = counts.count(top) == 1 if filter == "most" else 2 * top > sum(counts)
    if not clear or top == 0:
        return None, NO_LABEL
    if winner >= len(_EMOTIONS):
        return None, NOT_KNOWN if winner == len(_EMOTIONS) else NOT_FACE
    return _EMOTIONS[winner], ""
