"""Which share of a map's mass lies in an area, and which outside the face?"""

from __future__ import annotations

import math

from torch import Tensor

from fer_xai.checks import check_tensor
from fer_xai.errors import InputError
from fer_xai.landmarks import REGIONS
from metrics.alignment.linear import LINEAR
from metrics.alignment.rows import Areas, area_scores
from metrics.core.registry import METRICS, MetricSpec


def region_mass(maps: Tensor, areas: Areas) -> Areas:
    """Which share of the map lies in the area? Higher is more.

    Relevance mass accuracy, Σ a·φ⁺ / Σ φ⁺ (Arras et al., "CLEVR-XAI: a benchmark dataset for the
    ground truth evaluation of neural network explanations", Information Fusion 2022, eq. 2), which
    is also the score of the energy-based pointing game (Wang et al., "Score-CAM", CVPR workshops
    2020). Here φ⁺ = max(φ, 0), and a may be soft. A uniform map scores the area's share of the
    image, so that the score mostly measures area: see :func:`energy_gain`.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    areas
        ``(B, H, W)``, bool or from 0 to 1; or several of each face by name.

    Returns
    -------
    Tensor or dict
        ``(B,)`` in [0, 1], or such by name; NaN for maps that are not finite or have no positive
        value, and for areas that are empty, the whole image, or have NaN.

    Raises
    ------
    InputError
        If maps and areas do not fit, or areas leave [0, 1].

    Examples
    --------
    >>> import torch
    >>> maps = torch.tensor([[[3.0, 1.0], [0.0, -5.0]]])
    >>> region_mass(maps, {"AU1": maps > 2, "AU2": maps < 0})
    {'AU1': tensor([0.7500]), 'AU2': tensor([0.])}
    """
    return area_scores(maps, areas, LINEAR["region_mass"], binary=False)


def energy_gain(maps: Tensor, areas: Areas) -> Areas:
    """How many times as dense is the map in the area as in the image? Higher is denser.

    It is the share of the mass (:func:`region_mass`) over the share of the area, (Σ a·φ⁺ / Σ φ⁺) /
    (Σ a / P): 1 for a uniform map whatever the area, at most one over the area's share. The ratio
    is taken, and not the difference, because its scale is the same for areas of all sizes: 2 says
    that a pixel of the area has twice the mean relevance. Its mean over faces gives small areas
    more weight; the difference ``region_mass − area``, bounded by 1, is the alternative.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    areas
        ``(B, H, W)``, bool or from 0 to 1; or several of each face by name.

    Returns
    -------
    Tensor or dict
        ``(B,)``, 0 or more, or such by name; NaN for maps that are not finite or have no positive
        value, and for areas that are empty, the whole image, or have NaN.

    Raises
    ------
    InputError
        If maps and areas do not fit, or areas leave [0, 1].

    Examples
    --------
    >>> import torch
    >>> maps = torch.tensor([[[3.0, 1.0], [0.0, -5.0]]])
    >>> energy_gain(maps, maps > 2)
    tensor([3.])
    """
    return area_scores(maps, areas, LINEAR["energy_gain"], binary=False)


def off_face_mass(maps: Tensor, regions: Tensor) -> Tensor:
    """Which share of the map lies outside the face? Lower is less.

    It is :func:`region_mass` of the last of the eight regions, ``off_face``. A uniform map scores
    that region's share of the image. A network that reads the background has such maps rightly: the
    score says where the map lies, and not whether it is true.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    regions
        Bool ``(B, 8, H, W)`` of :func:`fer_xai.landmarks.face_regions`.

    Returns
    -------
    Tensor
        ``(B,)`` in [0, 1]; NaN for maps that are not finite or have no positive value, for faces
        without regions, and where nothing or everything is outside the face.

    Raises
    ------
    InputError
        If there are not eight regions of each face, at the size of the maps.

    Examples
    --------
    >>> import torch
    >>> regions = torch.zeros(1, 8, 2, 2, dtype=torch.bool)
    >>> regions[0, 0, 0], regions[0, 7, 1] = True, True
    >>> off_face_mass(torch.tensor([[[3.0, 2.0], [5.0, 0.0]]]), regions)
    tensor([0.5000])
    """
    check_tensor("regions", regions, "(B, 8, H, W)")
    if regions.ndim != 4 or regions.shape[1] != len(REGIONS):
        raise InputError(
            f"Expected the {len(REGIONS)} regions (B, {len(REGIONS)}, H, W) of "
            f"fer_xai.landmarks.face_regions, got {tuple(regions.shape)}: for a partition of your "
            "own, pass the area outside the face to metrics.region_mass."
        )
    return area_scores(
        maps, regions[:, REGIONS.index("off_face")], LINEAR["region_mass"], binary=True
    )


METRICS.register("region_mass")(
    MetricSpec(
        name="region_mass",
        fn=region_mass,
        family="alignment",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("maps", "areas"),
        passes=(0, 0),
        reference="Arras et al., Information Fusion 2022, eq. 2",
    )
)
METRICS.register("energy_gain")(
    MetricSpec(
        name="energy_gain",
        fn=energy_gain,
        family="alignment",
        higher_is_better=True,
        bounds=(0.0, math.inf),
        needs=("maps", "areas"),
        passes=(0, 0),
        reference="Wang et al., CVPR workshops 2020, over the area's share",
    )
)
METRICS.register("off_face_mass")(
    MetricSpec(
        name="off_face_mass",
        fn=off_face_mass,
        family="alignment",
        higher_is_better=False,
        bounds=(0.0, 1.0),
        needs=("maps", "regions"),
        passes=(0, 0),
        reference="Arras et al., Information Fusion 2022, eq. 2, outside the face",
    )
)
