"""Beginning with weights of another task."""

import sys

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models import load_model
from fer_xai.models.initial_weights import imagenet_file, load_backbone

NAME = "torchvision/shufflenet_v2_x0_5"


@pytest.fixture
def thousand():
    torch.manual_seed(1)
    return torchvision.models.get_model("shufflenet_v2_x0_5", weights=None).state_dict()


def test_all_but_a_head_of_other_classes_is_taken_over(thousand, tmp_path):
    save_file(thousand, tmp_path / "w.safetensors")
    net = load_model(NAME).net
    head = net.fc.weight.clone()
    load_backbone(net, tmp_path / "w.safetensors", name=NAME)
    assert torch.equal(net.conv1[0].weight, thousand["conv1.0.weight"])
    assert torch.equal(net.fc.weight, head)


def test_a_head_that_fits_is_taken_over_too(tmp_path):
    theirs = load_model(NAME, seed=3).net
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    net = load_model(NAME).net
    load_backbone(net, tmp_path / "w.pth", name=NAME)
    assert torch.equal(net.fc.weight, theirs.fc.weight)


def test_imagenets_weights_are_found_where_torch_hub_keeps_them(thousand, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match="fetch them once with"):
        load_backbone(load_model(NAME).net, "imagenet", name=NAME)
    file = tmp_path / "checkpoints" / "shufflenetv2_x0.5-f707e7126e.pth"
    file.parent.mkdir()
    torch.save(thousand, file)
    assert imagenet_file(NAME) == file
    net = load_model(NAME).net
    load_backbone(net, "imagenet", name=NAME)
    assert torch.equal(net.conv1[0].weight, thousand["conv1.0.weight"])


def test_a_backbone_of_another_architecture_is_refused(thousand, tmp_path):
    save_file(thousand, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="the checkpoint does not fit"):
        load_backbone(load_model("cct").net, tmp_path / "w.safetensors", name="cct")
    with pytest.raises(InputError, match="Expected a model of torchvision or timm"):
        imagenet_file("gimefive")


def test_timms_models_come_with_their_own_normalisation_and_size():
    model = load_model("timm/vit_tiny_patch16_224")
    assert model.size == 224
    assert model.mean.flatten().tolist() == [0.5] * 3
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 6)
    with pytest.raises(UnknownNameError, match=r"Unknown timm model 'resnet81': did you mean"):
        load_model("timm/resnet81")


def test_timms_weights_are_found_in_hugging_faces_cache(tmp_path, monkeypatch):
    name = "timm/test_resnet"
    theirs = timm.create_model("test_resnet")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(InputError, match=r"fetch them once with .*timm.create_model"):
        imagenet_file(name)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "model.safetensors")
    )
    net = load_model(name).net
    load_backbone(net, "imagenet", name=name)
    assert torch.equal(net.conv1[0].weight, theirs.conv1[0].weight)
    assert net.fc.out_features == 6


def test_timm_can_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="it is not installed: pip install timm"):
        load_model("timm/resnet18")
