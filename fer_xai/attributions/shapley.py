"""Exact Shapley values of facial regions: every coalition is scored, nothing is sampled.

Exact *for a fill*, and no more: what stands in place of a region is a choice, and the agreement
between fills is the ceiling that a cheaper method can be judged against.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fer_xai.attributions.core.passes import masked_scores
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Attribution, Maps
from fer_xai.attributions.perturbation import painted
from fer_xai.coalitions import coalitions, shapley_values
from fer_xai.inference.predictor import Predictor


def coalition_scores(predictor: Predictor, question: Question, *, fill: str) -> Tensor:
    """The score of each face with each coalition of its regions left in; the others are filled.

    Parameters
    ----------
    predictor
        The model.
    question
        The faces, targets and regions ``(B, k, H, W)``.
    fill
        The fill of regions that are left out (see :data:`fer_xai.perturb.fills.FILLS`).

    Returns
    -------
    Tensor
        ``(B, K, 2^k)``, in the order of :func:`fer_xai.coalitions.coalitions`.

    Examples
    --------
    >>> from fer_xai import FERModel, Predictor
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> left = torch.arange(8).expand(1, 1, 8, 8) < 4
    >>> question = Question(
    ...     images=torch.rand(1, 3, 8, 8),
    ...     columns=torch.tensor([[1]]),
    ...     keys=("a face",),
    ...     regions=torch.cat([left, ~left], dim=1),
    ... )
    >>> coalition_scores(Predictor(model, device="cpu"), question, fill="mean").shape
    torch.Size([1, 1, 4])
    """
    regions = question.regions
    assert regions is not None
    members = coalitions(regions.shape[1]).to(predictor.device)  # (2^k, k)
    owner = regions.to(torch.uint8).argmax(dim=1)  # (B, H, W): which region holds a pixel
    filled = question.filled(fill)

    def kept(faces: Tensor, numbers: Tensor) -> Tensor:
        present, owners = members[numbers], owner[faces]  # (M, k), (M, H, W)
        return present.gather(1, owners.flatten(1)).reshape(owners.shape)

    found = masked_scores(predictor, question, kept, filled, variants=len(members))
    return found.transpose(1, 2)


@dataclass(frozen=True, kw_only=True)
class RegionShapley(Attribution):
    """Exact Shapley values of regions that partition the image, the rest of it a player too.

    It takes 2^k passes a face, for all targets together: 256 with eight regions. Each region's
    value is spread evenly over its pixels. :mod:`fer_xai.coalitions` has Banzhaf values and
    interactions of :func:`coalition_scores` as well.

    Attributes
    ----------
    fill
        The fill of regions that are left out (see :data:`fer_xai.perturb.fills.FILLS`).

    Examples
    --------
    >>> from fer_xai import FERModel, explain
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    >>> model = FERModel(net, emotions=["happiness", "fear"], size=8)
    >>> faces = torch.rand(2, 3, 8, 8)
    >>> left = torch.arange(8).expand(2, 1, 8, 8) < 4
    >>> halves = torch.cat([left, ~left], dim=1)  # (B, R, H, W)
    >>> explain(model, faces, method=RegionShapley(), regions=halves).values.shape
    torch.Size([2, 2])
    """

    fill: str = "mean"
    needs_regions: ClassVar[bool] = True
    law: ClassVar[str | None] = "score of the face − score of the filled face"
    reference: ClassVar[str] = "Shapley 1953; Lundberg & Lee, NeurIPS 2017"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at image resolution, and a value for each region; NaN for faces without regions."""
        worth = coalition_scores(predictor, question, fill=self.fill).double()
        values = shapley_values(worth)  # (B, K, R)
        assert question.regions is not None
        made = painted(values.to(predictor.device), question.regions)
        expected = worth[..., -1] - worth[..., 0]
        return dataclasses.replace(
            made,
            completeness_delta=(values.sum(dim=-1) - expected).float(),
            expected_sum=expected.float(),
        )

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """A forward pass for each coalition."""
        del predictor, targets
        return 2.0**regions, 0.0


ATTRIBUTIONS.register("region_shapley")(RegionShapley())
