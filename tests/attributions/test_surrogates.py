"""Fits to coalitions of superpixels: of each face alone, whatever its neighbours."""

from math import comb

import pytest
import torch

from fer_xai import explain
from fer_xai.attributions.surrogates import Surrogate, _by_shapley_kernel, superpixels


@pytest.fixture
def unlike(images):
    """A flat face of few superpixels beside a busy one."""
    pair = images[:2].clone()
    pair[0, :, :, 20:] = 0.5
    assert len({int(own.flatten(1).any(dim=1).sum()) for own in superpixels(pair, n=9)}) == 2
    return pair


@pytest.mark.parametrize("kernel", ["lime", "shap"])
def test_superpixels_of_a_neighbour_change_nothing(kernel, model, unlike):
    method = Surrogate(kernel=kernel, samples=40, parts=9)
    both = explain(model, unlike, method=method, targets="fear", ids=["a", "b"])
    for face, name in enumerate("ab"):
        alone = explain(model, unlike[face : face + 1], method=method, targets="fear", ids=[name])
        assert torch.allclose(both.maps[face], alone.maps[0], atol=1e-7)
        parts = alone.values.shape[1]
        assert torch.allclose(both.values[face, :parts], alone.values[0], atol=1e-5)
        assert both.values[face, parts:].isnan().all()


def test_sizes_of_coalitions_are_drawn_by_the_shapley_kernel_also_of_many_parts():
    """(r − 1) / (C(r, s) s (r − s)) for each of the C(r, s) coalitions of a size."""
    drawn = _by_shapley_kernel(6, 20_000, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn.sum(dim=1), minlength=6)[1:] / 20_000
    kernel = torch.tensor([comb(6, s) * 5 / (comb(6, s) * s * (6 - s)) for s in range(1, 6)])
    assert torch.allclose(shares, kernel / kernel.sum(), atol=0.01)
    many = _by_shapley_kernel(2000, 3, torch.Generator().manual_seed(0))
    assert ((many.sum(dim=1) > 0) & (many.sum(dim=1) < 2000)).all()
