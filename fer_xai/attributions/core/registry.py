"""Attributions by name, what each of them is asked, and what it answers."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.registry import Registry
from fer_xai.scores import Output, scores
from fer_xai.seeding import generator
from fer_xai.types import undefined_maps

LEAST_WHOLE = 1e-4
"""Least score of which a completeness gap is a share: a hundred times what two passes differ by."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a model about a batch of faces.

    Attributes
    ----------
    images
        ``(B, 3, H, W)`` float in [0, 1], on the predictor's device.
    columns, against
        ``(B, K)`` output columns to explain, and those they are held against, or None.
    output
        Which of their numbers.
    keys
        Names of the faces, which seed what is random about them: batch size and order do not
        matter.
    seed
        Of everything random.
    regions
        Bool ``(B, R, H, W)``: parts of each image, for methods that ask for them.
    """

    images: Tensor
    columns: Tensor
    against: Tensor | None = None
    output: Output = "logit"
    keys: tuple[str | int, ...] = ()
    seed: int = 0
    regions: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def targets(self) -> int:
        """K, the number of targets a face."""
        return self.columns.shape[1]

    def scores(self, logits: Tensor, *, each: int = 1) -> Tensor:
        """Scores ``(B · each, K)`` of logits in which every face stands ``each`` times in a row."""
        columns, against = self.columns, self.against
        if each > 1:
            columns = columns.repeat_interleave(each, dim=0)
            against = None if against is None else against.repeat_interleave(each, dim=0)
        return scores(logits, columns, against, output=self.output)

    def one(self, target: int) -> Question:
        """The question for one of the K targets."""
        return dataclasses.replace(
            self,
            columns=self.columns[:, target : target + 1],
            against=None if self.against is None else self.against[:, target : target + 1],
        )

    def part(self, rows: slice) -> Question:
        """The question for some of the faces."""
        return dataclasses.replace(
            self,
            images=self.images[rows],
            columns=self.columns[rows],
            against=None if self.against is None else self.against[rows],
            keys=self.keys[rows],
            regions=None if self.regions is None else self.regions[rows],
        )

    def rows(self, faces: Tensor) -> Question:
        """The question for the faces at these positions ``(M,)``."""
        return dataclasses.replace(
            self,
            images=self.images[faces],
            columns=self.columns[faces],
            against=None if self.against is None else self.against[faces],
            keys=tuple(self.keys[face] for face in faces.tolist()) if self.keys else (),
            regions=None if self.regions is None else self.regions[faces],
        )

    def generator(self, face: int, salt: str = "") -> torch.Generator:
        """Randomness of one face, by (seed, its key, salt), on the CPU."""
        return generator(self.seed, self.keys[face], salt)


@dataclass(frozen=True, kw_only=True)
class Maps:
    """What a method answers.

    Attributes
    ----------
    cells
        ``(B, K, h, w)`` float32 at the method's own resolution.
    channels
        ``(B, K, 3, h, w)``: before the colour channels were added up, where there are any.
    gap, whole
        ``(B, K)``: Σ map less what it should add up to, and what that is (a difference of scores,
        or a score), for methods with a law of completeness.
    values
        ``(B, K, R)``: a number a region, for methods over regions.
    """

    cells: Tensor
    channels: Tensor | None = None
    gap: Tensor | None = None
    whole: Tensor | None = None
    values: Tensor | None = None

    @property
    def completeness_gap(self) -> Tensor | None:
        """``(B, K)``: the gap as a share of what should be explained, with the gap's sign.

        Where positive and negative parts all but cancel, so that what should be explained is less
        than a hundredth of Σ |map|, the share is of that hundredth: below it float32's rounding
        would be reported as a broken law. Nor is it of less than 1e-4: two passes differ by 1e-6,
        and of effects that cancel exactly nothing but rounding is left.
        """
        if self.gap is None or self.whole is None:
            return None
        size = self.cells.abs().sum(dim=(-2, -1)) / 100  # (B, K)
        share = self.gap / torch.maximum(self.whole.abs(), size).clamp(min=LEAST_WHOLE)
        return torch.where(self.gap == 0, torch.zeros_like(share), share)

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
        What its maps start from where no option names it.
    law
        What a map of the method adds up to, in words; None where nothing is promised.
    tolerance
        Share of that by which the sum may be off before a warning is given: 1 % for exact methods.
    rewrites
        Whether it traces or rewrites the network, which cannot be done in several threads at a
        time; its micro-batches run one after the other.
    reference
        The paper.
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
        """Maps of a batch for K targets a face, from as few passes as possible."""

    def check(self, size: tuple[int, int]) -> None:
        """Refuse options that do not fit images of ``(H, W)`` pixels, before any pass."""
        del size

    def params(self, predictor: Predictor) -> Mapping[str, Any]:
        """Its options and what it found out about the model, for manifests."""
        del predictor
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @property
    def fills(self) -> tuple[str, ...]:
        """Fills that its maps start from: scored by one of them, a map is held against itself."""
        named = [getattr(self, option, ()) for option in ("fill", "baseline", "baselines")]
        listed = [(name,) if isinstance(name, str) else tuple(name) for name in named]
        implied = (self.implied_fill,) if self.implied_fill else ()
        return tuple(dict.fromkeys([*implied, *(name for names in listed for name in names)]))

    @property
    def seeded(self) -> bool:
        """Whether the seed matters: to the method, or to what it fills with."""
        options = vars(self).values()
        return self.random or any(
            "noise" in (option if isinstance(option, tuple) else (option,)) for option in options
        )

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """Forward and backward passes that a face needs, of the network or of what lies behind a
        layer.
        """
        del predictor, regions
        return 1.0, float(targets)


def need_logits(question: Question, method: str) -> None:
    """Methods with a rule a layer have none for the softmax."""
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
        "cam_ablation",
        "gradients",
        "relevance.methods",
        "perturbation",
        "surrogates",
        "extremal",
        "shapley",
        "attention",
    ),
)
