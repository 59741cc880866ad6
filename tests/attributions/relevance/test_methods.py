"""Relevance is shared as the papers say, one weight at a time."""

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai import FERModel, explain, load_dataset, load_model
from fer_xai.attributions.relevance.composites import for_lrp
from fer_xai.attributions.relevance.deeplift import DeepLiftFrom, _begun
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import fill_images
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


class PreActivation(nn.Module):
    """x = c0(x); y = c2(relu(c1(relu(x)))); relu(y + x): one tensor with two readers."""

    def __init__(self):
        super().__init__()
        self.c = nn.ModuleList(nn.Conv2d(3 if i == 0 else 6, 6, 3, padding=1) for i in range(3))

    def forward(self, x):
        x = self.c[0](x)
        y = self.c[2](self.c[1](x.relu()).relu())
        return (y + x).relu().mean(dim=(2, 3))


def test_deconvolution_where_one_tensor_has_two_readers():
    """Captum's hook on the input of a ReLU replaces what the other reader sends back too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = PreActivation().eval()
    images = torch.rand(2, 3, 8, 8)
    model = FERModel(net, emotions=SIX, size=8, mean=(0,) * 3, std=(1,) * 3, name="net").eval()
    for method, forward_too in (("deconvolution", False), ("guided_backprop", True)):
        found = explain(model, images, method=method, targets="fear").channels
        with torch.no_grad():
            a = net.c[0](images)
            b = net.c[1](a.relu())
            y = net.c[2](b.relu()) + a

            def back(gradient, weight):
                return torch.nn.functional.conv_transpose2d(gradient, weight, padding=1)

            def passed(gradient, z, both=forward_too):
                kept = gradient.clamp(min=0)
                return kept * (z > 0) if both else kept

            top = torch.zeros_like(y)
            top[:, SIX.index("fear")] = 1 / 64
            at_sum = passed(top, y)
            at_relu = passed(back(passed(back(at_sum, net.c[2].weight), b), net.c[1].weight), a)
            expected = back(at_sum + at_relu, net.c[0].weight)
        assert torch.allclose(found, expected, atol=1e-6), method


def test_the_gamma_rule_does_not_explode_before_a_shortcut():
    """Outputs before a shortcut may be negative; plain γ gave 8 to 2.4 million times the logit."""
    model = load_model("resnet18", weights="rafdb")
    images = load_dataset("synthetic", split="test", limit=4).images
    found = explain(model, images, method=LayerwiseRelevance(rule="gamma"))
    assert found.completeness_gap.abs().max() < 1e-4
    top = found.logits.max(dim=1).values
    assert (found.maps.sum(dim=(1, 2)).abs() < top.abs()).all()


def test_deeplift_from_a_constant_does_not_depend_on_the_images_size():
    """A constant that is resized carries rounding, by which secants must not be divided."""
    model = load_model("gimefive", weights="rafdb")
    faces = load_dataset("synthetic", split="test", limit=4).images
    large = nn.functional.interpolate(faces, size=100, mode="bilinear", antialias=True)
    small = nn.functional.interpolate(large, size=64, mode="bilinear", antialias=True).clamp(0, 1)
    for fill in ("mean", "grey"):
        begun = _begun(model, fill_images(large, fill))
        assert torch.equal(begun, begun[..., :1, :1].expand_as(begun)), fill
        one, two = (
            explain(model, images, method=DeepLiftFrom(baselines=(fill,)), targets="fear").channels
            for images in (large, small)
        )
        for colour in range(3):  # what each colour adds is the same at either size
            assert torch.allclose(
                one[:, colour].sum(dim=(1, 2)), two[:, colour].sum(dim=(1, 2)), rtol=0.05, atol=0.05
            ), fill
