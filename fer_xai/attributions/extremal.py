"""Extremal perturbation: the part of a given size that keeps the score highest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.core.differentiation import differentiating
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.core.resizing import upsample
from fer_xai.checks import check_count, check_number
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import Prepared


@dataclass(frozen=True, kw_only=True)
class Extremal(Attribution):
    """Extremal perturbation: smooth masks of fixed area that keep the score, found by gradient
    ascent (Fong et al., ICCV 2019); the map is their mean over areas.

    The mask lives on a coarse grid and is made smooth by a Gaussian instead of the paper's smooth
    maximum. The paper's penalty on the sorted mask drives its area to the one that is asked for.
    What that penalty leaves (masks of a tenth came out up to 1.3 times as large) is removed in the
    end: one shift of each mask before its sigmoid makes its mean that area. Each face is optimised
    by itself, whatever its neighbours in the batch.

    Attributes
    ----------
    areas
        Shares of the image that are kept, each at least one cell and at most all but one.
    steps
        Steps of gradient ascent for each area.
    cells
        Side of the mask's grid.
    fill
        The fill where nothing is kept (see :data:`fer_xai.perturb.fills.FILLS`). It must be one
        image a face, since masks are soft: ``linear`` is refused.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> method = Extremal(areas=(0.25,), steps=2, cells=4)
    >>> explain(model, faces, method=method).maps.mean(dim=(1, 2))
    tensor([0.2500, 0.2500])
    """

    areas: tuple[float, ...] = (0.1, 0.2, 0.4)
    steps: int = 60
    cells: int = 16
    fill: str = "blur"
    nonnegative: ClassVar[bool] = True
    reference: ClassVar[str] = "Fong et al., ICCV 2019, eq. 3-5"

    def __post_init__(self) -> None:
        check_count("the number of areas", len(self.areas))
        for area in self.areas:
            check_number("areas", area, 0, 1)
        check_count("steps", self.steps)
        check_count("cells", self.cells)
        cell = 1 / self.cells**2
        if not all(cell <= area <= 1 - cell for area in self.areas):
            raise InputError(
                f"Expected areas from {cell:.3g} to {1 - cell:.3g}, one cell to all but one of "
                f"{self.cells}×{self.cells}, got {self.areas}: take more cells or other areas."
            )

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps in [0, 1] at the grid's resolution."""
        filled = question.filled(self.fill, soft=True)
        logits = predictor.run(question.images)
        question = question.resolved(logits)
        full, empty = question.scores(logits), question.scores(predictor.run(filled.whole))
        made = []
        for target in range(question.targets):
            one = question.one(target)
            ends = full[:, target], empty[:, target]
            masks = [self._mask(predictor, one, filled, ends, area) for area in self.areas]
            made.append(torch.stack(masks).mean(dim=0))
        return Maps(cells=torch.stack(made, dim=1), logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """Always: the range of the score is taken from them."""
        del predictor
        return True

    def _mask(
        self,
        predictor: Predictor,
        question: Question,
        filled: Prepared,
        ends: tuple[Tensor, Tensor],
        area: float,
    ) -> Tensor:
        """Masks ``(B, s, s)`` that keep a share of the image, all zero where the score is flat.

        ``ends`` are the scores ``(B,)`` of the image and of the filled one.
        """
        images, side = question.images, self.cells
        wanted = (torch.arange(side**2, device=images.device) >= (1 - area) * side**2).float()

        def slope(raw: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
            """Gradient of the loss (how far the sorted mask is from the area's, less the score),
            and the score.
            """
            with differentiating(predictor):
                leaf = raw.detach().clone().requires_grad_()
                mask = smooth(leaf.sigmoid())
                full = upsample(mask, size=tuple(images.shape[-2:]))
                logits = predictor.fastest(filled.shown(full))
                score = question.scores(logits)[:, 0]
                unequal = (mask.flatten(1).sort(dim=1).values - wanted).square().mean(dim=1)
                gradient = torch.autograd.grad((weight * unequal - score).sum(), leaf)[0]
                return gradient.float(), score.detach()

        with torch.inference_mode(mode=False):
            raw = torch.zeros(len(images), 1, side, side, device=images.device)
        # a flat mask has no order, and sorting it would keep its lower rows: the score's gradient
        # is the order to begin with
        first = -slope(raw, torch.zeros(len(images), device=images.device))[0]
        steepest = first.abs().amax(dim=(1, 2, 3), keepdim=True)
        raw = first / steepest.clamp(min=1e-30)
        moments = [torch.zeros_like(raw), torch.zeros_like(raw)]
        span = (ends[0] - ends[1]).abs()
        for step in range(1, self.steps + 1):
            # the penalty grows, as in the paper, so that the area holds in the end, and is one of
            # the range that the score has had, so that it holds in whatever unit the score has
            gradient, score = slope(raw, 30 * 1.0035**step * span)
            raw = _adam(raw, gradient, moments, step)
            span = torch.maximum(span, (score - ends[1]).abs())
        with torch.no_grad():
            return (_of_area(raw, area) * (steepest > 0))[:, 0]

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward and a backward pass for each step, area and target; the whole and the filled
        face once.
        """
        del predictor, regions
        n = float(targets * len(self.areas) * (self.steps + 1))
        return n + 2, n


def _of_area(raw: Tensor, area: float) -> Tensor:
    """Smooth masks ``(B, 1, s, s)`` whose mean is the area: each is shifted before its sigmoid by a
    number that bisection finds.
    """
    raw = raw.double()
    reach = (
        raw.abs().amax(dim=(1, 2, 3), keepdim=True) + 40
    )  # shifts that are larger fill or empty a mask
    low, high = -reach, reach.clone()
    for _ in range(60):
        middle = (low + high) / 2
        small = smooth((raw + middle).sigmoid()).mean(dim=(1, 2, 3), keepdim=True) < area
        low, high = torch.where(small, middle, low), torch.where(small, high, middle)
    return smooth((raw + high).sigmoid()).float()


def smooth(mask: Tensor) -> Tensor:
    """A mask under a 3×3 binomial window, its border repeated.

    Parameters
    ----------
    mask
        ``(B, 1, s, s)``.

    Examples
    --------
    >>> smooth(torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 16.0, 0.0], [0.0, 0.0, 0.0]]]]))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    window = torch.tensor([1.0, 2.0, 1.0], dtype=mask.dtype, device=mask.device) / 4
    kernel = (window[:, None] * window[None])[None, None]
    return F.conv2d(F.pad(mask, (1, 1, 1, 1), mode="replicate"), kernel)


def _adam(raw: Tensor, gradient: Tensor, moments: list[Tensor], step: int) -> Tensor:
    """One step of Adam (Kingma & Ba, ICLR 2015) for each cell by itself."""
    first = moments[0] = 0.9 * moments[0] + 0.1 * gradient
    second = moments[1] = 0.99 * moments[1] + 0.01 * gradient.square()
    return raw - 0.3 * (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-8)


ATTRIBUTIONS.register("extremal_perturbation")(Extremal())
