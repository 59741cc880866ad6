"""Facial regions as the features of an explanation: few enough to score every subset."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_tensor
from fer_xai.coalitions import coalitions, shapley_values
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import FLAT, ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, target_scores
from metrics.core.similarity import region_agreement, region_sums


def coalition_worth(
    cache: ScoreCache, targets: Tensor, regions: Tensor, *, fill: str, output: Output
) -> Tensor:
    """Scores of each face with each coalition of its regions left in, and the rest filled.

    Parameters
    ----------
    cache
        Score cache of the faces, which makes these scores once for regions and fill.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    regions
        Bool ``(B, R, H, W)``, 1 to 12 regions that do not overlap
        (:func:`fer_xai.landmarks.face_regions`).
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.

    Returns
    -------
    Tensor
        ``(B, 2^R)`` float64, in the order of :func:`fer_xai.coalitions.coalitions`.

    Raises
    ------
    InputError
        If there are more than twelve regions, or regions are not bool, overlap, or do not fit the
        images.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2, mean=[0] * 3, std=[1] * 3)
    >>> cache = ScoreCache(model, torch.ones(1, 3, 2, 2))
    >>> left, right = torch.tensor([[1, 0], [1, 0]]) > 0, torch.tensor([[0, 1], [0, 1]]) > 0
    >>> regions, happiness = torch.stack([left, right])[None], torch.tensor([0])  # the left's logit
    >>> coalition_worth(cache, happiness, regions, fill="black", output="logit").tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    check_choice("output", output, OUTPUTS)
    check_tensor("regions", regions, "(B, R, H, W)")
    if regions.dtype != torch.bool:
        raise InputError(f"Expected bool regions, got {regions.dtype}: compare them, regions > 0.")
    shape = (len(cache), regions.shape[1] if regions.ndim == 4 else 0, *cache.images.shape[-2:])
    if regions.shape != shape:
        raise InputError(
            f"Expected regions (B, R, H, W) to fit images {tuple(cache.images.shape)}, got "
            f"{tuple(regions.shape)}."
        )
    if bool((regions.sum(dim=1) > 1).any()):
        raise InputError("Expected regions that do not overlap: a pixel is kept or taken once.")
    members = coalitions(regions.shape[1]).to(cache.predictor.device)  # (2^k, k)
    held = regions.to(cache.predictor.device)

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        gone = (held[faces] & ~members[numbers][:, :, None, None]).any(dim=1)
        return cache.blended(faces, gone, fill)

    key = ("coalitions", cache.key_of(regions), fill)
    some = cache.ask(key, change, copies=len(members) - 1)  # the last is the face as it is
    logits = torch.cat([some, cache.clean()[:, None]], dim=1)
    return target_scores(cache, logits, targets, output).double()


def no_regions(regions: Tensor) -> Tensor:
    """Which faces have no region with a pixel, bool ``(B,)``: those without landmarks.

    Examples
    --------
    >>> regions = torch.zeros(2, 8, 4, 4, dtype=torch.bool)
    >>> regions[0, 5, 2] = True
    >>> no_regions(regions)
    tensor([False,  True])
    """
    return ~regions.flatten(1).any(dim=1)


def single_deletion(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    regions: Tensor,
    *,
    fill: str = "blur",
    output: Output = "logit",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Does the map give more to regions whose removal costs more of the score? Higher is better.

    Spearman's correlation over regions of the map's sums with the loss of score when a single
    region is filled (Hesse et al., "FunnyBirds", ICCV 2023, section 4.2, for the parts of a bird).

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; signed maps keep their sign.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    regions
        Bool ``(B, R, H, W)``, 1 to 12 regions that do not overlap
        (:func:`fer_xai.landmarks.face_regions`).
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN if fewer than three regions have pixels, if the map or the score
        distinguishes no regions, or for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, regions are not bool, overlap or do not fit, or an
        option is none of its choices.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> quarters = torch.nn.Sequential(torch.nn.AvgPool3d((3, 8, 8)), torch.nn.Flatten())
    >>> names = ["happiness", "surprise", "sadness", "anger"]  # one for each quarter's brightness
    >>> model = FERModel(quarters, emotions=names, size=16)
    >>> images, targets = torch.ones(1, 3, 16, 16), torch.tensor([0])  # happiness
    >>> maps = torch.zeros(1, 16, 16)
    >>> maps[:, :8, :8] = 1  # the quarter that the logit of happiness depends on
    >>> regions = torch.zeros(1, 4, 16, 16, dtype=torch.bool)
    >>> for k, (y, x) in enumerate([(0, 0), (0, 8), (8, 0), (8, 8)]):
    ...     regions[:, k, y : y + 8, x : x + 8] = True
    >>> single_deletion(model, images, maps, targets, regions, fill="black")
    tensor([1.])
    """
    cache = cache_of(model, images, ids=ids, seed=seed, regions=regions)
    check_maps(cache, maps)
    worth = coalition_worth(cache, targets, regions, fill=fill, output=output)
    k = regions.shape[1]
    lost = worth[:, -1:] - worth[:, [2**k - 1 - 2**player for player in range(k)]]
    return _agreement(maps, lost, regions)


def shapley_agreement(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    regions: Tensor,
    *,
    fill: str = "blur",
    output: Output = "logit",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Does the map rank regions as their exact Shapley values do? Higher is better.

    Spearman's correlation over regions of the map's sums with the Shapley values of all 2^R
    coalitions. These values are exact for the fill, and are no truth beyond it: the agreement
    between fills is the ceiling.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; signed maps keep their sign.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    regions
        Bool ``(B, R, H, W)``, 1 to 12 regions that do not overlap
        (:func:`fer_xai.landmarks.face_regions`).
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN if fewer than three regions have pixels, if the map or the score
        distinguishes no regions, or for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, regions are not bool, overlap or do not fit, or an
        option is none of its choices.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> quarters = torch.nn.Sequential(torch.nn.AvgPool3d((3, 8, 8)), torch.nn.Flatten())
    >>> names = ["happiness", "surprise", "sadness", "anger"]  # one for each quarter's brightness
    >>> model = FERModel(quarters, emotions=names, size=16)
    >>> images, targets = torch.ones(1, 3, 16, 16), torch.tensor([0])  # happiness
    >>> maps = torch.zeros(1, 16, 16)
    >>> maps[:, :8, :8] = 1  # the quarter that the logit of happiness depends on
    >>> regions = torch.zeros(1, 4, 16, 16, dtype=torch.bool)
    >>> for k, (y, x) in enumerate([(0, 0), (0, 8), (8, 0), (8, 8)]):
    ...     regions[:, k, y : y + 8, x : x + 8] = True
    >>> shapley_agreement(model, images, maps, targets, regions, fill="black")
    tensor([1.])
    """
    cache = cache_of(model, images, ids=ids, seed=seed, regions=regions)
    check_maps(cache, maps)
    worth = coalition_worth(cache, targets, regions, fill=fill, output=output)
    return _agreement(maps, shapley_values(worth), regions)


def _agreement(maps: Tensor, values: Tensor, regions: Tensor) -> Tensor:
    """Spearman ``(B,)`` of what maps and values give the regions that have pixels."""
    empty = ~regions.flatten(2).any(dim=2).cpu()
    values = torch.where(empty | (values.std(dim=1) <= FLAT)[:, None], torch.nan, values)
    sums = region_sums(maps.cpu(), regions.cpu())
    return torch.from_numpy(region_agreement(sums, values)).float()


METRICS.register("single_deletion")(
    MetricSpec(
        name="single_deletion",
        fn=single_deletion,
        family="faithfulness",
        question="Does the map rank facial regions by the loss of score when each is removed?",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets", "regions"),
        passes=(256, 0),
        reference="Hesse et al., ICCV 2023, sec. 4.2",
    )
)
METRICS.register("shapley_agreement")(
    MetricSpec(
        name="shapley_agreement",
        fn=shapley_agreement,
        family="faithfulness",
        question="Does the map rank facial regions as their exact Shapley values do?",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets", "regions"),
        passes=(256, 0),
        reference="Shapley 1953, over facial regions",
    )
)
