"""Entropy of the histogram of a map's values."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.checks import check_count
from metrics.core.undefined import as_doubles


def histogram_entropy(maps: Tensor, *, bins: int = 100) -> Tensor:
    """Entropy of the histogram of a map's values over its own range.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    bins
        Number of bins of equal width, at least 2; the largest value lies in the last.

    Returns
    -------
    Tensor
        ``(B,)`` in nats; NaN for maps that are constant or not finite.

    Raises
    ------
    InputError
        If there are fewer than two bins, or maps are not ``(B, H, W)``.

    Examples
    --------
    >>> histogram_entropy(torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]))  # ln 2
    tensor([0.6931])
    """
    check_count("bins", bins, low=2)
    rows = as_doubles(maps).flatten(1)  # (B, P)
    low, high = rows.amin(dim=1, keepdim=True), rows.amax(dim=1, keepdim=True)
    fine = (high > low) & (high - low).isfinite()
    place = torch.where(fine, (rows - low) / (high - low) * bins, 0.0).long().clamp(max=bins - 1)
    counts = torch.zeros(len(rows), bins, dtype=torch.float64)
    counts.scatter_add_(1, place, torch.ones_like(rows))
    shares = counts / rows.shape[1]
    return torch.where(fine[:, 0], -torch.xlogy(shares, shares).sum(dim=1), torch.nan).float()
