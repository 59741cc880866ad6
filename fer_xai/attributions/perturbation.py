"""Maps from the score of faces of which parts are covered: occlusion, RISE, region ablation.

Captum has occlusion and feature ablation for one target a pass and one image at a time in full
batches; here batches are filled across faces and every target is read off the same passes. The
tests compare the two.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.core.passes import masked_scores
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.checks import check_count, check_number
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class Occlusion(Attribution):
    """The score that is lost under a sliding square (Zeiler & Fergus, ECCV 2014).

    A pixel gets the mean loss over the squares that cover it. The squares also begin and end on the
    image's border. A step that is larger than the square would leave pixels uncovered, and is
    refused.

    Attributes
    ----------
    window, stride
        Side of the square and step, as shares of the image's side: an eighth and a sixteenth, 8 and
        4 of 64 pixels, 225 passes a face.
    fill
        The fill that covers the square (see :data:`fer_xai.perturb.fills.FILLS`).

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> method = Occlusion(window=0.5, stride=0.25)
    >>> explain(model, faces, method=method, targets="fear").maps.shape
    torch.Size([2, 8, 8])
    """

    window: float = 1 / 8
    stride: float = 1 / 16
    fill: str = "mean"
    reference: ClassVar[str] = "Zeiler & Fergus, ECCV 2014, sec. 4.2"

    def __post_init__(self) -> None:
        check_number("window", self.window, 0, 1, ends=True)
        check_number("stride", self.stride, 0, ends=True)

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        fill = question.filled(self.fill)
        logits = predictor.run(question.images)
        question = question.resolved(logits)
        masks = self.squares(question.images.shape[-2], question.images.shape[-1])
        masks = masks.to(predictor.device)  # (P, H, W), true inside the square
        found = masked_scores(
            predictor, question, lambda _, numbers: ~masks[numbers], fill, variants=len(masks)
        ).to(predictor.device)  # (B, P, K)
        lost = question.scores(logits)[:, None] - found
        inside = masks.float().flatten(1)  # (P, H·W)
        total = torch.einsum("bpk,px->bkx", lost, inside) / inside.sum(dim=0)
        return Maps(cells=total.unflatten(2, masks.shape[1:]), logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """Always: losses are differences to them."""
        del predictor
        return True

    def check(self, size: tuple[int, int]) -> None:
        """Refuse steps that leave pixels between the squares, in images of ``(H, W)``."""
        side, step = self._pixels(*size)
        bare = [extent for extent in size if _gap(_starts(extent, side, step), side)]
        if bare:
            raise InputError(
                f"Expected squares that cover every pixel of images of {size[0]}×{size[1]}, but "
                f"squares of {side} at steps of {step} leave some out: take a stride of at most "
                f"the window, {self.window:g}, got {self.stride:g}."
            )

    def _pixels(self, height: int, width: int) -> tuple[int, int]:
        """Side and step in pixels."""
        extent = min(height, width)
        return max(1, round(self.window * extent)), max(1, round(self.stride * extent))

    def squares(self, height: int, width: int) -> Tensor:
        """Bool ``(P, H, W)``: the square at each of its places, in images of ``height × width``."""
        side, step = self._pixels(height, width)
        tops, lefts = (_starts(extent, side, step) for extent in (height, width))
        masks = torch.zeros(len(tops) * len(lefts), height, width, dtype=torch.bool)
        for index, mask in enumerate(masks):
            top, left = tops[index // len(lefts)], lefts[index % len(lefts)]
            mask[top : top + side, left : left + side] = True
        return masks

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each square, and one of the whole face."""
        del targets, regions
        return 1.0 + len(self.squares(predictor.model.size, predictor.model.size)), 0.0


def _starts(extent: int, side: int, step: int) -> list[int]:
    """First pixels of the squares along an axis."""
    return sorted({*range(0, extent - side + 1, step), extent - side})


def _gap(starts: list[int], side: int) -> bool:
    """Whether there are pixels between two squares."""
    return any(two - one > side for one, two in pairwise(starts))


_BLENDED = 2 / 3
"""Share of a variance that is left along an axis where two cells blend: ∫ t² + (1 − t)² over t."""


@dataclass(frozen=True, kw_only=True)
class Rise(Attribution):
    """RISE: the mean of random masks, weighted by the score of the face seen through them (Petsiuk
    et al., BMVC 2018).

    Weights are the scores less their mean over the face's masks, divided by the masks' variance,
    which is the same at every pixel: the paper's estimator without the offset that all pixels
    share, so that maps are signed and scale with the score. Each face has masks of its own.

    Attributes
    ----------
    masks
        Random masks a face, two or more: weights are differences to their mean.
    cells
        Cells of the random grid across the image, which is smoothly enlarged.
    keep
        Probability of keeping a grid cell.
    fill
        The fill behind the masks; black in the paper. It must be one image a face, since masks are
        soft: ``linear`` is refused.

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> method = Rise(masks=8, cells=3)
    >>> explain(model, faces, method=method, targets="fear").maps.shape
    torch.Size([2, 8, 8])
    """

    masks: int = 512
    cells: int = 7
    keep: float = 0.5
    fill: str = "black"
    random: ClassVar[bool] = True
    reference: ClassVar[str] = "Petsiuk et al., BMVC 2018, eq. 6"

    def __post_init__(self) -> None:
        check_count("masks", self.masks, low=2)
        check_count("cells", self.cells)
        check_number("keep", self.keep, 0, 1)

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution."""
        height, width = question.images.shape[-2:]
        fill = question.filled(self.fill, soft=True)
        grids, shifts = self._drawn(question)

        def kept(faces: Tensor, numbers: Tensor) -> Tensor:
            return _enlarged(grids[faces, numbers], shifts[faces, numbers], height, width)

        found = masked_scores(predictor, question, kept, fill, variants=self.masks).to(
            predictor.device
        )
        variance = _BLENDED**2 * self.keep * (1 - self.keep)
        weights = (found - found.mean(dim=1, keepdim=True)) / (self.masks * variance)
        cells = torch.stack(
            [
                torch.einsum("pk,phw->khw", weight, _enlarged(grid, shift, height, width))
                for weight, grid, shift in zip(weights, grids, shifts, strict=True)
            ]
        )
        return Maps(cells=cells)

    def _drawn(self, question: Question) -> tuple[Tensor, Tensor]:
        """Grids ``(B, P, s, s)`` of zeros and ones, shifts ``(B, P, 2)`` in [0, 1) of a cell.

        Two cells more than lie across the image, so that every pixel lies between four.
        """
        side, device = self.cells + 2, question.images.device
        drawn = question.streams("masks")
        grids = drawn.bernoulli(self.keep, self.masks, side, side, device=device)
        return grids.float(), drawn.rand(self.masks, 2, device=device)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each mask."""
        del predictor, targets, regions
        return float(self.masks), 0.0


def _enlarged(grids: Tensor, shifts: Tensor, height: int, width: int) -> Tensor:
    """Masks ``(M, H, W)`` of grids ``(M, s, s)``, bilinear, shifted by a share of a cell."""
    side = grids.shape[-1]
    # in cells, from the first cell's centre
    y = 0.5 + (torch.arange(height, device=grids.device) + 0.5) / height * (side - 2)
    x = 0.5 + (torch.arange(width, device=grids.device) + 0.5) / width * (side - 2)
    rows = _hat(y + shifts[:, :1], side)  # (M, H, s)
    columns = _hat(x + shifts[:, 1:], side)  # (M, W, s)
    return rows @ grids @ columns.transpose(1, 2)


def _hat(at: Tensor, side: int) -> Tensor:
    """Linear interpolation weights ``(M, L, s)`` of positions ``(M, L)`` between cell centres."""
    centres = torch.arange(side, device=at.device) + 0.5
    return (1 - (at[..., None] - centres).abs()).clamp(min=0)


@dataclass(frozen=True, kw_only=True)
class RegionAblation(Attribution):
    """The score that is lost without one region, spread over its pixels.

    Attributes
    ----------
    fill
        The fill that covers the region (see :data:`fer_xai.perturb.fills.FILLS`).

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> left = torch.arange(8).expand(2, 1, 8, 8) < 4
    >>> halves = torch.cat([left, ~left], dim=1)  # (B, R, H, W)
    >>> explain(model, faces, method=RegionAblation(), regions=halves).values.shape
    torch.Size([2, 2])
    """

    fill: str = "mean"
    needs_regions: ClassVar[bool] = True
    reference: ClassVar[str] = "Captum's FeatureAblation, over facial regions"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and a number a region; NaN for faces without regions."""
        regions = question.regions
        assert regions is not None
        fill = question.filled(self.fill)
        logits = predictor.run(question.images)
        question = question.resolved(logits)
        found = masked_scores(
            predictor,
            question,
            lambda faces, numbers: ~regions[faces, numbers],
            fill,
            variants=regions.shape[1],
        ).to(predictor.device)
        lost = question.scores(logits)[:, None] - found  # (B, R, K)
        return dataclasses.replace(painted(lost.transpose(1, 2), regions), logits=logits)

    def gives_logits(self, predictor: Predictor) -> bool:
        """Always: losses are differences to them."""
        del predictor
        return True

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each region, and one of the whole face."""
        del predictor, targets
        return 1.0 + regions, 0.0


def painted(values: Tensor, regions: Tensor) -> Maps:
    """Values of regions as maps, in which each region's pixels share its value evenly.

    Parameters
    ----------
    values
        ``(B, K, R)``.
    regions
        Bool ``(B, R, H, W)``. A face without any region has maps and values of NaN; a region
        without pixels has a value of NaN.

    Returns
    -------
    Maps
        Cells ``(B, K, H, W)``, whose sum is that of the values, and the values.

    Examples
    --------
    >>> halves = torch.tensor([[[[True, True, False]], [[False, False, True]]]])
    >>> painted(torch.tensor([[[4.0, 1.0]]]), halves).cells
    tensor([[[[2., 2., 1.]]]])
    """
    area = regions.flatten(2).sum(dim=2)  # (B, R)
    density = values / area.clamp(min=1)[:, None]
    cells = torch.einsum("bkr,brhw->bkhw", density.float(), regions.float())
    known = regions.flatten(1).any(dim=1)
    nan = torch.full((), torch.nan, device=values.device)
    return Maps(
        cells=torch.where(known[:, None, None, None], cells, nan),
        values=torch.where((area > 0)[:, None], values.float(), nan),
    )


ATTRIBUTIONS.register("occlusion")(Occlusion())
ATTRIBUTIONS.register("rise")(Rise())
ATTRIBUTIONS.register("region_ablation")(RegionAblation())
