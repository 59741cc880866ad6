"""Class activation maps: how a layer's feature maps are weighted and added up.

Captum has Grad-CAM alone, for feature maps and one target a face; the tests hold ours equal to it.
Activations are ``A (…, C, h, w)``, gradients of the target's score ``G``, of the same shape.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.core.layer_passes import (
    activations_and_gradients,
    layer_activations,
    runs_fastest,
)
from fer_xai.attributions.core.layers import layer_of, stages
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.core.resizing import upsample
from fer_xai.checks import check_count, check_number
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class Cam(Attribution):
    """The common part of class activation maps: a map from one layer, clamped at zero.

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
        cells = self.combine(activations, gradients).clamp(min=0)
        return Maps(cells=cells.expand(-1, question.targets, -1, -1), logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If the pass that reads the layer is one of the predictor's own network."""
        return runs_fastest(predictor, layer_of(predictor, self.layer, paper=self.paper))

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """The layer that is used."""
        layer = layer_of(predictor, self.layer, paper=self.paper)
        return {"layer": layer.name, "relu": True, "upsampling": "bilinear"}


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


@dataclass(frozen=True, kw_only=True)
class EigenCam(Cam):
    """Eigen-CAM: the first principal component of the activations (Muhammad & Yeasin, IJCNN 2020).

    It asks for no target and no gradient: every emotion of a face has the same map. A component's
    sign is arbitrary (peers leave it to the solver). Ours is the one that follows the mean
    activation. Behind a LayerNorm whose weights are still 1 and 0 that mean is zero in every cell,
    and rounding would decide: where the mean decides by less than a thousandth, the sign is the one
    in which the cells farthest from the mean cell are positive, so that the map shows what stands
    out. Where neither decides, or two components are equally strong, the map is undefined (NaN).
    Where all cells are alike it is blank.

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> cells = torch.tensor([[[[[0.0, 0.0], [0.0, 2.0]]]]])  # one face, one channel
    >>> EigenCam.combine(cells)
    tensor([[[[-0.5000, -0.5000],
              [-0.5000,  1.5000]]]])
    """

    class_blind: ClassVar[bool] = True
    reference: ClassVar[str] = "Muhammad & Yeasin, IJCNN 2020"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the layer's resolution, the same for all targets."""
        layer = layer_of(predictor, self.layer, paper=self.paper)
        activations, logits = layer_activations(predictor, question.images, layer)
        cells = self.combine(activations[:, None]).clamp(min=0)
        return Maps(cells=cells.expand(-1, question.targets, -1, -1), logits=logits)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forward pass."""
        del predictor, targets, regions
        return 1.0, 0.0

    @staticmethod
    def combine(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
        """Cells, centred a channel, projected on their first right singular vector."""
        del gradients
        height, width = activations.shape[-2:]
        cells = activations[:, :1].flatten(-2).transpose(-1, -2).cpu().double()  # (B, 1, h·w, C)
        length = cells.norm(dim=(-2, -1))  # (B, 1)
        cells = cells - cells.mean(dim=-2, keepdim=True)
        size, projection, follows = _first_component(cells)
        # distance of each cell from the mean cell: the map shows the farther ones
        far = cells.square().sum(dim=-1)  # (B, 1, h·w)
        stands = F.cosine_similarity(projection, far, dim=-1)
        sign = torch.where(follows.abs() > _FOLLOWS, follows, stands).sign()
        undecided = (follows.abs() <= _FOLLOWS) & (stands.abs() <= _ROUNDING)
        sign = torch.where(
            undecided | (size[..., 0] - size[..., 1] <= _ROUNDING * size[..., 0]), torch.nan, sign
        )
        sign = torch.where(size[..., 0] <= _ROUNDING * length, 0.0, sign)
        projection = projection * sign[..., None]
        return projection.unflatten(-1, (height, width)).float().to(activations.device)


_FOLLOWS = 1e-3
"""Cosine to the mean over channels up to which it does not decide a component's sign."""
_ROUNDING = 1e-5
"""Share of a number that float32 activations leave uncertain, with a margin of 100."""


def _first_component(cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The first principal component of centred cells ``(…, n, C)``.

    Returns the two largest singular values ``(…, 2)``, the projection on the first component
    ``(…, n)``, and that component's cosine ``(…)`` to the mean over channels. They come from the
    smaller of the two Gram matrices, cells by cells or channels by channels.
    """
    n, channels = cells.shape[-2:]
    wide = channels > n
    gram = cells @ cells.mT if wide else cells.mT @ cells
    found = torch.linalg.eigh(gram)
    size = F.pad(found.eigenvalues.clamp(min=0).sqrt(), (1, 0))  # one cell alone
    size = size[..., -2:].flip(-1)
    first = found.eigenvectors[..., -1:]  # (…, n or C, 1)
    projection = (first * size[..., :1, None] if wide else cells @ first)[..., 0]
    summed = (projection * cells.sum(dim=-1)).sum(dim=-1)  # σ² Σ v
    scale = size[..., 0].square() * channels**0.5
    return size, projection, summed / scale.clamp(min=torch.finfo(scale.dtype).tiny)


@dataclass(frozen=True, kw_only=True)
class FusedLayerCam(Attribution):
    """LayerCAM of several resolutions, enlarged to the finest one and fused by the maximum.

    Each map is scaled by its own maximum. Those before the deepest are passed through tanh(γ ·),
    which lifts their weak evidence (Jiang et al., TIP 2021, eq. 9).

    Attributes
    ----------
    stages
        Number of resolutions, counted from the deepest.
    gamma
        γ.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=FusedLayerCam(stages=1)).params
    {'layers': ['1'], 'gamma': 2.0, 'output': 'logit'}
    """

    stages: int = 3
    gamma: float = 2.0
    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Jiang et al., IEEE TIP 30, 2021, eq. 9"

    def __post_init__(self) -> None:
        check_count("stages", self.stages)
        check_number("gamma", self.gamma, 0)

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the resolution of the finest stage."""
        layers = stages(predictor, self.stages)
        side = layers[0].side
        fused = torch.zeros(len(question), question.targets, *side, device=question.images.device)
        for layer in layers:
            activations, gradients, logits = activations_and_gradients(predictor, question, layer)
            question = question.resolved(logits)
            cells = LayerCam.combine(activations, gradients).clamp(min=0)
            top = cells.amax(dim=(-2, -1), keepdim=True)
            cells = torch.where(top > 0, cells / top, torch.zeros_like(cells))
            if layer is not layers[-1]:
                cells = torch.tanh(self.gamma * cells)
            fused = torch.maximum(fused, upsample(cells, size=side))
        return Maps(cells=fused, logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If the passes that read the layers are of the predictor's own network."""
        return all(runs_fastest(predictor, layer) for layer in stages(predictor, self.stages))

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each stage, a backward pass for each stage and target."""
        del regions
        count = len(stages(predictor, self.stages))
        return float(count), float(count * targets)

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """The layers that are used."""
        return {
            "layers": [layer.name for layer in stages(predictor, self.stages)],
            "gamma": self.gamma,
        }


ATTRIBUTIONS.register("gradcam")(GradCam())
ATTRIBUTIONS.register("gradcam_paper")(GradCam(paper=True))
ATTRIBUTIONS.register("gradcam++")(GradCamPlusPlus())
ATTRIBUTIONS.register("hirescam")(HiResCam())
ATTRIBUTIONS.register("layercam")(LayerCam())
ATTRIBUTIONS.register("xgradcam")(XGradCam())
ATTRIBUTIONS.register("eigencam")(EigenCam())
ATTRIBUTIONS.register("layercam_fused")(FusedLayerCam())
