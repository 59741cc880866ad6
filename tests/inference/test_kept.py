import copy
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai import explain
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.kept import predictor_of
from fer_xai.inference.private_copy import no_tf32
from fer_xai.models import FERModel
from tests.helpers import tiny_model


def kept(model):
    return predictor_of(model, device="cpu", batch_size=4)


def test_a_model_that_stays_the_same_is_copied_once(images):
    model = tiny_model()
    first = kept(model)
    model.train()
    model(images)  # which moves running statistics
    model.load_state_dict(tiny_model().state_dict())
    model.requires_grad_(False)
    assert kept(model) is first
    assert predictor_of(first) is first
    assert predictor_of(model, device="cpu", batch_size=2) is not first
    assert kept(model) is first
    assert kept(tiny_model()) is not first


def in_place(model):
    with torch.no_grad():
        model.net.fc.bias += 1


def behind_its_back(model):
    model.net.fc.bias.data[0] = 3


def by_numpy(model):
    array = model.net.fc.weight.detach().numpy()
    array[[0, 1]] = array[[1, 0]]  # which no sum of the values would show


def a_statistic(model):
    model.net.bn1.running_mean += 0.1


def another_state(model):
    model.load_state_dict(tiny_model(1).state_dict())


def assigned(model):
    model.load_state_dict(copy.deepcopy(tiny_model(1).state_dict()), assign=True)


def another_part(model):
    model.net.relu1 = nn.Tanh()


def an_option(model):
    model.net.bn1.eps = 0.1


def normalisation(model):
    model.std.fill_(0.3)


def another_size(model):
    model.size = 32


def another_layer(model):
    model.cam_layer = "relu1"


def a_reshape(model):
    model.reshape = lambda tokens: tokens


CHANGES = [
    in_place,
    behind_its_back,
    by_numpy,
    a_statistic,
    another_state,
    assigned,
    another_part,
    an_option,
    normalisation,
    another_size,
    another_layer,
    a_reshape,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_copied_again(images, change):
    model = tiny_model()
    first = kept(model)
    change(model)
    second = kept(model)
    assert second is not first
    assert torch.allclose(second.logits(images), model.eval()(images).detach(), atol=1e-4)
    assert kept(model) is second


def test_a_hook_that_makes_weights_is_seen_and_refused():
    model = tiny_model()
    kept(model)
    nn.utils.prune.l1_unstructured(model.net.fc, "weight", amount=0.5)
    with pytest.raises(InputError, match="made by a hook"):
        kept(model)


def test_a_changed_hook_makes_a_new_copy():
    model = tiny_model()
    first = kept(model)
    model.net.fc.register_forward_hook(lambda *_: None)
    assert kept(model) is not first


def test_the_copy_goes_with_its_model():
    model = tiny_model()
    gone = weakref.ref(kept(model))
    del model
    gc.collect()
    assert gone() is None


def test_explaining_copies_the_model_once_and_sees_changes(images, monkeypatch):
    model = tiny_model()
    before = explain(model, images)
    with monkeypatch.context() as patch:
        patch.setattr(
            "fer_xai.inference.kept.Predictor.__init__", lambda *_, **__: pytest.fail("copied")
        )
        again = explain(model, images)
    assert torch.equal(before.maps, again.maps)
    in_place(model)
    assert np.allclose(explain(model, images).logits, before.logits + 1, atol=1e-5)


def test_a_model_that_is_no_module_is_refused():
    with pytest.raises(InputError, match="Expected a FERModel"):
        predictor_of("gimefive")


@dataclass
class Options:
    scale: float = 1.0
    inner: dict = field(default_factory=lambda: {"shift": [0.0]})


class Slotted:
    __slots__ = ("scale",)

    def __init__(self):
        self.scale = 1.0


class Scaled(nn.Module):
    """A network whose answers depend on options that are no tensors."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(48, 6)
        self.cfg = SimpleNamespace(scale=1.0)
        self.options, self.slotted, self.weights = Options(), Slotted(), np.ones(2)
        self.cfg.circle = self  # which a fingerprint must survive
        self.loose = [nn.Linear(6, 6)]  # no registered part

    def forward(self, x):
        scale = self.cfg.scale * self.options.scale * self.slotted.scale * float(self.weights[0])
        y = self.head(nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)) * scale
        return self.loose[0](y + self.options.inner["shift"][0])


def scaled():
    torch.manual_seed(0)
    return FERModel(Scaled(), emotions=SIX, size=64)


def a_namespace(net):
    net.cfg.scale = 10.0


def a_field(net):
    net.options.scale = 10.0


def a_nested_list(net):
    net.options.inner["shift"][0] = 10.0


def a_slot(net):
    net.slotted.scale = 10.0


def an_array(net):
    net.weights[0] = 10.0


def another_array(net):
    net.weights = np.full(2, 10.0)


def a_loose_part(net):
    net.loose[0].bias.data += 1


OPTIONS = [a_namespace, a_field, a_nested_list, a_slot, an_array, another_array, a_loose_part]


@pytest.mark.parametrize("change", OPTIONS)
def test_a_changed_option_makes_a_new_copy(images, change):
    model = scaled()
    first = kept(model)
    model.eval()(images)
    assert kept(model) is first
    change(model.net)
    second = kept(model)
    assert second is not first
    assert torch.allclose(second.logits(images), model(images).detach(), atol=1e-4)
    assert kept(model) is second


class Keeping(nn.Module):
    """Keeps activations of its last pass, within their graph."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 8, stride=8), nn.Linear(4, 6)
        self.record = {"last": []}

    def forward(self, x):
        self.features = torch.relu(self.conv(x))
        self.record["last"] = [self.features]
        return self.head(self.features.mean(dim=(2, 3)))


@pytest.mark.parametrize("method", ["gradcam", "deeplift", "saliency"])
def test_a_network_that_keeps_activations_is_explained(images, method):
    model = FERModel(Keeping(), emotions=SIX, size=64, cam_layer="conv")
    fresh = explain(model, images, method=method)
    model(images)
    assert model.net.features.grad_fn is not None
    again = explain(model, images, method=method)
    assert torch.equal(fresh.maps, again.maps)
    assert model.net.features.grad_fn is not None


def test_a_network_that_cannot_be_copied_is_refused_in_a_sentence():
    model = tiny_model()
    model.net.lock = threading.Lock()
    with pytest.raises(InputError, match="a network that can be copied"):
        kept(model)


METHODS = ["gradcam", "deeplift", "lrp", "integrated_gradients"]


def test_two_threads_get_the_maps_of_one(images):
    def maps(asked):
        method, shift = asked
        return explain(model, images.roll(shift, dims=0), method=method, targets="fear").maps

    asked = [(method, shift) for shift in range(5) for method in METHODS]
    model = tiny_model()
    alone = [maps(one) for one in asked]
    model = tiny_model()  # so that layers are looked at, and copies rewritten, by both threads
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(maps, asked))
    finally:
        sys.setswitchinterval(interval)
    for one, expected, what in zip(found, alone, asked, strict=True):
        assert torch.allclose(one, expected, atol=1e-5), what


def test_threads_that_overlap_leave_the_flag_of_tf32_as_it_was():
    before = torch.backends.cudnn.allow_tf32
    one, two = no_tf32(), no_tf32()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    inside = torch.backends.cudnn.allow_tf32
    two.__exit__(None, None, None)
    assert not inside
    assert torch.backends.cudnn.allow_tf32 == before
