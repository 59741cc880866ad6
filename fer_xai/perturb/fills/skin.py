"""A fill that knows where the face is: its skin, without features."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.checks import check_images, check_tensor
from fer_xai.draws.sources import Sources
from fer_xai.errors import InputError
from fer_xai.landmarks.regions import REGIONS
from fer_xai.perturb.fills.core import FILLS, ImageFill

SKIN = ("cheeks", "forehead", "chin_jaw")
"""Regions whose colour stands for the skin's."""


class Skin(ImageFill):
    """The face's own skin, without features.

    :func:`skin_fill` says how; facial regions are needed.

    Examples
    --------
    >>> regions = torch.zeros(1, 8, 4, 4, dtype=torch.bool)
    >>> regions[:, REGIONS.index("cheeks"), :, 1:] = True
    >>> regions[:, REGIONS.index("off_face"), :, :1] = True
    >>> image = torch.tensor([0.2, 0.6, 0.6, 0.6]).expand(1, 3, 4, 4)
    >>> Skin().image(image, regions=regions)[0, 0, 0].round(decimals=2)
    tensor([0.2000, 0.6000, 0.6000, 0.6000])
    """

    name = "skin"
    needs_regions = True

    def paint(self, images: Tensor, generators: Sources, regions: Tensor | None) -> Tensor:
        """The face and what surrounds it, each as one plane of colour."""
        del generators
        assert regions is not None
        return skin_fill(images.contiguous(), regions.to(images.device))


def skin_fill(images: Tensor, regions: Tensor) -> Tensor:
    """Faces with their features painted over by their own skin, for metrics that take pixels away.

    Inside the face a plane a + b·x + c·y is fitted to each channel of cheeks, forehead and chin, by
    least squares, so that the light's direction stays; outside another one is fitted to the rest.
    A filled mouth then looks like skin, where black or a blur of the whole image would put an edge.

    Parameters
    ----------
    images
        ``(B, 3, H, W)`` in [0, 1].
    regions
        Bool ``(B, 8, H, W)`` of :func:`fer_xai.landmarks.face_regions`.

    Returns
    -------
    Tensor
        ``(B, 3, H, W)`` in [0, 1]; a face without regions gets one plane over all of it.

    Raises
    ------
    InputError
        If regions do not fit the images, or are not bool.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks, face_regions
    >>> regions = face_regions(canonical_landmarks()[None], size=64)
    >>> mouth = regions[:, REGIONS.index("mouth")]
    >>> faces = torch.full((1, 3, 64, 64), 0.75)
    >>> faces[0, :, mouth[0]] = 0.1
    >>> round(skin_fill(faces, regions)[0, 0][mouth[0]].mean().item(), 3)
    0.75
    """
    check_images(images)
    check_tensor("regions", regions, "(B, 8, H, W) of face_regions")
    expected = (len(images), len(REGIONS), *images.shape[-2:])
    if tuple(regions.shape) != expected:
        raise InputError(
            f"Expected regions {expected} of face_regions, got {tuple(regions.shape)}."
        )
    if regions.dtype != torch.bool:
        raise InputError(f"Expected bool regions, got {regions.dtype}: compare them, regions > 0.")
    off = regions[:, REGIONS.index("off_face")]
    skin = regions[:, [REGIONS.index(name) for name in SKIN]].any(dim=1)
    nowhere = ~regions.flatten(1).any(dim=1)
    inside = ~off & ~nowhere[:, None, None]
    face, rest = _plane(images, skin), _plane(images, off | nowhere[:, None, None])
    return torch.where(inside[:, None], face, rest).clamp(0, 1)


def _plane(images: Tensor, where: Tensor) -> Tensor:
    """Planes ``(B, 3, H, W)`` fitted to the pixels of bool ``(B, H, W)``; their mean if few."""
    height, width = images.shape[-2:]
    y, x = (torch.linspace(-1, 1, side, dtype=torch.float64) for side in (height, width))
    ones = torch.ones(height, width, dtype=torch.float64)
    basis = torch.stack([ones, x.expand(height, -1), y[:, None].expand(-1, width)], dim=-1)
    basis = basis.reshape(-1, 3)  # (P, 3), on the CPU as all that is of double precision
    weight = where.flatten(1).cpu().double()  # (B, P)
    gram = torch.einsum("bp,pi,pj->bij", weight, basis, basis)
    # a trace of ridge keeps a thin region's plane level
    ridge = torch.diag(torch.tensor([1e-9, 1e-3, 1e-3], dtype=torch.float64))
    count = weight.sum(dim=1).clamp(min=1)[:, None, None]
    moment = torch.einsum("bp,pi,bcp->bic", weight, basis, images.flatten(2).cpu().double())
    plane = torch.linalg.solve(gram / count + ridge, moment / count)  # (B, 3, C)
    return torch.einsum("pi,bic->bcp", basis, plane).reshape(images.shape).to(images)


FILLS.register(Skin.name)(Skin())
