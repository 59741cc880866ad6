"""Likeness of the map of a changed face with maps of clean faces, in the clean face's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.landmarks import register
from fer_xai.perturb.conditions import inside, moved_back
from metrics.core.similarity import normalised_rows

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """Pearson correlations of the maps of changed faces, NaN where undefined.

    Attributes
    ----------
    own
        ``(N,)`` with the clean face's own map.
    other
        ``(N,)`` with clean maps of other faces, in mean.
    lent
        ``(N,)`` how much more than others of its emotion a face's clean map is like the changed
        faces' maps when it is that other face: by it a face moves the mean of ``other`` too. Where
        maps are undefined it does not sum to 0 over the faces of a mean, and is centred there
        (:func:`studies.questions.conditions.tables.gains`).
    centre
        ``(N,)`` of the clean map with what a map that stays in the image's centre would be.

    Examples
    --------
    >>> maps = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> found = compared(maps, maps, maps[:1], others=np.eye(2, dtype=bool)[::-1])
    >>> found.own.round(3), bool(np.isclose(found.other[0], found.other[1]))
    (array([1., 1.]), True)
    """

    own: Array
    other: Array
    lent: Array
    centre: Array


def compared(
    changed: Tensor,
    clean: Tensor,
    centre: Tensor,
    *,
    others: Bool,
    theta: Tensor | None = None,
    points: tuple[Tensor, Tensor] | None = None,
) -> Likeness:
    """Likeness of maps of changed faces with those of the clean ones.

    Where a move is affine, the changed face's map is moved back, and compared over the places that
    can still be seen. Where landmarks are handed in, both maps are brought to the canonical face by
    the landmarks of their images (:func:`fer_xai.landmarks.register`, piecewise affine).

    Parameters
    ----------
    changed, clean
        ``(N, S, S)`` maps of the faces under the condition, and without it.
    centre
        ``(1, S, S)`` map that is bright in the middle of the image.
    others
        Bool ``(N, N)``: which clean faces (columns) can stand for each changed one.
    theta
        ``(N, 2, 3)`` of :class:`fer_xai.perturb.conditions.Degraded`.
    points
        Landmarks ``(N, 68, 2)`` of the clean faces and of the changed ones, in pixels of the maps.

    Returns
    -------
    Likeness
        One value a face, each.

    Examples
    --------
    >>> maps = torch.eye(4)[None]
    >>> found = compared(maps, maps, maps, others=np.zeros((1, 1), dtype=bool))
    >>> found.own.round(3), found.other, found.centre.round(3)
    (array([1.]), array([nan]), array([1.]))
    """
    n, side = len(changed), changed.shape[-1]
    centres = centre.expand_as(changed)
    if points is not None:
        before, after = (register(p.numpy(), size=side, kind="affine") for p in points)
        mask = before.mask & after.mask
        changed, clean, centres = after.apply(changed), before.apply(clean), after.apply(centres)
        parts = [(torch.arange(n), mask)]
    elif theta is not None:
        changed, centres = moved_back(changed, theta), moved_back(centres, theta)
        moves, which = theta.unique(dim=0, return_inverse=True)
        masks = inside(moves, faces=len(moves), side=side)
        parts = [((which == k).nonzero()[:, 0], mask) for k, mask in enumerate(masks)]
    else:
        parts = [(torch.arange(n), torch.ones(side, side, dtype=torch.bool))]
    table, middle = np.full((n, n), np.nan), np.full(n, np.nan)
    for rows, mask in parts:
        cleans = normalised_rows(clean, mask).double()  # (N, P)
        ours = normalised_rows(changed[rows], mask).double()
        table[rows.numpy()] = (ours @ cleans.T).clamp(-1, 1).numpy()
        blobs = normalised_rows(centres[rows], mask).double()
        middle[rows.numpy()] = (blobs * cleans[rows]).sum(dim=1).numpy()
    return Likeness(
        own=np.diagonal(table).copy(),
        other=_mean(table, others, axis=1),
        lent=_lent(table, others),
        centre=middle,
    )


def _lent(table: Array, others: Bool) -> Array:
    """Means of columns, less their mean over the faces that could stand for each other."""
    found = _mean(table, others, axis=0)
    near = others.astype(np.float32)
    same = others | (near @ near > 0) | np.eye(len(others), dtype=bool)  # faces of one emotion
    return found - _mean(np.broadcast_to(found, table.shape), same, axis=1)


def _mean(table: Array, which: Bool, *, axis: int) -> Array:
    """Means over the chosen values that are known; NaN where there are none."""
    known = which & np.isfinite(table)
    count = known.sum(axis=axis)
    total = np.where(known, table, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
