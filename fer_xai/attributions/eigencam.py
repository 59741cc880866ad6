"""Eigen-CAM: the first principal component of a layer's activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.attributions.cam import Cam
from fer_xai.attributions.core.layer_passes import (
    layer_activations,
)
from fer_xai.attributions.core.layers import layer_of
from fer_xai.attributions.core.question import Question
from fer_xai.attributions.core.registry import ATTRIBUTIONS, Maps
from fer_xai.inference.predictor import Predictor

_FOLLOWS = 1e-3
"""Cosine to the mean over channels up to which it does not decide a component's sign."""
_ROUNDING = 1e-5
"""Share of a number that float32 activations leave uncertain, with a margin of 100."""


@dataclass(frozen=True, kw_only=True)
class EigenCam(Cam):
    """Eigen-CAM: the first principal component of the activations (Muhammad & Yeasin, IJCNN 2020).

    It asks for no target and no gradient: every emotion of a face has the same map. A component's
    sign is arbitrary (peers leave it to the solver). Ours is the one that follows the mean
    activation. Behind a LayerNorm whose weights are still 1 and 0 that mean is zero in every cell,
    and rounding would decide: where the mean decides by less than a thousandth, the sign is the one
    in which the cells farthest from the mean cell are positive, so that the map shows what stands
    out. Where neither decides, or two components are equally strong, the map is undefined (NaN).
    Where all cells are alike it is blank.

    Attributes
    ----------
    layer, paper
        The layer that maps are taken from, as for every CAM: a dotted name, by default the model's
        ``cam_layer``; ``paper=True`` takes its ``paper_layer``.

    Examples
    --------
    >>> cells = torch.tensor([[[[[0.0, 0.0], [0.0, 2.0]]]]])  # one face, one channel
    >>> EigenCam.combine(cells)
    tensor([[[[-0.5000, -0.5000],
              [-0.5000,  1.5000]]]])
    """

    class_blind: ClassVar[bool] = True
    reference: ClassVar[str] = "Muhammad & Yeasin, IJCNN 2020"

    def maps(self, predictor: Predictor, question: Question) -> Maps:
        """Maps at the layer's resolution, the same for all targets."""
        layer = layer_of(predictor, self.layer, paper=self.paper)
        activations, logits = layer_activations(predictor, question.images, layer)
        cells = self.combine(activations[:, None]).clamp(min=0)
        return Maps(cells=cells.expand(-1, question.targets, -1, -1), logits=logits)

    def passes(
        self, predictor: Predictor, *, targets: int = 1, regions: int = 0
    ) -> tuple[float, float]:
        """One forward pass."""
        del predictor, targets, regions
        return 1.0, 0.0

    @staticmethod
    def combine(activations: Tensor, gradients: Tensor | None = None) -> Tensor:
        """Cells, centred a channel, projected on their first right singular vector."""
        del gradients
        height, width = activations.shape[-2:]
        cells = activations[:, :1].flatten(-2).transpose(-1, -2).cpu().double()  # (B, 1, h·w, C)
        length = cells.norm(dim=(-2, -1))  # (B, 1)
        cells = cells - cells.mean(dim=-2, keepdim=True)
        size, projection, follows = _first_component(cells)
        # distance of each cell from the mean cell: the map shows the farther ones
        far = cells.square().sum(dim=-1)  # (B, 1, h·w)
        stands = F.cosine_similarity(projection, far, dim=-1)
        sign = torch.where(follows.abs() > _FOLLOWS, follows, stands).sign()
        undecided = (follows.abs() <= _FOLLOWS) & (stands.abs() <= _ROUNDING)
        sign = torch.where(
            undecided | (size[..., 0] - size[..., 1] <= _ROUNDING * size[..., 0]), torch.nan, sign
        )
        sign = torch.where(size[..., 0] <= _ROUNDING * length, 0.0, sign)
        projection = projection * sign[..., None]
        return projection.unflatten(-1, (height, width)).float().to(activations.device)


def _first_component(cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The first principal component of centred cells ``(…, n, C)``.

    Returns the two largest singular values ``(…, 2)``, the projection on the first component
    ``(…, n)``, and that component's cosine ``(…)`` to the mean over channels. They come from the
    smaller of the two Gram matrices, cells by cells or channels by channels.
    """
    n, channels = cells.shape[-2:]
    wide = channels > n
    gram = cells @ cells.mT if wide else cells.mT @ cells
    found = torch.linalg.eigh(gram)
    size = F.pad(found.eigenvalues.clamp(min=0).sqrt(), (1, 0))  # one cell alone
    size = size[..., -2:].flip(-1)
    first = found.eigenvectors[..., -1:]  # (…, n or C, 1)
    projection = (first * size[..., :1, None] if wide else cells @ first)[..., 0]
    summed = (projection * cells.sum(dim=-1)).sum(dim=-1)  # σ² Σ v
    scale = size[..., 0].square() * channels**0.5
    return size, projection, summed / scale.clamp(min=torch.finfo(scale.dtype).tiny)


ATTRIBUTIONS.register("eigencam")(EigenCam())
