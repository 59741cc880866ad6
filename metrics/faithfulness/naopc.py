"""NAOPC: area over a perturbation curve, between the worst and the best order of each face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_count, check_targets
from fer_xai.coalitions import coalitions
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.pixel_order import ORDERS, Order, cells_of, rank_pixels
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import FLAT, ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, target_scores
from metrics.core.similarity import region_sums
from metrics.core.undefined import nan_where_undefined, without_undefined
from metrics.faithfulness.regions import coalition_worth, no_regions


def naopc_searched(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    grid: int = 4,
    order: Order = "morf",
    fill: str = "blur",
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Normalised:
    """Where does the map's order of patches lie between the limits of a search? Higher is better.

    :func:`naopc` for faces without landmarks (Edin et al., "Normalized AOPC", 2024, who use a beam
    search). The limits are bounds from within, and not the true ones: at each step, a greedy search
    removes the patch whose loss costs the score most, or least. All maps share the search and its
    g⁴ − 1 passes for each face. So a map that beats the search scores more than 1, and one that is
    worse than the worst order found scores less than 0.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; patches are ordered by their mean.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    grid
        g, number of patches along each side, at least 2; pixel y belongs to patch ⌊y · g / H⌋, so
        sides need not be multiples of it.
    order
        ``morf`` removes the most relevant patch first, ``lerf`` the least relevant (then lower is
        better).
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed ties and random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Normalised
        ``value``, with the limits that were found; NaN for a map that is not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, the grid is out of range, or an option is none of
        its choices.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> quarters = torch.nn.Sequential(torch.nn.AvgPool3d((3, 8, 8)), torch.nn.Flatten())
    >>> names = ["happiness", "surprise", "sadness", "anger"]  # one for each quarter's brightness
    >>> model = FERModel(quarters, emotions=names, size=16)
    >>> images, targets = torch.ones(1, 3, 16, 16), torch.tensor([0])  # happiness
    >>> maps = torch.zeros(1, 16, 16)
    >>> maps[:, :8, :8] = 1  # the quarter that the logit of happiness depends on
    >>> naopc_searched(model, images, maps, targets, grid=2, fill="black").value
    tensor([1.])
    """
    cache = cache_of(model, images, ids=ids, seed=seed)
    check_maps(cache, maps)
    height, width = cache.images.shape[-2:]
    check_choice("order", order, ORDERS)
    check_choice("output", output, OUTPUTS)
    check_count("grid", grid, low=2)
    if grid > min(height, width):
        raise InputError(
            f"Expected a grid of at most {min(height, width)} patches a side, got {grid}."
        )
    cell = cells_of(height, width, grid)  # (H, W)
    scorer = _Patches(cache, cell.to(cache.predictor.device), targets, fill, output)
    found = torch.stack([scorer.searched(best=best) for best in (False, True)])
    lower, upper = found.aminmax(dim=0)  # where a greedy step misleads both, they cross
    flat = torch.nn.functional.one_hot(cell.flatten(), grid * grid).double()
    means = (without_undefined(maps).flatten(1).cpu().double() @ flat) / flat.sum(dim=0)
    ranks = rank_pixels(means[:, None], seed=cache.seed, ids=cache.ids)[:, 0].long()  # (B, g²)
    first = ranks if order == "morf" else grid * grid - 1 - ranks
    own = scorer.along(first, key=("path", cache.key_of(maps), order))
    return Normalised(aopc=nan_where_undefined(own, maps), lower=lower, upper=upper)


class _Patches:
    """Scores of faces without some of their patches."""

    def __init__(
        self, cache: ScoreCache, cell: Tensor, targets: Tensor, fill: str, output: Output
    ) -> None:
        self.cache, self.cell = cache, cell
        self.targets = check_targets(targets, len(cache))
        self.fill, self.output = fill, output
        self.patches = int(cell.max()) + 1
        ends = torch.stack([cache.clean(), cache.empty(fill)], dim=1)
        self.clean, empty = target_scores(cache, ends, targets, output).double().unbind(dim=1)
        self.most = self.clean - empty

    def losses(self, gone: Tensor, key: tuple[Any, ...]) -> Tensor:
        """Losses of score ``(B, n)`` without the patches of bool ``(B, n, patches)``."""
        held = gone.to(self.cell.device)
        logits = self.cache.ask(
            ("patches", self.patches, self.fill, *key),
            lambda faces, numbers: self.cache.blended(
                faces, held[faces, numbers][:, self.cell], self.fill
            ),
            copies=gone.shape[1],
        )
        scores = target_scores(self.cache, logits, self.targets, self.output)
        return self.clean[:, None] - scores.double()

    def along(self, first: Tensor, key: tuple[Any, ...]) -> Tensor:
        """Mean loss ``(B,)`` as patches go in the order of their ranks ``(B, patches)``."""
        counts = torch.arange(1, self.patches)
        gone = first[:, None] < counts[None, :, None]  # (B, patches − 1, patches)
        return (self.losses(gone, key).sum(dim=1) + self.most) / (self.patches + 1)

    def searched(self, *, best: bool) -> Tensor:
        """The mean loss ``(B,)`` of a greedy order, the steepest or the flattest."""
        n, total = len(self.clean), self.most.clone()
        gone = torch.zeros(n, self.patches, dtype=torch.bool)
        asked = (tuple(self.targets.tolist()), self.output)
        for step in range(self.patches - 1):
            left = (~gone).nonzero()[:, 1].reshape(n, self.patches - step)  # (B, m)
            tried = gone[:, None] | torch.nn.functional.one_hot(left, self.patches).bool()
            way = ("any",) if step == 0 else (best, *asked)  # the first is the same for both
            found = self.losses(tried, ("search", step, *way))
            value, place = found.max(dim=1) if best else found.min(dim=1)
            total += value
            gone[torch.arange(n), left[torch.arange(n), place]] = True
        return total / (self.patches + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalised:
    """Area over a perturbation curve, with the smallest and the largest area that orders reach.

    Attributes
    ----------
    aopc, lower, upper
        ``(B,)`` mean loss along the map's order, along the worst and along the best order: of all
        orders, or of those that a search found.

    Examples
    --------
    >>> aopc, lower, upper = torch.tensor([[0.3], [0.1], [0.5]])
    >>> Normalised(aopc=aopc, lower=lower, upper=upper).value
    tensor([0.5000])
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
    """Where does the map's order of regions lie between the worst and the best? Higher is better.

    The area over the perturbation curve (AOPC) compares maps of one model only, because models
    differ in how far their scores can fall (Edin et al., "Normalized AOPC", 2024). Regions are
    removed in the order of the map's mean over their pixels, with ties broken by seed; regions
    without pixels count as the least relevant. Both limits are exact: the best chain of subsets is
    found over all 2^R.

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
    order
        ``morf`` removes the most relevant region first, ``lerf`` the least relevant (then lower is
        better).
    fill
        Name of what replaces removed pixels: one of :data:`fer_xai.perturb.fills.FILLS`, or a fill
        of your own in the score cache (:class:`metrics.core.score_cache.ScoreCache`).
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed ties and random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Normalised
        ``value`` in [0, 1], with the exact limits; NaN for a face without regions, or a map that is
        not finite.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, regions are not bool, overlap or do not fit, or an
        option is none of its choices.

    Examples
    --------
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
    >>> naopc(model, images, maps, targets, regions, fill="black").value
    tensor([1.])
    >>> naopc(model, images, -maps, targets, regions, fill="black").value
    tensor([0.])
    """
    cache = cache_of(model, images, ids=ids, seed=seed, regions=regions)
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
    left = torch.cat([worth.new_zeros(len(worth), 1).long(), gone], dim=1).neg().add(2**k - 1)
    path = worth.gather(1, left)
    total = (path[:, :1] - path).sum(dim=1)
    lower, upper = _limits(worth)
    made = torch.where(no_regions(regions).cpu(), torch.nan, total / (k + 1))
    made = nan_where_undefined(made, maps)
    return Normalised(aopc=made, lower=lower / (k + 1), upper=upper / (k + 1))


def _limits(worth: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest Σ (v(all) − v(left)) over all orders in which players leave, ``(B,)``.

    The best chain to a subset ends with the best chain to that subset and one player more.
    So each of the 2^k subsets is visited once, the larger ones first.
    """
    k = worth.shape[1].bit_length() - 1
    loss = worth[:, -1:] - worth
    best, worst = loss.clone(), loss.clone()
    tables = ((best, torch.amax, -math.inf), (worst, torch.amin, math.inf))
    members = coalitions(k)
    sizes = members.sum(dim=1)
    for size in range(k - 1, -1, -1):
        here = (sizes == size).nonzero()[:, 0]
        # with one player more, where there is one
        before = torch.stack([here + (1 << player) for player in range(k)], dim=1)
        absent = ~members[here]
        at = torch.where(absent, before, 0)
        for table, extreme, nothing in tables:
            ways = torch.where(absent, table[:, at], nothing)  # (B, n, k)
            table[:, here] += extreme(ways, dim=2)
    return worst[:, 0], best[:, 0]


METRICS.register("naopc")(
    MetricSpec(
        name="naopc",
        fn=naopc,
        family="faithfulness",
        question=(
            "Where does the map's order of facial regions lie between the worst and the best of "
            "all orders?"
        ),
        higher_is_better=True,
        bounds=(0.0, 1.0),
        needs=("model", "images", "maps", "targets", "regions"),
        read="value",
        passes=(256, 0),
        reference="Edin et al. 2024, over facial regions",
    )
)
METRICS.register("naopc_searched")(
    MetricSpec(
        name="naopc_searched",
        fn=naopc_searched,
        family="faithfulness",
        question=(
            "Where does the map's order of 16 patches lie between the worst and the best order "
            "that a search found?"
        ),
        higher_is_better=True,
        bounds=(-math.inf, math.inf),
        needs=("model", "images", "maps", "targets"),
        read="value",
        passes=(256, 15),
        reference="Edin et al. 2024, over patches, with limits by greedy search",
    )
)
