"""Scores of maps of all targets: their contrasts under every choice, and where the own map lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.attributions import upsample
from metrics.alignment.ceiling import EXACT, alignment_ceiling, contrast_ceiling
from metrics.alignment.contrast import emotion_contrast
from metrics.alignment.linear import LINEAR
from metrics.alignment.other_faces import other_faces_areas
from metrics.core.registry import METRICS
from studies.questions.landmark_alignment.areas import OTHERWISE_CONFUSED, SIZE, EmotionAreas, Rows

Array = NDArray[np.float64]
AREA_METRICS = tuple(
    name
    for name in METRICS
    if METRICS[name].family == "alignment" and "areas" in METRICS[name].needs
)
OFF_FACE = "off_face_mass"
SCORES = (*AREA_METRICS, OFF_FACE)
"""Metrics of the map of a face's own target."""
FIXED = (("uniform", "energy_gain"), ("uniform", "pixel_auc"))
"""Controls and metrics that have one score on every face by construction: 1 and .5."""


def sized(cells: Tensor) -> Tensor:
    """Maps ``(N, C, SIZE, SIZE)`` of maps at any resolution.

    Examples
    --------
    >>> sized(torch.ones(1, 6, 4, 4)).shape
    torch.Size([1, 6, 64, 64])
    """
    return upsample(cells.float(), size=(SIZE, SIZE))


def similarities(maps: Tensor, areas: EmotionAreas, rows: Rows) -> Tensor:
    """Likenesses ``(V, n, C, C)`` of maps of all targets and areas of all emotions, by choice.

    Parameters
    ----------
    maps
        ``(n, C, SIZE, SIZE)`` of some faces.
    areas
        Areas of all faces.
    rows
        Which faces these are.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> from studies.questions.landmark_alignment.areas import choices
    >>> emotions = ("happiness", "fear")
    >>> asked = choices("fer_xai", "emfacs", emotions)[:2]
    >>> areas = EmotionAreas(canonical_landmarks()[None], emotions, asked)
    >>> similarities(areas.of(asked[0]).float(), areas, slice(None)).shape
    torch.Size([2, 1, 2, 2])
    """
    found = [
        emotion_contrast(maps, areas.of(choice, rows), similarity=choice.similarity).similarities
        for choice in areas.choices
    ]
    return torch.stack(found)


def contrasts(
    likeness: Tensor, emotions: Sequence[str] = (), *, without_pair: bool = False
) -> Array:
    """Contrast ``(N,)`` of each face, from its likenesses ``(N, C, C)``: the mean over pairs.

    It is :func:`metrics.emotion_contrast`'s value; ``without_pair`` leaves one pair, fear and
    surprise, out of the mean.

    Examples
    --------
    >>> contrasts(torch.tensor([[[0.75, 0.25], [0.25, 0.5]]]))
    array([0.375])
    """
    return _over_pairs(pair_contrasts(likeness), emotions, without_pair)


def excess(
    trained: Tensor,
    untrained: Tensor,
    emotions: Sequence[str] = (),
    *,
    without_pair: bool = False,
) -> Array:
    """How far the contrast of each face ``(N,)`` exceeds that of an untrained network.

    The mean of the differences over the pairs of emotions that both networks have maps of: a pair
    that one of them lacks would compare the contrasts of different emotions. NaN without any.

    Parameters
    ----------
    trained, untrained
        Likenesses ``(N, C, C)`` of the same faces.
    emotions, without_pair
        As for :func:`contrasts`.

    Examples
    --------
    >>> likeness = torch.tensor([[[0.75, 0.25], [0.25, 0.5]]])
    >>> excess(likeness, likeness / 2)
    array([0.1875])
    """
    differences = pair_contrasts(trained) - pair_contrasts(untrained)
    return _over_pairs(differences, emotions, without_pair)


def _over_pairs(values: Array, emotions: Sequence[str], without_pair: bool) -> Array:
    """Mean ``(N,)`` of values ``(N, C, C)`` of pairs over those that are known."""
    c = values.shape[-1]
    left = np.triu(np.ones((c, c), dtype=bool), 1)
    if without_pair:
        first, second = sorted(list(emotions).index(name) for name in OTHERWISE_CONFUSED)
        left[first, second] = False
    chosen = values[:, left]
    known = np.isfinite(chosen)
    count = known.sum(axis=1)
    total = np.where(known, chosen, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(chosen), np.nan), where=count > 0)


def pair_contrasts(likeness: Tensor) -> Array:
    """``(N, C, C)``: contrast of each pair of emotions, ((tt + ss) − (ts + st)) / 2.

    Examples
    --------
    >>> pair_contrasts(torch.tensor([[[0.75, 0.25], [0.25, 0.5]]]))[0].tolist()
    [[0.0, 0.375], [0.375, 0.0]]
    """
    s = likeness.double().numpy()
    own = np.diagonal(s, axis1=1, axis2=2)
    return np.asarray(((own[:, :, None] + own[:, None, :]) - (s + s.transpose(0, 2, 1))) / 2)


def own_scores(maps: Tensor, areas: Tensor, regions: Tensor) -> Tensor:
    """``(n, M)`` scores of maps ``(n, SIZE, SIZE)`` by :data:`SCORES`.

    Parameters
    ----------
    maps
        One map a face.
    areas
        Bool ``(n, SIZE, SIZE)``: the area of its target.
    regions
        Bool ``(n, 8, SIZE, SIZE)``: facial regions.

    Examples
    --------
    >>> area = torch.zeros(1, 64, 64, dtype=torch.bool)
    >>> area[:, :16] = True
    >>> regions = torch.zeros(1, 8, 64, 64, dtype=torch.bool)
    >>> regions[:, 0] = True
    >>> found = own_scores(torch.ones(1, 64, 64), area, regions)[0]
    >>> dict(zip(SCORES, found.tolist(), strict=True))["au_cosine"]  # the root of a quarter
    0.5
    """
    found = [METRICS[name].fn(maps, areas) for name in AREA_METRICS]
    return torch.stack([*found, METRICS[OFF_FACE].fn(maps, regions)], dim=1)


def on_other_faces(
    maps: Tensor, areas: Tensor, targets: Tensor, clusters: Sequence[object]
) -> dict[str, Tensor]:
    """``(N,)`` by metric: mean scores on the areas of other persons' faces with the same target.

    Examples
    --------
    >>> maps = torch.rand(2, 4, 4)
    >>> list(on_other_faces(maps, maps > 0.5, torch.zeros(2), ["a", "b"]))
    ['au_cosine', 'region_mass', 'energy_gain', 'pixel_auc']
    """
    return {
        name: other_faces_areas(maps, areas, metric=name, labels=targets, clusters=clusters)
        for name in LINEAR
    }


def ceilings(own: Tensor, every: Tensor, grid: tuple[int, int]) -> tuple[dict[str, Tensor], Tensor]:
    """The best that maps of a grid can score: ``(N,)`` by metric, and of the contrast ``(N,)``.

    Parameters
    ----------
    own
        Bool ``(N, SIZE, SIZE)``: the area of each face's target.
    every
        Bool ``(N, C, SIZE, SIZE)``.
    grid
        ``(h, w)`` cells of the maps.

    Examples
    --------
    >>> area = torch.zeros(1, 64, 64, dtype=torch.bool)
    >>> area[:, :32] = True
    >>> scores, contrast = ceilings(area, torch.stack([area, ~area], dim=1), (2, 2))
    >>> scores["region_mass"].round(decimals=2), contrast.round(decimals=2)
    (tensor([0.8800]), tensor([0.8200]))
    """
    scores = {name: alignment_ceiling(own, cells=grid, metric=name) for name in EXACT}
    return scores, contrast_ceiling(every, cells=grid)
