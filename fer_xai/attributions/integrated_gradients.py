"""Integrated gradients: the gradient averaged over the straight path from a baseline."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from captum.attr import IntegratedGradients
from torch import Tensor

from fer_xai.attributions.core.differentiation import (
    Scorer,
    differentiating,
    extra,
    per_target,
)
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.checks import check_count
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class IntegratedGradientsTo(Attribution):
    """Gradients integrated on the straight way from a baseline (Sundararajan et al., ICML 2017).

    A face whose map misses more than ``tolerance`` of the score's difference is integrated again
    with twice the points, and again, up to ``most``, whatever its neighbours in the batch.

    Attributes
    ----------
    baseline
        A fill (see :data:`fer_xai.perturb.fills.FILLS`).
    steps
        Points of the Gauss-Legendre rule.
    most
        Points up to which they are doubled; no more than ``steps`` for a fixed number.

    Examples
    --------
    >>> import torch
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> found = explain(model, faces, method=IntegratedGradientsTo(baseline="mean", steps=8))
    >>> bool(found.completeness_gap.abs().max() < 1e-3)  # exact for a linear network
    True
    """

    baseline: str = "black"
    steps: int = 32
    most: int = 256
    law: ClassVar[str | None] = "score of the face − score of the baseline"
    tolerance: ClassVar[float] = 0.05
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, eq. 1"

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        check_count("most", self.most)

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and by how much they miss the score's difference."""
        baselines = question.baseline(self.baseline, question.streams("baseline"))
        ends = predictor.run(question.images), predictor.run(baselines)
        question = question.resolved(ends[0])
        expected = question.scores(ends[0]) - question.scores(ends[1])

        def integrated(q: Question, start: Tensor, steps: int) -> Tensor:
            batch = max(predictor.batch_size_for(len(q) * steps), len(q))
            found: Tensor = method.attribute(
                q.images,
                start,
                additional_forward_args=extra(q),
                n_steps=steps,
                internal_batch_size=batch,
            )
            return found.detach()

        def make(q: Question) -> Tensor:
            due = q.scores(ends[0]) - q.scores(ends[1])  # (B, 1)
            found, steps = integrated(q, baselines, self.steps), 2 * self.steps
            while steps <= self.most:
                cells = found.float().sum(dim=1, keepdim=True)  # (B, 1, H, W)
                delta = cells.sum(dim=(2, 3)) - due
                made = Maps(cells=cells, completeness_delta=delta, expected_sum=due)
                assert made.completeness_gap is not None
                lacking = (made.completeness_gap[:, 0].abs() > self.tolerance).nonzero()[:, 0]
                if not len(lacking):
                    break
                found[lacking] = integrated(q.rows(lacking), baselines[lacking], steps)
                steps *= 2
            return found

        with differentiating(predictor):
            method = IntegratedGradients(Scorer(predictor.fastest, question))
            made = per_target(question, make, expected_sum=expected)
        return dataclasses.replace(made, logits=ends[0])

    def gives_logits(self, predictor: Predictor) -> bool:
        """Always: the completeness gap needs them."""
        del predictor
        return True

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward and a backward pass for each step, and two forward passes for the gap; more
        where steps are doubled.
        """
        del predictor, regions
        return float(targets * self.steps + 2), float(targets * self.steps)


ATTRIBUTIONS.register("integrated_gradients")(IntegratedGradientsTo())
ATTRIBUTIONS.register("integrated_gradients_blur")(IntegratedGradientsTo(baseline="blur"))
