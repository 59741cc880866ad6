"""From a method's own resolution to the image's."""

from torch import Tensor
from torch.nn import functional as F


def upsample(cells: Tensor, *, size: tuple[int, ...]) -> Tensor:
    """Maps ``(N, K, h, w)`` at image resolution, bilinear between cell centres."""
    if tuple(cells.shape[-2:]) == tuple(size):
        return cells
    return F.interpolate(cells, size=list(size), mode="bilinear", align_corners=False)
