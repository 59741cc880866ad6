"""How alike a face's map is to the usual map of the emotion that it explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metrics.core.similarity import normalised_rows

Array = NDArray[np.float64]


def usual_likeness(maps: Tensor, targets: Tensor, persons: Sequence[object]) -> tuple[Array, Array]:
    """Pearson correlation of each map with the mean map of its emotion, and of the others.

    Mean maps are those of other persons' faces, of maps that are scaled alike. The other emotions'
    mean maps are the chance control: a map that lies in the usual place of all faces, and says
    nothing of the emotion, is as alike to them as to its own emotion's.

    Parameters
    ----------
    maps
        ``(N, S, S)``, NaN where undefined.
    targets
        ``(N,)`` emotions that are explained.
    persons
        N labels.

    Returns
    -------
    own, others
        ``(N,)`` each; NaN where the map is constant or undefined, or no other person has a map of
        the emotion, or of another one.

    Examples
    --------
    >>> one, two = torch.eye(4), torch.eye(4).flip(0)
    >>> own, others = usual_likeness(
    ...     torch.stack([one, one, two, two]), torch.tensor([0, 0, 1, 1]), list("abcd")
    ... )
    >>> own.round(2).tolist(), others.round(2).tolist()
    ([1.0, 1.0, 1.0, 1.0], [-0.33, -0.33, -0.33, -0.33])
    """
    side = maps.shape[-1]
    rows = normalised_rows(maps, torch.ones(side, side, dtype=torch.bool)).double().numpy()
    known = np.isfinite(rows).all(axis=1)
    rows = np.where(known[:, None], rows, 0.0)
    person = np.unique(np.array(persons, dtype=str), return_inverse=True)[1]
    emotions, code = np.unique(targets.numpy(), return_inverse=True)
    found = np.full((len(rows), len(emotions)), np.nan)
    for k in range(len(emotions)):
        member = known & (code == k)
        of_person = np.zeros((person.max() + 1, rows.shape[1]))
        np.add.at(of_person, person[member], rows[member])
        count = np.bincount(person[member], minlength=person.max() + 1)
        mean = rows[member].sum(axis=0) - of_person[person]  # (N, P), without the person's own
        left = member.sum() - count[person]
        size = np.linalg.norm(mean, axis=1)
        good = known & (left > 0) & (size > 0)
        found[good, k] = (rows[good] * mean[good]).sum(axis=1) / size[good]
    own = found[np.arange(len(rows)), code]
    apart = np.where(np.eye(len(emotions), dtype=bool)[code], np.nan, found)
    there = np.isfinite(apart)
    total = np.where(there, apart, 0.0).sum(axis=1)
    others = np.divide(
        total, there.sum(axis=1), out=np.full(len(rows), np.nan), where=there.any(axis=1)
    )
    return own, others
