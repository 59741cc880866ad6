"""Methods that change what activations pass back: guided backprop, DeepLift, LRP, by Captum.

They run on a rewritten private copy (:mod:`fer_xai.attributions.safe`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from captum.attr import LRP, Deconvolution, DeepLift, GuidedBackprop
from captum.attr._utils.lrp_rules import EpsilonRule, PropagationRule
from torch import Tensor, nn

from fer_xai.attributions.cam import GradCam
from fer_xai.attributions.gradients import Scorer, differentiating, extra, generators, per_target
from fer_xai.attributions.pools import Mean
from fer_xai.attributions.registry import (
    ATTRIBUTIONS,
    Attribution,
    Maps,
    Question,
    need_logits,
)
from fer_xai.attributions.resizing import upsample
from fer_xai.attributions.safe import for_deeplift, for_lrp, for_relus
from fer_xai.checks import check_choice, check_count
from fer_xai.perturb import fill_images
from fer_xai.probe import Probe

_RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "epsilon": lambda weights: weights,
    "gamma": lambda weights: weights + 0.25 * weights.clamp(min=0),
    "alpha1_beta0": lambda weights: weights.clamp(min=0),
}
"""What stands in for a convolution's weights and biases as its relevance is shared."""


@dataclass(frozen=True, kw_only=True)
class Guided(Attribution):
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
    reference: ClassVar[str] = "Springenberg et al., 2015; Zeiler & Fergus, ECCV 2014"

    def maps(self, probe: Probe, question: Question) -> Maps:
        """Maps at image resolution."""
        kind = GuidedBackprop if self.forward_too else Deconvolution
        name = "guided_backprop" if self.forward_too else "deconvolution"
        model = for_relus(probe, name)
        with differentiating(probe), _quiet():
            method = kind(Scorer(model, question.output))
            return per_target(
                question,
                lambda q: method.attribute(q.images, additional_forward_args=extra(q)),
            )

    def passes(self, probe: Probe, *, targets: int = 1, regions: int = 0) -> tuple[float, float]:
        """One forwards and backwards a target."""
        del probe, regions
        return float(targets), float(targets)


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Attribution):
    """Guided backprop times Grad-CAM (Selvaraju et al., ICCV 2017, sec. 3.2).

    Attributes
    ----------
    layer
        Of Grad-CAM.
    """

    layer: str | None = None
    reference: ClassVar[str] = "Selvaraju et al., ICCV 2017, sec. 3.2"

    def maps(self, probe: Probe, question: Question) -> Maps:
        """Maps at image resolution."""
        fine = Guided().maps(probe, question)
        assert fine.channels is not None
        coarse = GradCam(layer=self.layer).maps(probe, question).cells
        cam = upsample(coarse, size=tuple(fine.cells.shape[-2:]))
        return Maps(cells=fine.cells * cam, channels=fine.channels * cam[:, :, None])

    def params(self, probe: Probe) -> Mapping[str, Any]:
        """The layer that is used."""
        return GradCam(layer=self.layer).params(probe)

    def passes(self, probe: Probe, *, targets: int = 1, regions: int = 0) -> tuple[float, float]:
        """One forwards and backwards, and those of Grad-CAM."""
        del probe, regions
        return 1.0 + targets, 2.0 * targets


@dataclass(frozen=True, kw_only=True)
class DeepLiftFrom(Attribution):
    """Differences from baselines, handed back by the rescale rule (Shrikumar et al., ICML 2017);
    with several, their mean, which is DeepLiftSHAP (Lundberg & Lee, NeurIPS 2017).

    Attributes
    ----------
    baselines
        Fills (see :data:`fer_xai.perturb.FILLS`).
    """

    baselines: tuple[str, ...] = ("black",)
    reference: ClassVar[str] = "Shrikumar et al., ICML 2017; Lundberg & Lee, NeurIPS 2017"

    def __post_init__(self) -> None:
        check_count("the number of baselines", len(self.baselines))

    def maps(self, probe: Probe, question: Question) -> Maps:
        """Maps at image resolution, and what they lack of the score's mean difference."""
        need_logits(question, "deeplift")
        model = for_deeplift(probe, "deeplift")
        sources = generators(question, "baseline")
        starts = [fill_images(question.images, kind, sources) for kind in self.baselines]

        full = question.scores(probe.run(question.images))
        empty = [question.scores(probe.run(start)) for start in starts]
        whole = full - torch.stack(empty).mean(dim=0)

        def make(q: Question) -> Tensor:
            found = [
                method.attribute(q.images, start, additional_forward_args=extra(q))
                for start in starts
            ]
            return torch.stack(found).mean(dim=0)

        with differentiating(probe), _quiet():
            method = DeepLift(Scorer(model, question.output))
            return per_target(question, make, whole=whole)

    def passes(self, probe: Probe, *, targets: int = 1, regions: int = 0) -> tuple[float, float]:
        """Image and baseline through the network, once for the rule and once for the gap."""
        del probe, regions
        n = targets * len(self.baselines)
        return 4.0 * n, 2.0 * n


@dataclass(frozen=True, kw_only=True)
class LayerwiseRelevance(Attribution):
    """Relevance handed back layer by layer (Bach et al., PLoS ONE 2015), on Captum's hooks.

    Relevance is that of the network's *input*, after resizing, greyscale and normalisation, which
    have no rule. BatchNorm is merged into convolutions first, as the rules ask for. Biases keep
    their share of it. A contrast is the difference of two maps.

    Attributes
    ----------
    rule
        Of convolutions: ``epsilon``, ``gamma`` (γ = 0.25) or ``alpha1_beta0``; linear layers have
        ε. The other two are for inputs that cannot be negative: a convolution that reads the
        normalised image, or whatever no ReLU has passed, has ε too. Biases are changed as weights
        are (Captum's rules leave them). With ε everywhere a ReLU network's map is close to input ×
        gradient.
    """

    rule: Literal["epsilon", "gamma", "alpha1_beta0"] = "epsilon"
    reference: ClassVar[str] = "Bach et al., PLoS ONE 10(7), 2015; Montavon et al., 2019"

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, tuple(_RULES))

    def maps(self, probe: Probe, question: Question) -> Maps:
        """Maps at the resolution of the network's input."""
        need_logits(question, "lrp")
        model = for_lrp(probe, "lrp")
        inputs = model.preprocess(question.images).detach()
        columns = [question.columns] + ([] if question.against is None else [question.against])
        signed = []
        for chosen in columns:
            parts = [self._one(model, inputs, column) for column in chosen.unbind(dim=1)]
            signed.append(torch.stack(parts, dim=1))
        channels = signed[0] if len(signed) == 1 else signed[0] - signed[1]
        return Maps(cells=channels.sum(dim=2), channels=channels)

    def _one(self, model: Any, inputs: Tensor, columns: Tensor) -> Tensor:
        for name, module in model.net.named_modules():  # Captum takes its rules off again
            if isinstance(module, nn.Conv2d) and name not in model.signed:
                module.rule = _Changed(_RULES[self.rule])
            elif isinstance(module, nn.Conv2d | Mean):
                module.rule = EpsilonRule()
        with torch.inference_mode(mode=False), torch.enable_grad(), _quiet():
            rows: Tensor = LRP(model.net).attribute(inputs, target=columns)
        return rows.detach().float()

    def passes(self, probe: Probe, *, targets: int = 1, regions: int = 0) -> tuple[float, float]:
        """Two forwards and one backwards a target."""
        del probe, regions
        return 2.0 * targets, float(targets)


class _Changed(PropagationRule):  # type: ignore[misc]
    """Relevance shared as a layer of other weights and biases would share it."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        self.change = change

    def _manipulate_weights(self, module: nn.Module, _: Any, __: Any) -> None:
        for parameter in module.parameters():
            parameter.data = self.change(parameter.data)


@contextmanager
def _quiet() -> Iterator[None]:
    """Captum warns of the hooks that it sets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


for _name, _method in {
    "guided_backprop": Guided(),
    "deconvolution": Guided(forward_too=False),
    "guided_gradcam": GuidedGradCam(),
    "deeplift": DeepLiftFrom(),
    "deeplift_shap": DeepLiftFrom(baselines=("black", "mean", "blur")),
    "lrp": LayerwiseRelevance(),
}.items():
    ATTRIBUTIONS.register(_name)(_method)
