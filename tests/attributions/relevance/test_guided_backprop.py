"""Guided backprop and deconvolution: reused, functional and shared ReLUs."""

import torch
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor


def test_functional_and_reused_relus_are_made_safe(images):
    """The same weights with modules that run once: Captum is right there, and ours on both."""

    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 5, stride=4), nn.Conv2d(4, 6, 3)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            x = self.relu(self.one(x))
            return torch.relu(self.relu(self.two(x)) - 0.01).mean(dim=(2, 3))

    class Clean(Reused):
        def __init__(self, other):
            super().__init__()
            self.load_state_dict(other.state_dict())
            self.a, self.b, self.c = nn.ReLU(), nn.ReLU(), nn.ReLU()

        def forward(self, x):
            return self.c(self.b(self.two(self.a(self.one(x)))) - 0.01).mean(dim=(2, 3))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reused = Reused()
    for method in ("guided_backprop", "deconvolution", "saliency"):
        found = [
            explain(
                Predictor(FERModel(net, emotions=SIX).eval(), device="cpu"),
                images,
                method=method,
                targets="fear",
            ).maps
            for net in (reused, Clean(reused))
        ]
        assert torch.allclose(found[0], found[1], atol=1e-6)
        assert found[0].abs().max() > 0


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
