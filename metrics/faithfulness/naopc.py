"""Limits of a perturbation curve over patches, found by search where all orders are too many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fer_xai.checks import check_choice, check_count, check_targets
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.pixel_order import ORDERS, Order, rank_pixels
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, target_scores
from metrics.core.undefined import nan_where_undefined, without_undefined
from metrics.faithfulness.infidelity import cells_of
from metrics.faithfulness.regions import Normalised

GRID = 4
"""Patches a side."""


def naopc_searched(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    grid: int = GRID,
    order: Order = "morf",
    fill: str = "blur",
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Normalised:
    """Area over the perturbation curve of patches, between limits that a search has found.

    As :func:`metrics.faithfulness.regions.naopc`, for faces without landmarks (Edin et al.,
    "Normalized AOPC", 2024, who search with a beam). The limits are no true ones but bounds from
    within: a greedy search takes at each step the patch without which the score falls furthest, or
    least. They are the same for all maps, which share the search's g⁴ − 1 passes a face; so a map
    that beats the search has more than 1, and one worse than the worst found has less than 0.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images, which other metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; patches are taken by their mean, ties by seed.
    targets
        ``(B,)`` canonical emotion indices.
    grid
        g, patches a side; pixel y belongs to patch ⌊y · g / H⌋, so sides need not divide.
    order
        ``morf`` (higher is better) or ``lerf`` (lower is).
    fill
        What stands in a patch's place.
    output
        Probability, logit or log-probability of the target.
    ids, seed
        Of ties and random fills.

    Returns
    -------
    Normalised
        With the limits that were found; NaN for a map that is not finite.

    Raises
    ------
    InputError
        For maps or targets that do not fit, or a grid of fewer than two or too many patches a side.
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
        """What is lost, ``(B, n)``, without bool ``(B, n, patches)``."""
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


NAOPC_SEARCHED = METRICS.register("naopc_searched")(
    MetricSpec(
        name="naopc_searched",
        fn=naopc_searched,
        family="faithfulness",
        higher_is_better=True,
        bounds=(-math.inf, math.inf),
        needs=("model", "images", "maps", "targets"),
        read="value",
        reference="Edin et al. 2024, over patches, limits by greedy search",
    )
)
