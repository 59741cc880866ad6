"""Robustness: does the map move when the image hardly changes, or only the seed does?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from fer_xai.checks import check_count, check_number
from fer_xai.draws.streams import Streams
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.reexplaining import checked_maps, explained, seeded_images
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.similarity import Likeness, comparable, compared
from metrics.core.undefined import nan_where_undefined


@dataclass(frozen=True, kw_only=True, eq=False)
class Stability:
    """How far maps move under small changes of the image.

    All values come from the same perturbed maps.

    Attributes
    ----------
    norms
        ``(B,)`` ‖φ(x)‖₂; NaN for maps that are zero or not finite, which have no score.
    moves
        ``(B, n)`` ‖φ(x + δ) − φ(x)‖₂; NaN where either map is not finite.
    offsets
        ``(B, n)`` ‖δ‖₂, over all channels and pixels.

    Examples
    --------
    >>> norms, moves = torch.tensor([2.0]), torch.tensor([[0.5, 1.0]])
    >>> found = Stability(norms=norms, moves=moves, offsets=torch.tensor([[0.1, 0.5]]))
    >>> found.max, found.mean, found.lipschitz
    (tensor([0.5000]), tensor([0.3750]), tensor([5.]))
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
        """``(B,)`` mean of ‖φ(x + δ) − φ(x)‖ / ‖φ(x)‖ (Bhatt et al., IJCAI 2020)."""
        return (self.moves / self.norms[:, None]).mean(dim=1).float()

    @property
    def lipschitz(self) -> Tensor:
        """``(B,)`` largest ‖φ(x + δ) − φ(x)‖ / ‖δ‖.

        Alvarez-Melis & Jaakkola, "On the robustness of interpretability methods", 2018. It grows
        with the map's scale, so it compares faces of one method and not methods.
        """
        ratio = (self.moves / self.offsets).amax(dim=1).float()
        return torch.where(self.norms.isnan(), torch.nan, ratio)

    @property
    def blank(self) -> int:
        """Number of faces without a defined map."""
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
    """How far does the map move when the image hardly changes? Lower is better.

    Each pixel of each channel is moved by δ ~ U(−r, r), and the image is clamped to [0, 1], which
    makes δ smaller at black and white; ‖δ‖ is the clamped change. Captum's ``sensitivity_max``
    gives the same maximum for the same perturbed images, except that it gives 0 where the map is
    zero and stays so. A method with randomness of its own gets the same seed for a face and its
    copies. A method that ignores the image is perfectly stable: stability alone is no merit.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`; they
        stay the same, whatever is predicted for the copies.
    explain
        Callable that makes maps of a network (:class:`metrics.core.registry.Explain`).
    radius
        r, in units of [0, 1]; above 0.
    samples
        n, number of copies of each face.
    ids
        Names of the faces, which seed the changes; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Stability
        ``max``, ``mean`` and ``lipschitz``, ``(B,)`` each.

    Raises
    ------
    InputError
        If maps or targets do not fit the images, there are no samples, or the radius is not
        positive.

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
    >>> found = stability(model, images, maps, targets, explain, samples=3)
    >>> bool((found.mean <= found.max).all())
    True
    """
    check_count("samples", samples)
    check_number("radius", radius, 0)
    cache = cache_of(model, images, ids=ids, seed=seed)
    own = checked_maps(cache, maps).double()
    offsets = torch.zeros(len(cache), samples, dtype=torch.float64)
    moves = torch.zeros(len(cache), samples, dtype=torch.float64)

    def change(faces: Tensor, numbers: Tensor) -> Tensor:
        draws = seeded_images(cache, faces, numbers, salt="stability", draw=Streams.rand)
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
    """Are maps of a face that differ by the seed alone the same? Higher is better.

    The seed is that of the method (RISE, LIME, SmoothGrad, …) or of the training; the caller makes
    the maps.

    Parameters
    ----------
    maps_by_seed
        ``(S, N, H, W)``: S seeds, at least two.
    similarity
        ``spearman``, ``pearson`` or ``ssim`` (:func:`~metrics.core.similarity.map_similarity`).
    absolute
        Whether maps lose their sign first.

    Returns
    -------
    Tensor
        ``(N,)`` mean over the pairs of seeds for which both maps are defined; NaN if there is none.

    Raises
    ------
    InputError
        If there is only one seed, maps are not ``(S, N, H, W)``, or the similarity is unknown.

    Examples
    --------
    >>> maps = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> seed_agreement(torch.cat([maps, 2 * maps, -maps]))
    tensor([-0.3333])
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
