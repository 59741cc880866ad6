"""Networks that are written in unusual ways: rules hold, or they are refused in a sentence."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from fer_xai import FERModel, explain
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.emotions import SIX
from fer_xai.errors import InputError

GAMMA = LayerwiseRelevance(rule="gamma")


class Written(nn.Module):
    """Two convolutions and a head, with what is written between them."""

    def __init__(self, between, channels=6):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(channels, 6, 3, padding=1)
        self.fc, self.drop = nn.Linear(6, 6), nn.Dropout()
        self.slope = nn.Parameter(torch.full((6,), 0.2))
        self.between = between

    def forward(self, x, mask=None, scale=1.0, features=False):
        x = self.one(x)
        if mask is not None:
            x = x * mask
        x = self.two(self.between(self, x * scale)).relu()
        return x if features else self.fc(x.mean(dim=(2, 3)))


def model(between, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Written(between, **options)
    return FERModel(net, emotions=SIX, size=8, name="net").eval()


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def pooled(x, **options):
    return F.interpolate(F.max_pool2d(x, **options), size=8)


@pytest.mark.parametrize(
    ("written", "twin"),
    [
        (lambda n, x: torch.clamp(input=x, min=0), lambda n, x: x.relu()),
        (lambda n, x: torch.sigmoid(input=x), lambda n, x: x.sigmoid()),
        (lambda n, x: torch.div(input=x, other=2), lambda n, x: x / 2),
        (lambda n, x: n.drop(input=x), lambda n, x: x),
        (lambda n, x: F.prelu(x, n.slope), lambda n, x: F.leaky_relu(x, 0.2)),
        (lambda n, x: F.threshold(x, 0.0, 0.0), lambda n, x: x.relu()),
        (lambda n, x: pooled(x, kernel_size=[2, 2]), lambda n, x: pooled(x, kernel_size=2)),
        (lambda n, x: x.transpose(2, 3).mT, lambda n, x: x),
    ],
)
def test_other_ways_of_writing_make_no_difference(written, twin):
    for method in ("deeplift", "lrp"):
        try:
            expected = explain(model(twin), IMAGES, method=method, targets="fear")
        except InputError:
            with pytest.raises(InputError, match="has rules for"):
                explain(model(written), IMAGES, method=method, targets="fear")
            continue
        found = explain(model(written), IMAGES, method=method, targets="fear")
        assert torch.allclose(found.maps, expected.maps, atol=1e-6)
        assert found.completeness_gap.abs().max() < 1e-4


@pytest.mark.parametrize(
    ("between", "channels"),
    [
        (lambda n, x: x.reshape(2 * x.shape[0], 3, 8, 8).relu(), 3),
        (lambda n, x: (x.flatten(1).mean(dim=1) * 2).relu().view(-1, 1, 1, 1) * x, 6),
        (lambda n, x: x - x.mean(), 6),
    ],
)
def test_rows_that_are_no_images_are_refused(between, channels):
    net = model(
        lambda n, x: between(n, x).reshape(x.shape[0], -1, 8, 8)[:, :channels], channels=channels
    )
    for method in ("deeplift", "lrp"):
        with pytest.raises(
            InputError, match="with another first axis|lrp has rules for, but net has mul"
        ):
            explain(net, IMAGES, method=method, targets="fear")


def test_weights_may_be_computed():
    def standardised(n, x):
        weight = n.two.weight
        weight = (weight - weight.mean(dim=(1, 2, 3), keepdim=True)) / 0.1
        return F.conv2d(x.relu(), weight, padding=1)

    for method in ("deeplift", "lrp"):
        found = explain(model(standardised), IMAGES, method=method, targets="fear")
        assert found.completeness_gap.abs().max() < 1e-4


def test_a_relu_made_by_hand_is_no_constant():
    for method in ("guided_backprop", "deconvolution", "deeplift", "lrp"):
        with pytest.raises(InputError, match="gt"):
            explain(model(lambda n, x: x * (x > 0)), IMAGES, method=method, targets="fear")


def test_what_answers_at_random_is_said_to():
    net = model(lambda n, x: F.dropout(x))
    with pytest.raises(InputError, match="to answer twice alike"):
        explain(net, IMAGES, method="lrp", targets="fear")


def test_loops_over_parts_are_refused_in_one_sentence():
    net = model(lambda n, x: torch.cat([part.relu() for part in x.chunk(2, dim=1)], dim=1))
    with pytest.raises(InputError, match="loops over a tensor's parts"):
        explain(net, IMAGES, method="deeplift", targets="fear")


@pytest.mark.parametrize("change", [lambda x: x.relu() * -1, lambda x: x.relu() + -0.3])
def test_gamma_takes_nothing_negative_for_positive(change):
    net = model(lambda n, x: change(x))
    plain = explain(net, IMAGES, method="lrp", targets="fear").channels
    found = explain(net, IMAGES, method=GAMMA, targets="fear").channels
    assert torch.allclose(found, plain, atol=1e-6)  # its convolutions all have ε


def test_gamma_reaches_parametrised_convolutions_and_refuses_functions():
    def of(weight_norm):
        net = model(lambda n, x: x.relu())
        if weight_norm:
            parametrizations.weight_norm(net.net.two)
        return explain(net, IMAGES, method=GAMMA, targets="fear").channels

    assert torch.allclose(of(True), of(False), atol=1e-6)
    written = model(lambda n, x: F.conv2d(x.relu(), n.two.weight, padding=1))
    with pytest.raises(InputError, match="conv2d"):
        explain(written, IMAGES, method=GAMMA, targets="fear")
