"""Gradients of the explained score with respect to images, on which gradient methods are built."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.attributions.core.question import Question, scores
from fer_xai.attributions.core.registry import Maps
from fer_xai.inference.predictor import Predictor


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
    """Switch gradients on, also within a caller's inference mode."""
    with torch.inference_mode(mode=False), torch.enable_grad(), predictor.autocast():
        yield


def extra(question: Question) -> tuple[Any, ...]:
    """Arguments of a :class:`Scorer` beside the images, for a question with one target."""
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
    """Mean and variance ``(B, K, 3, H, W)`` of gradients at sampled images, by Welford's updates:
    a difference of mean squares would leave rounding noise where nothing varies.

    ``sample`` gives images ``(B, 3, H, W)`` and what their gradient is multiplied by, or None.
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


def generators(question: Question, salt: str) -> list[torch.Generator]:
    """A generator a face."""
    return [question.generator(face, salt) for face in range(len(question))]


def each_gradient(scores: Tensor, leaf: Tensor) -> Iterator[Tensor]:
    """Gradients ``(B, 3, h, w)`` of each of K scores ``(B, K)``, one after the other."""
    for target, score in enumerate(scores.sum(dim=0).unbind()):
        more = target + 1 < scores.shape[1]
        yield torch.autograd.grad(score, leaf, retain_graph=more)[0].detach()
