"""Maps and areas as rows of pixels: what all metrics of alignment read of them, and refuse.

- A map is read by its **positive part**, max(φ, 0), relative to its largest value. So no score
  depends on the map's scale, and relevance against the emotion counts as none. Belharbi et al. (FG
  2024) clamp maps at zero before they are compared, and so does Grad-CAM.
- A map without a positive value (blank, or negative throughout), or not finite somewhere, says
  nothing that could lie anywhere: its scores are NaN, and not 0.
- An area that is the same at all pixels (empty, as of a face without landmarks, or the whole image)
  can be neither hit nor missed: its scores are NaN too, and so are those of areas with NaN.
- Ties are values within 2⁻¹⁶ of the largest (:func:`metrics.core.pixel_order.levels_of`), and what
  hangs on their order has its expected value over all orders: nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from fer_xai.checks import check_tensor
from fer_xai.errors import InputError
from metrics.core.undefined import as_doubles

Areas = TypeVar("Areas", Tensor, Mapping[str, Tensor])
"""Areas ``(B, H, W)``, or several of each face by name; scores come back in the same form."""
CHUNK = 128
"""Number of faces at a time, so that memory does not grow with their number."""
SLACK = 1e-4
"""Rounding that soft areas may leave [0, 1] by."""


def positive_rows(maps: Tensor) -> Tensor:
    """Positive parts of maps ``(B, H, W)`` over their largest values.

    Returns
    -------
    Tensor
        ``(B, P)`` float64 in [0, 1] on the CPU; NaN for maps without a positive value, or that are
        not finite.

    Raises
    ------
    InputError
        For anything but maps ``(B, H, W)``.

    Examples
    --------
    >>> positive_rows(torch.tensor([[[4.0, -1.0]], [[0.0, -1.0]]])).tolist()
    [[1.0, 0.0], [nan, nan]]
    """
    check_maps(maps)
    rows = as_doubles(maps.detach()).flatten(1).clamp(min=0)  # (B, P)
    top = rows.amax(dim=1, keepdim=True)
    return torch.where(top > 0, rows / top, torch.nan)


def signed_rows(maps: Tensor) -> Tensor:
    """Maps ``(B, H, W)`` with their sign, over their largest absolute values.

    Returns
    -------
    Tensor
        ``(B, P)`` float64 in [−1, 1] on the CPU; NaN for maps that are 0 throughout, or not finite.

    Raises
    ------
    InputError
        For anything but maps ``(B, H, W)``.

    Examples
    --------
    >>> signed_rows(torch.tensor([[[4.0, -1.0]], [[0.0, -1.0]], [[0.0, 0.0]]])).tolist()
    [[1.0, -0.25], [0.0, -1.0], [nan, nan]]
    """
    check_maps(maps)
    rows = as_doubles(maps.detach()).flatten(1)  # (B, P)
    top = rows.abs().amax(dim=1, keepdim=True)
    return torch.where((top > 0) & top.isfinite(), rows / top, torch.nan)


def check_maps(maps: Tensor) -> None:
    """Maps ``(B, H, W)`` of a pixel or more.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_maps(torch.ones(4, 4))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected maps (B, H, W), got (4, 4).
    """
    check_tensor("maps", maps, "(B, H, W)")
    if maps.ndim != 3:
        raise InputError(f"Expected maps (B, H, W), got {tuple(maps.shape)}.")
    if not maps.shape[1] * maps.shape[2]:
        raise InputError(f"Expected maps with pixels, got {tuple(maps.shape)}.")


def area_rows(areas: Tensor, *, binary: bool, name: str = "areas") -> Tensor:
    """Areas ``(B, H, W)`` as rows.

    Parameters
    ----------
    areas
        Bool, or numbers from 0 to 1.
    binary
        Whether numbers between 0 and 1 are refused.
    name
        How messages call them.

    Returns
    -------
    Tensor
        ``(B, P)`` float64 on the CPU; NaN for areas that are the same at all pixels, or have NaN.

    Raises
    ------
    InputError
        For anything but such areas.

    Examples
    --------
    >>> area_rows(torch.tensor([[[True, False]], [[True, True]]]), binary=True).tolist()
    [[1.0, 0.0], [nan, nan]]
    """
    own = areas.detach().cpu()
    rows = own.flatten(1) if own.dtype == torch.bool else own.double().flatten(1)
    if rows.dtype != torch.bool:
        known = rows.isfinite() | rows.isnan()
        wrong = rows[~(known & ~((rows < -SLACK) | (rows > 1 + SLACK)))]
        if len(wrong):
            raise InputError(
                f"Expected {name} from 0 to 1, got {wrong[0]:.3g}: divide them by their largest "
                "value."
            )
        between = rows[(rows > 0) & (rows < 1)]
        if binary and len(between):
            raise InputError(
                f"Expected {name} that a pixel belongs to or not, got {between[0]:.3g}: choose a "
                "threshold, such as areas > 0.5."
            )
        rows = rows.clamp(0, 1)
    rows = rows.double()
    same = rows.amax(dim=1, keepdim=True) == rows.amin(dim=1, keepdim=True)
    return torch.where(same | rows.isnan().any(dim=1, keepdim=True), torch.nan, rows)


def check_fit(maps: Tensor, areas: object, *, name: str = "areas") -> Tensor:
    """Areas of the shape of the maps.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_fit(torch.ones(2, 4, 4), torch.ones(2, 8, 8))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected areas of the shape of the maps (2, 4, 4), got (2, 8, 8): ...
    """
    check_tensor(name, areas, "of the shape of the maps")
    assert isinstance(areas, Tensor)  # check_tensor
    if areas.shape != maps.shape:
        raise InputError(
            f"Expected {name} of the shape of the maps {tuple(maps.shape)}, got "
            f"{tuple(areas.shape)}: make one area a face, at the size of the maps."
        )
    return areas


def area_scores(
    maps: Tensor,
    areas: Areas,
    score: Callable[[Tensor, Tensor], Tensor],
    *,
    binary: bool,
) -> Areas:
    """Scores of maps ``(B, H, W)``, for one area a face or for several by name.

    Parameters
    ----------
    maps
        ``(B, H, W)``.
    areas
        ``(B, H, W)``, or such by name.
    score
        Function of rows of maps and of areas, both ``(b, P)`` as :func:`positive_rows` and
        :func:`area_rows` make them, that returns ``(b,)``. What it returns where either is NaN does
        not matter.
    binary
        Whether soft areas are refused.

    Returns
    -------
    Tensor or dict
        ``(B,)`` float32, or such by name; NaN where the map or the area is undefined.

    Raises
    ------
    InputError
        If maps or areas are none, or do not fit.

    Examples
    --------
    >>> maps = torch.tensor([[[4.0, -1.0]]])
    >>> area_scores(maps, {"left": maps > 0}, lambda x, a: (x * a).sum(dim=1), binary=True)
    {'left': tensor([1.])}
    """
    part = partial(_scores, maps, score=score, binary=binary)
    return for_each(areas, part)


def for_each(areas: Areas, made: Callable[[Tensor, str], Tensor]) -> Areas:
    """What a function makes of areas and of how messages call them, in the form of the areas.

    Raises
    ------
    InputError
        If there are no areas, or they are of another kind.

    Examples
    --------
    >>> for_each({"AU1": torch.zeros(1)}, lambda area, name: area + len(name))
    {'AU1': tensor([14.])}
    """
    if isinstance(areas, Tensor):
        return made(areas, "areas")
    if not isinstance(areas, Mapping) or not areas:
        got = "none" if isinstance(areas, Mapping) else type(areas).__name__
        raise InputError(
            f"Expected areas as a torch tensor (B, H, W), or such by name, got {got}: make them of "
            "landmarks."
        )
    return {key: made(area, f"areas of {key!r}") for key, area in areas.items()}


def _scores(
    maps: Tensor,
    areas: Tensor,
    name: str,
    *,
    score: Callable[[Tensor, Tensor], Tensor],
    binary: bool,
) -> Tensor:
    check_maps(maps)
    check_fit(maps, areas, name=name)
    parts = [torch.zeros(0)]
    for start in range(0, len(maps), CHUNK):
        rows = positive_rows(maps[start : start + CHUNK])
        inside = area_rows(areas[start : start + CHUNK], binary=binary, name=name)
        undefined = rows[:, 0].isnan() | inside[:, 0].isnan()
        parts.append(torch.where(undefined, torch.nan, score(rows, inside)).float())
    return torch.cat(parts)
