"""How many independent units stand behind faces: persons, moments, or the faces themselves."""

from __future__ import annotations

import pandas as pd

from fer_xai.checks import name_or_unknown
from fer_xai.types.units import moment_labels, person_labels


def units_of(faces: pd.DataFrame) -> str:
    """How faces are counted, in a sentence without its full stop.

    Parameters
    ----------
    faces
        A row a face (:func:`studies.engine.study.face_table`).

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["a", "b", "c"], "emotion": ["fear"] * 3, "group": "",
    ...                       "subject": ["S1", "S1", "S2"], "cluster": [0, 0, 1]})
    >>> units_of(table)
    '3 faces of 2 persons (2 moments)'
    >>> units_of(table.assign(subject="", cluster=[0, 1, 2]))
    '3 faces counted as independent (persons are unknown: see --subject-pattern)'
    """
    faces = faces.assign(subject=faces["subject"].map(name_or_unknown))
    known = faces[faces["subject"] != ""]
    persons = pd.Series(person_labels(faces), index=faces.index)
    counted = _number(len(faces), "face")
    if not len(known):
        blocks = f"{persons.nunique()} groups of " if persons.nunique() < len(faces) else ""
        text = f"{blocks}{counted} counted as independent (persons are unknown: see "
        text += "--subject-pattern)"
    else:
        moments = pd.Series(moment_labels(faces), index=faces.index)
        theirs = faces.index[persons.isin(set(persons[known.index]))]
        text = (
            f"{_number(len(theirs), 'face')} of {_number(persons[theirs].nunique(), 'person')} "
            f"({_number(moments[theirs].nunique(), 'moment')})"
        )
        if len(theirs) < len(faces):
            rest = _number(len(faces) - len(theirs), "face")
            text += f", and {rest} of unknown persons counted as independent"
    joined = faces["cluster"].nunique()
    if joined < persons.nunique():
        text += f"; identical images are joined, which leaves {_number(joined, 'unit')}"
    return text


def unit_name(faces: pd.DataFrame) -> str:
    """What intervals over clusters of faces are over: persons, where any is known.

    Examples
    --------
    >>> unit_name(pd.DataFrame({"subject": ["S1", ""]})), unit_name(pd.DataFrame({"subject": [""]}))
    ('person', 'cluster')
    """
    return "person" if (faces["subject"].map(name_or_unknown) != "").any() else "cluster"


def _number(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
