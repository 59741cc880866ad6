"""Does a map's order of pixels put those of an area first?"""

from __future__ import annotations

from functools import partial

import torch
from scipy.stats import hypergeom
from torch import Tensor

from fer_xai.checks import check_number
from metrics.alignment.linear import LINEAR
from metrics.alignment.rows import Areas, area_scores
from metrics.core.pixel_order import LEVELS, levels_of
from metrics.core.registry import METRICS, MetricSpec


def region_rank(maps: Tensor, areas: Areas) -> Areas:
    """Which share of the map's first pixels, as many as the area has, lies in it? Higher is more.

    Relevance rank accuracy, |top K of φ⁺ ∩ S| / K with K = |S| (Arras et al., Information Fusion
    2022, eq. 3). Where the K-th value is tied, all choices among the ties are equally likely, and
    the score is their mean: a uniform map scores the area's share f of the image, which is also
    what a random order scores.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    areas
        Bool ``(B, H, W)``; or several of each face by name.

    Returns
    -------
    Tensor or dict
        ``(B,)`` in [0, 1], or such by name; NaN for maps that are not finite or have no positive
        value, and for areas that are empty, the whole image, or have NaN.

    Raises
    ------
    InputError
        If maps and areas do not fit, or areas are soft.

    Examples
    --------
    >>> maps = torch.tensor([[[3.0, 1.0], [0.0, 0.0]]])
    >>> region_rank(maps, {"AU1": maps > 2, "AU2": maps <= 1})
    {'AU1': tensor([1.]), 'AU2': tensor([0.6667])}
    """
    return area_scores(maps, areas, _rank_score, binary=True)


def region_iou(maps: Tensor, areas: Areas, *, threshold: float | None = None) -> Areas:
    """How well does the map's highest part cover the area and nothing else? Higher is better.

    The intersection of the map's highest part T and the area S over their union, |T ∩ S| / |T ∪ S|.
    By default T has as many pixels as the area, so that the map's contrast does not matter; where
    the last value is tied the score is its exact mean over all choices among the ties. It then
    orders maps of one area as :func:`region_rank` does (r / (2 − r) without ties). With a threshold
    T is where φ⁺ ≥ threshold·max φ⁺, which has no ties and depends on the map's contrast.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    areas
        Bool ``(B, H, W)``; or several of each face by name.
    threshold
        Share of the map's largest value from which on a pixel counts, above 0 and up to 1; None for
        the area's own size.

    Returns
    -------
    Tensor or dict
        ``(B,)`` in [0, 1], or such by name; NaN for maps that are not finite or have no positive
        value, and for areas that are empty, the whole image, or have NaN.

    Raises
    ------
    InputError
        If maps and areas do not fit, areas are soft, or the threshold is out of range.

    Examples
    --------
    >>> maps = torch.tensor([[[3.0, 2.0], [1.0, 0.0]]])
    >>> area = torch.tensor([[[True, False], [True, False]]])
    >>> region_iou(maps, area), region_iou(maps, area, threshold=0.9)
    (tensor([0.3333]), tensor([0.5000]))
    """
    if threshold is None:
        return area_scores(maps, areas, _iou_of_own_size, binary=True)
    check_number("threshold", threshold, 0, 1 + 1e-12)
    return area_scores(maps, areas, partial(_iou_above, threshold=threshold), binary=True)


def pixel_auc(maps: Tensor, areas: Areas) -> Areas:
    """How often is a pixel of the area above one outside it? Higher is more often.

    The area under the ROC curve of φ⁺ for whether a pixel belongs to the area, that is, the share
    of pairs of a pixel inside and one outside that are in the right order, where ties count half
    (Hanley & McNeil, Radiology 1982). A uniform map scores .5 whatever the area, and so does a
    random order on average.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    areas
        Bool ``(B, H, W)``; or several of each face by name.

    Returns
    -------
    Tensor or dict
        ``(B,)`` in [0, 1], or such by name; NaN for maps that are not finite or have no positive
        value, and for areas that are empty, the whole image, or have NaN.

    Raises
    ------
    InputError
        If maps and areas do not fit, or areas are soft.

    Examples
    --------
    >>> maps = torch.tensor([[[3.0, 1.0], [1.0, 0.0]]])
    >>> area = torch.tensor([[[False, True], [False, False]]])
    >>> pixel_auc(maps, area)
    tensor([0.5000])
    """
    return area_scores(maps, areas, LINEAR["pixel_auc"], binary=True)


def _first(rows: Tensor, areas: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """K of each face ``(B,)``, and the numbers of pixels above the K-th value, above it inside the
    area, tied with it, and tied with it inside the area.
    """
    levels = levels_of(rows)
    size = areas.nan_to_num().sum(dim=1).long()  # (B,)
    ordered = levels.sort(dim=1, descending=True).values
    last = ordered.gather(1, (size - 1).clamp(min=0)[:, None])  # (B, 1)
    above, tied = levels > last, levels == last
    inside = areas > 0
    counts = [mask.sum(dim=1) for mask in (above, above & inside, tied, tied & inside)]
    return size, counts[0], counts[1], counts[2], counts[3]


def _rank_score(rows: Tensor, areas: Tensor) -> Tensor:
    size, above, hits, tied, tied_hits = (n.double() for n in _first(rows, areas))
    return (hits + (size - above) * tied_hits / tied) / size


def _iou_of_own_size(rows: Tensor, areas: Tensor) -> Tensor:
    out = torch.full((len(rows),), torch.nan, dtype=torch.float64)
    counts = torch.stack(_first(rows, areas), dim=1).tolist()
    for face, (size, above, hits, tied, tied_hits) in enumerate(counts):
        drawn = size - above  # of the ties
        least, most = max(0, drawn - (tied - tied_hits)), min(drawn, tied_hits)
        if not size or not tied:
            continue
        more = torch.arange(least, most + 1, dtype=torch.float64)  # hits among the ties
        iou = (hits + more) / (2 * size - hits - more)
        if least == most:
            out[face] = iou[0]
            continue
        chance = torch.as_tensor(hypergeom.pmf(more.numpy(), tied, tied_hits, drawn))
        out[face] = (chance * iou).sum() / chance.sum()
    return out


def _iou_above(rows: Tensor, areas: Tensor, *, threshold: float) -> Tensor:
    high = levels_of(rows) >= max(threshold * LEVELS - 0.5, 0.5)
    inside = areas > 0
    return (high & inside).sum(dim=1).double() / (high | inside).sum(dim=1)


METRICS.register("region_rank")(
    MetricSpec(
        name="region_rank",
        fn=region_rank,
        family="alignment",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("maps", "areas"),
        passes=(0, 0),
        reference="Arras et al., Information Fusion 2022, eq. 3",
    )
)
METRICS.register("region_iou")(
    MetricSpec(
        name="region_iou",
        fn=region_iou,
        family="alignment",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("maps", "areas"),
        passes=(0, 0),
        redundant_with=("region_rank",),
        reference="Jaccard 1901, of the area and as many of the map's first pixels",
    )
)
METRICS.register("pixel_auc")(
    MetricSpec(
        name="pixel_auc",
        fn=pixel_auc,
        family="alignment",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("maps", "areas"),
        passes=(0, 0),
        reference="Hanley & McNeil, Radiology 1982, over pixels",
    )
)
