"""Fits to coalitions of superpixels: of each face alone, whatever its neighbours."""

import pytest
import torch

from fer_xai import explain
from fer_xai.attributions.surrogates import Surrogate, superpixels


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
