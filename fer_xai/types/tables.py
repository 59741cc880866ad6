"""The table of faces: its columns, and what is checked about them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fer_xai.checks import name_or_unknown, quoted
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError

COLUMNS: tuple[str, ...] = ("id", "path", "emotion", "split", "subject", "source", "group")
"""Columns of every dataset's table.

``subject`` names the person, ``group`` what holds several images of one moment: a sequence of
frames, views from several cameras, or copies of one image. Both are "" where unknown; None, NaN and
white space become "". A subject means the same person wherever it stands in the table, and faces of
one group are of one person, so a name of a group must not come twice with different persons. What
follows for statistics is told by :attr:`fer_xai.types.Faces.persons` and
:attr:`fer_xai.types.Faces.moments`: an unknown subject makes no face part of another's person, and
such a face counts as independent.
"""

_TEXTS = ("path", "split", "subject", "source", "group")


def cleaned(table: pd.DataFrame) -> pd.DataFrame:
    """The table with "" wherever a text is unknown; the one handed in is left as it is.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["a"]}).reindex(columns=list(COLUMNS))
    >>> cleaned(table)["subject"].tolist()
    ['']
    """
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise InputError(
            f"Expected a table with columns {', '.join(COLUMNS)}; {', '.join(missing)} missing."
        )
    changed = {}
    for column in _TEXTS:
        values = list(table[column])
        if set(map(type, values)) <= {str}:  # a text is looked at once, however often it comes
            different = set(values)
            if not any(name_or_unknown(value) != value for value in _odd(different)):
                continue
            names = {value: name_or_unknown(value) for value in different}
            texts = [names[value] for value in values]
        else:
            texts = [name_or_unknown(value) for value in values]
        changed[column] = pd.Series(texts, index=table.index, dtype=object)
    return table.assign(**changed) if changed else table


def check_names(table: pd.DataFrame, *, name: str) -> None:
    """Check that emotions are canonical, and that each face has an id of its own.

    Parameters
    ----------
    table
        The faces.
    name
        What the dataset is called.

    Raises
    ------
    InputError
        For the first row where this does not hold.

    Examples
    --------
    >>> check_names(pd.DataFrame({"id": ["a", "a"], "emotion": ["fear"] * 2}), name="mine")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected each face once in mine, got the id 'a' twice, in rows 0 ...
    """
    unknown = sorted({str(emotion) for emotion in set(table["emotion"]) - set(EMOTIONS)})
    if unknown:
        some = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise InputError(
            "Expected canonical emotion names in the table, got "
            f"{', '.join(quoted(emotion)[1:-1] for emotion in unknown[:5])}{some}: map them with "
            "fer_xai.emotions.parse_emotion."
        )
    ids = list(map(str, table["id"]))
    different = set(ids)
    nameless = {face for face in _odd(different) if not name_or_unknown(face)}
    if nameless:
        row = next(row for row, face in enumerate(ids) if face in nameless)
        raise InputError(
            f"Expected an id for each face of {name}, but row {row} of the table "
            "has none: results are told apart by it."
        )
    if len(different) < len(ids):
        first: dict[str, int] = {}
        for row, face in enumerate(ids):
            if first.setdefault(face, row) != row:
                raise InputError(
                    f"Expected each face once in {name}, got the id {quoted(face)} twice, "
                    f"in rows {first[face]} and {row} of the table: results are told apart by it."
                )


def _odd(texts: set[str]) -> set[str]:
    """Texts that may be no names as they stand: short ones, or with white space at an end."""
    return {text for text in texts if len(text) < 5 or text != text.strip()}


def drawn(labels: np.ndarray, n: int, *, seed: int) -> np.ndarray:
    """Positions of ``n`` faces, drawn with the emotions' shares kept, in the table's order.

    Parameters
    ----------
    labels
        ``(N,)`` emotions.
    n
        Number of faces, less than N.
    seed
        Seed of the draw.

    Examples
    --------
    >>> drawn(np.array([0, 0, 0, 1, 1, 1]), 2, seed=0).tolist()
    [2, 3]
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    mixed = labels[order]
    rank_in_class = np.empty(len(labels))
    for emotion in np.unique(mixed):
        members = np.flatnonzero(mixed == emotion)
        rank_in_class[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(order[np.argsort(rank_in_class, kind="stable")[:n]])
