"""Layer-wise relevance propagation (LRP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fer_xai.attributions.core.differentiation import differentiating, each_gradient
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps, need_logits
from fer_xai.attributions.relevance.composites import for_lrp
from fer_xai.attributions.relevance.lrp_rules import Constant, Shared
from fer_xai.checks import check_choice
from fer_xai.inference.predictor import Predictor

_GAMMA: dict[str, float | None] = {"epsilon": 0.0, "gamma": 0.25, "alpha1_beta0": None}
"""γ of a rule; None is its limit."""


@dataclass(frozen=True, kw_only=True)
class LayerwiseRelevance(Attribution):
    """Relevance passed back layer by layer (Bach et al., PLoS ONE 2015).

    It is the relevance of the network's *input*, after resizing, greyscale and normalisation, which
    have no rule. BatchNorm is merged into convolutions first, as the rules ask for. Biases keep
    their share of the relevance, and the law counts it: the relevance that reaches the input and
    the share that biases keep add up to the score. The relevance of a product with a gate (squeeze
    and excitation) goes to the signal.

    Attributes
    ----------
    rule
        Rule of convolutions: ``epsilon`` (its limit ε → 0, LRP-0), ``gamma`` (γ = 0.25, generalised
        to outputs of either sign) or ``alpha1_beta0``; everything else has ε. The other two are for
        inputs that cannot be negative: a convolution that reads the normalised image, or whatever
        no ReLU has passed, has ε too. Biases are changed as weights are (Captum's rules leave
        them). With ε everywhere a ReLU network's map is the network's input × gradient.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> conv, pool = torch.nn.Conv2d(3, 2, 4, stride=4), torch.nn.AdaptiveAvgPool2d(1)
    >>> net = torch.nn.Sequential(conv, torch.nn.ReLU(), pool, torch.nn.Flatten())
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8, cam_layer="1")
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> found = explain(model, faces, method=LayerwiseRelevance(rule="gamma"))
    >>> bool(found.completeness_gap.abs().max() < 1e-3)
    True
    """

    rule: Literal["epsilon", "gamma", "alpha1_beta0"] = "epsilon"
    law: ClassVar[str | None] = "score − what biases keep"
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Bach et al., PLoS ONE 10(7), 2015; Montavon et al., 2019"

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, tuple(_GAMMA))

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the resolution of the network's input, and by how much they and biases miss the
        score.
        """
        need_logits(question, "lrp")
        model = for_lrp(predictor, "lrp", gamma=_GAMMA[self.rule])
        keepers = [part for part in model.net.modules() if isinstance(part, Constant | Shared)]
        logits = predictor.run(question.images)
        question = question.resolved(logits)
        expected = question.scores(logits)
        made, kept = [], []
        with differentiating(predictor):
            leaf = model.preprocess(question.images).detach().requires_grad_()
            _clear(keepers)
            for multipliers in each_gradient(question.scores(model.read(model.net(leaf))), leaf):
                made.append((multipliers * leaf.detach()).float())
                kept.append(_clear(keepers, like=expected[:, 0]))
        channels = torch.stack(made, dim=1)
        cells = channels.sum(dim=2)
        delta = cells.sum(dim=(-2, -1)) + torch.stack(kept, dim=1) - expected
        return Maps(
            cells=cells,
            channels=channels,
            expected_sum=expected,
            completeness_delta=delta,
            logits=logits,
        )

    def gives_logits(self, predictor: Predictor) -> bool:
        """Always: the completeness gap needs them."""
        del predictor
        return True

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """Two forward passes, one of them for the gap, and a backward pass for each target."""
        del predictor, regions
        return 2.0, float(targets)


def _clear(keepers: list[Any], *, like: Tensor | None = None) -> Tensor:
    """Relevance ``(B,)`` that constants kept since this was last asked; it is forgotten then."""
    total = torch.zeros(()) if like is None else torch.zeros_like(like)
    for part in keepers:
        for drawn in part.drawn if like is not None else ():
            total = total + drawn.float()
        part.drawn.clear()
    return total


ATTRIBUTIONS.register("lrp")(LayerwiseRelevance())
