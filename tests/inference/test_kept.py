import copy
import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai import explain
from fer_xai.errors import InputError
from fer_xai.inference.kept import predictor_of
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
