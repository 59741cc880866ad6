"""Layers that keep running statistics of their own are recalibrated, or refused by name."""

import pytest
import torch
from torch import nn

from fer_xai.batchnorm.recalibration import recalibrate
from fer_xai.batchnorm.running_statistics import running_statistics
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from metrics.randomisation.random_networks import randomised
from tests.batchnorm.running import same, statistics
from tests.helpers import tiny_model


class Own(nn.Module):
    """A normalisation with names, shapes and a rate of its own, whose buffers are bound anew."""

    def __init__(self, channels: int, rate: float = 0.02) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("level", torch.zeros(1, channels, 1, 1))
        self.register_buffer("power", torch.ones(1, channels, 1, 1))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        level, power = self.level, self.power
        if self.training:
            level = x.mean(dim=(0, 2, 3), keepdim=True)
            power = x.var(dim=(0, 2, 3), keepdim=True)
            self.level = (1 - self.rate) * self.level + self.rate * level.detach()
            self.power.lerp_(power.detach(), self.rate)
            self.seen += 1
        return (x - level) / (power + 1e-5).sqrt()


class Largest(nn.Module):
    """Keeps what is no mean over batches."""

    def __init__(self, *, used: bool = True) -> None:
        super().__init__()
        self.used = used
        self.register_buffer("top", torch.ones(()))

    def forward(self, x):
        if self.training:
            self.top = torch.maximum(self.top, 3 * x.abs().max())
        return x / self.top if self.used else x


class Holder(nn.Module):
    """The module that changes the buffers is not the one that holds them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kept = nn.Module()
        self.kept.register_buffer("level", torch.zeros(channels))

    def forward(self, x):
        if self.training:
            self.kept.level.lerp_(x.mean(dim=(0, 2, 3)), 0.1)
        return x - self.kept.level[:, None, None]


class OnlyInEvaluation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(()))

    def forward(self, x):
        if self.training:
            raise RuntimeError("this layer needs labels")
        return x - self.level


def small(norm, channels=4):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3),
        norm,
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 6),
    )


def expected(net, batches):
    """Means over batches of the mean and variance behind the convolution."""
    with torch.no_grad():
        seen = [net[0](batch) for batch in batches]
    return (
        torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0),
        torch.stack([x.var(dim=(0, 2, 3)) for x in seen]).mean(dim=0),
    )


def test_own_layers_are_found_by_what_they_do(images):
    net, batches = small(Own(4)), [images, images**2, images[:2] * 0.3]
    state = torch.random.get_rng_state()
    [(name, kept)] = running_statistics(net, images).items()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (name, kept.kind, kept.buffers) == ("1", "average", ("level", "power"))
    assert kept.decay == pytest.approx(0.98, abs=1e-5)
    assert net[1].seen == 0
    recalibrate(net, batches)
    level, power = expected(net, batches)
    torch.testing.assert_close(net[1].level.flatten(), level, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net[1].power.flatten(), power, rtol=1e-4, atol=1e-5)
    assert net[1].seen == 0
    fresh = randomised(net, seed=0, images=images)
    level, _ = expected(fresh, [images])
    torch.testing.assert_close(fresh[1].level.flatten(), level, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="Expected running_mean and running_var of 1 to reset"):
        randomised(net, seed=0, images=images, batchnorm="reset")


@pytest.mark.parametrize("momentum", [0.1, 0.3, 0.0])
def test_instance_norm_that_tracks_is_recalibrated(momentum, images):
    net = small(nn.InstanceNorm2d(4, momentum=momentum, track_running_stats=True))
    recalibrate(net, [images, images[:2]])
    with torch.no_grad():
        seen = [net[0](batch) for batch in (images, images[:2])]
    mean = torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0)
    var = torch.stack([x.var(dim=(2, 3)).mean(dim=0) for x in seen]).mean(dim=0)
    torch.testing.assert_close(net[1].running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net[1].running_var, var, rtol=1e-4, atol=1e-5)
    assert net[1].momentum == momentum
    assert not running_statistics(small(nn.InstanceNorm2d(4)), images)


def test_buffers_that_another_module_keeps_are_found(images):
    net = small(Holder(4))
    recalibrate(net, [images, images[:2] / 2])
    level, _ = expected(net, [images, images[:2] / 2])
    torch.testing.assert_close(net[1].kept.level, level, rtol=1e-4, atol=1e-5)


def test_lazy_layers_are_built_before_they_are_recalibrated(images):
    net = small(nn.LazyBatchNorm2d())
    recalibrate(net, [images])
    level, power = expected(net, [images])
    torch.testing.assert_close(net[1].running_mean, level)
    torch.testing.assert_close(net[1].running_var, power)
    with pytest.raises(InputError, match=r"built, but net.1 \(LazyBatchNorm2d\) is not yet"):
        Predictor(FERModel(small(nn.LazyBatchNorm2d()), emotions=SIX), device="cpu")


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Largest(), "those of 1 (top: what a batch leaves in them is no such mean)"),
        (OnlyInEvaluation(), "those of 1 (level: it fails in training mode)"),
    ],
)
def test_what_is_no_mean_is_refused_by_name_and_left_as_it_was(layer, said, images):
    net = small(layer)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for act in (lambda: recalibrate(net, [images]), lambda: randomised(net, seed=0, images=images)):
        with pytest.raises(InputError) as error:
            act()
        assert said in str(error.value)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    randomised(net, seed=0, images=images, batchnorm="keep")


def test_buffers_without_an_effect_are_no_statistics(images):
    assert not running_statistics(small(Largest(used=False)), images)


def test_no_batch_of_two_images_is_refused_before_anything_is_lost(model, images):
    before = statistics(model)
    with pytest.raises(InputError, match="Expected a batch of at least two images"):
        recalibrate(model, [images[:1], images[1:2]])
    same(before, statistics(model), rtol=0, atol=0)


def test_statistics_are_as_before_where_a_pass_fails(model, images):
    before = statistics(model)
    with pytest.raises(RuntimeError):
        recalibrate(model, [images, images[:, :1].expand(-1, 5, -1, -1)])
    same(before, statistics(model), rtol=0, atol=0)
    assert model.net.bn1.momentum == 0.1


def test_spectral_norms_follow_the_weights_that_were_drawn(images):
    net = small(nn.BatchNorm2d(4))
    nn.utils.parametrizations.spectral_norm(net[0])
    with torch.no_grad():
        net[0].parametrizations.weight.original.mul_(torch.linspace(-3, 3, 9).view(1, 1, 3, 3))
        net.train()(images)
    for layers in (None, ["0.parametrizations.weight"]):
        fresh = randomised(net.eval(), seed=0, images=images, layers=layers)
        largest = torch.linalg.matrix_norm(fresh[0].weight.detach().flatten(1), ord=2)
        assert float(largest) == pytest.approx(1, abs=1e-3)
        assert not fresh[0].parametrizations.weight.training


def test_trained_models_are_never_touched(images):
    model = tiny_model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    running_statistics(model, images)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())
