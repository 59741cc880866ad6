"""Gradients of the explained score with respect to images, on which gradient methods are built."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import Maps
from fer_xai.inference.predictor import Predictor
from fer_xai.scores import scores


class Scorer(nn.Module):
    """A model whose output is the number that is explained, ``(B,)``, as Captum takes it.

    Parameters
    ----------
    model
        A network that gives logits ``(B, C)``.
    question
        The question whose output is explained. If it asks for the predicted emotion, the columns
        that :meth:`forward` is given are not read.

    Attributes
    ----------
    logits
        ``(B, C)`` float32 of the last pass, without a graph; None before the first.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> question = Question(images=torch.rand(1, 3, 8, 8), columns=torch.tensor([[1]]))
    >>> Scorer(model, question)(question.images, question.columns).shape
    torch.Size([1])
    """

    def __init__(self, model: nn.Module, question: Question) -> None:
        super().__init__()
        self.model, self.output, self.predicted = model, question.output, question.predicted
        self.logits: Tensor | None = None

    def forward(self, images: Tensor, columns: Tensor, against: Tensor | None = None) -> Tensor:
        """Scores of images ``(B, 3, H, W)`` for columns ``(B, 1)``, less those of ``against``."""
        logits: Tensor = self.model(images)
        self.logits = logits.detach().float()
        if self.predicted:
            columns = self.logits.argmax(dim=1, keepdim=True)
        return scores(logits, columns, against, output=self.output)[:, 0]


@contextmanager
def differentiating(predictor: Predictor) -> Iterator[None]:
    """Switch gradients on, also within a caller's inference mode.

    Parameters
    ----------
    predictor
        The model, whose precision the passes have.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> used = Predictor(FERModel(net, emotions=["happiness", "fear"], size=8), device="cpu")
    >>> with torch.inference_mode(), differentiating(used):
    ...     torch.is_grad_enabled()
    True
    """
    with torch.inference_mode(mode=False), torch.enable_grad(), predictor.autocast():
        yield


def extra(question: Question) -> tuple[Any, ...]:
    """Arguments of a :class:`Scorer` beside the images.

    Parameters
    ----------
    question
        A question with one target.

    Examples
    --------
    >>> extra(Question(images=torch.zeros(1, 3, 8, 8), columns=torch.tensor([[1]])))
    (tensor([[1]]),)
    """
    if question.against is None:
        return (question.columns,)
    return (question.columns, question.against)


def per_target(
    question: Question,
    make: Callable[[Question], Tensor],
    *,
    expected_sum: Tensor | None = None,
) -> Maps:
    """Maps of methods that explain one target at a time.

    Parameters
    ----------
    question
        The question for K targets.
    make
        From a question with one target to channels ``(B, 3, H, W)``.
    expected_sum
        ``(B, K)``: what maps should add up to, for methods with a law of completeness.

    Examples
    --------
    >>> question = Question(images=torch.ones(1, 3, 8, 8), columns=torch.tensor([[1, 0]]))
    >>> per_target(question, lambda one: one.images * one.columns[0, 0]).cells.sum(dim=(2, 3))
    tensor([[192.,   0.]])
    """
    images = question.images.detach().requires_grad_()  # Captum warns where it has to do so
    asked = dataclasses.replace(question, images=images)
    made = [make(asked.one(target)) for target in range(question.targets)]
    channels = torch.stack([part.detach().float() for part in made], dim=1)
    cells = channels.sum(dim=2)
    delta = None if expected_sum is None else cells.sum(dim=(-2, -1)) - expected_sum
    return Maps(cells=cells, channels=channels, completeness_delta=delta, expected_sum=expected_sum)


def mean_gradient(
    predictor: Predictor,
    question: Question,
    sample: Callable[[int], tuple[Tensor, Tensor | None]],
    *,
    samples: int,
) -> tuple[Tensor, Tensor]:
    """Mean and variance of gradients at sampled images, by Welford's updates: a difference of mean
    squares would leave rounding noise where nothing varies.

    Parameters
    ----------
    predictor
        The model.
    question
        The faces and their K targets.
    sample
        From the number of a sample to images ``(B, 3, H, W)`` and a factor of their gradient, or
        None.
    samples
        Number of samples.

    Returns
    -------
    tuple
        Mean and variance, ``(B, K, 3, H, W)`` each.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> question = Question(images=torch.rand(1, 3, 8, 8), columns=torch.tensor([[1]]))
    >>> used = Predictor(model, device="cpu")
    >>> mean, variance = mean_gradient(used, question, lambda _: (question.images, None), samples=2)
    >>> mean.shape, float(variance.max())
    (torch.Size([1, 1, 3, 8, 8]), 0.0)
    """
    faces, size = len(question), question.images.shape[1:]
    mean = torch.zeros(faces, question.targets, *size, device=question.images.device)
    spread = torch.zeros_like(mean)
    # a pass holds several samples of few faces
    together = max(1, predictor.batch_size_for(faces * samples) // max(1, faces))
    for start in range(0, samples, together):
        drawn = [sample(index) for index in range(start, min(start + together, samples))]
        with differentiating(predictor):
            leaf = torch.stack([images.detach() for images, _ in drawn], dim=1).flatten(0, 1)
            leaf = leaf.contiguous(memory_format=torch.channels_last).requires_grad_()
            each = question.scores(predictor.fastest(leaf), each=len(drawn)).sum(dim=0)  # (K,)
            for target, score in enumerate(each.unbind()):
                more = target + 1 < len(each)
                found = torch.autograd.grad(score, leaf, retain_graph=more)[0].float()
                gradients = found.unflatten(0, (faces, len(drawn))).unbind(dim=1)
                for place, (gradient, (_, factor)) in enumerate(zip(gradients, drawn, strict=True)):
                    value = gradient if factor is None else gradient * factor
                    away = value - mean[:, target]
                    mean[:, target] += away / (start + place + 1)
                    spread[:, target] += away * (value - mean[:, target])
    return mean, spread / samples


def each_gradient(scores: Tensor, leaf: Tensor) -> Iterator[Tensor]:
    """Gradients of each of K scores, one after the other.

    Parameters
    ----------
    scores
        ``(B, K)``, in a graph.
    leaf
        ``(B, 3, h, w)``: the images that they are differentiated by.

    Examples
    --------
    >>> leaf = torch.ones(1, 1, 1, 2, requires_grad=True)
    >>> scores = torch.stack([leaf.sum(), (3 * leaf).sum()])[None]
    >>> [found.tolist() for found in each_gradient(scores, leaf)]
    [[[[[1.0, 1.0]]]], [[[[3.0, 3.0]]]]]
    """
    for target, score in enumerate(scores.sum(dim=0).unbind()):
        more = target + 1 < scores.shape[1]
        yield torch.autograd.grad(score, leaf, retain_graph=more)[0].detach()
