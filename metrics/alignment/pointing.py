"""Pointing game: is the map's highest pixel in the area?"""

from __future__ import annotations

from functools import partial

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from fer_xai.checks import check_length, check_number
from metrics.alignment.rows import Areas, area_rows, area_scores, check_fit, check_maps, for_each
from metrics.core.pixel_order import LEVELS, levels_of
from metrics.core.registry import METRICS, MetricSpec


def pointing_game(maps: Tensor, areas: Areas, *, tolerance: float | Tensor = 0.0) -> Areas:
    """Does the map's highest pixel lie in the area, or as near as the tolerance? Higher is better.

    A hit or a miss a face (Zhang et al., "Top-down neural attention by excitation backprop", IJCV
    2018, who allow 15 pixels). Where several pixels are highest, as on the plateau of an enlarged
    map, the score is the share of them that hit. A uniform map scores the area's share of the image
    (with its tolerance), a random one on average too.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    areas
        Bool ``(B, H, W)``; or several of each face by name.
    tolerance
        Largest distance between the centre of a pixel and that of the area's nearest one, in
        pixels; one number, or one a face ``(B,)``, such as a share of the distance between the
        eyes.

    Returns
    -------
    Tensor or dict
        ``(B,)`` in [0, 1], or such by name; NaN for maps that are not finite or have no positive
        value, for areas that are empty or have NaN, for those that are the whole image with their
        tolerance, so that no pixel could miss, and for tolerances of NaN.

    Raises
    ------
    InputError
        If maps and areas do not fit, areas are soft, or a tolerance is negative.

    Examples
    --------
    >>> maps = torch.tensor([[[1.0, 3.0, 3.0, 0.0]]])
    >>> area = torch.tensor([[[True, False, False, False]]])
    >>> eyes = torch.tensor([4.0])  # pixels between the eyes of each face
    >>> pointing_game(maps, area), pointing_game(maps, area, tolerance=0.25 * eyes)
    (tensor([0.]), tensor([0.5000]))
    """
    check_maps(maps)
    if isinstance(tolerance, Tensor):
        check_length("tolerances", tolerance.numel() if tolerance.ndim == 1 else 0, len(maps))
        for value in tolerance[~tolerance.isnan()].tolist():
            check_number("tolerance", value, 0, ends=True)
        radii = tolerance.detach().cpu().double()
    else:
        check_number("tolerance", tolerance, 0, ends=True)
        radii = torch.full((len(maps),), float(tolerance), dtype=torch.float64)
    grown = for_each(areas, partial(_grown, maps, radii))
    return area_scores(maps, grown, _share_of_highest, binary=True)


def _share_of_highest(rows: Tensor, areas: Tensor) -> Tensor:
    highest = levels_of(rows) == LEVELS
    return (highest & (areas > 0)).sum(dim=1).double() / highest.sum(dim=1)


def _grown(maps: Tensor, radii: Tensor, areas: Tensor, name: str) -> Tensor:
    """Areas ``(B, H, W)`` and all pixels within a radius of each; NaN for undefined ones."""
    rows = area_rows(check_fit(maps, areas, name=name), binary=True, name=name)
    grown = torch.where(radii[:, None].isnan(), torch.nan, rows).reshape(areas.shape)
    for face in ((radii > 0) & ~rows[:, 0].isnan()).nonzero()[:, 0].tolist():
        outside = grown[face].numpy() == 0
        grown[face] = torch.from_numpy(distance_transform_edt(outside) <= float(radii[face]))
    return grown


METRICS.register("pointing_game")(
    MetricSpec(
        name="pointing_game",
        fn=pointing_game,
        family="alignment",
        question="Does the map's highest pixel lie in the area?",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("maps", "areas"),
        passes=(0, 0),
        reference="Zhang et al., IJCV 2018, without tolerance",
    )
)
