"""Cosine between a map and an area map."""

from __future__ import annotations

from torch import Tensor

from metrics.alignment.linear import LINEAR
from metrics.alignment.rows import Areas, area_scores
from metrics.core.registry import METRICS, MetricSpec


def au_cosine(maps: Tensor, areas: Areas) -> Areas:
    """How alike are the map and the map of action units? Higher is more alike.

    The cosine Σ a·φ⁺ / (‖a‖·‖φ⁺‖) of Belharbi et al., "Guided interpretable facial expression
    recognition via spatial action unit cues", FG 2024, with the map clamped at zero as there. A
    uniform map scores √f with a binary area of a share f of the image (‖a‖₁/(√P·‖a‖₂) with a soft
    one), smooth maps score high, and the best map of few cells stays far below 1
    (:func:`alignment_ceiling`): no value can be read without its floors.

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
    >>> area = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    >>> au_cosine(torch.ones(1, 2, 2), area), au_cosine(area, {"AU1": area})
    (tensor([0.5000]), {'AU1': tensor([1.])})
    """
    return area_scores(maps, areas, LINEAR["au_cosine"], binary=False)


METRICS.register("au_cosine")(
    MetricSpec(
        name="au_cosine",
        fn=au_cosine,
        family="alignment",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("maps", "areas"),
        passes=(0, 0),
        reference="Belharbi et al., FG 2024",
    )
)
