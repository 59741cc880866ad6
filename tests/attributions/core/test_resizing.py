"""Maps grow by interpolation and shrink by area: each cell counts once, the mean is kept."""

import pytest
import torch
from torch.nn import functional as F

from fer_xai.attributions import upsample


def shrunken(cells, side):
    """Slow: every cell is cut into ``side`` parts an axis, and parts are averaged."""
    fine = cells.repeat_interleave(side, dim=-2).repeat_interleave(side, dim=-1)
    return F.avg_pool2d(fine, cells.shape[-1])


@pytest.mark.parametrize("side", [1, 16, 20, 48, 63])
def test_shrinking_averages_what_lies_under_each_pixel(side):
    cells = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).double()
    found = upsample(cells, size=(side, side))
    assert torch.allclose(found, shrunken(cells, side))
    assert torch.allclose(found.mean(dim=(-2, -1)), cells.mean(dim=(-2, -1)))


def test_each_cell_counts_once():
    for size in ((20, 16), (64, 20), (30, 100), (100, 30)):
        cells = torch.randn(1, 1, 64, 64, requires_grad=True)
        upsample(cells, size=size).sum().backward()
        weight = size[0] / 64 * size[1] / 64
        if max(size) <= 64:
            assert torch.allclose(cells.grad, torch.full_like(cells, weight), rtol=1e-5)
        else:  # interpolation repeats the border
            assert abs(float(cells.grad.mean()) / weight - 1) < 1e-5
            assert cells.grad.min() > 0


def test_growing_is_bilinear_and_the_same_size_is_the_same():
    cells = torch.randn(1, 2, 4, 4)
    grown = F.interpolate(cells, size=[64, 48], mode="bilinear", align_corners=False)
    assert torch.equal(upsample(cells, size=(64, 48)), grown)
    assert upsample(cells, size=(4, 4)) is cells
