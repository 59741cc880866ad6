"""Passes that read a layer: its activations, and the gradients of each target's score there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.feature_maps import (
    Layer,
)
from fer_xai.attributions.core.registry import Question
from fer_xai.inference.predictor import Predictor


@contextmanager
def repeated(module: nn.Module, times: int) -> Iterator[list[Tensor]]:
    """Cut the graph at a layer and repeat its output; the list gets what is differentiated."""
    kept: list[Tensor] = []

    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        # copies, here and below: what follows, or reads the same tensor, may work in place
        rows = output.detach().repeat_interleave(times, dim=0) if times > 1 else output.detach()
        rows = rows if times > 1 else rows.clone()
        kept.append(rows.requires_grad_(torch.is_grad_enabled()))
        return kept[-1].clone()

    handle = module.register_forward_hook(hook)
    try:
        yield kept
    finally:
        handle.remove()


def runnable(predictor: Predictor, names: Sequence[str]) -> Any:
    """The folded copy where these layers mean the same in it as in the plain one, else that."""
    return (
        predictor.folded if all(predictor.runs_alone(name) for name in names) else predictor.model
    )


def layer_activations(predictor: Predictor, images: Tensor, layer: Layer) -> Tensor:
    """Feature maps ``(B, C, h, w)`` float32 of a layer, from one pass."""
    model = runnable(predictor, [layer.name])
    kept: list[Tensor] = []
    handle = model.net.get_submodule(layer.name).register_forward_hook(
        lambda _, __, output: kept.append(output.clone())  # a later part may overwrite it
    )
    try:
        with torch.inference_mode(), predictor.autocast():
            model(images)
    finally:
        handle.remove()
    return layer.maps(kept[-1]).float()


def activations_and_gradients(
    predictor: Predictor, question: Question, layer: Layer
) -> tuple[Tensor, Tensor]:
    """Feature maps of a layer and the gradients of each target's score.

    The pass up to the layer runs once, without a graph; what lies behind it once a target: at once,
    on repeated rows, where the layer's output can be repeated, else backwards target by target.

    Returns
    -------
    tuple
        Activations ``(B, K or 1, C, h, w)`` and gradients ``(B, K, C, h, w)``, float32.
    """
    model = runnable(predictor, [layer.name])
    module = model.net.get_submodule(layer.name)
    batch, targets = len(question), question.targets
    with torch.inference_mode(mode=False), torch.enable_grad(), predictor.autocast():
        times = targets if layer.cut else 1
        with repeated(module, times) as kept:
            logits = model(question.images)
        rows = kept[-1]  # (B · times, …)
        if times == targets:
            chosen = _own_target(question, logits) if targets > 1 else question.scores(logits)
            made = [torch.autograd.grad(chosen.sum(), rows)[0]]
        else:
            each = question.scores(logits).sum(dim=0)  # (K,)
            made = [
                torch.autograd.grad(score, rows, retain_graph=True)[0] for score in each.unbind()
            ]
    maps = [layer.maps(value) for value in (rows, *made)]
    activations = maps[0].unflatten(0, (batch, times))
    gradients = (
        maps[1].unflatten(0, (batch, targets)) if times == targets else torch.stack(maps[1:], dim=1)
    )
    return activations.float(), gradients.float()


def _own_target(question: Question, logits: Tensor) -> Tensor:
    """Of logits ``(B · K, C)``, each row's score for the target that it stands for."""
    targets = question.targets
    every = question.scores(logits, each=targets)  # (B · K, K)
    return every.unflatten(0, (-1, targets)).diagonal(dim1=1, dim2=2)  # (B, K)
