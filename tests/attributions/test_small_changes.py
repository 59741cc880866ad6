"""Maps stay what they are under float32's rounding of the image, and at the image's own size."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fer_xai import FERModel, explain
from fer_xai.attributions import ATTRIBUTIONS, upsample
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from tests.attributions.nets import predictor
from tests.attributions.test_every_method import QUICK, REFUSED

pytestmark = pytest.mark.filterwarnings("ignore:.* maps miss what they should add up to")
NETS = ("smooth", "convnext", "swin", "vit")
OF = {
    **QUICK,
    "gradient_shap": {"samples": 24, "most": 24},
    "smoothgrad": {"samples": 8},
    "vargrad": {"samples": 48},
    "rise": {"masks": 64},
    "lime": {"samples": 64, "parts": 9},
    "kernel_shap": {"samples": 64, "parts": 9},
    "extremal_perturbation": {"areas": (0.2,), "steps": 30, "cells": 8},
}

LEAST = {"vargrad": 0.8, "extremal_perturbation": 0.7}
"""Noise is drawn a pixel, of which a smaller face has fewer; a mask of few cells is an optimum
beside others nearly as good."""


class Smooth(nn.Module):
    """Strided convolutions and ReLUs, of features that a face of 16 pixels has too."""

    def __init__(self):
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(3, 8, 8, stride=4, padding=2), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU()
        self.fc = nn.Linear(12, 6)
        self.conv1.weight.data[:] = 4 * self.conv1.weight.data.mean(dim=(2, 3), keepdim=True)

    def forward(self, x):
        return self.fc(self.relu2(self.conv2(self.relu1(self.conv1(x)))).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def smooth():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = Smooth()
    model = FERModel(net, emotions=SIX, size=64, cam_layer="relu2", paper_layer="conv2")
    return Predictor(model.eval(), device="cpu", batch_size=64)


def quick(method):
    return dataclasses.replace(ATTRIBUTIONS[method], **OF.get(method, {}))


def halves(images):
    regions = torch.zeros(len(images), 2, *images.shape[-2:], dtype=torch.bool)
    half = images.shape[-2] // 2
    regions[:, 0, :half], regions[:, 1, half:] = True, True
    return regions


def correlation(one, two):
    return torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("method", list(ATTRIBUTIONS))
def test_noise_of_a_millionth_turns_no_map_over(method, name, smooth, faces):
    used = smooth if name == "smooth" else predictor(name)
    images = faces.images[:3]
    source = torch.Generator().manual_seed(0)
    noisy = (images + 1e-6 * torch.randn(images.shape, generator=source)).clamp(0, 1)
    given = {"method": quick(method), "targets": "fear", "regions": halves(images)}
    try:
        one, two = (explain(used, each, **given).maps for each in (images, noisy))
    except InputError:
        assert (method, name) in REFUSED or method.endswith("rollout")
        return
    for face in range(3):
        if not torch.equal(one[face], two[face]):
            assert correlation(one[face], two[face]) > 0.9


@pytest.mark.parametrize("side", [16, 20, 100, 224])
@pytest.mark.parametrize("method", [name for name in ATTRIBUTIONS if "rollout" not in name])
def test_maps_of_another_size_are_those_of_the_same_face_at_the_networks(
    method, side, smooth, faces
):
    """The same face at both sizes: one of 16 or 20 pixels, enlarged, or one of 64."""
    face = faces.images[:1]
    low = min(side, 64)
    resize = {"mode": "bilinear", "antialias": True}
    small = F.interpolate(face, size=(low, low), **resize)
    own = F.interpolate(small, size=(side, side), **resize).clamp(0, 1)
    usual = F.interpolate(small, size=(64, 64), **resize).clamp(0, 1)
    found, expected = (
        explain(
            smooth, given, method=quick(method), targets="fear", regions=halves(given), ids=["a"]
        )
        for given in (own, usual)
    )
    assert found.maps.shape == (1, side, side)
    assert not bool(
        found.undefined.any() if found.completeness_gap is None else found.maps.isnan().any()
    )
    assert not found.blank.any()
    one, two = (upsample(x.maps[None], size=(8, 8)) for x in (found, expected))
    assert correlation(one, two) > LEAST.get(method, 0.9)
