"""LayerCAM of several resolutions, fused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from fer_xai.attributions.cam import LayerCam
from fer_xai.attributions.core.layer_passes import (
    activations_and_gradients,
    runs_fastest,
)
from fer_xai.attributions.core.layers import stages
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.core.resizing import upsample
from fer_xai.checks import check_count, check_number
from fer_xai.inference.predictor import Predictor


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


ATTRIBUTIONS.register("layercam_fused")(FusedLayerCam())
