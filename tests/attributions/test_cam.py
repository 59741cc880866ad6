import copy

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from fer_xai import explain
from fer_xai.attributions import ATTRIBUTIONS, attribute, native_maps
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, load_model

ALL = torch.arange(6)


def _by_hand(model, layer, images, column):
    """Selvaraju et al., equations 1 and 2, one image at a time."""
    kept = {}
    handle = model.layer(layer).register_forward_hook(lambda m, i, o: kept.update(a=o))
    maps = []
    for image in images:
        logits = model(image[None])
        gradient = torch.autograd.grad(logits[0, column], kept["a"])[0]
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        maps.append((weights * kept["a"]).sum(dim=1)[0].detach())
    handle.remove()
    return torch.stack(maps)


@pytest.mark.parametrize("method", ["gradcam", "gradcam_paper"])
@pytest.mark.parametrize("name", ["tiny", "baseline4", "resnet18", "vgg"])
def test_maps_are_the_papers_equation_and_captums(method, name, model, images):
    net = model if name == "tiny" else load_model(name)
    layer = net.cam_layer if method == "gradcam" else net.paper_layer
    predictor = Predictor(net, device="cpu", batch_size=3)
    found = native_maps(predictor, images, ALL.expand(5, 6), method=method)
    for column in (0, 4):
        signed = _by_hand(net, layer, images, column)
        # what is rounded is the sum before its ReLU, which may leave next to nothing
        expected, scale = signed.relu(), float(signed.abs().max()) + 1e-12
        assert torch.allclose(found[:, column] / scale, expected / scale, atol=1e-4)
        peer = LayerGradCam(net, net.layer(layer)).attribute(
            images, target=column, relu_attributions=True
        )
        assert torch.allclose(found[:, column] / scale, peer[:, 0].detach() / scale, atol=2e-5)


def test_all_targets_at_once_are_those_one_by_one(model, images):
    predictor = Predictor(model, device="cpu", batch_size=4)
    together = native_maps(predictor, images, ALL.expand(5, 6), method="gradcam")
    for k in range(6):
        alone = native_maps(predictor, images, torch.full((5, 1), k), method="gradcam")
        assert torch.allclose(together[:, k : k + 1], alone, atol=1e-7)


def test_batch_size_and_order_do_not_matter(model, images):
    columns = ALL.expand(5, 6)
    whole = native_maps(
        Predictor(model, device="cpu", batch_size=64), images, columns, method="gradcam"
    )
    for size in (1, 2, 3):
        part = native_maps(
            Predictor(model, device="cpu", batch_size=size), images, columns, method="gradcam"
        )
        assert torch.allclose(part, whole, atol=1e-5)
    order = torch.tensor([3, 1, 4, 0, 2])
    shuffled = native_maps(
        Predictor(model, device="cpu", batch_size=2), images[order], columns, method="gradcam"
    )
    assert torch.allclose(shuffled, whole[order], atol=1e-5)


def test_each_face_can_have_its_own_target(model, images):
    targets = torch.tensor([0, 5, 2, 2, 1])
    result = explain(model, images, targets=targets)
    for i, target in enumerate(targets):
        alone = explain(model, images[i : i + 1], targets=[int(target)])
        assert torch.allclose(result.maps[i], alone.maps[0], atol=1e-6)


def test_targets_can_be_names_and_images_can_be_faces(model, images, faces):
    named = explain(model, images, targets=["fear", "happy", "Su", "sad", "fear"])
    assert named.targets.tolist() == [5, 0, 1, 2, 5]
    some = faces.subset([0, 1])
    assert torch.equal(
        explain(model, some, targets="fear").maps, explain(model, some.images, targets="fear").maps
    )


def test_targets_by_name_follow_the_models_own_order(images):
    """The same net with its outputs called by other names explains the same column."""
    net = load_model("baseline4").net
    one = FERModel(net, emotions=SIX, cam_layer="relu4")
    other = FERModel(net, emotions=tuple(reversed(SIX)), cam_layer="relu4")
    assert torch.equal(
        explain(one, images, targets="fear").maps, explain(other, images, targets="happiness").maps
    )


def test_predicted_targets_are_the_default(model, images):
    result = explain(model, images)
    assert torch.equal(result.targets, model.predict(images))
    assert torch.allclose(result.logits, model(images).detach(), atol=1e-5)
    assert result.maps.shape == (5, 64, 64)


@pytest.mark.parametrize("method", ["gradcam", "gradcam_paper"])
def test_the_model_is_left_as_it_was(method, model, images):
    model.train()
    before = copy.deepcopy(model.state_dict())
    explain(model, images, method=method, targets="fear")
    with pytest.raises(InputError):
        explain(model, images * 3, method=method)
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())


@pytest.mark.parametrize("method", ["gradcam", "gradcam_paper"])
def test_maps_are_finite_deterministic_and_not_negative(method, model, images):
    one, two = (explain(model, images, method=method, targets="anger") for _ in range(2))
    assert torch.isfinite(one.maps).all()
    assert torch.equal(one.maps, two.maps)
    assert (one.maps >= 0).all() == ATTRIBUTIONS[method].nonnegative


def test_signed_grad_cam_is_grad_cam_before_its_relu(model, images):
    """It blanks no face, and its params say so."""
    model.net.fc.weight.data[3] = -model.net.fc.weight.data[3].abs()
    used = Predictor(model, device="cpu")
    columns = torch.tensor([[3, 0]] * 5)
    signed, clamped = (
        attribute(used, images, columns, method=name).cells
        for name in ("gradcam_signed", "gradcam")
    )
    assert torch.equal(signed.clamp(min=0), clamped)
    assert (signed[:, 0] <= 0).all()
    assert (signed[:, 0] < 0).flatten(1).any(dim=1).all()
    found = explain(model, images, method="gradcam_signed", targets=[3] * 5)
    assert not found.blank.any()
    assert found.params["relu"] is False
    assert explain(model, images).params["relu"] is True


def test_a_map_without_positive_evidence_stays_zero_and_is_counted(model, images):
    model.net.fc.weight.data[3] = -model.net.fc.weight.data[3].abs()  # after a ReLU: all negative
    result = explain(model, images, targets=[3, 3, 0, 0, 0])
    assert result.blank.tolist()[:2] == [True, True]
    assert torch.equal(result.maps[:2], torch.zeros(2, 64, 64))


def test_the_layer_is_recorded(model, images):
    assert explain(model, images).params["layer"] == "relu2"
    assert explain(model, images, method="gradcam_paper").params["layer"] == "conv2"


class MouthNet(nn.Module):
    """Bias-free; it reads the lower middle of the image alone, one pattern for all classes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 8, stride=8, bias=False)
        nn.init.uniform_(self.conv.weight, 0.1, 1.0, generator=torch.Generator().manual_seed(0))
        self.relu = nn.ReLU()
        window = torch.zeros(8, 8)
        window[5:7, 2:6] = 1.0
        self.register_buffer("window", window)
        self.fc = nn.Linear(6, 6, bias=False)
        nn.init.uniform_(self.fc.weight, 0.1, 1.0, generator=torch.Generator().manual_seed(1))

    def forward(self, x):
        seen = self.relu(self.conv(x * nn.functional.interpolate(self.window[None, None], size=64)))
        return self.fc(seen.mean(dim=(2, 3)))


def test_maps_of_a_network_that_reads_the_mouth_alone_lie_on_the_mouth(faces):
    from fer_xai.landmarks import REGIONS, face_regions
    from metrics.consistency.profiles import region_profiles
    from metrics.consistency.similarity import similarity
    from metrics.core.similarity import normalised_rows

    model = FERModel(
        MouthNet(), emotions=SIX, cam_layer="relu", mean=(0, 0, 0), std=(1, 1, 1)
    ).eval()
    maps = explain(model, faces.images, targets="fear").maps
    regions = face_regions(faces.landmarks_at(64), size=64)
    profiles = region_profiles(maps, regions).nanmean(dim=0)
    assert REGIONS[int(profiles.argmax())] == "mouth"
    assert profiles[REGIONS.index("mouth")] > 0.9
    assert (profiles[[REGIONS.index(r) for r in ("forehead", "brows", "eyes")]] < -2).all()
    everywhere = torch.ones(64, 64, dtype=torch.bool)
    assert similarity(normalised_rows(maps, everywhere), faces.labels).macro_within > 0.9


def test_a_layer_that_is_not_spatial_is_refused_with_one_that_is(model, images):
    flat = FERModel(model.net, emotions=SIX, cam_layer="fc")
    with pytest.raises(
        InputError, match=r"Expected feature maps .* from layer fc, got \(2, 6\): .* such as relu2"
    ):
        explain(flat, images)


def test_where_no_layer_is_named_one_is_found_but_not_the_papers(model, images):
    nowhere = FERModel(model.net, emotions=SIX)
    assert explain(nowhere, images).params["layer"] == "relu2"
    with pytest.raises(InputError, match="Expected a layer to take Grad-CAM from"):
        explain(nowhere, images, method="gradcam_paper")
