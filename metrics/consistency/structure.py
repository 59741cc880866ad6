"""Structural similarity of maps within one emotion and between emotions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metrics.core.ssim import ssim, unit_range
from metrics.statistics.clusters import cluster_codes

Codes = NDArray[np.int64]


def ssim_within_between(
    maps: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    pairs: int,
    seed: int,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
) -> dict[int, tuple[float, float]]:
    """Mean SSIM of pairs of maps within each emotion, and between it and the others.

    A seeded sample of ``pairs`` pairs of distinct faces is drawn for each emotion and kind;
    partners between emotions come from all other emotions equally often. Pairs inside one cluster
    are never drawn: two frames of a person are alike whatever is shown. Maps are brought to [0, 1]
    by :func:`~metrics.core.ssim.unit_range`, as signed ones if any has a negative value; maps that
    are zero or unregistered take no part.

    Parameters
    ----------
    maps
        ``(N, H, W)``, in one frame.
    labels
        ``(N,)`` emotion of each face.
    mask
        ``(H, W)`` bool: pixels that are compared.
    pairs
        Number of pairs for each emotion and kind.
    seed
        Seed of the draw of pairs.
    clusters
        N labels, such as the person of each face; each face is its own by default, and where its
        label is empty, None or NaN.

    Returns
    -------
    dict
        Emotion to (within, between); emotions with maps of fewer than two clusters are left out.

    Raises
    ------
    InputError
        If there is not one cluster label for each face.

    Examples
    --------
    >>> maps = torch.rand(4, 8, 8)
    >>> found = ssim_within_between(
    ...     maps[[0, 0, 1, 1]], torch.tensor([0, 0, 5, 5]), maps[0] >= 0, pairs=2, seed=0
    ... )
    >>> round(found[0][0], 3), found[0][1] < 1
    (1.0, True)
    """
    scaled = unit_range(maps, signed=bool((maps < 0).any()))
    fine = torch.isfinite(scaled).flatten(1).all(dim=1)
    scaled, kept = scaled[fine], labels.cpu()[fine].numpy()  # (M, H, W)
    listed = None if clusters is None else list(clusters)
    units = cluster_codes(listed, len(maps))[fine.cpu().numpy()]
    rng = np.random.default_rng(seed)
    members = {int(emotion): np.flatnonzero(kept == emotion) for emotion in np.unique(kept)}
    found: dict[int, tuple[float, float]] = {}
    for emotion, shown in members.items():
        others = [faces for other, faces in members.items() if other != emotion]
        strangers = {unit: _apart(others, units, unit) for unit in np.unique(units[shown])}
        inside = shown[[bool(strangers[unit]) for unit in units[shown]]]
        if len(np.unique(units[inside])) < 2:
            continue
        chosen = rng.integers(0, len(inside), pairs)
        first, partner = inside[chosen], _partners(inside, units, chosen, rng)
        of = rng.integers(0, len(others), pairs)
        stranger = [
            rng.choice(_one_of(strangers[units[face]], k, rng))
            for face, k in zip(first, of, strict=True)
        ]
        own = scaled[first]
        found[emotion] = (
            float(ssim(own, scaled[partner], mask).mean()),
            float(ssim(own, scaled[stranger], mask).mean()),
        )
    return found


def _apart(groups: Sequence[Codes], units: Codes, unit: int) -> dict[int, Codes]:
    """Faces of each group that are not of a unit, by the group's number, where it has some."""
    apart = {k: faces[units[faces] != unit] for k, faces in enumerate(groups)}
    return {k: faces for k, faces in apart.items() if len(faces)}


def _partners(inside: Codes, units: Codes, chosen: Codes, rng: np.random.Generator) -> Codes:
    """For each chosen position, a random face of another unit."""
    own = units[inside]
    if len(np.unique(own)) == len(own):
        return inside[(chosen + rng.integers(1, len(inside), len(chosen))) % len(inside)]
    return np.array([rng.choice(inside[own != own[at]]) for at in chosen], dtype=np.int64)


def _one_of(groups: dict[int, Codes], k: int, rng: np.random.Generator) -> Codes:
    """The group of a number; a random other one where it is not there."""
    return groups[k] if k in groups else groups[int(rng.choice(list(groups)))]
