"""Structural similarity of maps within one emotion and between emotions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metrics.core.ssim import ssim, unit_range


def ssim_within_between(
    maps: Tensor, labels: Tensor, mask: Tensor, *, pairs: int, seed: int
) -> dict[int, tuple[float, float]]:
    """Mean SSIM of pairs of maps within each emotion, and between it and the others.

    A seeded sample of ``pairs`` pairs of distinct faces is drawn for each emotion and kind;
    partners between emotions come from all other emotions equally often. Maps are brought to [0, 1]
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

    Returns
    -------
    dict
        Emotion to (within, between); emotions with fewer than two maps are left out.

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
    rng = np.random.default_rng(seed)
    members = {int(emotion): np.flatnonzero(kept == emotion) for emotion in np.unique(kept)}
    found: dict[int, tuple[float, float]] = {}
    for emotion, inside in members.items():
        others = [faces for other, faces in members.items() if other != emotion]
        if len(inside) < 2 or not others:
            continue
        first = rng.integers(0, len(inside), pairs)
        partner = (first + rng.integers(1, len(inside), pairs)) % len(inside)
        stranger = [rng.choice(others[k]) for k in rng.integers(0, len(others), pairs)]
        own = scaled[inside[first]]
        found[emotion] = (
            float(ssim(own, scaled[inside[partner]], mask).mean()),
            float(ssim(own, scaled[stranger], mask).mean()),
        )
    return found
