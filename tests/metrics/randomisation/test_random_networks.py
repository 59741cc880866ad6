import threading
from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai.batchnorm.recalibration import recalibrate
from fer_xai.batchnorm.running_statistics import running_statistics
from fer_xai.errors import InputError
from metrics.randomisation import random_networks
from metrics.randomisation.random_networks import layers_of, randomised
from tests.attributions.nets import SMALL, build
from tests.helpers import tiny_model
from tests.metrics.explainers import gradient


def _jolted(model):
    """No parameter is what an initialisation would make it."""
    own = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.rand(parameter.shape, generator=own) + 0.01)
    return model


def _timm(name):
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        if name == "vit":
            net = timm.create_model(
                "vit_tiny_patch16_224",
                img_size=32,
                patch_size=16,
                depth=2,
                embed_dim=12,
                num_heads=2,
                num_classes=6,
                init_values=1e-5,
                reg_tokens=1,
            )
        else:
            net = timm.create_model(name, num_classes=6)
    return net


@pytest.mark.parametrize("name", ["tiny", "gimefive", *SMALL, "timm vit", "timm levit_128s"])
def test_no_trained_parameter_survives(name):
    if name == "tiny":
        model = tiny_model()
    elif name.startswith("timm "):
        model = _timm(name.removeprefix("timm "))
    else:
        model = build(name)
    model = _jolted(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fresh = randomised(model, seed=0, batchnorm="keep")
    for key, value in fresh.named_parameters():
        same = (value == before[key]).double().mean()
        assert value.isfinite().all(), key
        assert same < 0.05, key
    parameters = dict(model.named_parameters())
    for key, value in fresh.state_dict().items():
        if key not in parameters:
            assert torch.equal(value, before[key]), key
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_bare_parameters_have_the_trained_moments_and_scalars_move():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(3 + 0.5 * torch.randn(40, 50))
            self.alpha = nn.Parameter(torch.tensor(0.7))
            self.gamma = nn.Parameter(torch.full((400,), 2.0))
            self.never = nn.Parameter(torch.zeros(3))
            self.attention = nn.MultiheadAttention(8, 2)

    net = Net()
    fresh = randomised(net, seed=0)
    assert fresh.token.mean().item() == pytest.approx(3, abs=0.05)
    assert fresh.token.std().item() == pytest.approx(0.5, abs=0.05)
    assert (
        abs(np.corrcoef(fresh.token.detach().flatten(), net.token.detach().flatten())[0, 1]) < 0.1
    )
    assert fresh.alpha != net.alpha
    assert fresh.gamma.std().item() == pytest.approx(2, abs=0.3)
    assert fresh.never.tolist() == [0, 0, 0]  # it never held anything
    weight = net.attention.in_proj_weight
    assert not (fresh.attention.in_proj_weight == weight).any()
    assert fresh.attention.in_proj_weight.std().item() == pytest.approx(
        weight.std().item(), rel=0.3
    )
    assert fresh.token.requires_grad


def test_global_randomness_modes_and_hooks_are_left_as_found(model):
    model.train()
    model.net.fc.eval()
    modes = [module.training for module in model.modules()]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    fresh = randomised(model, seed=0, images=images)
    assert torch.equal(torch.rand(2), expected)
    assert [module.training for module in model.modules()] == modes
    assert [module.training for module in fresh.modules()] == modes
    layers_of(model, images)
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_pre_hooks for module in model.modules())
    again, other = (randomised(model, seed=seed, images=images) for seed in (0, 1))
    assert torch.equal(fresh.net.conv1.weight, again.net.conv1.weight)
    assert not torch.equal(fresh.net.conv1.weight, other.net.conv1.weight)


def test_a_copy_made_in_inference_mode_has_gradients(trained):
    predictor, images, targets = trained
    with torch.inference_mode():
        fresh = randomised(predictor.model, seed=0, images=images)
    assert gradient(fresh, images, targets, None).isfinite().all()


def test_a_layer_is_drawn_alike_whichever_others_are(model):
    whole = dict(randomised(model, seed=0, batchnorm="keep").named_parameters())
    part = dict(
        randomised(model, seed=0, layers=["net.conv2"], batchnorm="keep").named_parameters()
    )
    for key, value in model.named_parameters():
        expected = whole[key] if key.startswith("net.conv2.") else value
        assert torch.equal(part[key], expected)


def test_running_statistics_follow_the_policy(model, images):
    def statistics(network):
        norms = {name: network.get_submodule(name) for name in ("net.bn1", "net.bn2")}
        return {name: norm.running_var.clone() for name, norm in norms.items()}

    before = statistics(model)
    kept = statistics(randomised(model, seed=0, batchnorm="keep"))
    assert all(torch.equal(kept[name], before[name]) for name in before)
    reset = statistics(randomised(model, seed=0, batchnorm="reset"))
    assert all((reset[name] == 1).all() for name in before)
    some = statistics(randomised(model, seed=0, batchnorm="reset", layers=["net.bn2"]))
    assert torch.equal(some["net.bn1"], before["net.bn1"])
    assert (some["net.bn2"] == 1).all()
    fresh = randomised(model, seed=0, images=images)
    seen = []
    fresh.net.bn2.register_forward_hook(lambda m, i, o: seen.append(o))
    with torch.inference_mode():
        fresh(images)
    assert seen[0].mean((0, 2, 3)).abs().max() < 1e-4
    assert (seen[0].var((0, 2, 3)) - 1).abs().max() < 0.05
    above = statistics(randomised(model, seed=0, images=images, layers=["net.conv2"]))
    assert torch.equal(above["net.bn1"], before["net.bn1"])  # nothing before it has changed
    assert not torch.equal(above["net.bn2"], before["net.bn2"])


def test_statistics_are_taken_once_of_the_same_network_and_images(model, images, monkeypatch):
    taken = []

    def counted(*given, **options):
        taken.append(1)
        recalibrate(*given, **options)

    def drawn(**options):
        made = randomised(model, images=images, **{"seed": 0} | options)
        return len(taken), {key: value.clone() for key, value in made.state_dict().items()}

    monkeypatch.setattr(random_networks, "recalibrate", counted)
    first, again = drawn()[1], drawn()[1]
    assert len(taken) == 1
    assert all(torch.equal(first[key], again[key]) for key in first)
    monkeypatch.setattr(random_networks, "_RECALIBRATED", WeakKeyDictionary())
    anew = drawn()[1]
    assert len(taken) == 2
    assert all(torch.equal(first[key], anew[key]) for key in first)
    assert drawn(seed=1)[0] == 3
    assert drawn(layers=["net.fc", "net.conv2"])[0] == 4
    with torch.no_grad():
        model.net.conv1.weight.data[0] += 1  # no step of PyTorch's version counters
    assert drawn(layers=["net.fc", "net.conv2"])[0] == 5
    images[0, 0, 0, 0] += 0.01
    assert drawn()[0] == 6
    monkeypatch.setattr(random_networks, "_KEPT", len(random_networks._RECALIBRATED[model]))
    assert drawn(seed=2)[0] == 7
    assert len(random_networks._RECALIBRATED[model]) == random_networks._KEPT


def test_layers_come_in_the_order_of_a_pass():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(8, 2)
            self.body = nn.MultiheadAttention(8, 2, batch_first=True)
            self.stem = nn.Linear(4, 8)

        def forward(self, x):
            x = self.stem(x.mean(dim=1))  # (B, 4, 8)
            return self.head(self.body(x, x, x)[0].mean(dim=1))

    names = layers_of(Backwards(), torch.rand(1, 3, 4, 4))
    assert names == ["stem", "body", "body.out_proj", "head"]
    vit = layers_of(build("vit"), torch.rand(1, 3, 64, 64))
    assert vit[0] == "net"  # the class token
    assert vit[-1] == "net.heads.head"
    assert vit.index("net.encoder") < vit.index("net.encoder.layers.encoder_layer_0.ln_1")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"layers": ["top"]}, "Expected names of the model's modules as layers, got top"),
        ({"batchnorm": "fold"}, "Expected batchnorm recalibrate, keep, reset"),
    ],
    ids=["layer", "policy"],
)
def test_bad_options_are_one_sentence(model, options, match):
    with pytest.raises(InputError, match=match):
        randomised(model, seed=0, **options)


class KeepsActivations(nn.Module):
    """Keeps an activation of its last pass, within its graph."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4, 6)

    def forward(self, x):
        self.kept = self.layers(x)
        return self.head(self.kept.mean(dim=(2, 3)))


def test_a_network_that_keeps_activations_is_drawn_like_any_other():
    net, images = KeepsActivations().eval(), torch.rand(4, 3, 8, 8)
    drawn = randomised(net, seed=0, images=images)
    net(images)
    assert net.kept.grad_fn is not None
    random_networks._STATISTICS.pop(net)  # its copy for trial passes is made again
    again = randomised(net, seed=0, images=images)
    assert again.kept.grad_fn is None
    assert net.kept.grad_fn is not None
    for key, value in drawn.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_a_network_that_cannot_be_copied_is_refused_in_a_sentence():
    net, images = KeepsActivations(), torch.rand(2, 3, 8, 8)
    net.lock = threading.Lock()
    with pytest.raises(InputError, match="a network that can be copied, but copying it failed"):
        randomised(net, seed=0, batchnorm="keep")
    with pytest.raises(InputError, match="keep files, locks and the like out of its attributes"):
        running_statistics(net, images)
