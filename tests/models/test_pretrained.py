"""Beginning with weights of another task."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from fer_xai.errors import InputError
from fer_xai.models import load_model
from fer_xai.models.pretrained import imagenet_file, load_backbone

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
    with pytest.raises(InputError, match="Expected a torchvision model"):
        imagenet_file("gimefive")
