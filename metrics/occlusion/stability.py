"""The map under occlusion: does it stay where it was, or move onto the occluder?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from fer_xai.checks import check_choice
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Classifier, Predictor
from fer_xai.landmarks import REGIONS
from fer_xai.types import undefined_maps
from metrics.core.pixel_order import average_ranks, levels_of
from metrics.core.reexplaining import checked_maps, explained
from metrics.core.registry import METRICS, Explain, MetricSpec
from metrics.core.score_cache import ScoreCache, cache_of
from metrics.occlusion.covering import Covering

FEATURES = ("brows", "eyes", "nose", "mouth")
"""Regions that sunglasses, masks and hands hide."""
MapLikeness = Literal["pearson", "spearman"]


@dataclass(frozen=True, kw_only=True, eq=False)
class OcclusionStability:
    """Maps of faces before and after each of R regions was hidden.

    NaN where a region has no pixel, and where a map is not finite.

    Attributes
    ----------
    likeness
        ``(B, R)`` similarity of the two maps over the pixels that are not hidden; NaN where either
        is constant on them.
    stays
        Bool ``(B, R)``: whether the prediction is that for the whole face.
    before, after
        ``(B, R)`` share of the map's positive mass that lies on the region; NaN for maps without.
    areas
        ``(B, R)`` share of the image's pixels that are hidden.

    Examples
    --------
    >>> values = torch.tensor([[0.5, 0.9]])
    >>> found = OcclusionStability(
    ...     likeness=values,
    ...     stays=torch.tensor([[False, True]]),
    ...     before=values / 2,
    ...     after=values,
    ...     areas=torch.tensor([[0.25, 0.25]]),
    ... )
    >>> found.drift, found.drift_kept, found.mass, found.gain
    (tensor([0.7000]), tensor([0.9000]), tensor([0.3500]), tensor([1.4000]))
    """

    likeness: Tensor
    stays: Tensor
    before: Tensor
    after: Tensor
    areas: Tensor

    @property
    def drift(self) -> Tensor:
        """``(B,)`` mean likeness over the regions: 1 for a map that does not drift at all."""
        return self.likeness.nanmean(dim=1)

    @property
    def drift_kept(self) -> Tensor:
        """``(B,)`` mean likeness over the regions without which the prediction stays.

        NaN for a face whose prediction changes with each.
        """
        return torch.where(self.stays, self.likeness, torch.nan).nanmean(dim=1)

    @property
    def mass(self) -> Tensor:
        """``(B,)`` share of the map's mass that moves onto a region when it is hidden, in mean."""
        return (self.after - self.before).nanmean(dim=1)

    @property
    def gain(self) -> Tensor:
        """``(B,)`` the same, relative to the region's share of the image."""
        return ((self.after - self.before) / self.areas).nanmean(dim=1)


def occlusion_stability(
    model: Classifier | Predictor | ScoreCache,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    regions: Tensor,
    *,
    explain: Explain,
    only: Sequence[str] | None = None,
    occluded: Tensor | None = None,
    fill: str = "black",
    similarity: MapLikeness = "pearson",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> OcclusionStability:
    """Does the map stay where it was when a region of the face is hidden?

    Maps are made again for each hidden region and the same targets, whatever is predicted for the
    occluded face: explain the clean face's prediction to ask for that. The likeness is over the
    pixels that are not hidden, of all faces and of those whose prediction stays, since a map of
    another decision may well differ. A method that ignores the image is perfectly stable, and a
    network that reacts to an occluder deserves a map that shows it: neither is a merit by itself.

    Parameters
    ----------
    model
        A classifier, a predictor of one, or a score cache of these images, which metrics share.
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``, made by ``explain``.
    targets
        ``(B,)`` canonical emotion indices, positions in :data:`fer_xai.emotions.EMOTIONS`.
    regions
        Bool ``(B, R, H, W)`` (:func:`fer_xai.landmarks.face_regions`), or ``(B, H, W)`` for one;
        they may overlap, and one that is empty for a face is NaN there.
    explain
        Callable that makes maps of a network (:class:`metrics.core.registry.Explain`).
    only
        Names of :data:`fer_xai.landmarks.REGIONS` that are hidden, if regions are those; all by
        default.
    occluded
        Images ``(B, R, 3, H, W)``, or ``(B, 3, H, W)``, that show the regions hidden, such as those
        of :func:`fer_xai.perturb.occlude`; by default the regions are filled.
    fill
        Name of what replaces removed pixels otherwise: one of
        :data:`fer_xai.perturb.fills.FILLS`, or a fill of your own in the score cache
        (:class:`metrics.core.score_cache.ScoreCache`).
    similarity
        ``pearson`` or ``spearman`` (ties have their mean rank, after quantising).
    ids
        Names of the faces, which seed random fills; their positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    OcclusionStability
        ``likeness``, ``stays``, ``before`` and ``after`` ``(B, R)``; ``drift``, ``drift_kept``,
        ``mass`` and ``gain`` ``(B,)``.

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
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> images, targets = torch.rand(1, 3, 2, 2), torch.tensor([0])
    >>> left = torch.tensor([[[True, False], [True, False]]])
    >>> def darkness(model, images, targets, ids):
    ...     return 1 - images.mean(dim=1)
    >>> maps = darkness(model, images, targets, ["a"])
    >>> found = occlusion_stability(model, images, maps, targets, left, explain=darkness)
    >>> bool(found.mass > 0), found.drift  # black is dark, and the other half stays
    (True, tensor([1.]))
    """
    check_choice("similarity", similarity, get_args(MapLikeness))
    for_fills = regions if isinstance(regions, Tensor) and regions.ndim == 4 else None
    cache = cache_of(model, images, ids=ids, seed=seed, regions=for_fills)
    own = checked_maps(cache, maps)
    covering = Covering(cache, regions, occluded=occluded, fill=fill)
    chosen = _chosen(only, covering.regions.shape[1])  # (K,)
    hidden, logits = covering.regions[:, chosen], covering.logits()[:, chosen]
    shape = hidden.shape[:2]
    likeness, before, after = (torch.full(shape, torch.nan) for _ in range(3))
    for faces, numbers, found in explained(
        cache,
        explain,
        cache.predictor.model,
        targets,
        change=lambda rows, k: covering.images(rows, chosen.to(k.device)[k]),
        copies=len(chosen),
    ):
        gone, first = hidden[faces, numbers], own[faces]
        likeness[faces, numbers] = likeness_outside(first, found, gone, similarity=similarity)
        before[faces, numbers] = share_inside(first, gone)
        after[faces, numbers] = share_inside(found, gone)
    empty = covering.empty[:, chosen]
    return OcclusionStability(
        likeness=torch.where(empty, torch.nan, likeness),
        stays=logits.argmax(dim=2) == cache.clean().argmax(dim=1)[:, None],
        before=torch.where(empty, torch.nan, before),
        after=torch.where(empty, torch.nan, after),
        areas=hidden.flatten(2).float().mean(dim=2),
    )


def likeness_outside(
    first: Tensor, second: Tensor, hidden: Tensor, *, similarity: MapLikeness = "pearson"
) -> Tensor:
    """How alike are two maps of a face over the pixels that are not hidden? Higher is more alike.

    Parameters
    ----------
    first, second
        ``(B, H, W)``.
    hidden
        Bool ``(B, H, W)``: pixels that do not count.
    similarity
        ``pearson`` or ``spearman``.

    Returns
    -------
    Tensor
        ``(B,)`` float32 in [−1, 1]; NaN where a map is constant on these pixels, or not finite
        anywhere.

    Examples
    --------
    >>> first = torch.tensor([[[0.0, 1.0, 2.0, 9.0]]])
    >>> second, hidden = torch.tensor([[[0.0, 1.0, 2.0, -9.0]]]), first > 5
    >>> likeness_outside(first, second, hidden), likeness_outside(first, second, hidden & False)
    (tensor([1.]), tensor([-0.9348]))
    """
    kept = ~hidden.flatten(1).cpu()
    one, other = (_unit_rows(maps, kept, similarity) for maps in (first, second))
    return (one * other).sum(dim=1).clamp(-1, 1).float()


def share_inside(maps: Tensor, hidden: Tensor) -> Tensor:
    """Share of a map's positive mass that lies on some pixels.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    hidden
        Bool ``(B, H, W)``.

    Returns
    -------
    Tensor
        ``(B,)`` float32 in [0, 1]; NaN for maps that are nowhere positive, or not finite.

    Examples
    --------
    >>> maps = torch.tensor([[[1.0, 3.0, -2.0]], [[0.0, -1.0, 0.0]]])
    >>> share_inside(maps, maps > 2)
    tensor([0.7500,    nan])
    """
    positive = maps.cpu().double().clamp(min=0)
    inside = torch.where(hidden.cpu(), positive, 0).flatten(1).sum(dim=1)
    share = inside / positive.flatten(1).sum(dim=1)
    return torch.where(undefined_maps(maps).cpu(), torch.nan, share).float()


def _unit_rows(maps: Tensor, kept: Tensor, similarity: MapLikeness) -> Tensor:
    """Centred rows ``(B, P)`` of length 1 over the pixels that are kept, zero elsewhere."""
    undefined = undefined_maps(maps).cpu()[:, None]
    rows = torch.where(kept & ~undefined, maps.cpu().double().flatten(1), 0)
    if similarity == "spearman":
        levels = torch.where(kept, levels_of(rows), torch.inf)  # the others come last
        rows = torch.where(kept, average_ranks(levels), 0)
    count = kept.sum(dim=1, keepdim=True)
    scale = rows.abs().amax(dim=1, keepdim=True)
    centred = torch.where(kept, rows - rows.sum(dim=1, keepdim=True) / count, 0)
    norm = centred.norm(dim=1, keepdim=True)
    empty = undefined | (norm <= 1e-6 * scale * count**0.5)
    return torch.where(empty, torch.nan, centred / norm)


def _chosen(only: Sequence[str] | None, count: int) -> Tensor:
    """Positions of the regions that are hidden."""
    if only is None:
        return torch.arange(count)
    if count != len(REGIONS):
        raise InputError(
            f"Expected the {len(REGIONS)} regions of face_regions to choose some by name, got "
            f"{count}: hand in those that are hidden, without `only`."
        )
    if isinstance(only, str) or not only:
        raise InputError(f"Expected names of regions in a list, got {only!r}.")
    for name in only:
        check_choice("regions", name, REGIONS)
    return torch.tensor([REGIONS.index(name) for name in only])


_HIDDEN = "when brows, eyes, nose or mouth are covered in black?"
_SOURCE = "Difference of shares of the map's positive mass"
for _name, _question, _read, _higher, _bounds, _reference in (
    (
        "occlusion_drift",
        f"How similar does the map stay, on all other pixels, {_HIDDEN}",
        "drift",
        True,
        (-1.0, 1.0),
        "Pearson's correlation over the pixels that are not hidden",
    ),
    (
        "occlusion_drift_kept",
        f"How similar does the map stay, if the prediction does, {_HIDDEN}",
        "drift_kept",
        True,
        (-1.0, 1.0),
        "Pearson's correlation over the pixels that are not hidden",
    ),
    (
        "occlusion_mass",
        f"Which share of the map moves onto the occluder {_HIDDEN}",
        "mass",
        None,
        (-1.0, 1.0),
        _SOURCE,
    ),
    (
        "occlusion_mass_gain",
        f"Which share of the map, over that of the image, moves onto the occluder {_HIDDEN}",
        "gain",
        None,
        (-math.inf, math.inf),
        f"{_SOURCE}, over the share of the image",
    ),
):
    METRICS.register(_name)(
        MetricSpec(
            name=_name,
            fn=occlusion_stability,
            family="occlusion",
            question=_question,
            higher_is_better=_higher,
            bounds=_bounds,
            needs=("model", "images", "maps", "targets", "explain", "regions"),
            options={"only": FEATURES},
            read=_read,
            reference=_reference,
        )
    )
