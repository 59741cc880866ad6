"""Class activation maps: how a layer's feature maps are weighted and added up.

Captum has Grad-CAM alone, for feature maps and one target a face; the tests compare ours with it.
Activations are ``A (…, C, h, w)``, gradients of the target's score ``G``, of the same shape.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.core.layer_passes import (
    activations_and_gradients,
    runs_fastest,
)
from fer_xai.attributions.core.layers import layer_of
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class Cam(Attribution):
    """The common part of class activation maps: a map from one layer, clamped at zero unless the
    class says that its maps have a sign (``nonnegative = False``).

    Attributes
    ----------
    layer
        Dotted name of the layer; by default the model's ``cam_layer`` (after BatchNorm and ReLU),
        or the last spatial one that is found. Tokens are reshaped.
    paper
        Whether to take the layer that the model's authors took, where it differs (``paper_layer``).

    Examples
    --------
    A new one is the sum that it takes over channels:

    >>> from fer_xai.attributions.cam import Cam
    >>> class MeanCam(Cam):
    ...     reference = "the mean activation, whatever the target"
    ...
    ...     @staticmethod
    ...     def combine(activations, gradients):
    ...         return activations.mean(dim=-3)
    >>> MeanCam.combine(torch.ones(1, 1, 4, 2, 2), torch.zeros(1, 1, 4, 2, 2)).shape
    torch.Size([1, 1, 2, 2])
    """

    layer: str | None = None
    paper: bool = False
    nonnegative: ClassVar[bool] = True

    @staticmethod
    @abstractmethod
    def combine(activations: Tensor, gradients: Tensor) -> Tensor:
        """Maps before clamping.

        Parameters
        ----------
        activations
            A ``(B, K or 1, C, h, w)``.
        gradients
            G ``(B, K, C, h, w)``: gradients of each target's score with respect to A.

        Returns
        -------
        Tensor
            ``(B, K, h, w)``.
        """

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the layer's resolution."""
        layer = layer_of(predictor, self.layer, paper=self.paper)
        activations, gradients, logits = activations_and_gradients(predictor, question, layer)
        cells = self.combine(activations, gradients)
        if self.nonnegative:
            cells = cells.clamp(min=0)
        return Maps(cells=cells.expand(-1, question.targets, -1, -1), logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If the pass that reads the layer is one of the predictor's own network."""
        return runs_fastest(predictor, layer_of(predictor, self.layer, paper=self.paper))

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """The layer that is used."""
        layer = layer_of(predictor, self.layer, paper=self.paper)
        return {"layer": layer.name, "relu": self.nonnegative, "upsampling": "bilinear"}


@dataclass(frozen=True, kw_only=True)
class GradCam(Cam):
    """Grad-CAM: channels weighted by the mean of their gradient (Selvaraju et al., ICCV 2017, eq.
    1-2).

    On a transformer the tokens of the layer are the feature maps.

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=GradCam(layer="0"), targets="fear").maps.shape
    torch.Size([2, 8, 8])
    """

    reference: ClassVar[str] = "Selvaraju et al., ICCV 2017, eq. 1-2"

    @staticmethod
    def combine(activations: Tensor, gradients: Tensor) -> Tensor:
        """Σ_c mean(G_c) A_c."""
        return (gradients.mean(dim=(-2, -1), keepdim=True) * activations).sum(dim=-3)


@dataclass(frozen=True, kw_only=True)
class SignedGradCam(GradCam):
    """Grad-CAM without its ReLU: cells that speak against the target keep their negative sign.

    The ReLU blanks a map whose cells all speak against the target, and so drops faces from whatever
    compares maps: not at random, but by the face's emotion and the target. This is the sensitivity
    analysis of what is said of Grad-CAM.

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> from fer_xai.attributions import attribute
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1"))
    >>> faces, columns = torch.rand(2, 3, 8, 8), torch.tensor([[0], [1]])
    >>> signed = attribute(used, faces, columns, method=SignedGradCam()).cells
    >>> torch.equal(signed.clamp(min=0), attribute(used, faces, columns, method="gradcam").cells)
    True
    """

    nonnegative: ClassVar[bool] = False
    reference: ClassVar[str] = "Selvaraju et al., ICCV 2017, eq. 1-2, without the ReLU"


@dataclass(frozen=True, kw_only=True)
class GradCamPlusPlus(Cam):
    """Grad-CAM++: positive gradients weighted by α (Chattopadhay et al., WACV 2018).

    With an exponential score (eq. 19) α = G² / (2 G² + ΣA · G³), which is 1 / (2 + ΣA · G) where
    there is a gradient.

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=GradCamPlusPlus()).params["layer"]
    '1'
    """

    reference: ClassVar[str] = "Chattopadhay et al., WACV 2018, eq. 10 and 19"

    @staticmethod
    def combine(activations: Tensor, gradients: Tensor) -> Tensor:
        """Σ_c (Σ α relu(G_c)) A_c."""
        below = 2 + activations.sum(dim=(-2, -1), keepdim=True) * gradients
        alpha = torch.where(below.abs() > 1e-6, 1 / below, torch.zeros_like(below))
        weights = (alpha * gradients.clamp(min=0)).sum(dim=(-2, -1), keepdim=True)
        return (weights * activations).sum(dim=-3)


@dataclass(frozen=True, kw_only=True)
class HiResCam(Cam):
    """HiResCAM: each cell's gradient times its activation (Draelos & Carin, arXiv 2011.08891).

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> activations = torch.tensor([[[[[1.0, 2.0]]]]])  # one face, one target, one channel
    >>> HiResCam.combine(activations, torch.tensor([[[[[3.0, -1.0]]]]]))
    tensor([[[[ 3., -2.]]]])
    """

    reference: ClassVar[str] = "Draelos & Carin, arXiv 2011.08891, eq. 5"

    @staticmethod
    def combine(activations: Tensor, gradients: Tensor) -> Tensor:
        """Σ_c G_c A_c."""
        return (gradients * activations).sum(dim=-3)


@dataclass(frozen=True, kw_only=True)
class LayerCam(Cam):
    """LayerCAM: each cell's positive gradient times its activation (Jiang et al., TIP 2021, eq.
    6-8).

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> activations = torch.tensor([[[[[1.0, 2.0]]]]])  # one face, one target, one channel
    >>> LayerCam.combine(activations, torch.tensor([[[[[3.0, -1.0]]]]]))
    tensor([[[[3., 0.]]]])
    """

    reference: ClassVar[str] = "Jiang et al., IEEE TIP 30, 2021, eq. 6-8"

    @staticmethod
    def combine(activations: Tensor, gradients: Tensor) -> Tensor:
        """Σ_c relu(G_c) A_c."""
        return (gradients.clamp(min=0) * activations).sum(dim=-3)


@dataclass(frozen=True, kw_only=True)
class XGradCam(Cam):
    """XGrad-CAM: channels weighted by the mean of their gradient, in which each cell counts by its
    activation (Fu et al., BMVC 2020, eq. 8).

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> activations = torch.tensor([[[[[1.0, 3.0]]]]])  # one face, one target, one channel
    >>> XGradCam.combine(activations, torch.tensor([[[[[4.0, 0.0]]]]]))
    tensor([[[[1., 3.]]]])
    """

    reference: ClassVar[str] = "Fu et al., BMVC 2020, eq. 8"

    @staticmethod
    def combine(activations: Tensor, gradients: Tensor) -> Tensor:
        """Σ_c (Σ G_c A_c / Σ A_c) A_c; a channel that is zero everywhere counts nothing."""
        total = activations.sum(dim=(-2, -1), keepdim=True)
        shared = (gradients * activations).sum(dim=(-2, -1), keepdim=True)
        weights = torch.where(total.abs() > 1e-7, shared / total, torch.zeros_like(shared))
        return (weights * activations).sum(dim=-3)


ATTRIBUTIONS.register("gradcam")(GradCam())
ATTRIBUTIONS.register("gradcam_paper")(GradCam(paper=True))
ATTRIBUTIONS.register("gradcam_signed")(SignedGradCam())
ATTRIBUTIONS.register("gradcam++")(GradCamPlusPlus())
ATTRIBUTIONS.register("hirescam")(HiResCam())
ATTRIBUTIONS.register("layercam")(LayerCam())
ATTRIBUTIONS.register("xgradcam")(XGradCam())
