"""Shares of maps in areas, what chance would give, and what covering an area costs."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.attributions.controls import ControlInputs, control_maps
from fer_xai.describe.words import OTHERS
from fer_xai.draws.streams import stream, streams
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import AREAS
from fer_xai.perturb.fills import Fill

LEAST_SHARE = 0.1
"""Smallest share of a map that is spoken of."""
LEAST_MAPS = 6
"""Fewest maps of which the others make an average."""
_OVERLAP = 0.1


def within(unit: Tensor, areas: Tensor) -> Tensor:
    """Shares ``(B, A)`` of maps ``(B, S, S)`` whose values sum to 1.

    Examples
    --------
    >>> areas = torch.tensor([[[[True, False], [True, False]]]])
    >>> within(torch.full((1, 2, 2), 0.25), areas)
    tensor([[0.5000]])
    """
    return (unit[:, None] * areas).flatten(2).sum(dim=2)


def floors_of(unit: Tensor, defined: Tensor, areas: Tensor, average: Tensor | None) -> Tensor:
    """Shares ``(B, 3, A)`` by area, by the centre, and by the mean of other faces' maps.

    Parameters
    ----------
    unit
        ``(B, S, S)`` maps whose values sum to 1.
    defined
        Bool ``(B,)``: maps that have positive values.
    areas
        Bool ``(B, A, S, S)``.
    average
        ``(S, S)`` mean map of other faces, or None for that of the others among these.

    Raises
    ------
    InputError
        If the average is of another size, or nowhere above zero.

    Examples
    --------
    >>> areas = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    >>> floors_of(torch.full((1, 8, 8), 1 / 64), torch.tensor([True]), areas, None)[0, :, 0]
    tensor([1.0000, 1.0000,    nan])
    """
    n, side = len(unit), unit.shape[-1]
    centre = control_maps(
        "centre",
        ControlInputs(
            maps=torch.zeros(1, 1, side, side),
            labels=torch.zeros(1, dtype=torch.int64),
            ids=["the centre"],
            pixels=torch.zeros(1, 3, side, side, dtype=torch.uint8),
            seed=0,
        ),
    )[0]
    by_area = areas.flatten(2).float().mean(dim=2)
    by_centre = within(centre / centre.sum(), areas)
    others = torch.full_like(by_area, torch.nan)
    if average is not None:
        given = average.detach().cpu().float().clamp(min=0)
        if given.shape != (side, side) or not float(given.sum()) > 0:
            raise InputError(
                f"Expected an average map ({side}, {side}) with values above zero, got "
                f"{tuple(average.shape)}: average maps of the same size."
            )
        others = within(given[None] / given.sum(), areas)
    elif int(defined.sum()) >= LEAST_MAPS:
        kept = torch.where(defined[:, None, None], unit, 0)
        rest = (kept.sum(dim=0) - kept) / (defined.sum() - defined.int())[:, None, None]
        others = within(rest, areas)
    return torch.stack([by_area, by_centre.expand(n, -1), others], dim=1)


def standing_out(
    share: Tensor, floors: Tensor, areas: Tensor, *, gain: float, most: int
) -> list[int]:
    """Areas whose share beats every floor, by falling excess, hardly overlapping.

    Parameters
    ----------
    share
        ``(A,)`` of one face's map.
    floors
        ``(3, A)`` of :func:`floors_of`.
    areas
        Bool ``(A, S, S)``.
    gain, most
        As for :func:`fer_xai.describe`.

    Examples
    --------
    >>> areas = torch.eye(2, dtype=torch.bool)[:, None]  # two areas of one pixel each
    >>> floors = torch.full((3, 2), 0.5)
    >>> standing_out(torch.tensor([0.1, 0.9]), floors, areas, gain=1.5, most=2)
    [1]
    """
    floor = floors.nan_to_num(nan=0.0).amax(dim=0)  # (A,)
    stands = (share >= LEAST_SHARE) & (share >= gain * floor * (1 + 1e-4))
    chosen: list[int] = []
    for area in (share - floor).argsort(descending=True).tolist():
        here = areas[area]
        apart = all(
            int((here & areas[other]).sum())
            <= _OVERLAP * min(int(here.sum()), int(areas[other].sum()))
            for other in chosen
        )
        if bool(stands[area]) and apart and len(chosen) < most:
            chosen.append(area)
    return chosen


def costs(
    predictor: Predictor,
    image: Tensor,
    areas: Tensor,
    area: int,
    *,
    target: int,
    fill: Fill,
    key: tuple[int, str],
) -> tuple[float, float] | None:
    """Probability lost by covering an area, and the most by a patch as large elsewhere.

    A patch elsewhere is made of those pixels of the face outside of the area that lie nearest to a
    random one of them. It has as many pixels as the area.

    Parameters
    ----------
    predictor
        The network.
    image
        ``(3, S, S)`` of one face.
    areas
        Bool ``(A, S, S)``, in the order of :data:`fer_xai.landmarks.AREAS`.
    area
        Number of the one that is covered.
    target
        Canonical emotion whose probability is looked at.
    fill
        What it is covered with.
    key
        Seed, and name of the face.

    Returns
    -------
    tuple of float, or None
        None where the face has fewer pixels outside of the area than the area has.

    Examples
    --------
    >>> costs.__name__
    'costs'
    """
    inside = areas[area]
    side, count = inside.shape[-1], int(inside.sum())
    free = (~inside & ~areas[AREAS.index("off_face")]).flatten()
    places = free.nonzero()[:, 0]
    if len(places) < max(count, 1):
        return None
    drawn = places[stream(*key, AREAS[area], "elsewhere").randint(len(places), OTHERS)]
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    far = (x.flatten() - (drawn % side)[:, None]) ** 2 + (
        y.flatten() - (drawn // side)[:, None]
    ) ** 2
    far = far.masked_fill(~free, 4 * side * side)
    nearest = far.sort(dim=1, stable=True).indices[:, :count]
    patches = torch.zeros(OTHERS, side * side, dtype=torch.bool).scatter_(1, nearest, True)
    masks = torch.cat([inside[None], patches.reshape(OTHERS, side, side)])
    faces = image.expand(1 + OTHERS, -1, -1, -1)
    sources = streams([(*key, "fill")] * (1 + OTHERS)) if fill.random else None
    covered = fill.blend(faces, masks, generators=sources)
    logits = predictor.logits(torch.cat([image[None], covered]))
    column = int(predictor.model.columns(torch.tensor([target]))[0])
    scores = logits.softmax(dim=1)[:, column]
    lost = scores[0] - scores[1:]
    return float(lost[0]), float(lost[1:].max())
