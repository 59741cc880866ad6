"""Guided backpropagation, deconvolution and guided Grad-CAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from fer_xai.attributions.cam import GradCam
from fer_xai.attributions.core.differentiation import differentiating, each_gradient
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.core.resizing import upsample
from fer_xai.attributions.relevance.composites import for_relus
from fer_xai.attributions.relevance.rules import Guided
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class GuidedGradient(Attribution):
    """Gradients that ReLUs pass only where they are positive.

    Randomising the network barely changes such maps (Adebayo et al., NeurIPS 2018): they show the
    image more than the model. They are here so that the sanity checks have something to find.

    Attributes
    ----------
    forward_too
        Whether they also pass only where the activation was positive: guided backprop (Springenberg
        et al., ICLR workshops 2015); otherwise deconvolution (Zeiler & Fergus, ECCV 2014).

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=GuidedGradient()).channels.shape
    torch.Size([2, 3, 8, 8])
    """

    forward_too: bool = True
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Springenberg et al., 2015; Zeiler & Fergus, ECCV 2014"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        name = "guided_backprop" if self.forward_too else "deconvolution"
        model = for_relus(predictor, name)
        for part in model.net.modules():
            if isinstance(part, Guided):
                part.forward_too = self.forward_too
        with differentiating(predictor):
            leaf = question.images.detach().requires_grad_()
            scores = question.scores(model(leaf))
            channels = torch.stack(list(each_gradient(scores, leaf)), dim=1).float()
        return Maps(cells=channels.sum(dim=2), channels=channels)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forward pass, and a backward pass for each target."""
        del predictor, regions
        return 1.0, float(targets)


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Attribution):
    """Guided Grad-CAM: guided backprop times Grad-CAM (Selvaraju et al., ICCV 2017, sec. 3.2).

    Attributes
    ----------
    layer
        The layer of Grad-CAM; by default the model's ``cam_layer``.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=GuidedGradCam()).params["layer"]
    '1'
    """

    layer: str | None = None
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Selvaraju et al., ICCV 2017, sec. 3.2"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        coarse = GradCam(layer=self.layer).maps(predictor, question)
        if coarse.logits is not None:
            question = question.resolved(coarse.logits)
        fine = GuidedGradient().maps(predictor, question)
        assert fine.channels is not None
        cam = upsample(coarse.cells, size=tuple(fine.cells.shape[-2:]))
        channels = fine.channels * cam[:, :, None]
        return Maps(cells=fine.cells * cam, channels=channels, logits=coarse.logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If Grad-CAM gives them."""
        return GradCam(layer=self.layer).gives_logits(predictor)

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """The layer that is used."""
        return GradCam(layer=self.layer).params(predictor)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass and a backward pass for each target, and those of Grad-CAM."""
        del predictor, regions
        return 2.0, 2.0 * targets


ATTRIBUTIONS.register("guided_backprop")(GuidedGradient())
ATTRIBUTIONS.register("deconvolution")(GuidedGradient(forward_too=False))
ATTRIBUTIONS.register("guided_gradcam")(GuidedGradCam())
