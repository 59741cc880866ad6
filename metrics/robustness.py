"""Robustness: does the map move when the image hardly does, or when only the seed changes?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from fer_xai.checks import check_count, check_number
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.reexplaining import checked_maps, explained, seeded_images
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.similarity import Likeness, comparable, compared
from metrics.core.undefined import nan_where_undefined


@dataclass(frozen=True, kw_only=True, eq=False)
class Stability:
    """How far maps move under small changes of the image; all from the same perturbed maps.

    Attributes
    ----------
    norms
        ``(B,)`` ‖φ(x)‖₂; NaN for maps of zeros and those that are not finite, of which nothing is
        said.
    moves
        ``(B, n)`` ‖φ(x + δ) − φ(x)‖₂; NaN where either map is not finite.
    offsets
        ``(B, n)`` ‖δ‖₂, over all channels and pixels.
    """

    norms: Tensor
    moves: Tensor
    offsets: Tensor

    @property
    def max(self) -> Tensor:
        """``(B,)`` largest ‖φ(x + δ) − φ(x)‖ / ‖φ(x)‖ (Yeh et al., NeurIPS 2019)."""
        return (self.moves / self.norms[:, None]).amax(dim=1).float()

    @property
    def mean(self) -> Tensor:
        """``(B,)`` its mean (average sensitivity, Bhatt et al., IJCAI 2020)."""
        return (self.moves / self.norms[:, None]).mean(dim=1).float()

    @property
    def lipschitz(self) -> Tensor:
        """``(B,)`` largest ‖φ(x + δ) − φ(x)‖ / ‖δ‖ (Alvarez-Melis & Jaakkola, "On the
        robustness of interpretability methods", 2018).

        It grows with the map's scale, so it compares faces of one method and not methods.
        """
        ratio = (self.moves / self.offsets).amax(dim=1).float()
        return torch.where(self.norms.isnan(), torch.nan, ratio)

    @property
    def blank(self) -> int:
        """Faces without a defined map."""
        return int(self.norms.isnan().sum())


def stability(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    explain: Explain,
    *,
    radius: float = 0.02,
    samples: int = 10,
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Stability:
    """How far does the map move when the image hardly does? Lower is steadier.

    Each pixel of each channel is moved by δ ~ U(−r, r), and the image clamped to [0, 1], which
    leaves δ smaller at black and white; ‖δ‖ is what is left. Captum's ``sensitivity_max`` gives
    the same maximum for the same perturbed images, but 0 where the map is zero and stays so. A
    method with randomness of its own has it alike for a face and its copies, and one that ignores
    the image is perfectly steady: steadiness alone is no merit.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a cache of these images.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices: they stay, whatever is predicted for the copies.
    explain
        Makes maps of changed faces (:class:`metrics.core.registry.Explain`).
    radius
        r, in units of [0, 1].
    samples
        n, copies a face.
    ids, seed
        Of the copies.

    Returns
    -------
    Stability
        With ``max``, ``mean`` and ``lipschitz``, a value a face.

    Raises
    ------
    InputError
        For maps or targets that do not fit, no samples, or a radius that is not positive.
    """
    check_count("samples", samples)
    check_number("radius", radius, 0)
    cache = cache_of(model, images, ids=ids, seed=seed)
    own = checked_maps(cache, maps).double()
    offsets = torch.zeros(len(cache), samples, dtype=torch.float64)
    moves = torch.zeros(len(cache), samples, dtype=torch.float64)

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        draws = seeded_images(cache, faces, numbers, salt="stability", draw=torch.rand)
        clean = cache.images[faces]
        moved = (clean + radius * (2 * draws - 1)).clamp(0, 1)
        offsets[faces.cpu(), numbers.cpu()] = (moved - clean).cpu().double().flatten(1).norm(dim=1)
        return moved

    for faces, numbers, found in explained(
        cache, explain, cache.predictor.model, targets, change=change, copies=samples
    ):
        moves[faces, numbers] = (found.double() - own[faces]).flatten(1).norm(dim=1)
    norms = nan_where_undefined(own.flatten(1).norm(dim=1), own)
    return Stability(
        norms=torch.where((norms > 0) & norms.isfinite(), norms, torch.nan),
        moves=torch.where(moves.isfinite(), moves, torch.nan),
        offsets=offsets,
    )


def seed_agreement(
    maps_by_seed: Tensor, *, similarity: Likeness = "spearman", absolute: bool = False
) -> Tensor:
    """Do maps of a face that differ by the seed alone say the same? Higher is better.

    The seed of the method (RISE, LIME, SmoothGrad, …) or of the training, as the caller made them.

    Parameters
    ----------
    maps_by_seed
        ``(S, N, H, W)``: S seeds, at least two.
    similarity, absolute
        As in :func:`~metrics.core.similarity.map_similarity`.

    Returns
    -------
    Tensor
        ``(N,)`` mean over the pairs of seeds of which both maps are defined; NaN if none is.

    Raises
    ------
    InputError
        For one seed, or maps that are not ``(S, N, H, W)``.
    """
    if maps_by_seed.ndim != 4 or len(maps_by_seed) < 2:
        raise InputError(
            f"Expected maps (S, N, H, W) of at least two seeds, got {tuple(maps_by_seed.shape)}."
        )
    made = [comparable(maps, similarity, absolute=absolute) for maps in maps_by_seed]
    pairs = [compared(one, other, similarity) for one, other in combinations(made, 2)]
    return torch.stack(pairs).nanmean(dim=0)


METRICS.register("sensitivity_max")(
    MetricSpec(
        name="sensitivity_max",
        fn=stability,
        family="robustness",
        question=(
            "How far, relative to its length, does the map move at most when the face changes by "
            "±0.02?"
        ),
        higher_is_better=False,
        bounds=(0.0, math.inf),
        needs=("model", "images", "maps", "targets", "explain"),
        read="max",
        sign_blind=True,
        reference="Yeh et al., NeurIPS 2019",
    )
)
METRICS.register("sensitivity_mean")(
    MetricSpec(
        name="sensitivity_mean",
        fn=stability,
        family="robustness",
        question=(
            "How far, relative to its length, does the map move on average when the face changes "
            "by ±0.02?"
        ),
        higher_is_better=False,
        bounds=(0.0, math.inf),
        needs=("model", "images", "maps", "targets", "explain"),
        read="mean",
        sign_blind=True,
        reference="Bhatt et al., IJCAI 2020",
    )
)
METRICS.register("local_lipschitz")(
    MetricSpec(
        name="local_lipschitz",
        fn=stability,
        family="robustness",
        question="How far does the map move, at most, per unit of change of the face?",
        higher_is_better=False,
        bounds=(0.0, math.inf),
        needs=("model", "images", "maps", "targets", "explain"),
        read="lipschitz",
        sign_blind=True,
        reference="Alvarez-Melis & Jaakkola, arXiv 1806.08049",
    )
)
