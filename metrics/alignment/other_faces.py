"""A floor: how well does a map lie on the areas of other faces?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_choice, check_length
from metrics.alignment.linear import LINEAR, LinearScore
from metrics.alignment.rows import CHUNK, area_rows, check_fit, check_maps, positive_rows
from metrics.statistics.clusters import cluster_codes


def other_faces_areas(
    maps: Tensor,
    areas: Tensor,
    *,
    metric: str = "au_cosine",
    labels: Tensor | None = None,
    clusters: Sequence[object] | None = None,
) -> Tensor:
    """How well does a map lie on other faces' areas, on average? A floor of its own face's score.

    The mean score of the face's map with the area of every other face, exactly and without a
    sample: the scores are linear in what an area contributes, so that the mean over all faces takes
    one product a face. A map that scores no more with its own face's landmarks than with those of
    others follows the mean face, and not this one.

    Parameters
    ----------
    maps
        ``(N, H, W)``.
    areas
        ``(N, H, W)``, bool or from 0 to 1 (bool for ``pixel_auc``).
    metric
        ``au_cosine``, ``region_mass``, ``energy_gain`` or ``pixel_auc``.
    labels
        ``(N,)``: other faces of the same label alone, such as the emotion that the areas are of, so
        that only the landmarks differ; all others by default.
    clusters
        N labels, such as persons: other faces are those of other clusters; "" for unknown ones.

    Returns
    -------
    Tensor
        ``(N,)`` float32; NaN for undefined maps, and where no other face has a defined area. The
        face's own area does not enter.

    Raises
    ------
    InputError
        If the metric has no such mean, maps and areas do not fit, or labels or clusters are not one
        a face.

    Examples
    --------
    >>> maps = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[3.0, 1.0]]])
    >>> other_faces_areas(maps, maps > 0.5, metric="region_mass", clusters=["a", "b", "a"])
    tensor([0.0000, 0.0000, 0.2500])
    """
    check_choice("metric", metric, tuple(LINEAR))
    check_maps(maps)
    n, score = len(maps), LINEAR[metric]
    codes = cluster_codes(clusters, n)
    if labels is None:
        group = np.zeros(n, dtype=np.int64)
    else:
        check_length("labels", len(labels), n)
        group = torch.as_tensor(labels).cpu().numpy()
    check_fit(maps, areas)
    out = torch.full((n,), torch.nan)
    for label in np.unique(group):
        places = np.flatnonzero(group == label)
        places = places[np.argsort(codes[places], kind="stable")]  # a cluster's faces together
        total, offset, count = _everything(areas, places, score)
        for part in _whole_clusters(places, codes):
            inside, offsets, known = _contributions(areas, part, score)
            mine = np.unique(codes[part], return_inverse=True)[1]
            own = torch.as_tensor(mine)
            same = torch.zeros(int(own.max()) + 1, inside.shape[1] + 2, dtype=torch.float64)
            same.index_add_(0, own, torch.cat([inside, offsets[:, None], known[:, None]], dim=1))
            same = same[own]
            others = count - same[:, -1]
            rows = positive_rows(maps[torch.as_tensor(part)])
            defined = ~rows[:, 0].isnan() & (others > 0)
            sums = (score.of_map(rows) * (total - same[:, :-2])).sum(dim=1) + offset - same[:, -2]
            out[torch.as_tensor(part)] = torch.where(defined, sums / others, torch.nan).float()
    return out


def _contributions(
    areas: Tensor, part: NDArray[np.int64], score: LinearScore
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of areas ``(b, P)``, offsets and whether they are defined ``(b,)``; 0 where not."""
    rows = area_rows(areas[torch.as_tensor(part)], binary=score.binary)
    known = ~rows[:, 0].isnan()
    inside = torch.where(known[:, None], score.of_area(rows), 0)
    return inside, torch.where(known, score.offset(rows), 0), known.double()


def _everything(
    areas: Tensor, places: NDArray[np.int64], score: LinearScore
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of what all faces contribute: a row ``(P,)``, an offset, and their number."""
    parts = [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
    sums = [[one.sum(dim=0) for one in _contributions(areas, part, score)] for part in parts]
    total, offset, count = (torch.stack(column).sum(dim=0) for column in zip(*sums, strict=True))
    return total, offset, count


def _whole_clusters(
    places: NDArray[np.int64], codes: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Places, ordered by cluster, in parts of about CHUNK that split no cluster."""
    _, starts = np.unique(codes[places], return_index=True)
    begin = 0
    for end in [*starts[1:], len(places)]:
        if end - begin >= CHUNK or end == len(places):
            yield places[begin:end]
            begin = end
