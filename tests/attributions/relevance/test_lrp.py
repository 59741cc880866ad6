"""Relevance is shared as the papers say, one weight at a time."""

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai import FERModel, explain, load_dataset, load_model
from fer_xai.attributions.relevance.composites import for_lrp
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from tests.reference.relevance_slow import relevance_slow


class Pool(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


POOLS = {
    "module": lambda: nn.AvgPool2d(2),
    "function": lambda: Pool(lambda x: nn.functional.adaptive_avg_pool2d(x, (1, 1))),
    "mean": lambda: Pool(lambda x: x.mean(dim=(2, 3), keepdim=True)),
    "torch.mean": lambda: Pool(lambda x: torch.mean(x, (2, 3))),
}


@pytest.mark.parametrize("pool", list(POOLS))
@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha1_beta0"])
def test_relevance_is_the_papers_and_the_image_is_read_with_epsilon(rule, pool):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [
            nn.Conv2d(3, 4, 3, stride=2),
            nn.Conv2d(4, 4, 2),
            POOLS[pool](),
            nn.Sequential(nn.Flatten(), nn.Linear(4, 6)),
        ]
        images = torch.rand(2, 3, 7, 7)
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), *layers[2:])
    model = FERModel(net, emotions=SIX, size=7).eval()
    found = explain(model, images, method=LayerwiseRelevance(rule=rule), targets="fear").channels
    inputs = model.preprocess(images)
    assert (inputs < 0).any()
    rules = ("epsilon", rule, "epsilon", "epsilon")
    for face in range(2):
        expected = relevance_slow(layers, inputs[face], SIX.index("fear"), rules)
        assert np.allclose(found[face], expected, atol=1e-4 * np.abs(expected).max())


def test_rules_for_what_cannot_be_negative_wait_for_a_relu():
    """A convolution behind another, a tanh or a sum with the image may read negative values."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(5))
            self.relu, self.other, self.tanh = nn.ReLU(), nn.ReLU(), nn.Tanh()
            self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(3, 6)

        def forward(self, x):
            a, b, c, d, e = self.convs
            y = self.relu(b(a(x)))
            z = self.other(c(self.pool(y) + self.pool(y)))
            return self.fc((e(self.tanh(d(z))) + z).mean(dim=(2, 3)))

    used = Predictor(FERModel(Net(), emotions=SIX, size=8).eval(), device="cpu", fold=False)
    names = {name.split(".")[-1] for name in for_lrp(used, "lrp").signed}
    assert names == {"0", "1", "4"}


def test_products_with_a_constant_are_linear_and_with_another_activation_have_no_rule():
    def model(last):
        net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), Pool(last))
        return FERModel(net, emotions=SIX, size=8, name="net").eval()

    images = torch.rand(1, 3, 8, 8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        scaled = model(lambda x: 2 * x.mean(dim=(2, 3)))
    found = explain(scaled, images, method="lrp", targets="fear")
    inputs = scaled.preprocess(images).requires_grad_()
    gradient = torch.autograd.grad(scaled.net(inputs)[0, SIX.index("fear")], inputs)[0]
    assert torch.allclose(found.channels, gradient * inputs, atol=1e-5)
    squared = model(lambda x: (x * x).mean(dim=(2, 3)))
    with pytest.raises(InputError, match="Expected parts that lrp has rules for, but net has mul"):
        explain(squared, images, method="lrp")


def test_the_gamma_rule_does_not_explode_before_a_shortcut():
    """Outputs before a shortcut may be negative; plain γ gave 8 to 2.4 million times the logit."""
    model = load_model("resnet18", weights="rafdb")
    images = load_dataset("synthetic", split="test", limit=4).images
    found = explain(model, images, method=LayerwiseRelevance(rule="gamma"))
    assert found.completeness_gap.abs().max() < 1e-4
    top = found.logits.max(dim=1).values
    assert (found.maps.sum(dim=(1, 2)).abs() < top.abs()).all()
