"""Cells of a grid that are hidden, the most relevant first or at random, as in Latent-OFER."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_xai.checks import check_count, check_images, check_number, check_tensor, names_of_images
from fer_xai.draws.streams import streams
from fer_xai.errors import InputError
from fer_xai.perturb.fills import fill_named
from fer_xai.perturb.occluders.core import Occluded

GRID = 14
"""Cells on a side, as the patches of a vision transformer on 224 pixels."""
_LEVELS = 2**16


def guided_patches(
    images: Tensor,
    maps: Tensor,
    *,
    share: float,
    grid: int = GRID,
    fill: str = "black",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Occluded:
    """Faces whose most relevant cells are hidden, by an attribution's mean over each cell.

    Lee et al., "Latent-OFER", ICCV 2023 (arXiv 2307.11404), hide a share of 14×14 patches, at
    random or guided by Grad-CAM. :func:`random_patches` is the other half of the comparison: for a
    seed it hides exactly as many pixels of each face, and the very same ones for a constant map.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    maps
        ``(B, H, W)``; signed maps keep their sign. A face whose map is not finite is left as it is
        and its mask is empty.
    share
        Share of the cells that are hidden, above 0 and below 1, rounded to whole cells. Where the
        grid does not divide the image's sides the last cell is hidden in part, so that the number
        of pixels is the same for every order of the cells.
    grid
        Cells on a side.
    fill
        Name of :data:`fer_xai.perturb.fills.FILLS` that shows in place of what is hidden.
    ids
        Names of the faces, which seed the order of cells that are alike, and random fills; their
        positions by default.
    seed
        Seed of the random generators.

    Returns
    -------
    Occluded
        The images, and bool masks ``(B, H, W)`` of what is hidden.

    Raises
    ------
    InputError
        If maps do not fit the images, or an option is out of range.

    Examples
    --------
    >>> maps = torch.zeros(1, 28, 28)
    >>> maps[0, :4, :2] = 1.0  # two cells
    >>> images, masks = guided_patches(torch.ones(1, 3, 28, 28), maps, share=2 / 196)
    >>> bool((masks == (maps > 0)).all()), float(images[0, 0, 0, 0])
    (True, 0.0)
    """
    check_images(images)
    check_tensor("maps", maps, "(B, H, W)")
    if maps.shape != (len(images), *images.shape[-2:]):
        raise InputError(
            f"Expected maps {(len(images), *images.shape[-2:])} to fit the images, got "
            f"{tuple(maps.shape)}: bring them to the images' size."
        )
    return _patched(images, maps, share=share, grid=grid, fill=fill, ids=ids, seed=seed)


def random_patches(
    images: Tensor,
    *,
    share: float,
    grid: int = GRID,
    fill: str = "black",
    ids: Sequence[str] | None = None,
    seed: int = 0,
) -> Occluded:
    """Faces of which cells of a grid are hidden at random.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    share, grid, fill
        As for :func:`guided_patches`.
    ids
        Names of the faces, which seed the order of the cells and random fills; their positions by
        default.
    seed
        Seed of the random generators.

    Returns
    -------
    Occluded
        The images, and bool masks ``(B, H, W)`` of what is hidden.

    Raises
    ------
    InputError
        If an option is out of range.

    Examples
    --------
    >>> _, masks = random_patches(torch.ones(2, 3, 28, 28), share=0.25, ids=["anna", "ben"])
    >>> masks.sum(dim=(1, 2))
    tensor([196, 196])
    """
    check_images(images)
    return _patched(images, None, share=share, grid=grid, fill=fill, ids=ids, seed=seed)


def _patched(
    images: Tensor,
    maps: Tensor | None,
    *,
    share: float,
    grid: int,
    fill: str,
    ids: Sequence[str] | None,
    seed: int,
) -> Occluded:
    check_number("the share of the cells", share, 0, 1)
    check_count("grid", grid)
    height, width = images.shape[-2:]
    if grid > min(height, width):
        raise InputError(
            f"Expected a grid of at most {min(height, width)} cells on a side of images "
            f"{tuple(images.shape)}, got {grid}."
        )
    chosen = fill_named(fill)
    if chosen.needs_regions:
        raise InputError(
            f"Expected a fill that needs no facial regions for patches, got {fill!r}: choose "
            "another one, such as mean."
        )
    names = names_of_images(ids, len(images))
    y, x = torch.arange(height) * grid // height, torch.arange(width) * grid // width
    cells = (y[:, None] * grid + x).flatten()  # (P,)
    count = grid * grid
    order = streams((seed, name, "patches") for name in names).randperm(count)  # (B, cells)
    if maps is not None:
        order = _guided(order, maps, cells, count)
    places = torch.empty_like(order).scatter_(1, order, torch.arange(count).expand_as(order))
    # a pixel's place in the order of cells, then within its cell
    keys = places[:, cells] * cells.numel() + torch.arange(cells.numel())
    hidden = round(round(share * count) / count * cells.numel())
    masks = torch.zeros(len(images), cells.numel(), dtype=torch.bool)
    if hidden:
        masks = keys <= keys.kthvalue(hidden, dim=1, keepdim=True).values
    if maps is not None:
        masks &= torch.isfinite(maps).flatten(1).all(dim=1).cpu()[:, None]
    gone = masks.reshape(len(images), height, width).to(images.device)
    own = streams((seed, name, f"fill {chosen.kind}") for name in names) if chosen.random else None
    return Occluded(chosen.blend(images, gone, generators=own), gone)


def _guided(order: Tensor, maps: Tensor, cells: Tensor, count: int) -> Tensor:
    """Cells ``(B, cells)`` by falling mean of the map; those that are alike in the given order."""
    values = torch.nan_to_num(maps.detach().cpu().double(), posinf=0.0, neginf=0.0).flatten(1)
    sums = torch.zeros(len(maps), count, dtype=torch.float64).index_add_(1, cells, values)
    means = sums / torch.bincount(cells, minlength=count)
    largest = means.abs().amax(dim=1, keepdim=True).clamp(min=1e-300)
    levels = (means / largest * _LEVELS).round().gather(1, order)
    return order.gather(1, levels.argsort(dim=1, descending=True, stable=True))
