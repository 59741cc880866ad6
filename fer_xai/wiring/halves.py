"""Faces dealt out to two halves, so that what one half suggests is tested on the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def person_codes(names: Sequence[str]) -> NDArray[np.int64]:
    """A number for each name of a person, or of a face where no person is known.

    Examples
    --------
    >>> person_codes(["p", "b", "p"])
    array([1, 0, 1])
    """
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def second_half(
    labels: NDArray[np.int64], names: Sequence[str], *, seed: int = 0
) -> NDArray[np.bool_]:
    """Whether each face is in the second half: within each emotion, every other person.

    The order of the faces plays no part: persons are ordered by a digest of seed and name.

    Parameters
    ----------
    labels
        ``(N,)``: emotions.
    names
        N names of persons, or of faces where no person is known.

    Examples
    --------
    >>> int(second_half(np.array([0, 0, 1, 1]), ["a", "b", "c", "d"]).sum())
    2
    """
    keys = {name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest() for name in set(names)}
    first: dict[str, int] = {}  # a person's smallest emotion decides
    for name, label in zip(names, labels.tolist(), strict=True):
        first[name] = min(label, first.get(name, label))
    halves: dict[str, bool] = {}
    for emotion in set(first.values()):
        members = sorted((name for name in first if first[name] == emotion), key=keys.__getitem__)
        halves |= {name: (at + emotion) % 2 == 1 for at, name in enumerate(members)}
    return np.array([halves[name] for name in names])
