"""Data sets without splits of their own: all faces in each split, or persons drawn apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fer_xai.checks import quoted
from fer_xai.data.registry import Problems
from fer_xai.errors import InputError
from fer_xai.types import Faces


def without_splits(
    faces: Faces,
    *,
    split: str,
    test_share: str,
    problems: Problems,
    units: Sequence[str] | None = None,
) -> Faces:
    """The faces of a split of a data set that has none of its own.

    Parameters
    ----------
    faces
        All faces.
    split
        train, valid or test.
    test_share
        Share of the persons that are tested on, as ``0.2``; the others are trained on. Which they
        are depends on their names alone. With "" every split holds every face.
    problems
        Gets a remark where train or valid hold the same faces as test.
    units
        ``(N,)`` names of what stays together; by default the persons.

    Raises
    ------
    InputError
        For another split, a share that is none, or validation faces of a set that is cut in two.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces, problems = synthetic_faces(200), Problems(skip=False)
    >>> train, test = (
    ...     without_splits(faces, split=split, test_share="0.2", problems=problems)
    ...     for split in ("train", "test")
    ... )
    >>> len(train) + len(test), set(train.persons) & set(test.persons)
    (200, set())
    """
    if split not in ("train", "valid", "test"):
        raise InputError(f"Expected split train, valid or test for {faces.name}, got {split!r}.")
    if not test_share:
        if split != "test":
            problems.remarks.append(
                f"it has no splits of its own, so {split} and test hold the same faces; "
                "#test_share=0.2 after the folder keeps a fifth of the persons for tests."
            )
        return faces
    try:
        share = float(test_share)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise InputError(
            f"Expected test_share between 0 and 1 for {faces.name}, got {quoted(test_share)}."
        )
    if split == "valid":
        raise InputError(
            f"Expected split train or test for {faces.name} with test_share, got 'valid': cut it "
            "from train with fer_xai.data.splits.stratified_split."
        )
    names = list(faces.persons if units is None else units)
    order = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    tested = set(order[: max(1, round(share * len(order)))])
    return faces.subset(
        [i for i, name in enumerate(names) if (name in tested) == (split == "test")]
    )
