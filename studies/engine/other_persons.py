"""Another person's face: which faces can stand for a face as a floor of likeness."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from fer_xai.errors import InputError


def other_persons(targets: Tensor, persons: Sequence[object]) -> Tensor:
    """Which faces show another person and have the same emotion explained.

    It is the rule of all studies that hold a map against those of other faces: a map that follows
    the explained emotion, and nothing of the face, is as alike to them as to the face's own.

    Parameters
    ----------
    targets
        ``(N,)`` emotions that are explained.
    persons
        N labels of persons (:func:`fer_xai.data.splits.face_groups`), compared as text; a face
        whose person is unknown has a label of its own.

    Returns
    -------
    Tensor
        Bool ``(N, N)``, symmetric, with rows and columns in the order of the faces: row i is true
        at the faces that can stand for face i. A row without any is that of a face for whose
        emotion no other person stands.

    Raises
    ------
    InputError
        If targets are no list, there is not one label a face, or a label is missing or empty.

    Examples
    --------
    >>> other_persons(torch.tensor([0, 0, 0, 5]), ["anna", "anna", "ben", "ben"]).int()
    tensor([[0, 0, 1, 0],
            [0, 0, 1, 0],
            [1, 1, 0, 0],
            [0, 0, 0, 0]], dtype=torch.int32)
    >>> other_persons(torch.tensor([0, 0]), ["anna", ""])
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the person of each face, got none for face 1: ...
    """
    if targets.ndim != 1:
        raise InputError(f"Expected targets (N,), got shape {tuple(targets.shape)}.")
    if len(persons) != len(targets):
        raise InputError(
            f"Expected the person of each of {len(targets)} faces, got {len(persons)} labels."
        )
    labels = pd.Series(list(persons), dtype=object)
    missing = (labels.isna() | (labels.astype(str) == "")).to_numpy().nonzero()[0]
    if len(missing):
        raise InputError(
            f"Expected the person of each face, got none for face {missing[0]}: give a face whose "
            "person is unknown a label of its own."
        )
    codes = torch.from_numpy(pd.factorize(labels.astype(str))[0])
    emotions = targets.cpu()
    return (emotions[:, None] == emotions) & (codes[:, None] != codes)
