"""The resolution ceiling: the best score that any map of few cells can reach."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor
from torch.nn import functional as F

from fer_xai.checks import check_choice, check_count, check_tensor
from fer_xai.errors import InputError
from metrics.alignment.contrast import check_emotion_areas, unit_area_rows
from metrics.alignment.rows import Areas, area_rows, for_each

Array = NDArray[np.float64]
EXACT = ("au_cosine", "region_mass", "energy_gain")
"""Metrics whose best map is known exactly."""
MOST_CELLS = 1024
"""Least squares over more cells takes minutes a face."""


def alignment_ceiling(
    areas: Areas, *, cells: tuple[int, int] = (4, 4), metric: str = "au_cosine"
) -> Areas:
    """How well could the best map of so many cells align? This is a bound, not a score.

    The maps that are considered have h×w cells of 0 or more, enlarged linearly between cell centres
    (:func:`fer_xai.attributions.upsample`), as those of Grad-CAM after its ReLU. Their cone is
    spanned by the h·w enlarged single cells u.

    - ``au_cosine``: the closest point of the cone to the area, by non-negative least squares; the
      cosine with it is the largest of all.
    - ``region_mass`` and ``energy_gain``: a share of mass is a weighted mean of those of the single
      cells, so the best is a single cell's.

    Maps that are enlarged while they have a sign, and clamped afterwards, may be sharper than these
    and score more. ``region_rank``, ``region_iou``, ``pixel_auc`` and ``pointing_game`` are
    refused: no exact optimum of theirs is known to us, and what a search finds is no ceiling.

    Parameters
    ----------
    areas
        ``(B, H, W)``, bool or from 0 to 1; or several of each face by name.
    cells
        ``(h, w)``, at most ``(H, W)``.
    metric
        ``au_cosine``, ``region_mass`` or ``energy_gain``.

    Returns
    -------
    Tensor or dict
        ``(B,)`` float32, or such by name: the exact maximum, to rounding; NaN for areas that are
        empty, the whole image, or have NaN.

    Raises
    ------
    InputError
        If areas are none, there are more cells than pixels, or the metric has no exact ceiling.

    Examples
    --------
    >>> area = torch.zeros(1, 8, 8)
    >>> area[0, 5:7, 2:6] = 1
    >>> alignment_ceiling(area), alignment_ceiling(area, cells=(8, 8))
    (tensor([0.7277]), tensor([1.]))
    """
    check_choice("a metric with an exact ceiling:", metric, EXACT)

    def made(area: Tensor, name: str) -> Tensor:
        check_tensor(name, area, "(B, H, W)")
        if area.ndim != 3:
            raise InputError(f"Expected {name} (B, H, W), got {tuple(area.shape)}.")
        rows = area_rows(area, binary=False, name=name).numpy()  # (B, P)
        basis = _basis(*_checked(cells, area))
        if metric == "au_cosine":
            units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
            return torch.from_numpy(_best_cosines(basis, units)).float()
        mass = (rows @ basis / basis.sum(axis=0)).max(axis=1)
        over = rows.mean(axis=1) if metric == "energy_gain" else 1
        return torch.from_numpy(np.asarray(mass / over)).float()

    return for_each(areas, made)


def contrast_ceiling(areas: Tensor, *, cells: tuple[int, int] = (4, 4)) -> Tensor:
    """How large could the contrast of emotions be with the best maps of so many cells? A bound.

    The largest :func:`emotion_contrast` (of cosines) that any C maps of h×w non-negative cells
    reach on a face, exactly: the contrast is a sum over targets of the cosine of the target's map
    with g = own unit area / C − sum of the others / (C·(C − 1)), and each is largest at the point
    of the cone closest to g (see :func:`alignment_ceiling`), or at a single cell if no map has a
    positive one. It holds for faces with a map of every target: one with blank maps is scored on
    its other targets, whose ceiling may be higher, and is found by setting the areas of its
    undefined targets to 0.

    Parameters
    ----------
    areas
        ``(N, C, H, W)``, bool or from 0 to 1.
    cells
        ``(h, w)``, at most ``(H, W)``.

    Returns
    -------
    Tensor
        ``(N,)`` float32; emotions whose areas are undefined are left out, and fewer than two give
        NaN.

    Raises
    ------
    InputError
        If areas are not ``(N, C, H, W)``, or there are more cells than pixels.

    Examples
    --------
    >>> areas = torch.zeros(1, 2, 8, 8)
    >>> areas[0, 0, :4], areas[0, 1, 4:] = 1, 1
    >>> contrast_ceiling(areas), contrast_ceiling(areas, cells=(8, 8))
    (tensor([0.9204]), tensor([1.]))
    """
    check_emotion_areas(areas)
    basis = _basis(*_checked(cells, areas))
    out = torch.full((len(areas),), torch.nan)
    for face, units in enumerate(unit_area_rows(areas).numpy()):  # (C, P)
        known = units[np.isfinite(units).all(axis=1)]
        k = len(known)
        if k > 1:
            others = known.sum(axis=0) - known
            out[face] = _best_cosines(basis, known / k - others / (k * (k - 1))).sum()
    return out


def _checked(cells: tuple[int, int], areas: Tensor) -> tuple[int, int, int, int]:
    height, width = areas.shape[-2:]
    if not isinstance(cells, tuple | list) or len(cells) != 2:
        raise InputError(f"Expected cells (h, w), got {cells!r}.")
    for count in cells:
        check_count("cells along a side", count)
    if cells[0] > height or cells[1] > width:
        raise InputError(
            f"Expected at most as many cells as pixels {(height, width)}, got {tuple(cells)}: make "
            "the areas larger."
        )
    if cells[0] * cells[1] > MOST_CELLS:
        raise InputError(
            f"Expected at most {MOST_CELLS} cells, got {cells[0]}×{cells[1]}: with so many cells "
            "the best map is nearly the area itself, and a ceiling says nothing."
        )
    return cells[0], cells[1], height, width


@lru_cache(maxsize=8)
def _basis(h: int, w: int, height: int, width: int) -> Array:
    """``(P, h·w)``: the enlarged maps of single cells."""
    single = torch.eye(h * w, dtype=torch.float64).reshape(h * w, 1, h, w)
    large = F.interpolate(single, size=[height, width], mode="bilinear", align_corners=False)
    return np.ascontiguousarray(large.flatten(1).T.numpy())


def _best_cosines(basis: Array, rows: Array) -> Array:
    """``(N,)``: the largest Σ x·row / ‖x‖ over maps x of the cone; NaN for rows with NaN."""
    q, r = np.linalg.qr(basis)  # distances in the span of the cells are those of q's coordinates
    alone = (rows @ basis / np.linalg.norm(basis, axis=0)).max(axis=1)
    best = np.full(len(rows), np.nan)
    for place, inside in enumerate(rows @ q):
        if np.isfinite(inside).all():
            closest = r @ nnls(r, inside)[0]
            length = np.linalg.norm(closest)
            # the closest point is 0 where no map has a positive product, and then a cell is best
            found = inside @ closest / length if length > 1e-9 * np.linalg.norm(inside) else -np.inf
            best[place] = max(found, alone[place])
    return best
