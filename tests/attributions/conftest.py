"""A linear model, for which every gradient method has a closed form, and images of its size."""

import pytest
import torch
from torch import nn

from fer_xai import FERModel
from fer_xai.emotions import SIX
from tests.attributions import nets


@pytest.fixture(autouse=True, scope="module")
def no_networks_for_the_next_module():
    """Predictors of a module are dropped: those of VGG and its rewritten copies take gigabytes."""
    yield
    nets.predictor.cache_clear()


@pytest.fixture
def linear():
    """Logits w·x + b on the image itself: every gradient method has a closed form."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 6))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nn.init.normal_(net[1].weight)
    model = FERModel(net, emotions=SIX, size=8, mean=(0, 0, 0), std=(1, 1, 1), name="linear")
    return model.eval()


@pytest.fixture
def small():
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
