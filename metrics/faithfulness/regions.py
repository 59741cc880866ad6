"""Facial regions as the features of an explanation: few enough for every subset to be scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_tensor
from fer_xai.coalitions import coalitions, shapley_values
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.pixel_order import ORDERS, Order, rank_pixels
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import FLAT, ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, target_scores
from metrics.core.similarity import region_agreement, region_sums
from metrics.core.undefined import nan_where_undefined


def coalition_worth(
    cache: ScoreCache, targets: Tensor, regions: Tensor, *, fill: str, output: Output
) -> Tensor:
    """Scores ``(B, 2^k)`` of each face with each coalition of its regions left in, the rest filled.

    They are in the order of :func:`fer_xai.coalitions.coalitions`, made once a cache, regions and
    fill.

    Raises
    ------
    InputError
        For more than twelve regions, or regions that are not bool, overlap, or do not fit the
        images.
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


def _unknown(regions: Tensor) -> Tensor:
    """``(B,)``: faces without landmarks have no regions."""
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
    """Does the map give more to regions without which the score falls further? Higher is better.

    Spearman over regions of the map's sums with what is lost when one region alone is filled (Hesse
    et al., "FunnyBirds", ICCV 2023, sec. 4.2; there over a bird's parts).

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images, which other metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``.
    targets
        ``(B,)`` canonical emotion indices.
    regions
        Bool ``(B, R, H, W)`` that do not overlap.
    fill
        What stands in a region's place.
    output
        Logit, probability or log-probability.
    ids, seed
        Of a new cache.

    Returns
    -------
    Tensor
        ``(B,)`` in [−1, 1]; NaN with fewer than three regions that have pixels, where all are
        given alike, or for a map that is not finite.

    Raises
    ------
    InputError
        For maps, targets or regions that do not fit.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
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
    """Does the map give regions what their exact Shapley values do? Higher is better.

    Spearman over regions of the map's sums with Shapley values of all 2^k coalitions: exact for the
    fill, and no truth beyond it; the agreement between fills is the ceiling. Parameters, returns
    and errors are those of :func:`single_deletion`.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    worth = coalition_worth(cache, targets, regions, fill=fill, output=output)
    return _agreement(maps, shapley_values(worth), regions)


def _agreement(maps: Tensor, values: Tensor, regions: Tensor) -> Tensor:
    """Spearman ``(B,)`` of what maps and values give the regions that have pixels."""
    empty = ~regions.flatten(2).any(dim=2).cpu()
    values = torch.where(empty | (values.std(dim=1) <= FLAT)[:, None], torch.nan, values)
    sums = region_sums(maps.cpu(), regions.cpu())
    return torch.from_numpy(region_agreement(sums, values)).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalised:
    """Area over a perturbation curve, beside the least and largest that orders reach.

    Attributes
    ----------
    aopc, lower, upper
        ``(B,)``: mean loss along the map's order, and along the worst and the best order, of all
        or of those that a search has found.
    """

    aopc: Tensor
    lower: Tensor
    upper: Tensor

    @property
    def value(self) -> Tensor:
        """``(B,)``: 0 for the worst order, 1 for the best; NaN where all orders are alike."""
        room = self.upper - self.lower
        return torch.where(room > FLAT, (self.aopc - self.lower) / room, torch.nan).float()


def naopc(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    regions: Tensor,
    *,
    order: Order = "morf",
    fill: str = "blur",
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Normalised:
    """Area over the perturbation curve of regions, between each face's own limits.

    AOPC compares maps of one model only: models differ in how far their scores can fall at all
    (Edin et al., "Normalized AOPC", 2024). Regions are taken by the map's mean over their pixels,
    ties by (seed, face); those without pixels count as the least relevant. Both limits are exact:
    the best chain of subsets is found over all 2^k.
    Parameters and errors are those of :func:`single_deletion`.

    Returns
    -------
    Normalised
        Higher is better in the order ``morf``, lower in ``lerf``.
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    check_choice("order", order, ORDERS)
    worth = coalition_worth(cache, targets, regions, fill=fill, output=output)
    k = regions.shape[1]
    area = regions.flatten(2).sum(dim=2).clamp(min=1).cpu()
    given = region_sums(maps.cpu(), regions.cpu()).double() / area
    known = torch.isfinite(given)
    ranks = rank_pixels(torch.where(known, given, 0)[:, None], seed=cache.seed, ids=cache.ids)
    ranks = ranks[:, 0] + k * ~known  # (B, k)
    gone = (1 << ranks.argsort(dim=1, descending=order == "lerf")).cumsum(dim=1)  # their numbers
    path = worth.gather(
        1, torch.cat([worth.new_zeros(len(worth), 1).long(), gone], 1).neg().add(2**k - 1)
    )
    total = (path[:, :1] - path).sum(dim=1)
    lower, upper = _limits(worth)
    made = torch.where(_unknown(regions).cpu(), torch.nan, total / (k + 1))
    made = nan_where_undefined(made, maps)
    return Normalised(aopc=made, lower=lower / (k + 1), upper=upper / (k + 1))


def _limits(worth: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest Σ (v(all) − v(left)) over all orders in which players leave, ``(B,)``.

    The best way to what is left ends with the best way to one player more, so that each of 2^k
    subsets is looked at once, the larger ones first.
    """
    k = worth.shape[1].bit_length() - 1
    loss = worth[:, -1:] - worth
    best, worst = loss.clone(), loss.clone()
    members = coalitions(k)
    sizes = members.sum(dim=1)
    for size in range(k - 1, -1, -1):
        here = (sizes == size).nonzero()[:, 0]
        before = torch.stack(
            [here + (1 << player) for player in range(k)], dim=1
        )  # with one player more, where there is one
        absent = ~members[here]
        at = torch.where(absent, before, 0)
        for table, extreme, nothing in (
            (best, torch.amax, -math.inf),
            (worst, torch.amin, math.inf),
        ):
            ways = torch.where(absent, table[:, at], nothing)  # (B, n, k)
            table[:, here] += extreme(ways, dim=2)
    return worst[:, 0], best[:, 0]


def _spec(
    name: str, fn: Callable[..., Any], *, reference: str, low: float = -1.0, read: str = ""
) -> MetricSpec:
    return METRICS.register(name)(
        MetricSpec(
            name=name,
            fn=fn,
            family="faithfulness",
            higher_is_better=True,
            needs=("model", "images", "maps", "targets", "regions"),
            bounds=(low, 1.0),
            read=read,
            reference=reference,
        )
    )


SINGLE_DELETION = _spec(
    "single_deletion", single_deletion, reference="Hesse et al., ICCV 2023, sec. 4.2"
)
SHAPLEY_AGREEMENT = _spec(
    "shapley_agreement", shapley_agreement, reference="Shapley 1953, over facial regions"
)
NAOPC = _spec("naopc", naopc, low=0.0, read="value", reference="Edin et al. 2024, over regions")
