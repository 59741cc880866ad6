"""Complexity: how much of the image does a map point to?

All scores use magnitudes or differences, so that a map and its inverse score the same, and none
depends on the map's scale. A map that is zero everywhere, or not finite, has no score (NaN). Scores
are computed in double precision, and therefore on the CPU.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fer_xai.checks import check_number
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.undefined import as_doubles


def gini(maps: Tensor) -> Tensor:
    """How unequally is relevance distributed over the pixels? Higher is sparser.

    Gini index of |φ|, Σ (2i − P − 1)·φ₍ᵢ₎ / (P·Σφ) with φ₍₁₎ ≤ … ≤ φ₍P₎ (Chalasani et al., "Concise
    explanations of neural networks using adversarial training", ICML 2020): 0 if all pixels are
    equal, 1 − 1/P if one pixel has everything.

    Parameters
    ----------
    maps
        ``(B, H, W)``.

    Returns
    -------
    Tensor
        ``(B,)`` in [0, 1]; NaN for maps that are zero or not finite.

    Raises
    ------
    InputError
        If maps are not ``(B, H, W)``.

    Examples
    --------
    >>> gini(torch.tensor([[[0.0, 0.0], [0.0, -3.0]], [[1.0, 1.0], [1.0, 1.0]]]))
    tensor([0.7500, 0.0000])
    """
    rows = _shares(maps).sort(dim=1).values  # (B, P)
    pixels = rows.shape[1]
    weights = 2 * torch.arange(1, pixels + 1).double() - pixels - 1
    return (rows @ weights / pixels).clamp(0, 1).float()


def entropy(maps: Tensor) -> Tensor:
    """Over how many pixels is relevance spread? Lower is simpler.

    Complexity of Bhatt et al., "Evaluating and aggregating feature-based model explanations", IJCAI
    2020: −Σ p ln p with p = |φ| / Σ|φ|; ln P for a uniform map, 0 if one pixel has everything.

    Parameters
    ----------
    maps
        ``(B, H, W)``.

    Returns
    -------
    Tensor
        ``(B,)`` in nats, from 0 to ln P; NaN for maps that are zero or not finite.

    Raises
    ------
    InputError
        If maps are not ``(B, H, W)``.

    Examples
    --------
    >>> entropy(torch.tensor([[[0.0, 0.0], [1.0, -3.0]], [[1.0, 1.0], [1.0, 1.0]]]))
    tensor([0.5623, 1.3863])
    """
    rows = _shares(maps)
    return (-torch.xlogy(rows, rows).sum(dim=1)).clamp(min=0).float()


def effective_complexity(maps: Tensor, *, threshold: float = 0.01) -> Tensor:
    """Which share of the pixels is above a threshold? Lower is simpler.

    The share with |φ| > ε·max|φ|. In Nguyen & Martínez, "On quantitative aspects of model
    interpretability", arXiv 2007.07584 (2020), effective complexity is the smallest number of
    features with which the model's expected output varies by less than ε, and so it depends on the
    model. Quantus replaces it by the number of values above a threshold (10⁻⁵ of the largest),
    which depends on the map alone. This is the latter, as a share of pixels, with a threshold on
    the map's own scale.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    threshold
        ε, from 0 to 1.

    Returns
    -------
    Tensor
        ``(B,)`` in [0, 1]; NaN for maps that are zero or not finite.

    Raises
    ------
    InputError
        If maps are not ``(B, H, W)``, or the threshold is out of range.

    Examples
    --------
    >>> effective_complexity(torch.tensor([[[0.0, 0.001], [0.1, -3.0]]]))
    tensor([0.5000])
    """
    check_number("threshold", threshold, 0, 1, ends=True)
    rows = _shares(maps)
    top = rows.amax(dim=1, keepdim=True)
    share = (rows > threshold * top).double().mean(dim=1)
    return torch.where(top[:, 0].isfinite(), share, torch.nan).float()


def total_variation(maps: Tensor) -> Tensor:
    """How rough is the map? This is a description: neither direction is better.

    The mean of |φ(p) − φ(q)| over all pairs of neighbouring pixels, along rows and columns
    (anisotropic total variation, after Rudin et al., Physica D 1992), divided by max|φ|.

    Parameters
    ----------
    maps
        ``(B, H, W)``.

    Returns
    -------
    Tensor
        ``(B,)`` in [0, 2]; 0 for a constant map, 1 for a chessboard of zeros and ones, NaN for maps
        that are zero or not finite.

    Raises
    ------
    InputError
        If maps are not ``(B, H, W)``.

    Examples
    --------
    >>> total_variation(torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]]))
    tensor([1., 0.])
    """
    values = as_doubles(maps)
    top = values.abs().flatten(1).amax(dim=1)
    down, right = (values.diff(dim=axis).abs().flatten(1) for axis in (1, 2))
    mean = torch.cat([down, right], dim=1).mean(dim=1)
    return torch.where(top > 0, mean / top, torch.nan).float()


def _shares(maps: Tensor) -> Tensor:
    """|φ| / Σ|φ|, ``(B, P)`` float64; NaN for maps of zeros."""
    rows = as_doubles(maps).flatten(1).abs()
    return rows / rows.sum(dim=1, keepdim=True)


METRICS.register("gini")(
    MetricSpec(
        name="gini",
        fn=gini,
        family="complexity",
        question="How unequally is relevance distributed over the pixels?",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("maps",),
        passes=(0, 0),
        sign_blind=True,
        reference="Chalasani et al., ICML 2020",
    )
)
METRICS.register("entropy")(
    MetricSpec(
        name="entropy",
        fn=entropy,
        family="complexity",
        question="Over how many pixels is relevance spread?",
        higher_is_better=False,
        bounds=(0.0, math.inf),
        needs=("maps",),
        passes=(0, 0),
        sign_blind=True,
        reference="Bhatt et al., IJCAI 2020",
    )
)
METRICS.register("effective_complexity")(
    MetricSpec(
        name="effective_complexity",
        fn=effective_complexity,
        family="complexity",
        question="Which share of the pixels exceeds 1 % of the map's largest value?",
        higher_is_better=False,
        bounds=(0.0, 1.0),
        needs=("maps",),
        passes=(0, 0),
        sign_blind=True,
        reference="Nguyen & Martínez, arXiv 2007.07584, as simplified by Quantus",
    )
)
METRICS.register("total_variation")(
    MetricSpec(
        name="total_variation",
        fn=total_variation,
        family="complexity",
        question="How rough is the map?",
        higher_is_better=None,
        bounds=(0.0, 2.0),
        needs=("maps",),
        passes=(0, 0),
        sign_blind=True,
        reference="Rudin et al., Physica D 1992",
    )
)
