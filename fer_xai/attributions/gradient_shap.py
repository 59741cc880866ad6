"""GradientSHAP: gradients at random points on the paths from several baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.core.differentiation import (
    mean_gradient,
)
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.checks import check_count
from fer_xai.draws.streams import Streams
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class GradientShap(Attribution):
    """Gradients at random points on the paths from several baselines, times the path (Lundberg &
    Lee, NeurIPS 2017, "expected gradients").

    Captum's version draws from the global generators; here each face has draws of its own. The
    points of a baseline are stratified: each is drawn from an equal part of the path, which leaves
    the mean what it is and a fraction of the variance. Every baseline has the same weight, however
    many points it has. Where a map still misses more than ``tolerance`` of what it should add up
    to, it is made anew from twice the points, and again, up to ``most``.

    Attributes
    ----------
    baselines
        Fills to start from.
    samples
        Points a face, shared among the baselines; at least one each.
    most
        Points up to which they are doubled; no more than ``samples`` for a fixed number.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> method = GradientShap(baselines=("black", "mean"), samples=4)
    >>> bool(explain(model, faces, method=method).completeness_gap.abs().max() < 1e-3)
    True
    """

    baselines: tuple[str, ...] = ("black", "mean", "blur")
    samples: int = 24
    most: int = 384
    random: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.1
    law: ClassVar[str | None] = "score of the face − mean score of the baselines"
    reference: ClassVar[str] = "Lundberg & Lee, NeurIPS 2017; Erion et al., Nat. Mach. Intell. 2021"

    def __post_init__(self) -> None:
        check_count("samples", self.samples)
        check_count("most", self.most)
        given: object = self.baselines
        if isinstance(given, str):
            raise InputError(
                f"Expected baselines as a sequence of fills, got {self.baselines!r}: write "
                f"({self.baselines!r},)."
            )
        check_count("the number of baselines", len(self.baselines))
        if self.samples < len(self.baselines):
            raise InputError(
                f"Expected at least one sample for each of {len(self.baselines)} baselines, got "
                f"{self.samples}: take more samples or fewer baselines."
            )

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and by how much they miss the mean difference of scores."""
        images = question.images
        sources = question.streams("path")
        starts = torch.stack([question.baseline(kind, sources) for kind in self.baselines])
        logits = predictor.run(images)
        question = question.resolved(logits)
        full = question.scores(logits)
        empty = torch.stack(
            [question.scores(predictor.run(start)) for start in starts]
        )  # (S, B, K)
        expected = full - empty.mean(dim=0)
        channels = self._expected(predictor, question, starts, sources, self.samples)
        samples = 2 * self.samples
        while samples <= self.most:
            cells = channels.sum(dim=2)  # (B, K, H, W)
            delta = cells.sum(dim=(2, 3)) - expected
            made = Maps(cells=cells, completeness_delta=delta, expected_sum=expected)
            assert made.completeness_gap is not None
            lacking = made.completeness_gap.abs() > self.tolerance  # (B, K)
            if not bool(lacking.any()):
                break
            for target in range(question.targets):
                faces = lacking[:, target].nonzero()[:, 0]
                if len(faces):
                    again = question.one(target).rows(faces)
                    fresh = again.streams(f"path of {samples}")
                    channels[faces, target] = self._expected(
                        predictor, again, starts[:, faces], fresh, samples
                    )[:, 0]
            samples *= 2
        cells = channels.sum(dim=2)
        return Maps(
            cells=cells,
            channels=channels,
            completeness_delta=cells.sum(dim=(2, 3)) - expected,
            expected_sum=expected,
            logits=logits,
        )

    def gives_logits(self, predictor: Predictor) -> bool:
        """Always: the completeness gap needs them."""
        del predictor
        return True

    @staticmethod
    def _expected(
        predictor: Predictor,
        question: Question,
        starts: Tensor,
        sources: Streams,
        samples: int,
    ) -> Tensor:
        """Mean ``(B, K, 3, H, W)`` of gradients times paths from starts ``(S, B, 3, H, W)``."""
        images, count = question.images, len(starts)
        shares = sources.rand(samples, device=images.device).to(images)  # (B, samples)

        def point(sample: int) -> tuple[Tensor, Tensor]:
            stratum, number = divmod(sample, count)
            start, points = starts[number], len(range(number, samples, count))
            there = ((stratum + shares[:, sample]) / points)[:, None, None, None]
            weight = samples / (points * count)  # each baseline alike
            return torch.lerp(start, images, there), (images - start) * weight

        return mean_gradient(predictor, question, point, samples=samples)[0]

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each point, a backward pass for each point and target. The gap needs a
        few more, and so do faces whose points are doubled.
        """
        del predictor, regions
        forward = 1.0 + self.samples + len(self.baselines)
        return forward, float(targets * self.samples)


ATTRIBUTIONS.register("gradient_shap")(GradientShap())
