"""SmoothGrad and VarGrad: mean and variance of the gradient over noisy versions of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
    """SmoothGrad: the mean gradient over noisy versions of an image (Smilkov et al., arXiv
    1706.03825).

    Captum's NoiseTunnel draws from the global generator, so that a face's map depends on its
    neighbours; here each face has noise of its own.

    Attributes
    ----------
    samples
        Noisy versions of each face.
    noise
        Standard deviation as a share of the image's range of values.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=SmoothGrad(samples=2), seed=7).params
    {'samples': 2, 'noise': 0.15, 'seed': 7, 'output': 'logit'}
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
        sources = question.streams("noise")

        def noisy(_: int) -> tuple[Tensor, None]:
            drawn = sources.randn(*images.shape[1:], device=images.device).to(images)
            return images + spread[:, None, None, None] * drawn, None

        channels = self.summary(*mean_gradient(predictor, question, noisy, samples=self.samples))
        return Maps(cells=channels.sum(dim=2), channels=channels)

    @staticmethod
    def summary(mean: Tensor, variance: Tensor) -> Tensor:
        """The map's channels, given the gradients' mean and variance ``(B, K, 3, H, W)``."""
        del variance
        return mean

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each noisy version, a backward pass for each version and target."""
        del predictor, regions
        return float(self.samples), float(targets * self.samples)


@dataclass(frozen=True, kw_only=True)
class VarGrad(SmoothGrad):
    """VarGrad: the gradient's variance over noisy versions of an image (Adebayo et al., NeurIPS
    2018). It has no sign.

    Attributes
    ----------
    samples
        Noisy versions of each face.
    noise
        Standard deviation as a share of the image's range of values.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> bool(explain(model, faces, method=VarGrad(samples=2)).blank.all())  # a linear network
    True
    """

    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Adebayo et al., NeurIPS 2018"

    @staticmethod
    def summary(mean: Tensor, variance: Tensor) -> Tensor:
        """The variance, channel by channel."""
        del mean
        return variance.clamp(min=0)


ATTRIBUTIONS.register("smoothgrad")(SmoothGrad())
ATTRIBUTIONS.register("vargrad")(VarGrad())
