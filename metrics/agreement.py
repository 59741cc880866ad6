"""Agreement: do several explanations of one face say the same?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.errors import InputError
from metrics.core.similarity import normalised_rows

Array = NDArray[np.float64]


def pixel_agreement(maps: Tensor) -> Tensor:
    """Do maps of one face order its pixels alike? Spearman of each pair; higher is more alike.

    Neeley et al., "Order in the court: explainable AI methods prone to disagreement" (2021),
    compare attributions by Kendall's τ. Ties have their mean rank, after quantising (see
    :func:`metrics.core.similarity.normalised_rows`); signed maps keep their sign.

    Parameters
    ----------
    maps
        ``(M, N, H, W)``: M explanations of N faces.

    Returns
    -------
    Tensor
        ``(N, M, M)`` float32, symmetric; NaN where a map is constant or undefined.

    Raises
    ------
    InputError
        If the maps are not ``(M, N, H, W)``.

    Examples
    --------
    >>> maps = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> pixel_agreement(torch.cat([maps, -maps]))
    tensor([[[ 1., -1.],
             [-1.,  1.]]])
    """
    if maps.ndim != 4:
        raise InputError(f"Expected maps (M, N, H, W), got {tuple(maps.shape)}.")
    everywhere = torch.ones(maps.shape[2:], dtype=torch.bool)
    out = []
    for face in range(maps.shape[1]):
        rows = normalised_rows(maps[:, face], everywhere, kind="spearman")  # (M, P)
        out.append(rows @ rows.T)
    if not out:
        return torch.zeros(0, maps.shape[0], maps.shape[0])
    return torch.stack(out).clamp(-1, 1)
