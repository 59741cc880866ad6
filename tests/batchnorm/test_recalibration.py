"""Whatever keeps running statistics is treated as its BatchNorm twin, or refused by name."""

import copy

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from fer_xai import explain
from fer_xai.batchnorm.recalibration import recalibrate
from fer_xai.batchnorm.running_statistics import running_statistics
from fer_xai.batchnorm.synchronised import unsynchronised
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, calibrate_batchnorm
from metrics.randomisation.mprt import mprt
from metrics.randomisation.random_networks import layers_of, randomised
from tests.helpers import tiny_model
from tests.metrics.explainers import gradient


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


def twin_of(model, make):
    """The model with ``make(norm)`` in the place of each BatchNorm."""
    other = copy.deepcopy(model)
    for name in ("bn1", "bn2"):
        setattr(other.net, name, make(getattr(other.net, name)))
    return other.eval()


def frozen(norm):
    made = FrozenBatchNorm2d(norm.num_features, eps=norm.eps)
    made.load_state_dict(norm.state_dict())
    return made


def frozen_timm(norm):
    layers = pytest.importorskip("timm.layers")
    made = layers.FrozenBatchNormAct2d(norm.num_features, eps=norm.eps, apply_act=False)
    made.load_state_dict(norm.state_dict())
    return made


def with_act(norm):
    layers = pytest.importorskip("timm.layers")
    made = layers.BatchNormAct2d(norm.num_features, eps=norm.eps, apply_act=False)
    made.load_state_dict(norm.state_dict())
    return made


def lazy(norm):
    made = nn.LazyBatchNorm2d(eps=norm.eps)
    made(torch.rand(2, norm.num_features, 2, 2))
    made.load_state_dict(norm.state_dict())
    return made


TWINS = {
    "SyncBatchNorm": nn.SyncBatchNorm.convert_sync_batchnorm,
    "FrozenBatchNorm2d": frozen,
    "LazyBatchNorm2d": lazy,
    "timm's BatchNormAct2d": with_act,
    "timm's SyncBatchNormAct": lambda norm: pytest.importorskip(
        "timm.layers"
    ).convert_sync_batchnorm(with_act(norm)),
    "timm's FrozenBatchNormAct2d": frozen_timm,
}


@pytest.fixture
def group():
    """Processes that SyncBatchNorm would wait for, were there more than one."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


def statistics(model):
    return {key: value.clone() for key, value in model.state_dict().items() if "running" in key}


def same(one, other, **room):
    assert one.keys() == other.keys()
    assert len(one)
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, msg=lambda m, key=key: f"{key}: {m}", **room)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_gets_the_same_statistics(name, model, images, group):
    twin = twin_of(model, TWINS[name])
    before = {module: module.training for module in twin.modules()}
    batches = [images, images[:3] / 2, images[:1]]
    recalibrate(model, batches)
    recalibrate(twin, batches)
    same(statistics(model), statistics(twin), rtol=1e-5, atol=1e-6)
    assert {module: module.training for module in twin.modules()} == before
    assert type(twin.net.bn1) is type(twin_of(model, TWINS[name]).net.bn1)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_the_same_random_networks_and_mprt(name, model, images):
    twin = twin_of(model, TWINS[name])
    targets = torch.tensor([0, 2, 3, 4, 5])
    for policy in ("recalibrate", "reset"):
        one, other = (
            randomised(net, seed=3, images=images, batchnorm=policy) for net in (model, twin)
        )
        torch.testing.assert_close(other(images), one(images), rtol=1e-4, atol=1e-5)
        same(statistics(one), statistics(other), rtol=1e-5, atol=1e-6)
    assert layers_of(twin, images) == layers_of(model, images)
    found = [
        mprt(
            Predictor(net, device="cpu"),
            images,
            gradient(net, images, targets, None),
            targets,
            gradient,
            layers=4,
            similarity="pearson",
        ).similarity
        for net in (model, twin)
    ]
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)


def test_an_untrained_twin_has_the_same_floor(model, faces, group):
    twin = twin_of(model, nn.SyncBatchNorm.convert_sync_batchnorm)
    for net in (model, twin):
        calibrate_batchnorm(net, faces, n=12, batch_size=5)
    same(statistics(model), statistics(twin), rtol=0, atol=0)


def test_synchronised_layers_fold_and_have_rules(model, images):
    twin = twin_of(model, nn.SyncBatchNorm.convert_sync_batchnorm)
    one, other = Predictor(model, device="cpu"), Predictor(twin, device="cpu")
    assert other.settings()["batchnorm_folded"]
    assert torch.equal(one.logits(images), other.logits(images))
    assert isinstance(twin.net.bn1, nn.SyncBatchNorm)  # the model handed in is never touched
    assert type(other.model.net.bn1) is nn.BatchNorm2d
    assert other.model.net.bn1.weight.data_ptr() != twin.net.bn1.weight.data_ptr()
    for method in ("gradcam", "lrp", "deeplift"):
        maps = [explain(net, images, method=method, targets="fear").maps for net in (one, other)]
        assert torch.equal(*maps), method


def test_synchronised_layers_of_vectors_fold():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(192, 5), nn.SyncBatchNorm(5), nn.ReLU(), nn.Linear(5, 6)
    )
    net[2].running_mean.normal_()
    predictor = Predictor(FERModel(net, emotions=SIX, size=8), device="cpu")
    assert type(predictor.model.net[2]) is nn.BatchNorm1d
    assert predictor.settings()["batchnorm_folded"]
    assert not predictor.runs_alone("1")  # with its norm in it, it does not mean what it meant


def test_a_synchronised_layer_that_is_called_for_images_and_for_vectors_stays_one():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.fc = nn.SyncBatchNorm(3), nn.Linear(3, 6)

        def forward(self, x):
            return self.fc(self.norm(self.norm(x).mean(dim=(2, 3))))

    model = FERModel(Both(), emotions=SIX, size=8).eval()
    predictor = Predictor(model, device="cpu")
    assert type(predictor.model.net.norm) is nn.SyncBatchNorm
    images = torch.rand(4, 3, 8, 8)
    assert torch.allclose(predictor.logits(images), model(images), atol=1e-6)
    randomised(predictor.model, seed=0, images=images)


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


def test_classes_are_put_back(model, group):
    twin = twin_of(model, nn.SyncBatchNorm.convert_sync_batchnorm).train()
    with pytest.raises(ValueError, match="expected input tensor to be on GPU"):
        twin(torch.rand(2, 3, 64, 64))
    with unsynchronised(twin):
        twin(torch.rand(2, 3, 64, 64))
    assert type(twin.net.bn1) is nn.SyncBatchNorm


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
