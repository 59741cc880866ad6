"""SmoothGrad and VarGrad: mean and variance of the gradient over noisy versions of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.core.differentiation import (
    mean_gradient,
)
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.checks import check_count, check_number
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class SmoothGrad(Attribution):
    """The mean gradient over noisy copies (Smilkov et al., arXiv 1706.03825).

    Captum's NoiseTunnel draws from the global generator, so that a face's map depends on its
    neighbours; here each face has noise of its own.

    Attributes
    ----------
    samples
        Copies a face.
    noise
        Standard deviation as a share of the image's range of values.
    """

    samples: int = 25
    noise: float = 0.15
    random: ClassVar[bool] = True
    reference: ClassVar[str] = "Smilkov et al., arXiv 1706.03825"

    def __post_init__(self) -> None:
        check_count("samples", self.samples)
        check_number("noise", self.noise, 0, ends=True)

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        images = question.images
        spread = self.noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3)))
        sources = question.generators("noise")

        def noisy(_: int) -> tuple[Tensor, None]:
            drawn = torch.stack([torch.randn(images.shape[1:], generator=g) for g in sources])
            return images + spread[:, None, None, None] * drawn.to(images), None

        channels = self.summary(*mean_gradient(predictor, question, noisy, samples=self.samples))
        return Maps(cells=channels.sum(dim=2), channels=channels)

    @staticmethod
    def summary(mean: Tensor, variance: Tensor) -> Tensor:
        """What is kept of the gradients' mean and variance."""
        del variance
        return mean

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards a copy, one backwards a copy and target."""
        del predictor, regions
        return float(self.samples), float(targets * self.samples)


@dataclass(frozen=True, kw_only=True)
class VarGrad(SmoothGrad):
    """The gradient's variance over noisy copies (Adebayo et al., NeurIPS 2018): it has no sign."""

    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Adebayo et al., NeurIPS 2018"

    @staticmethod
    def summary(mean: Tensor, variance: Tensor) -> Tensor:
        """The variance, channel by channel."""
        del mean
        return variance.clamp(min=0)


ATTRIBUTIONS.register("smoothgrad")(SmoothGrad())
ATTRIBUTIONS.register("vargrad")(VarGrad())
