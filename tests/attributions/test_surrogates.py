"""Fits to coalitions of superpixels: of each face alone, whatever its neighbours."""

from math import comb

import pytest
import torch

from fer_xai import explain
from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.attributions.surrogates import Surrogate, _by_shapley_kernel, superpixels
from fer_xai.draws.streams import stream
from fer_xai.inference.predictor import Predictor
from tests.attributions.nets import build


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
    drawn = _by_shapley_kernel(6, 20_000, stream(0))
    shares = torch.bincount(drawn.sum(dim=1), minlength=6)[1:] / 20_000
    kernel = torch.tensor([comb(6, s) * 5 / (comb(6, s) * s * (6 - s)) for s in range(1, 6)])
    assert torch.allclose(shares, kernel / kernel.sum(), atol=0.01)
    many = _by_shapley_kernel(2000, 3, stream(0))
    assert ((many.sum(dim=1) > 0) & (many.sum(dim=1) < 2000)).all()


def test_superpixels_need_not_be_as_many_in_every_face(faces):
    """In micro-batches of their own, where the most of a batch differ."""
    three = faces.subset([0, 7, 20]).images
    three[1] = 0.5  # one flat face
    used = Predictor(build("resnet18"), device="cpu", batch_size=1)
    for kernel in ("lime", "shap"):
        method = Surrogate(kernel=kernel, samples=12, parts=9)
        found = explain(used, three, method=method, targets="fear")
        assert torch.isfinite(found.maps).all()
        sums = found.values.nansum(dim=1)
        assert torch.allclose(found.maps.sum(dim=(1, 2)), sums, atol=1e-4)


def test_kernel_shap_is_efficient_and_lime_promises_nothing(model, images):
    assert ATTRIBUTIONS["lime"].law is None
    assert "filled" in ATTRIBUTIONS["kernel_shap"].law
    found = explain(model, images[:2], method=Surrogate(kernel="shap", samples=30, parts=9))
    assert found.completeness_gap.abs().max() < 1e-4
    assert explain(model, images[:2], method=Surrogate(samples=30)).completeness_gap is None
