"""What a method reads from a layer is what the layer gave, also where a later part overwrites it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fer_xai import FERModel
from fer_xai.attributions import attribute
from fer_xai.attributions.core.layers import found_layers, layer_of
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor

CAMS = (
    "gradcam",
    "gradcam++",
    "hirescam",
    "layercam",
    "xgradcam",
    "eigencam",
    "layercam_fused",
    "scorecam",
    "ablationcam",
)


class Twin(nn.Module):
    """Two stages; ``change`` says what happens to the second one's output, in place or not."""

    def __init__(self, change, *, inplace):
        super().__init__()
        self.stem, self.same = nn.Conv2d(3, 5, 4, stride=4), nn.Identity()
        self.conv, self.norm = nn.Conv2d(5, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu, self.head = nn.ReLU(inplace=inplace), nn.Linear(6, 6)
        self.change, self.inplace = change, inplace
        self.norm.weight.data.uniform_(0.5, 1.5)
        self.norm.bias.data.normal_()

    def forward(self, x):
        short = self.stem(x).relu()
        x = self.norm(self.conv(short))
        x = self.change(self, x, F.pad(short, (0, 0, 0, 0, 0, 1)), self.inplace)
        return self.head(x.tanh().mean(dim=(2, 3)))


def module(net, x, _, __):
    return net.relu(x)


def function(_, x, __, inplace):
    return F.relu(x, inplace=inplace)


def sum_of(_, x, short, inplace):
    if inplace:
        x += short
        return x
    return x + short


def product(_, x, __, inplace):
    return x.mul_(-2) if inplace else x * -2


def passed_on(net, x, short, inplace):
    """A part that gives what it was given, of which the caller keeps the name."""
    y = net.same(x)
    if inplace:
        x.add_(short).mul_(3)
        return y
    return (y + short) * 3


def view(_, x, __, inplace):
    if inplace:
        x[:, :3] = 0
        return x
    return torch.cat([torch.zeros_like(x[:, :3]), x[:, 3:]], dim=1)


def twin(change, inplace):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Twin(change, inplace=inplace)
    return FERModel(net, emotions=SIX, size=16, name="twin").eval()


@pytest.mark.parametrize("change", [module, function, sum_of, product, view])
@pytest.mark.parametrize("layer", ["norm", "conv"])
def test_maps_are_those_of_the_twin_that_does_not_work_in_place(change, layer):
    small = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    columns = torch.tensor([[0, 3]] * 3)
    used = []
    for inplace in (True, False):
        model = twin(change, inplace)
        model.cam_layer = layer
        used.append(Predictor(model, device="cpu"))
    for method in CAMS:
        one, two = (attribute(predictor, small, columns, method=method).cells for predictor in used)
        assert torch.allclose(one, two, atol=1e-6 * float(two.abs().max())), method
        assert two.any(), method


@pytest.mark.parametrize("change", [module, function, sum_of, product, view])
def test_the_layer_that_is_found_does_not_depend_on_it(change):
    found = []
    for inplace in (True, False):
        model = twin(change, inplace)
        found.append(found_layers(Predictor(model, device="cpu")))
    assert found[0] == found[1]


def test_a_layer_that_is_overwritten_under_another_name_is_refused():
    model = twin(passed_on, True)
    with pytest.raises(InputError, match="same hands on its input, which a later part overwrites"):
        layer_of(Predictor(model, device="cpu"), "same")
    assert layer_of(Predictor(twin(passed_on, False), device="cpu"), "same").side == (4, 4)
