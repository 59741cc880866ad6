"""Faces of which regions are hidden, one at a time: their images and logits."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_xai.checks import check_images, check_tensor
from fer_xai.errors import InputError
from metrics.core.score_cache import ScoreCache


class Covering:
    """The faces of a score cache with each of several regions hidden in turn.

    Parameters
    ----------
    cache
        Score cache of the faces.
    regions
        Bool ``(B, R, H, W)``, or ``(B, H, W)`` for one region; they may overlap, and be empty.
    occluded
        Images ``(B, R, 3, H, W)``, or ``(B, 3, H, W)``, that show each region hidden; by default
        the regions are filled.
    fill
        Name of what replaces the pixels of a region otherwise.

    Raises
    ------
    InputError
        If regions or images do not fit the cache's images, or regions are not bool.

    Attributes
    ----------
    regions
        Bool ``(B, R, H, W)``, on the CPU.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2, mean=[0] * 3, std=[1] * 3)
    >>> cache = ScoreCache(model, torch.ones(1, 3, 2, 2))
    >>> left = torch.tensor([[[True, False], [True, False]]])
    >>> Covering(cache, left, occluded=None, fill="black").logits()
    tensor([[[0., 1.]]])
    """

    def __init__(
        self, cache: ScoreCache, regions: Tensor, *, occluded: Tensor | None, fill: str
    ) -> None:
        self.cache, self.fill = cache, fill
        height, width = cache.images.shape[-2:]
        check_tensor("regions", regions, "(B, R, H, W)")
        if regions.dtype != torch.bool:
            raise InputError(
                f"Expected bool regions, got {regions.dtype}: compare them, regions > 0."
            )
        several = regions[:, None] if regions.ndim == 3 else regions
        if several.ndim != 4 or several.shape != (
            len(cache),
            max(several.shape[1], 1),
            height,
            width,
        ):
            raise InputError(
                f"Expected regions (B, R, H, W), one or more, to fit images "
                f"{tuple(cache.images.shape)}, got {tuple(regions.shape)}."
            )
        self.regions = several.cpu()
        self._here = several.to(cache.predictor.device)
        self._key: tuple[object, ...] = ("covered", cache.key_of(regions), fill)
        self._images: Tensor | None = None
        if occluded is not None:
            check_tensor("occluded images", occluded, "(B, R, 3, H, W)")
            each = occluded[:, None] if occluded.ndim == 4 else occluded
            if each.shape != (len(cache), several.shape[1], 3, height, width):
                raise InputError(
                    f"Expected occluded images "
                    f"{(len(cache), several.shape[1], 3, height, width)}, one a region, got "
                    f"{tuple(occluded.shape)}."
                )
            check_images(each.flatten(0, 1))
            self._images = each
            self._key = ("covered", cache.key_of(regions), cache.key_of(occluded))

    def images(self, faces: Tensor, numbers: Tensor) -> Tensor:
        """Images ``(M, 3, H, W)`` of faces ``(M,)``, of which these regions ``(M,)`` are hidden."""
        if self._images is not None:
            rows = faces.to(self._images.device), numbers.to(self._images.device)
            return self._images[rows].to(self.cache.images)
        return self.cache.blended(faces, self._here[faces, numbers], self.fill)

    def logits(self) -> Tensor:
        """Logits ``(B, R, C)`` with each region hidden, scored once for all metrics."""
        return self.cache.ask(self._key, self.images, copies=self.regions.shape[1])

    @property
    def empty(self) -> Tensor:
        """Bool ``(B, R)``: regions without a pixel, of which nothing can be hidden."""
        return ~self.regions.flatten(2).any(dim=2)
