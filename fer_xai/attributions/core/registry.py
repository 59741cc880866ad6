"""Attributions by name, the interface of each of them, and what it answers."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.core.question import Question
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import fill_named, has_fill
from fer_xai.registry import Registry
from fer_xai.types import undefined_maps

LEAST_SCORE = 1e-4
"""Smallest score by which a completeness gap is divided: a hundred times what two passes differ by.
"""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """What a method answers.

    Attributes
    ----------
    cells
        ``(B, K, h, w)`` float32 at the method's own resolution.
    channels
        ``(B, K, 3, h, w)``: the map before its colour channels were added up, where there are any.
    expected_sum
        ``(B, K)``: what a map should add up to (a score, or a difference of two), for methods with
        a law of completeness.
    completeness_delta
        ``(B, K)``: Σ map − ``expected_sum``, in the unit of the score, for the same methods.
    values
        ``(B, K, R)``: a number for each region, for methods over regions.
    logits
        ``(B, C)`` float32: logits of the unchanged images, where a pass of the method gave them.
        They are the predictor's own if :meth:`Attribution.gives_logits`; else they may come from
        the copy without folded BatchNorms, and differ by rounding.

    Examples
    --------
    >>> cells = torch.tensor([[[[1.0, 2.0]]]])
    >>> Maps(
    ...     cells=cells,
    ...     expected_sum=torch.tensor([[4.0]]),
    ...     completeness_delta=torch.tensor([[-1.0]]),
    ... ).completeness_gap
    tensor([[-0.2500]])
    """

    cells: Tensor
    channels: Tensor | None = None
    expected_sum: Tensor | None = None
    completeness_delta: Tensor | None = None
    values: Tensor | None = None
    logits: Tensor | None = None

    @property
    def completeness_gap(self) -> Tensor | None:
        """``(B, K)``: ``completeness_delta`` as a share of ``expected_sum``, with the delta's sign.

        The divisor is never smaller than a hundredth of Σ |map|: where positive and negative parts
        all but cancel, float32's rounding would otherwise be reported as a broken law. Neither is
        it smaller than 1e-4: two passes differ by 1e-6, and where effects cancel exactly nothing
        but rounding is left.
        """
        if self.completeness_delta is None or self.expected_sum is None:
            return None
        size = self.cells.abs().sum(dim=(-2, -1)) / 100  # (B, K)
        divisor = torch.maximum(self.expected_sum.abs(), size).clamp(min=LEAST_SCORE)
        share = self.completeness_delta / divisor
        return torch.where(self.completeness_delta == 0, torch.zeros_like(share), share)

    @property
    def undefined(self) -> Tensor:
        """``(B, K)`` bool: maps that no metric scores, as :attr:`Explanation.undefined` says."""
        return undefined_maps(self.cells, self.completeness_gap)

    @property
    def defined_cells(self) -> Tensor:
        """``(B, K, h, w)``: the cells, with NaN throughout where the map is undefined."""
        return torch.where(self.undefined[..., None, None], torch.nan, self.cells)


class Attribution(ABC):
    """A way to make maps from a model: a frozen dataclass whose fields are its options.

    A module of this package that registers an instance adds a method; nothing else is edited.

    Attributes
    ----------
    nonnegative
        Whether maps are clamped at zero, so that an all-zero map can occur.
    random
        Whether the seed matters whatever the options.
    class_blind
        Whether the target is ignored.
    needs_regions
        Whether masks must be handed in.
    implied_fill
        The fill that its maps start from where no option names it.
    law
        What a map of the method adds up to, in words; None where nothing is promised.
    tolerance
        Share of that by which the sum may be off before a warning is given: 1 % for exact methods.
    rewrites
        Whether it traces or rewrites the network, which cannot be done in several threads at a
        time; its micro-batches run one after the other.
    reference
        The paper.

    Examples
    --------
    >>> from fer_xai.attributions import ATTRIBUTIONS, explain
    >>> from fer_xai import FERModel
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Flat(Attribution):
    ...     reference: ClassVar[str] = "none: the same value everywhere"
    ...
    ...     def maps(self, predictor, question):
    ...         return Maps(cells=torch.ones(len(question), question.targets, 1, 1))
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> explain(model, torch.rand(1, 3, 8, 8), method=Flat(), targets="fear").maps.sum()
    tensor(64.)
    """

    nonnegative: ClassVar[bool] = False
    random: ClassVar[bool] = False
    class_blind: ClassVar[bool] = False
    needs_regions: ClassVar[bool] = False
    implied_fill: ClassVar[str | None] = None
    law: ClassVar[str | None] = None
    tolerance: ClassVar[float] = 0.01
    rewrites: ClassVar[bool] = False
    reference: ClassVar[str]

    @abstractmethod
    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps of a batch for K targets a face, from as few passes as possible.

        Parameters
        ----------
        predictor
            The model, with its private copies and what was found out about its layers.
        question
            The faces, their targets, and all that the maps may depend on.
        """

    def check(self, size: tuple[int, int]) -> None:
        """Refuse options that do not fit the images, before any pass.

        Parameters
        ----------
        size
            ``(H, W)`` of the images in pixels.

        Raises
        ------
        InputError
            If they do not fit.
        """
        del size

    def gives_logits(self, predictor: Predictor) -> bool:
        """Whether its maps come with the predictor's logits of the unchanged images, from a pass
        that it makes anyway.

        No other pass for logits is made then, and the predicted emotion is explained without being
        known before (:attr:`Question.predicted`).

        Parameters
        ----------
        predictor
            The model.
        """
        del predictor
        return False

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """Its options and what it found out about the model, for manifests.

        Parameters
        ----------
        predictor
            The model.
        """
        del predictor
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @property
    def fills(self) -> tuple[str, ...]:
        """Fills that its maps start from. A metric that uses one of them scores a map by the
        method's own assumption.
        """
        named = [getattr(self, option, ()) for option in ("fill", "baseline", "baselines")]
        listed = [(name,) if isinstance(name, str) else tuple(name) for name in named]
        implied = (self.implied_fill,) if self.implied_fill else ()
        return tuple(dict.fromkeys([*implied, *(name for names in listed for name in names)]))

    @property
    def seeded(self) -> bool:
        """Whether the seed matters: to the method, or to a fill that it uses."""
        return self.random or any(fill_named(name).random for name in self._known_fills())

    @property
    def asks_for_regions(self) -> bool:
        """Whether masks must be handed in: for the method, or for a fill that it uses."""
        return self.needs_regions or any(
            fill_named(name).needs_regions for name in self._known_fills()
        )

    def _known_fills(self) -> list[str]:
        return [name for name in self.fills if has_fill(name)]

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """Forward and backward passes that a face needs, of the network or of its part behind a
        layer.

        Parameters
        ----------
        predictor
            The model.
        targets
            K, the number of targets a face.
        regions
            R, the number of regions a face, for methods over regions.
        """
        del predictor, regions
        return 1.0, float(targets)


def need_logits(question: Question, method: str) -> None:
    """Refuse other outputs for methods whose rules have none for the softmax.

    Parameters
    ----------
    question
        The question.
    method
        Name of the method.

    Raises
    ------
    InputError
        If the question asks for another output.

    Examples
    --------
    >>> asked = {"images": torch.zeros(1, 3, 8, 8), "columns": torch.tensor([[0]])}
    >>> need_logits(Question(**asked, output="probability"), "lrp")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected output='logit' for lrp, got 'probability': ...
    """
    if question.output != "logit":
        raise InputError(
            f"Expected output='logit' for {method}, got {question.output!r}: its rules do not "
            "reach through a softmax; a contrast of two logits (against=…) is possible."
        )


ATTRIBUTIONS: Registry[Attribution] = Registry(
    "attribution",
    package="fer_xai.attributions",
    first=(
        "cam",
        "eigencam",
        "layercam_fused",
        "cam_ablation",
        "gradients",
        "integrated_gradients",
        "smoothgrad",
        "gradient_shap",
        "relevance.guided_backprop",
        "relevance.deeplift",
        "relevance.lrp",
        "perturbation",
        "surrogates",
        "extremal",
        "shapley",
        "attention",
    ),
    holds=Attribution,
    wanted="a fer_xai.attributions.Attribution",
    remedy="derive a class from it and register an instance",
)
