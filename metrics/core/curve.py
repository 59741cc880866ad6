"""A curve: scores along a sequence of perturbed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metrics.core.score_cache import ScoreCache
from metrics.core.scores import Output, target_scores
from metrics.core.undefined import nan_where_undefined


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Curve:
    """Scores along a sequence of perturbed images.

    Attributes
    ----------
    fractions
        ``(S + 1,)`` actual share of pixels that was removed (deletion) or put back (insertion),
        from 0 to 1; it may differ a little from the share that was asked for.
    scores
        ``(B, S + 1)``.

    Examples
    --------
    >>> fractions, scores = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([[1.0, 0.5, 0.0]])
    >>> curve = Curve(fractions=fractions, scores=scores)
    >>> curve
    Curve(1 curve of 3 points, fractions 0 to 1)
    >>> curve.auc, curve.aopc
    (tensor([0.5000]), tensor([0.5000]))
    """

    fractions: Tensor
    scores: Tensor

    def __repr__(self) -> str:
        curves, points = self.scores.shape
        first, last = self.fractions[[0, -1]].tolist()
        return (
            f"Curve({curves} {'curve' if curves == 1 else 'curves'} of {points} points, "
            f"fractions {first:.4g} to {last:.4g})"
        )

    @property
    def auc(self) -> Tensor:
        """``(B,)`` area under each curve, by the trapezoid rule over the actual fractions."""
        return torch.trapezoid(self.scores, self.fractions, dim=1)

    @property
    def error(self) -> Tensor:
        """``(B,)`` estimated error of the area due to the finite number of steps.

        It is a third of the difference to the area over every other point (Richardson); NaN for an
        odd number of steps.
        """
        steps = len(self.fractions) - 1
        if steps < 2 or steps % 2:
            return torch.full((len(self.scores),), torch.nan)
        half = torch.trapezoid(self.scores[:, ::2], self.fractions[::2], dim=1)
        return (self.auc - half).abs() / 3

    @property
    def mean(self) -> Tensor:
        """``(B,)`` mean over all defined points."""
        return self.scores.nanmean(dim=1)

    @property
    def perturbed_mean(self) -> Tensor:
        """``(B,)`` mean over all points except the unperturbed one."""
        return self.scores[:, 1:].mean(dim=1)

    @property
    def aopc(self) -> Tensor:
        """``(B,)`` mean of score(0) − score(k) over all points (Samek et al., 2017, eq. 12)."""
        return (self.scores[:, :1] - self.scores).mean(dim=1)


def curve_of(
    cache: ScoreCache,
    logits: Tensor,
    counts: Sequence[int],
    targets: Tensor,
    output: Output,
    *,
    maps: Tensor,
) -> Curve:
    """The curve of logits ``(B, S + 1, C)`` at these counts of pixels; NaN for undefined maps.

    Examples
    --------
    >>> from fer_xai import FERModel
    >>> halves = torch.nn.Sequential(torch.nn.AvgPool3d((3, 2, 1)), torch.nn.Flatten())
    >>> model = FERModel(halves, emotions=["happiness", "anger"], size=2)
    >>> cache = ScoreCache(model, torch.ones(1, 3, 2, 2))
    >>> logits = torch.tensor([[[3.0, 1.0], [0.0, 0.0]]])  # of the face, and without its 4 pixels
    >>> maps, targets = torch.ones(1, 2, 2), torch.tensor([0])
    >>> curve = curve_of(cache, logits, [0, 4], targets, "probability", maps=maps)
    >>> curve.fractions, curve.scores
    (tensor([0., 1.]), tensor([[0.8808, 0.5000]]))
    """
    return Curve(
        fractions=torch.tensor(counts, dtype=torch.float64).div(cache.pixels).float(),
        scores=nan_where_undefined(target_scores(cache, logits, targets, output), maps),
    )
