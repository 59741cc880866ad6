"""Region profiles: the share of maps that lies in each part of the face, and its reliability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length
from fer_xai.errors import InputError
from metrics.core.undefined import nan_where_undefined
from metrics.statistics.clusters import cluster_codes
from metrics.statistics.reliability import icc_a1, kendalls_w

PSEUDO_SHARE = 0.01
"""Weight of a uniform map mixed into region profiles, so that an empty region has a finite gain."""
_CHUNK = 128


def region_profiles(maps: Tensor, regions: Tensor) -> Tensor:
    """Where does a map's positive mass lie? This is a description: neither direction is better.

    It is the logarithm of the gain over each region's area.

    gain = share of the mass / share of the area, so a uniform map has log-gain 0 everywhere; shares
    alone mostly measure area. One per cent of a uniform map is mixed in, which keeps empty regions
    finite (at log .01).

    Parameters
    ----------
    maps
        ``(N, H, W)``.
    regions
        ``(N, R, H, W)`` or ``(R, H, W)`` bool, a partition.

    Returns
    -------
    Tensor
        ``(N, R)``; NaN for maps that are blank or not finite, faces without regions, and regions
        without a pixel.

    Raises
    ------
    InputError
        If regions do not fit the maps.

    Examples
    --------
    >>> maps = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    >>> region_profiles(maps, torch.stack([maps[0] > 0, maps[0] == 0]))
    tensor([[ 0.6881, -4.6052]])
    """
    if regions.ndim not in (3, 4) or regions.shape[-2:] != maps.shape[1:]:
        raise InputError(
            f"Expected regions (R, H, W) or (N, R, H, W) of the size of the maps "
            f"{tuple(maps.shape)}, got {tuple(regions.shape)}."
        )
    if regions.ndim == 4:
        check_length("sets of regions", len(regions), len(maps))
    maps, regions = maps.cpu(), regions.cpu()
    masks = regions if regions.ndim == 4 else regions[None].expand(len(maps), -1, -1, -1)
    positive = nan_where_undefined(maps.clamp(min=0), maps).flatten(1)  # (N, P)
    flat = masks.flatten(2)  # (N, R, P)
    mass = torch.cat(
        [
            torch.einsum("np,nrp->nr", part.double(), inside.double())
            for part, inside in zip(
                torch.split(positive, _CHUNK), torch.split(flat, _CHUNK), strict=True
            )
        ]
    )
    share = mass / mass.sum(dim=1, keepdim=True)
    area = flat.sum(dim=2).double() / flat.shape[2]
    gain = share / area
    log_gain = torch.log((1 - PSEUDO_SHARE) * gain + PSEUDO_SHARE)
    return torch.where((area > 0) & torch.isfinite(log_gain), log_gain, torch.nan).float()


def profile_reliability(
    profiles: Tensor,
    labels: Tensor,
    *,
    clusters: Sequence[object] | NDArray[np.int64] | None = None,
) -> dict[int, tuple[float, float, int]]:
    """Do faces of one emotion agree on where the evidence lies? Higher is more reliable.

    Two faces of one cluster agree whatever they show, so their agreement is left out.

    Parameters
    ----------
    profiles
        ``(N, R)`` from :func:`region_profiles`.
    labels
        ``(N,)`` emotion of each face.
    clusters
        N labels, such as the person of each face; each face is its own by default, and where its
        label is empty, None or NaN.

    Returns
    -------
    dict
        For each emotion: ICC(A,1), Kendall's W, and the number of faces (raters) behind them.
        Regions that more than half of the faces lack are left out, and then faces that lack a
        region.

    Raises
    ------
    InputError
        If there is not one cluster label for each face.

    Examples
    --------
    >>> profiles = torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    >>> profile_reliability(profiles, torch.tensor([0, 0]))
    {0: (1.0, 1.0, 2)}
    """
    out: dict[int, tuple[float, float, int]] = {}
    profiles, labels = profiles.cpu(), labels.cpu()
    units = cluster_codes(None if clusters is None else list(clusters), len(profiles))
    for emotion in torch.unique(labels):
        of_emotion = (labels == emotion).numpy()
        table, persons = profiles.numpy()[of_emotion], units[of_emotion]
        some = np.flatnonzero(np.isfinite(table).any(axis=1))
        table, persons = table[some], persons[some]
        table = table[:, np.isfinite(table).mean(axis=0) > 0.5] if len(table) else table
        whole = np.flatnonzero(np.isfinite(table).all(axis=1))
        table, persons = table[whole], persons[whole]
        icc = icc_a1(table.T, clusters=persons.tolist())
        w = kendalls_w(table.T, clusters=persons.tolist())
        out[int(emotion)] = (icc, w, len(table))
    return out
