"""Methods that change what activations pass back: guided backprop, DeepLift, LRP.

They run on a private copy in which rules are modules
(:mod:`fer_xai.attributions.relevance.canonizers`, :mod:`fer_xai.attributions.relevance.rules`).
Captum hooks modules instead, whose rule then answers for all that reads the same tensor; the tests
hold ours to it where its networks do not branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fer_xai.attributions.cam import GradCam
from fer_xai.attributions.core.registry import (
    ATTRIBUTIONS,
    Attribution,
    Maps,
    Question,
    need_logits,
)
from fer_xai.attributions.core.resizing import upsample
from fer_xai.attributions.gradients import differentiating, generators
from fer_xai.attributions.relevance.canonizers import for_deeplift, for_lrp, for_relus
from fer_xai.attributions.relevance.rules import Constant, Guided, Shared, forget, recording
from fer_xai.checks import check_choice, check_count
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import fill_images

_GAMMA: dict[str, float | None] = {"epsilon": 0.0, "gamma": 0.25, "alpha1_beta0": None}
"""γ of a rule; None is its limit."""
_SAME_FOR_ALL = ("black", "grey", "white")
"""Fills that do not depend on the face."""


def _each(scores: Tensor, leaf: Tensor) -> Iterator[Tensor]:
    """Gradients ``(B, 3, h, w)`` of each of K scores ``(B, K)``, one after the other."""
    for target, score in enumerate(scores.sum(dim=0).unbind()):
        more = target + 1 < scores.shape[1]
        yield torch.autograd.grad(score, leaf, retain_graph=more)[0].detach()


@dataclass(frozen=True, kw_only=True)
class GuidedGradient(Attribution):
    """Gradients that ReLUs pass only where they are positive.

    Randomising the network barely changes such maps (Adebayo et al., NeurIPS 2018): they show the
    image more than the model. They are here to be caught at it.

    Attributes
    ----------
    forward_too
        Also only where the activation was positive: guided backprop (Springenberg et al., ICLR
        workshops 2015); otherwise deconvolution (Zeiler & Fergus, ECCV 2014).
    """

    forward_too: bool = True
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Springenberg et al., 2015; Zeiler & Fergus, ECCV 2014"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        name = "guided_backprop" if self.forward_too else "deconvolution"
        model = for_relus(predictor, name)
        for part in model.net.modules():
            if isinstance(part, Guided):
                part.forward_too = self.forward_too
        with differentiating(predictor):
            leaf = question.images.detach().requires_grad_()
            scores = question.scores(model(leaf))
            channels = torch.stack(list(_each(scores, leaf)), dim=1).float()
        return Maps(cells=channels.sum(dim=2), channels=channels)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards, one backwards a target."""
        del predictor, regions
        return 1.0, float(targets)


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Attribution):
    """Guided backprop times Grad-CAM (Selvaraju et al., ICCV 2017, sec. 3.2).

    Attributes
    ----------
    layer
        Of Grad-CAM.
    """

    layer: str | None = None
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Selvaraju et al., ICCV 2017, sec. 3.2"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        fine = GuidedGradient().maps(predictor, question)
        assert fine.channels is not None
        coarse = GradCam(layer=self.layer).maps(predictor, question).cells
        cam = upsample(coarse, size=tuple(fine.cells.shape[-2:]))
        return Maps(cells=fine.cells * cam, channels=fine.channels * cam[:, :, None])

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """The layer that is used."""
        return GradCam(layer=self.layer).params(predictor)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forwards and backwards, and those of Grad-CAM."""
        del predictor, regions
        return 2.0, 2.0 * targets


@dataclass(frozen=True, kw_only=True)
class DeepLiftFrom(Attribution):
    """Differences from baselines, handed back by the rescale rule (Shrikumar et al., ICML 2017);
    with several, their mean, which is DeepLiftSHAP (Lundberg & Lee, NeurIPS 2017).

    Attributes
    ----------
    baselines
        Fills (see :data:`fer_xai.perturb.fills.FILLS`).
    """

    baselines: tuple[str, ...] = ("black",)
    law: ClassVar[str | None] = "score of the face − mean score of the baselines"
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Shrikumar et al., ICML 2017; Lundberg & Lee, NeurIPS 2017"

    def __post_init__(self) -> None:
        check_count("the number of baselines", len(self.baselines))

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and what they lack of the score's mean difference."""
        need_logits(question, "deeplift")
        model, images = for_deeplift(predictor, "deeplift"), question.images
        sources = generators(question, "baseline")
        starts = [fill_images(images, kind, sources) for kind in self.baselines]
        empty = torch.stack(
            [question.scores(predictor.run(start)) for start in starts]
        )  # (S, B, K)
        whole = question.scores(predictor.run(images)) - empty.mean(dim=0)
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
        return Maps(cells=cells, channels=total, gap=cells.sum(dim=(-2, -1)) - whole, whole=whole)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """The image and each baseline twice, once for the rules and once for the gap; a baseline
        that is the same for all faces is one row a batch for the rules, and not counted.
        """
        del predictor, regions
        own = [kind for kind in self.baselines if kind not in _SAME_FOR_ALL]
        forward = 2 + len(self.baselines) + len(own)
        return float(forward), float(targets * len(self.baselines))


def _begun(model: Any, start: Tensor) -> Tensor:
    """Baselines ``(B, 3, H, W)`` as the network sees them; one row where all are the same.

    A constant is resized as a constant: interpolation leaves rounding on it, by which secants would
    be divided.
    """
    if bool((start == start[:1]).all()):
        start = start[:1]
    corner = start[..., :1, :1]
    constant = (start == corner).flatten(1).all(dim=1)[:, None, None, None]
    inside = model.preprocess(start)
    side = inside.shape[-1]
    return torch.where(constant, model.preprocess(corner.expand(-1, -1, side, side)), inside)


@dataclass(frozen=True, kw_only=True)
class LayerwiseRelevance(Attribution):
    """Relevance handed back layer by layer (Bach et al., PLoS ONE 2015).

    Relevance is that of the network's *input*, after resizing, greyscale and normalisation, which
    have no rule. BatchNorm is merged into convolutions first, as the rules ask for. Biases keep
    their share of it, and the law counts that: what reaches the input and what biases keep is the
    score. The relevance of a product with a gate (squeeze and excitation) goes to the signal.

    Attributes
    ----------
    rule
        Of convolutions: ``epsilon`` (its limit ε → 0, LRP-0), ``gamma`` (γ = 0.25, generalised to
        outputs of either sign) or ``alpha1_beta0``; everything else has ε. The other two are for
        inputs that cannot be negative: a convolution that reads the normalised image, or whatever
        no ReLU has passed, has ε too. Biases are changed as weights are (Captum's rules leave
        them). With ε everywhere a ReLU network's map is the network's input × gradient.
    """

    rule: Literal["epsilon", "gamma", "alpha1_beta0"] = "epsilon"
    law: ClassVar[str | None] = "score − what biases keep"
    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "Bach et al., PLoS ONE 10(7), 2015; Montavon et al., 2019"

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, tuple(_GAMMA))

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the resolution of the network's input, and what they and biases lack."""
        need_logits(question, "lrp")
        model = for_lrp(predictor, "lrp", gamma=_GAMMA[self.rule])
        keepers = [part for part in model.net.modules() if isinstance(part, Constant | Shared)]
        whole = question.scores(predictor.run(question.images))
        made, kept = [], []
        with differentiating(predictor):
            leaf = model.preprocess(question.images).detach().requires_grad_()
            _clear(keepers)
            for multipliers in _each(question.scores(model.net(leaf)), leaf):
                made.append((multipliers * leaf.detach()).float())
                kept.append(_clear(keepers, like=whole[:, 0]))
        channels = torch.stack(made, dim=1)
        cells = channels.sum(dim=2)
        gap = cells.sum(dim=(-2, -1)) + torch.stack(kept, dim=1) - whole
        return Maps(cells=cells, channels=channels, gap=gap, whole=whole)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """Two forwards, one of them for the gap, and one backwards a target."""
        del predictor, regions
        return 2.0, float(targets)


def _clear(keepers: list[Any], *, like: Tensor | None = None) -> Tensor:
    """What parts have drawn ``(B,)`` since it was last asked, which they forget."""
    total = torch.zeros(()) if like is None else torch.zeros_like(like)
    for part in keepers:
        for drawn in part.drawn if like is not None else ():
            total = total + drawn.float()
        part.drawn.clear()
    return total


for _name, _method in {
    "guided_backprop": GuidedGradient(),
    "deconvolution": GuidedGradient(forward_too=False),
    "guided_gradcam": GuidedGradCam(),
    "deeplift": DeepLiftFrom(),
    "deeplift_shap": DeepLiftFrom(baselines=("black", "mean", "blur")),
    "lrp": LayerwiseRelevance(),
}.items():
    ATTRIBUTIONS.register(_name)(_method)
