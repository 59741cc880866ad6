"""Class activation maps that the peers do not have, or have otherwise."""

import time

import pytest
import timm
import torch

from fer_xai import FERModel
from fer_xai.attributions import ATTRIBUTIONS, attribute
from fer_xai.attributions.eigencam import EigenCam
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor
from tests.attributions.nets import predictor


def test_eigencam_asks_for_no_target_and_no_gradient(model, images, monkeypatch):
    used, method = Predictor(model, device="cpu", fold=False), ATTRIBUTIONS["eigencam"]
    attribute(used, images, torch.zeros(5, 1).long(), method=method)  # looks at the layer
    rows = []
    used.model.net.fc.register_forward_hook(lambda *a: rows.append(len(a[2])))
    monkeypatch.setattr(torch.autograd, "grad", lambda *_: pytest.fail("a gradient was taken"))
    cells = attribute(used, images, torch.arange(6).expand(5, 6), method=method).cells
    assert rows == [5]
    assert (cells == cells[:, :1]).all()
    assert method.passes(predictor("gimefive"), targets=6) == (1, 0)


def noisy(images):
    """The same faces but for float32's rounding."""
    source = torch.Generator().manual_seed(0)
    return (images + 1e-6 * torch.randn(images.shape, generator=source)).clamp(0, 1)


def correlations(one, two):
    pairs = zip(one.flatten(1), two.flatten(1), strict=True)
    return torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs])


def fresh_vit():
    """One draw of weights: under others, two components may be equally strong (undefined)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = timm.create_model(
            "vit_tiny_patch16_224", num_classes=6, img_size=64, depth=2, embed_dim=48, num_heads=2
        )
    return FERModel(net, emotions=SIX).eval()


@pytest.mark.parametrize("name", ["timm", "vit", "swin", "gimefive", "tiny"])
def test_noise_turns_no_eigencam_over(name, faces, model):
    """Behind a fresh LayerNorm the mean over channels is zero, and decided by a coin toss."""
    used = {
        "tiny": lambda: Predictor(model, device="cpu"),
        "timm": lambda: Predictor(fresh_vit(), device="cpu"),
    }.get(name, lambda: predictor(name))()
    images, columns = faces.images[:20], torch.zeros(20, 1).long()
    one, two = (
        attribute(used, given, columns, method="eigencam").cells
        for given in (images, noisy(images))
    )
    assert torch.isfinite(one).all()
    assert correlations(one, two).min() > 0.999


def test_where_the_mean_is_zero_the_cells_that_stand_out_are_shown():
    cells = torch.zeros(1, 1, 4, 3, 3)
    cells[0, 0, :, 1, 1] = torch.tensor([1.0, -1.0, 0.5, -0.5])  # one cell unlike the others
    found = EigenCam.combine(cells)[0, 0]
    assert found.argmax() == 4
    assert (found.flatten()[[0, 1, 2, 3, 5, 6, 7, 8]] < 0).all()
    assert torch.equal(EigenCam.combine(-cells), EigenCam.combine(cells))
    shifted = cells + torch.tensor([5.0, 1.0, 2.0, 7.0]).view(4, 1, 1)  # what every cell has
    assert torch.allclose(EigenCam.combine(shifted), EigenCam.combine(cells), atol=1e-6)


def test_a_component_without_a_sign_is_undefined_and_equal_cells_are_blank():
    two = torch.tensor([1.0, -1.0, 0.5, -0.5]).view(1, 1, 4, 1, 1) * torch.tensor([1.0, -1.0])
    assert EigenCam.combine(two).isnan().all()  # neither cell stands out
    assert not EigenCam.combine(two.abs() * torch.tensor([1.0, -1.0])).isnan().any()
    equal = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]]).view(1, 1, 2, 1, 4)
    assert EigenCam.combine(equal).isnan().all()  # two components of one strength
    alike = torch.rand(1, 1, 4, 1, 1, generator=torch.Generator().manual_seed(0))
    assert not EigenCam.combine(alike.expand(1, 1, 4, 3, 3)).any()


def test_eigencam_is_that_of_the_singular_value_decomposition_on_either_side():
    for shape in ((2, 1, 3, 5, 4), (2, 1, 40, 5, 4)):
        found = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        cells = found[:, 0].flatten(2).mT.double()  # (B, h·w, C)
        cells = cells - cells.mean(dim=1, keepdim=True)
        left, size, right = torch.linalg.svd(cells, full_matrices=False)
        sign = right[:, 0].sum(dim=1).sign()
        expected = left[:, :, 0] * (size[:, 0] * sign)[:, None]
        assert torch.allclose(EigenCam.combine(found).flatten(1).double(), expected, atol=1e-6)


def test_eigencam_of_a_large_map_of_few_channels_is_quick():
    found = torch.rand(1, 1, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    started = time.perf_counter()
    EigenCam.combine(found)
    assert time.perf_counter() - started < 2  # 45 seconds by the 4096 × 4096 side
