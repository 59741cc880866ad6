"""Gradients of the score with respect to the image, plain, averaged and integrated.

Colour channels are added up with their sign, so that what a method distributes stays whole;
:attr:`~fer_xai.attributions.core.registry.Maps.channels` has them one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from captum.attr import InputXGradient, Saliency

from fer_xai.attributions.core.differentiation import (
    Scorer,
    differentiating,
    extra,
    per_target,
)
from fer_xai.attributions.core.registry import (
    ATTRIBUTIONS,
    Attribution,
    Maps,
    Question,
)
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class Gradient(Attribution):
    """The score's gradient (Simonyan et al., ICLR workshops 2014), with its sign.

    The paper shows the largest absolute value over channels; take it from the channels.
    """

    reference: ClassVar[str] = "Simonyan et al., ICLR workshops 2014, sec. 3"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        with differentiating(predictor):
            method = Saliency(Scorer(predictor.fastest, question.output))
            return per_target(
                question,
                lambda q: method.attribute(q.images, abs=False, additional_forward_args=extra(q)),
            )

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards and backwards a target."""
        del predictor, regions
        return float(targets), float(targets)


@dataclass(frozen=True, kw_only=True)
class InputTimesGradient(Attribution):
    """The image times the gradient: a first-order account of the way from black."""

    implied_fill: ClassVar[str | None] = "black"
    reference: ClassVar[str] = "Shrikumar et al., arXiv 1605.01713"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        with differentiating(predictor):
            method = InputXGradient(Scorer(predictor.fastest, question.output))
            return per_target(
                question,
                lambda q: method.attribute(q.images, additional_forward_args=extra(q)),
            )

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards and backwards a target."""
        del predictor, regions
        return float(targets), float(targets)


ATTRIBUTIONS.register("saliency")(Gradient())
ATTRIBUTIONS.register("input_x_gradient")(InputTimesGradient())
