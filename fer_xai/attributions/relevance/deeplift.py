"""DeepLift and DeepLiftSHAP: differences of a score from that of one or several baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.core.differentiation import differentiating
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps, need_logits
from fer_xai.attributions.relevance.composites import for_deeplift
from fer_xai.attributions.relevance.rules import forget, recording
from fer_xai.checks import check_count
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import fill_named


@dataclass(frozen=True, kw_only=True)
class DeepLiftFrom(Attribution):
    """DeepLift: differences from baselines, passed back by the rescale rule (Shrikumar et al., ICML
    2017); with several baselines their mean, which is DeepLiftSHAP (Lundberg & Lee, NeurIPS 2017).

    Attributes
    ----------
    baselines
        Fills (see :data:`fer_xai.perturb.fills.FILLS`).

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> found = explain(model, faces, method=DeepLiftFrom(baselines=("black", "mean")))
    >>> bool(found.completeness_gap.abs().max() < 1e-3)
    True
    """

    baselines: tuple[str, ...] = ("black",)
    law: ClassVar[str | None] = "score of the face − mean score of the baselines"
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Shrikumar et al., ICML 2017; Lundberg & Lee, NeurIPS 2017"

    def __post_init__(self) -> None:
        check_count("the number of baselines", len(self.baselines))

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and by how much they miss the mean difference of scores."""
        need_logits(question, "deeplift")
        model, images = for_deeplift(predictor, "deeplift"), question.images
        sources = question.streams("baseline")
        starts = [question.baseline(kind, sources) for kind in self.baselines]
        logits = predictor.run(images)
        question = question.resolved(logits)
        empty = torch.stack(
            [question.scores(predictor.run(start)) for start in starts]
        )  # (S, B, K)
        expected = question.scores(logits) - empty.mean(dim=0)
        total = torch.zeros(
            len(question), question.targets, *images.shape[1:], device=predictor.device
        )
        with differentiating(predictor):
            leaf = images.detach().requires_grad_()
            scores = question.scores(model(leaf))
            for number, start in enumerate(starts):
                with torch.no_grad(), recording(model.net):
                    model.net(_begun(model, start))
                last = number + 1 == len(starts)
                for target, score in enumerate(scores.sum(dim=0).unbind()):
                    more = not last or target + 1 < question.targets
                    multipliers = torch.autograd.grad(score, leaf, retain_graph=more)[0]
                    total[:, target] += multipliers.float() * (images - start) / len(starts)
        forget(model.net)
        cells = total.sum(dim=2)
        return Maps(
            cells=cells,
            channels=total,
            completeness_delta=cells.sum(dim=(-2, -1)) - expected,
            expected_sum=expected,
            logits=logits,
        )

    def gives_logits(self, predictor: Predictor) -> bool:
        """Always: the completeness gap needs them."""
        del predictor
        return True

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """The image and each baseline twice, once for the rules and once for the gap. A baseline
        that is the same for all faces is one row a batch for the rules, and is not counted.
        """
        del predictor, regions
        own = [kind for kind in self.baselines if not fill_named(kind).same_for_all]
        forward = 2 + len(self.baselines) + len(own)
        return float(forward), float(targets * len(self.baselines))


def _begun(model: Any, start: Tensor) -> Tensor:
    """Baselines ``(B, 3, H, W)`` as the network sees them; one row where all are the same.

    A constant is resized as a constant: interpolation would leave rounding errors, and secants
    would be divided by them.
    """
    if bool((start == start[:1]).all()):
        start = start[:1]
    corner = start[..., :1, :1]
    constant = (start == corner).flatten(1).all(dim=1)[:, None, None, None]
    return torch.where(constant, model.normalise(corner), model.preprocess(start))


ATTRIBUTIONS.register("deeplift")(DeepLiftFrom())
ATTRIBUTIONS.register("deeplift_shap")(DeepLiftFrom(baselines=("black", "mean", "blur")))
