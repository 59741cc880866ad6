"""Randomisation: does an explanation change when what the model has learned is taken away?

All compare maps of one method with each other, so that a method with its sign turned over scores
alike: exactly by rank and product correlation, nearly by SSIM and histograms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_count, check_number
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.histogram import histogram_entropy
from metrics.core.reexplaining import checked_maps, explained, seeded_images
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.similarity import Likeness, comparable, compared
from metrics.core.undefined import nan_where_undefined
from metrics.randomisation.random_networks import Statistics, layers_of, randomised

Order = Literal["cascading", "independent", "bottom_up"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascade:
    """Similarity of each face's map with those of ever more random networks.

    Attributes
    ----------
    layers
        L names: what is drawn anew at each step (with ``independent``), or last of all that is.
    similarity
        ``(B, L)``; NaN where either map is undefined. The trained network is not among them.
    """

    layers: tuple[str, ...]
    similarity: Tensor

    @property
    def mean(self) -> Tensor:
        """``(B,)`` over the steps at which it is defined."""
        return self.similarity.nanmean(dim=1)

    @property
    def last(self) -> Tensor:
        """``(B,)`` at the last step: all is random by then (the first layer, if independent)."""
        return self.similarity[:, -1]

    @property
    def undefined(self) -> Tensor:
        """``(B,)`` at how many steps it is not defined."""
        return self.similarity.isnan().sum(dim=1)


def mprt(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    order: Order = "cascading",
    similarity: Likeness = "spearman",
    absolute: bool = False,
    layers: int = 8,
    smooth: int = 0,
    noise: float = 0.1,
    batchnorm: Statistics = "recalibrate",
    calibration: Tensor | None = None,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Cascade:
    """Does the map stay as it was when layers are made random? Lower is better.

    The model parameter randomisation test of Adebayo et al., NeurIPS 2018. Its averages here are
    over random networks alone: one that counts the trained network, whose map is like itself,
    starts from 1. Two maps that show where the face is are alike for that, so the score is read
    against a null (:func:`~metrics.randomisation.gate.randomisation_gate`), not against zero.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)`` of the trained network, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices.
    explain
        Makes maps of a network (:class:`metrics.core.registry.Explain`).
    order
        ``cascading``: from the logits down, as in the paper; ``independent``: one layer at a time;
        ``bottom_up``: from the image up (Hedström et al., 2024, as Sixt et al., ICML 2020, found
        that maps of some methods do not depend on the upper layers).
    similarity, absolute
        As in :func:`~metrics.core.similarity.map_similarity`; signed maps keep their sign unless
        ``absolute``.
    layers
        At most this many steps, evenly chosen, the last one always among them.
    smooth
        Noisy copies of a face whose mean map stands for its map, of the trained network too (for
        which ``maps`` are then made anew): smooth MPRT, Hedström et al., "A fresh look at sanity
        checks for saliency maps", xAI 2024, where 50. None by default.
    noise
        Standard deviation of that noise, as a share of the range of a face's pixels; noisy faces
        are clamped to [0, 1].
    batchnorm, calibration
        As ``batchnorm`` and ``images`` in
        :func:`~metrics.randomisation.random_networks.randomised`. By default networks are
        recalibrated on the faces at hand, so that a face's score depends a little on which others
        these are; hand in images to keep it from that.
    ids, seed
        Of the draws and the noise.

    Returns
    -------
    Cascade
        Similarities a step.

    Raises
    ------
    InputError
        For another order, maps or targets that do not fit, a number that makes no sense, or one
        face alone where BatchNorm needs at least two.
    """
    check_choice("order", order, get_args(Order))
    check_count("layers", layers)
    check_count("smooth", smooth, low=0)
    check_number("noise", noise, 0, ends=True)
    cache = cache_of(model, images, ids=ids, seed=seed)
    trained = cache.predictor.model
    ask = partial(_smoothed, cache, explain, targets=targets, copies=smooth, noise=noise)
    given = checked_maps(cache, maps)
    if smooth:
        [(_, given)] = ask(trained)
    # noisy copies of a face may have maps where the face has none
    reference = nan_where_undefined(comparable(given, similarity, absolute=absolute), maps)
    blank = torch.zeros(1, 3, trained.size, trained.size, device=cache.predictor.device)
    steps = _steps(layers_of(trained, blank), order, layers)
    scores = torch.full((len(cache), len(steps)), torch.nan)
    for step, (_, drawn) in enumerate(steps if len(cache) else []):
        network = randomised(
            trained,
            seed=cache.seed,
            layers=drawn,
            batchnorm=batchnorm,
            images=cache.images if calibration is None else calibration,
        )
        for faces, found in ask(network):
            other = comparable(found, similarity, absolute=absolute)
            scores[faces, step] = compared(reference[faces], other, similarity)
    return Cascade(layers=tuple(name for name, _ in steps), similarity=scores)


def _steps(names: Sequence[str], order: Order, most: int) -> list[tuple[str, list[str]]]:
    """What each step is called, and which layers it draws, of all layers from the image up."""
    ordered = list(names) if order == "bottom_up" else list(names)[::-1]
    count = min(most, len(ordered))
    ends = [round((index + 1) * len(ordered) / count) for index in range(count)]
    return [
        (ordered[end - 1], ordered[end - 1 : end] if order == "independent" else ordered[:end])
        for end in ends
    ]


def _smoothed(
    cache: ScoreCache, explain: Explain, network: Any, *, targets: Tensor, copies: int, noise: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Faces and their maps in batches, or means over noisy copies of all faces at once."""
    if not copies:
        for faces, _, found in explained(cache, explain, network, targets):
            yield faces, found
        return
    pixels = cache.images.flatten(1)
    deviation = noise * (pixels.amax(dim=1) - pixels.amin(dim=1))

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        draws = seeded_images(cache, faces, numbers, salt="smooth", draw=torch.randn)
        return (cache.images[faces] + deviation[faces, None, None, None] * draws).clamp(0, 1)

    total = torch.zeros(len(cache), *cache.images.shape[-2:])
    batches = explained(cache, explain, network, targets, change=change, copies=copies)
    for faces, _, found in batches:
        total.index_add_(0, faces, found)
    yield torch.arange(len(cache)), total / copies


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
    """Does the map grow more complex as the model is made random throughout? Higher is better.

    Efficient MPRT, Hedström et al., "A fresh look at sanity checks for saliency maps", xAI 2024:
    (H(ê) − H(e)) / H(e), with H the entropy of the histogram of a map's values (over its own
    range) and ê the map of the random network. No similarity is needed, and two networks are
    enough; but a method whose maps are complex from the start cannot gain by it.

    Parameters
    ----------
    model, images, maps, targets, explain, batchnorm, calibration, ids, seed
        As in :func:`mprt`.
    bins
        Of the histogram.

    Returns
    -------
    Tensor
        ``(B,)``, above −1; NaN where either map is constant or not finite.

    Raises
    ------
    InputError
        As :func:`mprt`.
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


METRICS.register("mprt")(
    MetricSpec(
        name="mprt",
        fn=mprt,
        family="randomisation",
        question="How similar does the map stay as layers are made random, from the logits down?",
        higher_is_better=False,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets", "explain", "calibration"),
        read="mean",
        sign_blind=True,
        reference="Adebayo et al., NeurIPS 2018",
    )
)
METRICS.register("mprt_last")(
    MetricSpec(
        name="mprt_last",
        fn=mprt,
        family="randomisation",
        question="How similar is the map to that of a network that is random throughout?",
        higher_is_better=False,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets", "explain", "calibration"),
        read="last",
        sign_blind=True,
        reference="Adebayo et al., NeurIPS 2018",
    )
)
METRICS.register("smooth_mprt")(
    MetricSpec(
        name="smooth_mprt",
        fn=mprt,
        family="randomisation",
        question=(
            "How similar does the mean map of noisy copies stay as layers are made random, from "
            "the image up?"
        ),
        higher_is_better=False,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets", "explain", "calibration"),
        options={"smooth": 50, "order": "bottom_up"},
        read="mean",
        sign_blind=True,
        reference="Hedström et al., xAI 2024",
    )
)
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
