"""Passes that read a layer: its activations, and the gradients of each target's score there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.feature_maps import (
    Layer,
)
from fer_xai.attributions.core.question import Question
from fer_xai.inference.predictor import Predictor


@contextmanager
def repeated(module: nn.Module, times: int) -> Iterator[list[Tensor]]:
    """Cut the graph at a layer and repeat each row of its output. The list collects the tensors to
    differentiate by.

    Parameters
    ----------
    module
        The layer.
    times
        Number of times that each row is there.

    Examples
    --------
    >>> conv = nn.Conv2d(3, 2, 4)
    >>> with repeated(conv, 3) as kept:
    ...     conv(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([6, 2, 1, 1])
    >>> kept[0].is_leaf
    True
    """
    kept: list[Tensor] = []

    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        # both clones: parts that follow, or read the same tensor, may work in place
        rows = output.detach().repeat_interleave(times, dim=0) if times > 1 else output.detach()
        rows = rows if times > 1 else rows.clone()
        kept.append(rows.requires_grad_(torch.is_grad_enabled()))
        return kept[-1].clone()

    handle = module.register_forward_hook(hook)
    try:
        yield kept
    finally:
        handle.remove()


def runnable(predictor: Predictor, layer: Layer) -> Any:
    """The network that a pass reading this layer runs: the folded copy if the layer means the same
    in it as in the plain one, else the plain one.

    Parameters
    ----------
    predictor
        The model.
    layer
        The layer.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> layer = Layer(name="1", side=(2, 2), calls=1, cut=True, reshape=None)
    >>> runnable(used, layer) is used.fastest
    True
    """
    return predictor.folded if predictor.runs_alone(layer.name) else predictor.model


def runs_fastest(predictor: Predictor, layer: Layer) -> bool:
    """Whether a pass that reads this layer runs the network of the predictor's own passes, so that
    it gives the predictor's logits.

    Parameters
    ----------
    predictor
        The model.
    layer
        The layer.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> layer = Layer(name="1", side=(2, 2), calls=1, cut=True, reshape=None)
    >>> runs_fastest(used, layer)
    True
    """
    return runnable(predictor, layer) is predictor.fastest and predictor.compiled is None


def layer_activations(predictor: Predictor, images: Tensor, layer: Layer) -> tuple[Tensor, Tensor]:
    """Feature maps of a layer and the logits, from one pass.

    Parameters
    ----------
    predictor
        The model.
    images
        ``(B, 3, H, W)`` in [0, 1], on the predictor's device.
    layer
        The layer.

    Returns
    -------
    tuple
        Feature maps ``(B, C, h, w)`` and logits ``(B, classes)``, float32.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> layer = Layer(name="1", side=(2, 2), calls=1, cut=True, reshape=None)
    >>> activations, logits = layer_activations(used, torch.rand(3, 3, 8, 8), layer)
    >>> activations.shape, logits.shape
    (torch.Size([3, 2, 2, 2]), torch.Size([3, 2]))
    """
    model = runnable(predictor, layer)
    kept: list[Tensor] = []
    handle = model.net.get_submodule(layer.name).register_forward_hook(
        lambda _, __, output: kept.append(output.clone())  # a later part may overwrite it
    )
    try:
        with torch.inference_mode(), predictor.autocast():
            logits: Tensor = model(images)
    finally:
        handle.remove()
    # copies of what was made in inference mode, which could be part of no graph
    return layer.maps(kept[-1]).float().clone(), logits.float().clone()


def activations_and_gradients(
    predictor: Predictor, question: Question, layer: Layer
) -> tuple[Tensor, Tensor, Tensor]:
    """Feature maps of a layer, the gradients of each target's score there, and the logits.

    The pass up to the layer runs once, without a graph. The part behind it runs once for all
    targets, over repeated rows, where the layer's output can be repeated; else there is one
    backward pass for each target.

    Parameters
    ----------
    predictor
        The model.
    question
        The faces and their K targets.
    layer
        The layer.

    Returns
    -------
    tuple
        Activations ``(B, K or 1, C, h, w)``, gradients ``(B, K, C, h, w)`` and logits ``(B,
        classes)``, float32.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> used = Predictor(model, device="cpu")
    >>> layer = Layer(name="1", side=(2, 2), calls=1, cut=True, reshape=None)
    >>> question = Question(images=torch.rand(3, 3, 8, 8), columns=torch.tensor([[0, 1]] * 3))
    >>> [tuple(found.shape) for found in activations_and_gradients(used, question, layer)]
    [(3, 2, 2, 2, 2), (3, 2, 2, 2, 2), (3, 2)]
    """
    model = runnable(predictor, layer)
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
    return activations.float(), gradients.float(), logits.detach()[::times].float()


def _own_target(question: Question, logits: Tensor) -> Tensor:
    """Scores ``(B, K)`` from logits ``(B · K, C)``: each row has the score of its own target."""
    targets = question.targets
    every = question.scores(logits, each=targets)  # (B · K, K)
    return every.unflatten(0, (-1, targets)).diagonal(dim1=1, dim2=2)  # (B, K)
