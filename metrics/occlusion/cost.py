"""The cost of occlusion: the score that is lost with each region of the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_xai.checks import check_choice
from fer_xai.inference.predictor import Classifier, Predictor
from metrics.core.registry import METRICS, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.core.scores import OUTPUTS, Output, check_maps, score_losses
from metrics.core.undefined import nan_where_undefined, without_undefined
from metrics.occlusion.covering import Covering

ALIKE = 1e-6
"""Densities of a map that differ by less, relative to the largest, are equal."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OcclusionCost:
    """What it costs to hide each region of a face.

    Attributes
    ----------
    costs
        ``(B, R)`` score of the whole face less that with the region hidden; NaN for regions
        without a pixel.
    density
        ``(B, R)`` mean of the map over each region; NaN for regions without a pixel, and for maps
        that are not finite or were not handed in.

    Examples
    --------
    >>> costs, density = torch.tensor([[0.5, 0.1]]), torch.tensor([[1.0, 3.0]])
    >>> OcclusionCost(costs=costs, density=density).first
    tensor([0.1000])
    """

    costs: Tensor
    density: Tensor

    @property
    def first(self) -> Tensor:
        """``(B,)`` cost of the region where the map is densest; the mean over several such.

        NaN where the map is equally dense on all regions, and says nothing.
        """
        known = ~self.density.isnan()
        most = torch.where(known, self.density, -torch.inf).amax(dim=1, keepdim=True)  # (B, 1)
        least = torch.where(known, self.density, torch.inf).amin(dim=1, keepdim=True)
        near = ALIKE * torch.maximum(least.abs(), most.abs())
        ahead = known & (self.density >= most - near)
        mean = torch.where(ahead, self.costs, 0).sum(dim=1) / ahead.sum(dim=1)
        says = (most - least > near)[:, 0] & known.any(dim=1)
        return torch.where(says, mean, torch.nan)


def occlusion_cost(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor | None,
    targets: Tensor,
    regions: Tensor,
    *,
    occluded: Tensor | None = None,
    fill: str = "black",
    output: Output = "probability",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> OcclusionCost:
    """How much of the score is lost when a region of the face is hidden?

    For each region by itself, which is what a network loses by an occluder there (Zeiler & Fergus,
    ECCV 2014, section 4.2, with facial regions in place of a sliding square); and for the region
    that a map points to first, of which higher is better: hiding it should cost the most. Regions
    differ in area, so that a map points to where it is densest, and not to the largest.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; signed maps keep their sign. None if the costs alone are asked for.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    regions
        Bool ``(B, R, H, W)`` (:func:`fer_xai.landmarks.face_regions`), or ``(B, H, W)`` for one;
        they may overlap, and one that is empty for a face costs NaN there.
    occluded
        Images ``(B, R, 3, H, W)``, or ``(B, 3, H, W)``, that show the regions hidden, such as those
        of :func:`fer_xai.perturb.occlude`; by default the regions are filled.
    fill
        Name of what replaces removed pixels otherwise: one of
        :data:`fer_xai.perturb.fills.FILLS`, or a fill of your own in the score cache
        (:class:`metrics.core.score_cache.ScoreCache`).
    output
        Score of the target: ``probability``, ``logit`` or ``log_probability``.
    ids
        Names of the faces, which seed random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    OcclusionCost
        ``costs`` ``(B, R)``, and ``first`` ``(B,)`` of the region that the map points to.

    Raises
    ------
    InputError
        If maps, targets, regions or images do not fit, regions are not bool, or an option is none
        of its choices.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2, mean=[0] * 3, std=[1] * 3)
    >>> images, happiness = torch.ones(1, 3, 2, 2), torch.tensor([0])  # the left half's logit
    >>> left = torch.tensor([[1, 0], [1, 0]]) > 0
    >>> regions = torch.stack([left, ~left])[None]
    >>> found = occlusion_cost(model, images, ~left[None], happiness, regions, output="logit")
    >>> found.costs, found.first  # the map points to the right half
    (tensor([[1., 0.]]), tensor([0.]))
    """
    check_choice("output", output, OUTPUTS)
    cache = cache_of(model, images, ids=ids, seed=seed, regions=_for_fills(regions))
    covering = Covering(cache, regions, occluded=occluded, fill=fill)
    density = torch.full(covering.empty.shape, torch.nan, dtype=torch.float64)
    if maps is not None:
        check_maps(cache, maps)
        density = _density(maps.detach().cpu(), covering.regions)
    costs = score_losses(cache, covering.logits(), targets, output).float()
    return OcclusionCost(costs=torch.where(covering.empty, torch.nan, costs), density=density)


def _density(maps: Tensor, regions: Tensor) -> Tensor:
    """Mean ``(B, R)`` of each map over each region; NaN for maps that are not finite."""
    inside = regions.flatten(2).double()
    sums = torch.einsum("bp,brp->br", without_undefined(maps).flatten(1).double(), inside)
    return nan_where_undefined((sums / inside.sum(dim=2)), maps)


def _for_fills(regions: object) -> Tensor | None:
    """Regions that a fill such as ``skin`` may be made of; the covering refuses what is none."""
    return regions if isinstance(regions, Tensor) and regions.ndim == 4 else None


METRICS.register("occlusion_cost")(
    MetricSpec(
        name="occlusion_cost",
        fn=occlusion_cost,
        family="occlusion",
        question=(
            "How much of the target's probability is lost when the facial region that the map "
            "points to is covered in black?"
        ),
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        needs=("model", "images", "maps", "targets", "regions"),
        read="first",
        passes=(9, 0),
        reference="Zeiler & Fergus, ECCV 2014, sec. 4.2, over facial regions",
    )
)
