"""SyncBatchNorm, frozen, lazy and timm's layers are treated as their BatchNorm twin."""

import copy

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from fer_xai import explain
from fer_xai.batchnorm.recalibration import recalibrate
from fer_xai.batchnorm.synchronised import unsynchronised
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, calibrate_batchnorm
from metrics.randomisation.mprt import mprt
from metrics.randomisation.random_networks import layers_of, randomised
from tests.batchnorm.running import same, statistics
from tests.metrics.explainers import gradient


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


def test_classes_are_put_back(model, group):
    twin = twin_of(model, nn.SyncBatchNorm.convert_sync_batchnorm).train()
    with pytest.raises(ValueError, match="expected input tensor to be on GPU"):
        twin(torch.rand(2, 3, 64, 64))
    with unsynchronised(twin):
        twin(torch.rand(2, 3, 64, 64))
    assert type(twin.net.bn1) is nn.SyncBatchNorm
