"""Units of statistics: persons, and moments of a person, read from a table of faces."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

K = TypeVar("K", bound=Hashable)


def person_labels(table: pd.DataFrame) -> list[str]:
    """Label of the person of each face: the unit that intervals take to be independent.

    Faces of one ``subject`` are of one person, and so are faces of one ``group``, which holds
    copies of an image or frames of a moment. A face of unknown subject and group is taken for a
    person of its own.

    Parameters
    ----------
    table
        Columns ``id``, ``subject`` and ``group``, where "" means unknown.

    Returns
    -------
    list
        N labels, none of them empty: the subject (several, joined by ``+``, where a group holds
        more than one), ``group NAME`` where the group alone is known, else ``face ID``.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["a", "b", "c", "d"], "subject": ["S1", "S1", "", ""],
    ...                       "group": ["", "g", "g", ""]})
    >>> person_labels(table)
    ['S1', 'S1', 'S1', 'face d']
    """
    ids, subjects, groups = (list(table[name]) for name in ("id", "subject", "group"))
    parts = _joined(subjects, groups)
    members: dict[int, list[int]] = {}
    for index, part in enumerate(parts):
        members.setdefault(part, []).append(index)
    names: dict[int, str] = {}
    for part, own in members.items():
        known = sorted({subjects[i] for i in own if subjects[i]})
        in_groups = sorted({groups[i] for i in own if groups[i]})
        other = f"group {in_groups[0]}" if in_groups else f"face {ids[own[0]]}"
        names[part] = "+".join(known) or other
    return _distinct(names, parts)


def moment_labels(table: pd.DataFrame) -> list[str]:
    """Label of the moment of each face: faces that a permutation must move together.

    A moment is one sequence (``group``) of a person, labelled with one emotion; where no group is
    known, everything that a person shows of one emotion; and where the person is unknown too, the
    face itself. The faces of a moment share their emotion and their person.

    Parameters
    ----------
    table
        Columns ``id``, ``subject``, ``group`` and ``emotion``, where "" means unknown.

    Returns
    -------
    list
        N labels, none of them empty.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["a", "b", "c", "d"], "subject": ["S1", "S1", "S2", ""],
    ...                       "group": ["S1_001", "S1_001", "", ""], "emotion": ["fear"] * 4})
    >>> moment_labels(table)
    ['S1 / S1_001 / fear', 'S1 / S1_001 / fear', 'S2 / fear', 'face d / fear']
    """
    persons = person_labels(table)
    keys: list[tuple[str, ...]] = [
        (person, group, emotion) if group else (person, emotion)
        for person, group, emotion in zip(persons, table["group"], table["emotion"], strict=True)
    ]
    return _distinct({key: " / ".join(key) for key in keys}, keys)


def _joined(subjects: Sequence[str], groups: Sequence[str]) -> list[int]:
    """Number of the person of each face: those connected by a subject or a group are one."""
    first: dict[tuple[str, str], int] = {}
    links = [
        (index, first.setdefault((kind, name), index))
        for kind, names in (("subject", subjects), ("group", groups))
        for index, name in enumerate(names)
        if name
    ]
    one, two = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), (one, two)), shape=(len(subjects), len(subjects)))
    return [int(part) for part in connected_components(graph, directed=False)[1]]


def _distinct(names: Mapping[K, str], keys: Sequence[K]) -> list[str]:
    """The name of each key; equal names of different keys are told apart."""
    labels: dict[K, str] = {}
    taken: set[str] = set()
    for key, name in names.items():
        labels[key] = name
        while labels[key] in taken:
            labels[key] += "'"
        taken.add(labels[key])
    return [labels[key] for key in keys]
