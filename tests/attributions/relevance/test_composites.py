"""Guided gradients are taken of networks of ReLUs alone: what is not known is refused by name."""

import pytest
import torch
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.emotions import SIX
from fer_xai.errors import InputError

GUIDED = ("guided_backprop", "deconvolution", "guided_gradcam")


class Net(nn.Module):
    """Convolutions with a ReLU, and another part beside it."""

    def __init__(self, part):
        super().__init__()
        self.one, self.relu, self.two = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3)
        self.part, self.last = part, nn.ReLU()

    def forward(self, x):
        return self.last(self.part(self.two(self.relu(self.one(x))))).mean(dim=(2, 3))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, gate):
        super().__init__()
        self.one, self.relu, self.two, self.gate = nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 6), gate

    def forward(self, x):
        squeezed = self.two(self.relu(self.one(x.mean(dim=(2, 3)))))
        return x * self.gate(squeezed).view(x.shape[0], x.shape[1], 1, 1)


class Of(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def refused_or_made(part, images):
    model = FERModel(Net(part), emotions=SIX, size=16, cam_layer="last", name="net").eval()
    found = []
    for method in GUIDED:
        try:
            found.append(explain(model, images, method=method, targets="fear").maps)
        except InputError as refusal:
            found.append(str(refusal))
    return found


@pytest.fixture
def small():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (nn.PReLU(), "PReLU"),
        (nn.ReLU6(), "ReLU6"),
        (nn.Softplus(), "Softplus"),
        (nn.CELU(), "CELU"),
        (nn.Sigmoid(), "Sigmoid"),
        (nn.Hardtanh(), "Hardtanh"),
        (nn.GELU(), "GELU"),
        (Of(lambda x: x.clamp(min=0)), "clamp"),
        (Of(nn.functional.relu6), "relu6"),
        (Of(lambda x: x * x.sigmoid()), "sigmoid"),
        (Of(torch.abs), "abs"),
        (nn.Sequential(nn.PReLU(), Gate(nn.Sigmoid())), "PReLU"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_activations_are_refused_by_name(part, name, small):
    for found in refused_or_made(part, small):
        assert isinstance(found, str)
        assert f"but net has {name}: take" in found


@pytest.mark.parametrize(
    "part",
    [
        Gate(nn.Sigmoid()),
        Gate(Of(torch.sigmoid)),
        nn.BatchNorm2d(6),
        nn.GroupNorm(2, 6),
        nn.Dropout(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2),
        nn.Identity(),
        Of(lambda x: 2 * x - x.mean()),
        Of(lambda x: torch.cat(x.chunk(2, dim=1), dim=1)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_gates_norms_and_pools_are_not_activations(part, small):
    for found in refused_or_made(part, small):
        assert not isinstance(found, str), found
        assert torch.isfinite(found).all()
