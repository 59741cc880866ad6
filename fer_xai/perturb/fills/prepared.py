"""Fills that are ready for some faces, to be blended with them under any number of masks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from fer_xai.checks import check_tensor
from fer_xai.errors import InputError


class Prepared(ABC):
    """A fill that is ready for some faces: what does not depend on a mask was made once.

    Attributes
    ----------
    images
        ``(B, 3, H, W)``: the faces.
    """

    images: Tensor

    @property
    @abstractmethod
    def whole(self) -> Tensor:
        """``(B, 3, H, W)``: the faces when every pixel is removed."""

    @abstractmethod
    def blend(self, gone: Tensor, faces: Tensor | None = None) -> Tensor:
        """Faces without the pixels that a mask removes.

        Parameters
        ----------
        gone
            ``(M, H, W)`` or ``(M, 1, H, W)``: bool, True where a pixel is removed, or the share of
            each pixel that is removed, in [0, 1].
        faces
            Positions ``(M,)`` of the faces that the masks are for; all faces in order by default.

        Returns
        -------
        Tensor
            ``(M, 3, H, W)``.

        Raises
        ------
        InputError
            For a share, if the fill is none for soft masks.
        """

    def shown(self, kept: Tensor, faces: Tensor | None = None) -> Tensor:
        """The same as :meth:`blend`, by a mask of what is kept.

        Parameters
        ----------
        kept
            ``(M, H, W)`` or ``(M, 1, H, W)``, bool or a share in [0, 1].
        faces
            As for :meth:`blend`.
        """
        return self.blend(~kept if kept.dtype == torch.bool else 1 - kept, faces)


class Painted(Prepared):
    """Faces, and an image of each that shows where pixels are removed.

    Parameters
    ----------
    images, whole
        ``(B, 3, H, W)``: the faces, and what shows where pixels are removed.

    Examples
    --------
    >>> images, left = torch.ones(1, 3, 1, 2), torch.tensor([[[True, False]]])
    >>> Painted(images, images * 0).blend(left)[0, 0]
    tensor([[0., 1.]])
    >>> Painted(images, images * 0).blend(left / 4)[0, 0]
    tensor([[0.7500, 1.0000]])
    """

    def __init__(self, images: Tensor, whole: Tensor) -> None:
        self.images, self._whole = images, whole

    @property
    def whole(self) -> Tensor:
        """What shows where pixels are removed."""
        return self._whole

    def blend(self, gone: Tensor, faces: Tensor | None = None) -> Tensor:
        """Faces without the pixels, or the shares of pixels, that a mask removes."""
        if gone.dtype != torch.bool:
            return self.shown(1 - gone, faces)
        whole, images = (_some(one, faces) for one in (self._whole, self.images))
        return torch.where(_with_channel(gone), whole, images)

    def shown(self, kept: Tensor, faces: Tensor | None = None) -> Tensor:
        """The same by what is kept: a share is used as it is, and not rounded by 1 − (1 − kept)."""
        whole, images = (_some(one, faces) for one in (self._whole, self.images))
        mask = _with_channel(kept)
        if kept.dtype == torch.bool:
            return torch.where(mask, images, whole)
        return torch.lerp(whole, images, mask.to(whole.dtype))


def check_mask(gone: object, images: Tensor) -> None:
    """Refuse masks of removed pixels that do not fit images, or are neither bool nor shares.

    Parameters
    ----------
    gone
        The mask, ``(B, H, W)`` or ``(B, 1, H, W)``.
    images
        ``(B, 3, H, W)``.

    Raises
    ------
    InputError
        One sentence saying what is wrong and how to mend it.

    Examples
    --------
    >>> check_mask(torch.ones(1, 2, 2), torch.zeros(1, 3, 2, 2))
    >>> check_mask(torch.ones(1, 2, 2), torch.zeros(1, 3, 4, 4))
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a mask (1, 4, 4) of the pixels that are removed from ...
    """
    check_tensor("the mask", gone, "(B, H, W)")
    assert isinstance(gone, Tensor)
    size = tuple(images.shape[-2:])
    if tuple(gone.shape) not in ((len(images), *size), (len(images), 1, *size)):
        raise InputError(
            f"Expected a mask {(len(images), *size)} of the pixels that are removed from images "
            f"{tuple(images.shape)}, got {tuple(gone.shape)}."
        )
    if gone.dtype != torch.bool and not gone.is_floating_point():
        raise InputError(
            f"Expected a bool mask, True where a pixel is removed, or a share in [0, 1], got "
            f"{gone.dtype}: compare it, mask > 0."
        )
    if gone.is_floating_point() and not bool(((gone >= 0) & (gone <= 1)).all()):
        raise InputError(
            "Expected a mask of shares in [0, 1], got values outside or NaN: 1 removes a pixel."
        )


def _some(images: Tensor, faces: Tensor | None) -> Tensor:
    """Images at some positions, or all."""
    return images if faces is None else images[faces]


def _with_channel(mask: Tensor) -> Tensor:
    """A mask ``(M, H, W)`` or ``(M, 1, H, W)`` as ``(M, 1, H, W)``."""
    return mask[:, None] if mask.ndim == 3 else mask
