"""Channels are taken away where the layer's maps were taken, however the layer is written."""

import pytest
import torch
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.attributions.cam_ablation import AblationCam
from fer_xai.emotions import SIX
from fer_xai.errors import InputError


class Reused(nn.Module):
    """One ReLU that runs twice."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 5, 4, stride=4), nn.Conv2d(5, 5, 3)
        self.relu, self.fc = nn.ReLU(), nn.Linear(5, 6)

    def forward(self, x):
        x = self.relu(self.two(self.relu(self.one(x))))
        return self.fc(x.mean(dim=(2, 3)))


class Separate(Reused):
    """The same with two modules."""

    def __init__(self):
        super().__init__()
        self.last = nn.ReLU()

    def forward(self, x):
        x = self.last(self.two(self.relu(self.one(x))))
        return self.fc(x.mean(dim=(2, 3)))


class Flat(Separate):
    """The same with ``(B, C, T)`` where the maps are taken."""

    def forward(self, x):
        x = self.last(self.two(self.relu(self.one(x))).flatten(2))
        return self.fc(x.mean(dim=2))


def ablated(kind, images, layer, **given):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = kind()
    model = FERModel(net, emotions=SIX, size=16, cam_layer=layer, **given).eval()
    return explain(model, images, method=AblationCam(), targets="fear").maps


@pytest.fixture
def small():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def expected(small):
    maps = ablated(Separate, small, "last")
    assert (maps.flatten(1).std(dim=1) > 0).all()
    return maps


def test_a_layer_that_runs_twice_loses_its_channels_the_last_time(small, expected):
    assert torch.allclose(ablated(Reused, small, "relu"), expected, atol=1e-6)


def test_the_models_reshape_says_where_the_channels_are(small, expected):
    found = ablated(Flat, small, "last", reshape=lambda output: output.unflatten(2, (2, 2)))
    assert torch.allclose(found, expected, atol=1e-6)
    with pytest.raises(InputError, match="Expected a reshape that makes channels of one axis"):
        ablated(Flat, small, "last", reshape=lambda output: output.roll(1, 1).unflatten(2, (2, 2)))
