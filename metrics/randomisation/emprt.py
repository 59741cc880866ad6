"""Efficient MPRT: is the map of a random network more complex?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.histogram import histogram_entropy
from metrics.core.reexplaining import checked_maps, explained
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.randomisation.random_networks import Statistics, randomised


def emprt(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    bins: int = 100,
    batchnorm: Statistics = "recalibrate",
    calibration: Tensor | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """How much more complex is the map of a network that is random throughout? Higher is better.

    Efficient MPRT, Hedström et al., "A fresh look at sanity checks for saliency maps", xAI 2024:
    (H(ê) − H(e)) / H(e), with H the entropy of the histogram of a map's values over its own range,
    and ê the map of the random network. It needs no similarity and only two networks; but a method
    whose maps are complex from the start cannot gain by it.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)`` of the trained network, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    explain
        Callable that makes maps of a network (:class:`metrics.core.registry.Explain`).
    bins
        Number of bins of the histogram; at least 2.
    batchnorm
        Running statistics of BatchNorm in the random networks: ``recalibrate`` takes them from
        images, ``keep`` leaves the trained ones, ``reset`` sets those of random layers to mean 0
        and variance 1 (:func:`~metrics.randomisation.random_networks.randomised`).
    calibration
        Images ``(N, 3, H, W)`` in [0, 1] for ``recalibrate``; the faces at hand by default, so that
        the score of a face depends a little on the others.
    ids
        Names of the faces, which methods with randomness get with each face; their positions by
        default.
    seed
        Seed of the random generators.

    Returns
    -------
    Tensor
        ``(B,)``, above −1; NaN where either map is constant or not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, there are fewer than two bins, or BatchNorm has to
        be recalibrated on a single face.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 8, stride=8), torch.nn.Flatten(), torch.nn.Linear(16, 7)
    ... )
    >>> model = FERModel(net, emotions="rafdb", size=16).eval()
    >>> images, targets = torch.rand(2, 3, 16, 16), torch.tensor([0, 5])
    >>> def explain(model, images, targets, ids):
    ...     images = images.requires_grad_()
    ...     scores = model(images).gather(1, model.columns(targets)[:, None])
    ...     return torch.autograd.grad(scores.sum(), images)[0].sum(dim=1)
    >>> maps = explain(model, images, targets, ["a", "b"])
    >>> emprt(model, images, maps, targets, explain).shape
    torch.Size([2])
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    before = histogram_entropy(checked_maps(cache, maps), bins=bins)
    after = torch.full_like(before, torch.nan)
    if len(cache):
        network = randomised(
            cache.predictor.model,
            seed=cache.seed,
            batchnorm=batchnorm,
            images=cache.images if calibration is None else calibration,
        )
        for faces, _, found in explained(cache, explain, network, targets):
            after[faces] = histogram_entropy(found, bins=bins)
    return (after - before) / before


METRICS.register("emprt")(
    MetricSpec(
        name="emprt",
        fn=emprt,
        family="randomisation",
        question="How much more complex is the map of a network that is random throughout?",
        higher_is_better=True,
        bounds=(-1.0, math.inf),
        needs=("model", "images", "maps", "targets", "explain", "calibration"),
        sign_blind=True,
        reference="Hedström et al., xAI 2024",
    )
)
