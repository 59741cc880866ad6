"""Gradients of the score with respect to the image, plain, averaged and integrated.

Colour channels are added up with their sign, so that what a method distributes stays whole;
:attr:`~fer_xai.attributions.core.registry.Maps.channels` has them one by one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from captum.attr import InputXGradient, Saliency

from fer_xai.attributions.core.differentiation import (
    Scorer,
    differentiating,
    extra,
    per_target,
)
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class Gradient(Attribution):
    """Saliency: the score's gradient (Simonyan et al., ICLR workshops 2014), with its sign.

    The paper shows the largest absolute value over channels, which ``channels`` of the explanation
    gives.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> explain(model, faces, method=Gradient(), targets="fear").channels.shape
    torch.Size([2, 3, 8, 8])
    """

    reference: ClassVar[str] = "Simonyan et al., ICLR workshops 2014, sec. 3"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        scorer = Scorer(predictor.fastest, question)
        with differentiating(predictor):
            method = Saliency(scorer)
            made = per_target(
                question,
                lambda q: method.attribute(q.images, abs=False, additional_forward_args=extra(q)),
            )
        return dataclasses.replace(made, logits=scorer.logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If passes of the predictor are not compiled."""
        return predictor.compiled is None

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward and a backward pass for each target."""
        del predictor, regions
        return float(targets), float(targets)


@dataclass(frozen=True, kw_only=True)
class InputTimesGradient(Attribution):
    """The image times the gradient: a first-order account of the way from black.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> black = torch.zeros(1, 3, 8, 8)
    >>> bool(explain(model, black, method=InputTimesGradient()).blank)
    True
    """

    implied_fill: ClassVar[str | None] = "black"
    reference: ClassVar[str] = "Shrikumar et al., arXiv 1605.01713"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        scorer = Scorer(predictor.fastest, question)
        with differentiating(predictor):
            method = InputXGradient(scorer)
            made = per_target(
                question,
                lambda q: method.attribute(q.images, additional_forward_args=extra(q)),
            )
        return dataclasses.replace(made, logits=scorer.logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """If passes of the predictor are not compiled."""
        return predictor.compiled is None

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward and a backward pass for each target."""
        del predictor, regions
        return float(targets), float(targets)


ATTRIBUTIONS.register("saliency")(Gradient())
ATTRIBUTIONS.register("input_x_gradient")(InputTimesGradient())
