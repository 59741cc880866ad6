"""The rules of the clean edition: who is removed, re-labelled, moved, and held out.

1. Conflicts. A group of copies holds whoever is a copy (identical or near) of a copy: its faces
   are one photograph, though the ends of a chain may not be alike enough themselves. In a group
   with several labels, the label of more than half of its faces stands; faces with another one
   are removed, or re-labelled where that is asked for. Without such a majority the whole group is
   removed. As in the audit of labels, a group whose labels differ among frames of one recorded
   person alone has no conflict.
2. Repeats. Of images with identical pixels one is kept: a training face before a test face, and
   both before a validation face.
3. Sides. Faces of one group of copies, one person or one sequence are a unit. A unit with training
   faces, removed ones included, is moved to the training side as a whole, so weights that were
   trained on the published training faces have never seen a clean test face. In other units with
   test faces, validation faces are removed: to move test faces after them would empty the test
   side where validation faces were taken from it (as they were in the published benchmark).
4. Validation. The other published validation faces join the training side, and a share of each
   emotion is held out of it anew, by unit, drawn by the seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.data.duplicates.groups import conflicting, joined, same_value_pairs
from fer_xai.data.duplicates.recordings import same_recorded

Conflicts = Literal["remove", "relabel"]
KEPT, MOVED, RELABELLED, REMOVED = "kept", "moved", "relabelled", "removed"
TRAIN, VALID, TEST = "train", "valid", "test"


def clean_edition(
    pool: pd.DataFrame,
    near: NDArray[np.int64],
    *,
    conflicts: Conflicts = "remove",
    valid_fraction: float = 0.1,
    seed: int = 0,
) -> pd.DataFrame:
    """The pool with new splits and labels, and what was done to each face, and why.

    Parameters
    ----------
    pool
        A row a face: ``id``, ``set``, ``emotion``, ``split``, ``subject``, ``group`` and ``pixels``
        (the digest of its pixels).
    near
        ``(P, 2)`` pairs of near-copies.
    conflicts
        What becomes of labels that a majority of copies contradicts.
    valid_fraction
        Share of each emotion of the training side that is held out; 0 for none.
    seed
        Seed of the draw.

    Returns
    -------
    DataFrame
        The pool with ``original_label``, ``original_split``, ``status`` and ``reason``.

    Examples
    --------
    >>> pool = pd.DataFrame({"id": list("abc"), "set": "s", "emotion": ["fear", "fear", "anger"],
    ...                      "split": ["train", "test", "test"], "subject": "", "group": "",
    ...                      "pixels": ["1", "1", "2"]})
    >>> clean_edition(pool, np.zeros((0, 2), int), valid_fraction=0)["status"].tolist()
    ['kept', 'removed', 'kept']
    """
    n = len(pool)
    labels, splits = pool["emotion"].tolist(), pool["split"].tolist()
    status, reasons = [KEPT] * n, ["" for _ in range(n)]
    copies = joined(n, same_value_pairs(pool["pixels"].tolist()), near)
    same = same_recorded(pool, pool["pixels"].tolist())
    _settle_conflicts(labels, copies, status, reasons, same=same, conflicts=conflicts)
    _drop_repeats(pool, splits, status, reasons)
    new = [TRAIN if split == VALID else split for split in splits]
    units = _units(pool, near)
    _settle_sides(units, splits, new, status, reasons)
    for index in _held_out(labels, new, units, status, fraction=valid_fraction, seed=seed):
        new[index] = VALID
    for index, before in enumerate(splits):
        if status[index] == REMOVED:
            new[index] = ""
        elif before == VALID and new[index] == TRAIN and not reasons[index]:
            status[index] = MOVED
            reasons[index] = "validation is drawn anew"
        elif new[index] == VALID and before != VALID:
            status[index] = RELABELLED if status[index] == RELABELLED else MOVED
            reasons[index] = "; ".join(filter(None, [reasons[index], "drawn for validation"]))
    return pool.assign(
        original_label=pool["emotion"],
        original_split=pool["split"],
        emotion=labels,
        split=new,
        status=status,
        reason=reasons,
    )


def _settle_conflicts(
    labels: list[str],
    copies: NDArray[np.int64],
    status: list[str],
    reasons: list[str],
    *,
    same: Callable[[int, int], bool],
    conflicts: Conflicts,
) -> None:
    """Rule 1, in place."""
    order = np.argsort(copies, kind="stable")
    starts = np.searchsorted(copies[order], np.arange(copies.max() + 2 if len(copies) else 0))
    for group in conflicting(copies, labels):
        members = order[starts[group] : starts[group + 1]].tolist()
        pairs = combinations(members, 2)
        if not any(labels[one] != labels[two] and not same(one, two) for one, two in pairs):
            continue
        (top, count), *_ = Counter(labels[member] for member in members).most_common()
        for member in members:
            if 2 * count <= len(members):
                status[member] = REMOVED
                reasons[member] = f"{len(members)} copies have conflicting labels, none of most"
            elif labels[member] != top:
                told = f"{count} of {len(members)} copies are labelled {top}"
                status[member] = REMOVED if conflicts == "remove" else RELABELLED
                reasons[member] = told
                labels[member] = labels[member] if conflicts == "remove" else top


def _drop_repeats(
    pool: pd.DataFrame, splits: list[str], status: list[str], reasons: list[str]
) -> None:
    """Rule 2, in place."""
    rank = {TRAIN: 0, TEST: 1, VALID: 2}
    ids, pixels = pool["id"].tolist(), pool["pixels"].tolist()
    first: dict[str, int] = {}
    changed = [one == RELABELLED for one in status]
    for index in sorted(range(len(ids)), key=lambda i: (rank[splits[i]], changed[i], i)):
        if status[index] == REMOVED or not pixels[index]:
            continue
        kept = first.setdefault(pixels[index], index)
        if kept != index:
            status[index] = REMOVED
            reasons[index] = f"identical to {ids[kept]} ({splits[kept]})"


def _units(pool: pd.DataFrame, near: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the units that stay on one side; removed faces join others, too."""

    def keys(column: str) -> list[str]:
        named = zip(pool["set"], pool[column], strict=True)
        return [f"{name}\0{value}" if value else "" for name, value in named]

    named = [keys("subject"), keys("group"), pool["pixels"].tolist()]
    return joined(len(pool), near, *map(same_value_pairs, named))


def _settle_sides(
    units: NDArray[np.int64],
    before: Sequence[str],
    new: list[str],
    status: list[str],
    reasons: list[str],
) -> None:
    """Rule 3, in place; ``before`` are the published splits."""
    side: dict[int, set[str]] = {}
    for unit, split in zip(units.tolist(), before, strict=True):
        side.setdefault(unit, set()).add(split)
    for index, split in enumerate(before):
        others = side[int(units[index])]
        if status[index] == REMOVED:
            continue
        if split == TEST and TRAIN in others:
            new[index] = TRAIN
            status[index] = RELABELLED if status[index] == RELABELLED else MOVED
            told = "a near-copy, its person or its sequence is among the training faces"
        elif split == VALID and TEST in others and TRAIN not in others:
            status[index] = REMOVED
            told = "a copy, its person or its sequence is among the test faces"
        else:
            continue
        reasons[index] = "; ".join(filter(None, [reasons[index], told]))


def _held_out(
    labels: list[str],
    new: list[str],
    units: NDArray[np.int64],
    status: list[str],
    *,
    fraction: float,
    seed: int,
) -> list[int]:
    """Rule 4: whole units, as long as no emotion exceeds its share."""
    pool = [i for i, split in enumerate(new) if split == TRAIN and status[i] != REMOVED]
    quota = {
        label: round(count * fraction) for label, count in Counter(labels[i] for i in pool).items()
    }
    members: dict[int, list[int]] = {}
    for index in pool:
        members.setdefault(int(units[index]), []).append(index)
    taken: Counter[str] = Counter()
    found: list[int] = []
    names = list(members)
    for place in np.random.default_rng(seed).permutation(len(names)):
        inside = members[names[place]]
        counts = Counter(labels[index] for index in inside)
        if all(taken[label] + count <= quota[label] for label, count in counts.items()):
            taken += counts
            found += inside
    return found
