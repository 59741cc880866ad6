"""CAMs that weight a channel by the score without it, or of the face seen through it alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from math import ceil
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.feature_maps import Layer, channel_axis
from fer_xai.attributions.core.layer_passes import layer_activations, runnable, runs_fastest
from fer_xai.attributions.core.layers import layer_of
from fer_xai.attributions.core.passes import changed_scores
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.core.resizing import upsample
from fer_xai.inference.predictor import Predictor

_ROWS = 256  # channels that are taken away in one pass behind the layer


@dataclass(frozen=True, kw_only=True)
class ScoreCam(Attribution):
    """Score-CAM: channels weighted by the score of the face seen through them (Wang et al., CVPRW
    2020).

    It takes a pass for each channel: 1,024 for GiMeFive. Each channel, upsampled and scaled to [0,
    1], multiplies the image; the scores' softmax over channels weights them (the baseline's score,
    which the paper subtracts, is the same for all and drops out).

    Attributes
    ----------
    layer
        Dotted name of the layer; by default the model's ``cam_layer``, or the last spatial one that
        is found.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=ScoreCam(), targets="fear").maps.shape
    torch.Size([2, 8, 8])
    """

    layer: str | None = None
    nonnegative: ClassVar[bool] = True
    implied_fill: ClassVar[str | None] = "black"
    reference: ClassVar[str] = "Wang et al., CVPR workshops 2020, eq. 4-6"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the layer's resolution."""
        layer = layer_of(predictor, self.layer)
        activations, logits = layer_activations(predictor, question.images, layer)
        question = question.resolved(logits)
        channels = activations.shape[1]

        def through(faces: Tensor, numbers: Tensor) -> Tensor:
            size = tuple(question.images.shape[-2:])
            masks = upsample(activations[faces, numbers][:, None], size=size)  # (M, 1, H, W)
            low = masks.amin(dim=(-2, -1), keepdim=True)
            span = masks.amax(dim=(-2, -1), keepdim=True) - low
            masks = torch.where(span > 0, (masks - low) / span, torch.zeros_like(masks))
            return question.images[faces] * masks

        found = changed_scores(predictor, question, through, variants=channels)  # (B, C, K)
        weights = found.softmax(dim=1).to(activations.device)
        cells = torch.einsum("bck,bchw->bkhw", weights, activations).clamp(min=0)
        return Maps(cells=cells, logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If the pass that reads the layer is one of the predictor's own network."""
        return runs_fastest(predictor, layer_of(predictor, self.layer))

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """The layer that is used."""
        return {
            "layer": layer_of(predictor, self.layer).name,
            "relu": True,
            "upsampling": "bilinear",
        }

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each channel, and one to read the layer."""
        del targets, regions
        return 1.0 + _channels(predictor, layer_of(predictor, self.layer)), 0.0


@dataclass(frozen=True, kw_only=True)
class AblationCam(Attribution):
    """Ablation-CAM: channels weighted by the score that is lost without them (Ramaswamy & Desai,
    WACV 2020).

    The paper divides by the score itself, which turns the map over where a logit is negative; that
    is left out (the scale of a map means nothing).

    Attributes
    ----------
    layer
        Dotted name of the layer; by default the model's ``cam_layer``, or the last spatial one that
        is found.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=AblationCam(), targets="fear").maps.shape
    torch.Size([2, 8, 8])
    """

    layer: str | None = None
    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Ramaswamy & Desai, WACV 2020, eq. 2-3"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the layer's resolution."""
        layer = layer_of(predictor, self.layer)
        activations, logits = layer_activations(predictor, question.images, layer)
        question = question.resolved(logits)
        channels = activations.shape[1]
        weights = torch.zeros(len(question), channels, question.targets, device=predictor.device)
        for face in range(len(question)):
            one = question.part(slice(face, face + 1))
            full = one.scores(predictor.run(one.images))  # (1, K)
            for start in range(0, channels, _ROWS):
                gone = torch.arange(start, min(start + _ROWS, channels), device=predictor.device)
                changed = _without(predictor, one.images, layer, gone)
                weights[face, gone] = full - one.scores(changed, each=len(gone))
        cells = torch.einsum("bck,bchw->bkhw", weights, activations).clamp(min=0)
        return Maps(cells=cells, logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If the pass that reads the layer is one of the predictor's own network."""
        return runs_fastest(predictor, layer_of(predictor, self.layer))

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """The layer that is used."""
        return {
            "layer": layer_of(predictor, self.layer).name,
            "relu": True,
            "upsampling": "bilinear",
        }

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A pass for each channel; where only the part behind the layer is run again, one for 256
        of them.
        """
        del targets, regions
        layer = layer_of(predictor, self.layer)
        channels = _channels(predictor, layer)
        return 2.0 + (ceil(channels / _ROWS) if layer.cut else channels), 0.0


def _channels(predictor: Predictor, layer: Layer) -> int:
    side = predictor.model.size
    images = predictor.to_device(torch.zeros(1, 3, side, side))
    return layer_activations(predictor, images, layer)[0].shape[1]


def _without(predictor: Predictor, image: Tensor, layer: Layer, gone: Tensor) -> Tensor:
    """Logits ``(M, C)`` of one face, each with another channel of the layer at zero."""
    model = runnable(predictor, layer)
    rows = torch.arange(len(gone), device=gone.device)
    calls = count(1)

    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        if next(calls) < layer.calls:
            return output
        changed = output.expand(len(gone), *output.shape[1:]).clone()
        changed.movedim(channel_axis(output, layer.reshape, layer.grids), 1)[rows, gone] = 0
        return changed

    handle = model.net.get_submodule(layer.name).register_forward_hook(hook)
    try:
        with torch.inference_mode(), predictor.autocast():
            images = image if layer.cut else image.expand(len(gone), -1, -1, -1)
            logits: Tensor = model(images)
    finally:
        handle.remove()
    return logits.float()


ATTRIBUTIONS.register("scorecam")(ScoreCam())
ATTRIBUTIONS.register("ablationcam")(AblationCam())
