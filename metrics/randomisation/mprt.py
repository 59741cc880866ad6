"""MPRT: does an explanation change when the parameters of the network are made random?

These metrics compare maps of one method with each other, so a method with its sign inverted scores
the same: exactly with rank and product correlation, nearly with SSIM and histograms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_count, check_number
from fer_xai.draws.streams import Streams
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.reexplaining import checked_maps, explained, seeded_images
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.similarity import Likeness, comparable, compared
from metrics.core.undefined import nan_where_undefined
from metrics.randomisation.random_networks import Statistics, layers_of, randomised

Order = Literal["cascading", "independent", "bottom_up"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascade:
    """Similarity of each face's map with the maps of ever more random networks.

    Attributes
    ----------
    layers
        L names of layers, one for each step: with ``independent`` the layer that is drawn anew,
        else the last of those that are.
    similarity
        ``(B, L)``; NaN where either map is undefined. The trained network is not among the steps.

    Examples
    --------
    >>> similarity = torch.tensor([[0.4, 0.2], [0.6, torch.nan]])
    >>> found = Cascade(layers=("fc", "conv"), similarity=similarity)
    >>> found.mean, found.last, found.undefined
    (tensor([0.3000, 0.6000]), tensor([0.2000,    nan]), tensor([0, 1]))
    """

    layers: tuple[str, ...]
    similarity: Tensor

    @property
    def mean(self) -> Tensor:
        """``(B,)`` mean over the steps at which the similarity is defined."""
        return self.similarity.nanmean(dim=1)

    @property
    def last(self) -> Tensor:
        """``(B,)`` at the last step: the whole network is random (or one, if independent)."""
        return self.similarity[:, -1]

    @property
    def undefined(self) -> Tensor:
        """``(B,)`` number of steps at which the similarity is undefined."""
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
    """How similar does the map stay when layers are made random? Lower is better.

    The model parameter randomisation test of Adebayo et al., NeurIPS 2018. The average here is over
    random networks alone: an average that includes the trained network, whose map equals itself,
    starts from 1. Two maps that show where the face is are similar for that reason, so the score
    has to be compared with a null (:func:`~metrics.randomisation.gate.randomisation_gate`), not
    with zero.

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
    order
        ``cascading``: from the logits down, as in the paper. ``independent``: one layer at a time.
        ``bottom_up``: from the image up (Hedström et al., 2024, because Sixt et al., ICML 2020,
        found methods whose maps do not depend on the upper layers).
    similarity
        ``spearman``, ``pearson`` or ``ssim`` (:func:`~metrics.core.similarity.map_similarity`).
    absolute
        Whether maps lose their sign first.
    layers
        Largest number of steps; they are evenly spaced, and the last step is always included.
    smooth
        Number of noisy copies of a face whose mean map replaces its map, also for the trained
        network (``maps`` are then made anew): smooth MPRT of Hedström et al., "A fresh look at
        sanity checks for saliency maps", xAI 2024, who take 50. 0 means no copies.
    noise
        Standard deviation of that noise, as a share of the range of a face's pixels; noisy faces
        are clamped to [0, 1].
    batchnorm
        Running statistics of BatchNorm in the random networks: ``recalibrate`` takes them from
        images, ``keep`` leaves the trained ones, ``reset`` sets those of random layers to mean 0
        and variance 1 (:func:`~metrics.randomisation.random_networks.randomised`).
    calibration
        Images ``(N, 3, H, W)`` in [0, 1] for ``recalibrate``; the faces at hand by default, so that
        the score of a face depends a little on the others.
    ids
        Names of the faces, which seed the noise; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Cascade
        Similarities ``(B, L)`` with their ``mean`` and the ``last``.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, an option is none of its choices, a number is out
        of range, or BatchNorm has to be recalibrated on a single face.

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
    >>> found = mprt(model, images, maps, targets, explain)
    >>> found.layers, found.mean.shape
    (('net.2', 'net.0'), torch.Size([2]))
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
    """Name of each step and the layers it draws, for all layers from the image up."""
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
        draws = seeded_images(cache, faces, numbers, salt="smooth", draw=Streams.randn)
        return (cache.images[faces] + deviation[faces, None, None, None] * draws).clamp(0, 1)

    total = torch.zeros(len(cache), *cache.images.shape[-2:])
    batches = explained(cache, explain, network, targets, change=change, copies=copies)
    for faces, _, found in batches:
        total.index_add_(0, faces, found)
    yield torch.arange(len(cache)), total / copies


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
