"""Groups of faces by attribute: which are compared, and which are too small for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.errors import InputError
from fer_xai.types import Faces
from metrics.statistics.standardised import LEAST_CELL, common_strata
from studies.reporting.formatting import counted

LEAST_FACES, LEAST_PERSONS = 20, 5
"""Fewest faces and persons of a group that is compared: coverage was simulated from there on."""
MOST_GROUPS = 30
"""Most groups of an attribute: more of them are values, such as numbers, and no groups."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Groups of faces.

    Attributes
    ----------
    attributes
        A names.
    labels
        ``(N, A)``, "" where unknown.
    sizes
        A row an attribute and group: ``faces``, ``persons``, and ``small``, why it is not compared
        ("" if it is).
    tested
        Attribute (its place) and group of each comparison with the rest.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(480)
    >>> found = groups_of(faces, ["glasses"], persons=faces.persons)
    >>> found.sizes[["group", "faces", "persons"]].to_numpy().tolist(), found.comparisons
    ([['no', 372, 31], ['yes', 108, 9]], 1)
    """

    attributes: tuple[str, ...]
    labels: NDArray[np.str_]
    sizes: pd.DataFrame
    tested: tuple[tuple[int, str], ...]

    @property
    def comparisons(self) -> int:
        """Number of different comparisons: two groups that are all there are make one."""
        total = 0
        for place in range(len(self.attributes)):
            own = [group for at, group in self.tested if at == place]
            every = set(self.labels[:, place]) - {""}
            total += 1 if len(own) == 2 == len(every) else len(own)
        return total

    def member(self, place: int, group: str) -> NDArray[np.bool_]:
        """Bool ``(N,)``: the faces of a group."""
        return np.asarray(self.labels[:, place] == group)

    def known(self, place: int) -> NDArray[np.bool_]:
        """Bool ``(N,)``: the faces whose group is known."""
        return np.asarray(self.labels[:, place] != "")


def groups_of(faces: Faces, names: Sequence[str], *, persons: Sequence[object]) -> Groups:
    """Groups of faces by their attributes (:meth:`fer_xai.types.Faces.attribute`).

    Parameters
    ----------
    faces
        The faces.
    names
        Attributes.
    persons
        N labels.

    Raises
    ------
    InputError
        If an attribute is unknown, has one group alone or too many, or if no group is large enough.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(12)
    >>> groups_of(faces, ["style"], persons=faces.persons)
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected two or more groups of style in synthetic, got wild ...
    """
    columns = [faces.attribute(name) for name in names]
    labels = np.array(columns, dtype=str).reshape(len(names), len(faces)).T
    emotions, codes = (
        faces.labels.numpy(),
        np.unique(np.array(persons, str), return_inverse=True)[1],
    )
    rows, tested = [], []
    for place, name in enumerate(names):
        own = sorted(set(labels[:, place]) - {""})
        _check_number(own, name, faces)
        known = labels[:, place] != ""
        for group in own:
            member = labels[:, place] == group
            n, people = int(member.sum()), len(np.unique(codes[member]))
            small = _too_small("it has", n, people)
            if not small:
                others = known & ~member
                small = _too_small("the rest has", int(others.sum()), len(np.unique(codes[others])))
            if not small:
                common = common_strata(member[known], emotions[known], codes[known])
                small = "" if len(common) else NOTHING_COMMON
            if not small:
                tested.append((place, group))
            rows.append(
                {"attribute": name, "group": group, "faces": n, "persons": people, "small": small}
            )
        missing = int((~known).sum())
        if missing:
            people = len(np.unique(codes[~known]))
            rows.append(
                {
                    "attribute": name,
                    "group": UNKNOWN,
                    "faces": missing,
                    "persons": people,
                    "small": "its group is unknown",
                }
            )
    sizes = pd.DataFrame(rows)
    if not tested:
        said = "; ".join(f"{r['group']}: {r['small']}" for r in rows)
        raise InputError(
            f"Expected a group of {', '.join(names)} that can be compared with the rest, got none "
            f"({said}): take more faces (--limit), or other --groups."
        )
    return Groups(attributes=tuple(names), labels=labels, sizes=sizes, tested=tuple(tested))


UNKNOWN = "(unknown)"
NOTHING_COMMON = f"no emotion of which both it and the rest have {LEAST_CELL} persons"


def _check_number(groups: Sequence[str], name: str, faces: Faces) -> None:
    if len(groups) < 2:
        found = f"{groups[0]} alone" if groups else "none"
        raise InputError(
            f"Expected two or more groups of {name} in {faces.name}, got {found}: name another "
            "attribute in --groups, or join further data with --also."
        )
    if len(groups) > MOST_GROUPS:
        raise InputError(
            f"Expected at most {MOST_GROUPS} groups of {name}, got {len(groups)} "
            f"({', '.join(groups[:3])}, …): name an attribute whose values are groups."
        )


def _too_small(who: str, faces: int, persons: int) -> str:
    if faces >= LEAST_FACES and persons >= LEAST_PERSONS:
        return ""
    return (
        f"{who} {counted(faces, 'face')} of {counted(persons, 'person')}, and a comparison takes "
        f"{LEAST_FACES} of {LEAST_PERSONS}"
    )
