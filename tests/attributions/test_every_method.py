"""What must hold of every attribution on every architecture."""

import contextlib
import copy
import dataclasses
import itertools

import pytest
import torch

from fer_xai import explain
from fer_xai.attributions import ATTRIBUTIONS, attribute, upsample
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from tests.attributions.nets import NARROW, OURS, SMALL, build, predictor

pytestmark = pytest.mark.filterwarnings("ignore:.* maps miss what they should add up to")
QUICK = {
    "integrated_gradients": {"steps": 4, "most": 4},
    "integrated_gradients_blur": {"steps": 4, "most": 4},
    "smoothgrad": {"samples": 3},
    "vargrad": {"samples": 3},
    "gradient_shap": {"samples": 3, "most": 3},
    "rise": {"masks": 8},
    "occlusion": {"window": 1 / 2, "stride": 1 / 4},
    "lime": {"samples": 12, "parts": 6},
    "kernel_shap": {"samples": 12, "parts": 6},
    "extremal_perturbation": {"areas": (0.2,), "steps": 4},
}
FIRST_LAYER = dict.fromkeys((*NARROW, *OURS), "relu1")  # few channels
NO_RELU = "Expected no activations but ReLUs for .*, but .* has .*GELU"
NO_RULE = "Expected parts that .* has rules for, but .* has .*LayerNorm"
NO_ATTENTION = "Expected attention among all tokens"
NO_PAPER = "Expected a layer to take Grad-CAM from, but .* names none"
REFUSED = {
    **{
        (method, name): NO_RELU
        for name in ("convnext", "swin", "vit")
        for method in ("guided_backprop", "deconvolution", "guided_gradcam")
    },
    **{
        (method, name): NO_RULE
        for name in ("convnext", "swin", "vit")
        for method in ("deeplift", "deeplift_shap", "lrp")
    },
    **{
        (method, name): NO_ATTENTION
        for name in (*NARROW, *OURS, *SMALL)
        if name != "vit"
        for method in ("attention_rollout", "gradient_rollout")
    },
    **{("gradcam_paper", name): NO_PAPER for name in ("convnext", "swin", "vit")},
}
HEAVY = ("gradcam", "saliency", "lrp", "rise")  # one of each family on the networks themselves
CASES = [(method, name) for method in ATTRIBUTIONS for name in (*NARROW, *SMALL)]
CASES += [(method, name) for method in HEAVY for name in OURS]
TARGETS = torch.tensor([0, 3, 5])


def quick(method, name):
    attribution = ATTRIBUTIONS[method]
    options = dict(QUICK.get(method, {}))
    if method in ("scorecam", "ablationcam"):
        options["layer"] = FIRST_LAYER.get(name)
    return dataclasses.replace(attribution, **options)


def same(one, two):
    """Equal but for rounding, which can carry a gradient over a ReLU's kink (1 % was seen)."""
    return (one - two).norm() <= 0.02 * two.norm() + 1e-12


@pytest.fixture(scope="module")
def three(faces):
    chosen = faces.subset([0, 7, 20])
    from fer_xai.landmarks import face_regions

    regions = face_regions(chosen.landmarks_at(64), size=64)
    # three players instead of eight: mouth, the rest of the face, the rest of the image
    parts = torch.stack([regions[:, 5], regions[:, [0, 1, 2, 3, 4, 6]].any(1), regions[:, 7]], 1)
    return chosen.images, parts


@pytest.mark.parametrize(("method", "name"), CASES)
def test_maps_are_right_in_shape_finite_repeatable_and_of_each_face_alone(method, name, three):
    images, regions = three
    attribution = quick(method, name)
    given = {"method": attribution, "targets": TARGETS, "regions": regions, "seed": 1}
    if (method, name) in REFUSED:
        with pytest.raises(InputError, match=REFUSED[method, name]):
            explain(predictor(name), images, **given)
        return
    found = explain(predictor(name), images, **given)
    assert found.maps.shape == (3, 64, 64)
    assert torch.isfinite(found.maps).all()
    assert found.targets.tolist() == TARGETS.tolist()
    assert not attribution.nonnegative or (found.maps >= 0).all()
    columns = predictor(name).model.columns(TARGETS)[:, None]
    given = {"method": attribution, "seed": 1}
    again = attribute(
        predictor(name), images, columns, regions=regions, ids=["0", "1", "2"], **given
    ).cells
    assert torch.equal(upsample(again, size=(64, 64))[:, 0], found.maps)
    alone = attribute(
        predictor(name), images[2:], columns[2:], regions=regions[2:], ids=["2"], **given
    ).cells
    assert same(alone[0], again[2])


@pytest.mark.parametrize(("method", "name"), [case for case in CASES if case not in REFUSED])
def test_targets_are_honoured(method, name, three):
    images, regions = three
    attribution = quick(method, name)
    columns = torch.tensor([[0, 3]])
    given = {"method": attribution, "regions": regions[:1], "seed": 1}
    both = attribute(predictor(name), images[:1], columns, **given).cells
    second = attribute(predictor(name), images[:1], columns[:, 1:], **given).cells
    scale = both.abs().amax().clamp(min=1e-12)
    assert same(second, both[:, 1:])
    differ = not torch.allclose(both[:, 0] / scale, both[:, 1] / scale, atol=1e-4)
    assert differ != attribution.class_blind


@pytest.mark.parametrize("method", list(ATTRIBUTIONS))
@pytest.mark.parametrize("name", ["tiny", "vit"])
def test_the_model_is_left_as_it_was_also_when_images_are_refused(method, name, three, model):
    images, regions = three
    model = model if name == "tiny" else build(name)
    model.train()
    before = copy.deepcopy(model.state_dict())
    attribution = quick(method, name)
    given = {"method": attribution, "targets": "fear", "regions": regions}
    for batch in (images, images * 3):
        with contextlib.suppress(InputError):  # some are refused, the second batch always
            explain(model, batch, **given)
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    assert not any(getattr(module, kind) for module in model.modules() for kind in hooks)


@pytest.mark.parametrize("method", list(ATTRIBUTIONS))
def test_the_predictors_copy_is_left_clean_too(method, three):
    images, regions = three
    for name in ("gimefive", "vit"):
        if (method, name) in REFUSED:
            continue
        used = predictor(name)
        plain = used.model(images[:1]).detach()
        explain(used, images[:1], method=quick(method, name), targets="fear", regions=regions[:1])
        assert torch.equal(used.model(images[:1]).detach(), plain)
        assert not hooks(used)


def hooks(used):
    """Modules of a predictor's copies that still have hooks."""
    copies = [used.model, used.folded, *used.rewritten.values()]
    parts = [part for whole in copies if whole is not None for part in whole.named_modules()]
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [name for name, part in parts if any(getattr(part, kind) for kind in kinds)]


@pytest.mark.parametrize("method", list(ATTRIBUTIONS))
@pytest.mark.parametrize("name", ["tiny", "vit"])
def test_a_pass_that_fails_in_the_middle_leaves_no_hooks(method, name, three, model, monkeypatch):
    """The first, the second or a later linear layer runs out of memory, behind every hook."""
    if (method, {"tiny": "gimefive"}.get(name, name)) in REFUSED:
        pytest.skip("refused")
    images, regions = three
    used = Predictor(model, device="cpu") if name == "tiny" else predictor(name)
    given = {"method": quick(method, name), "regions": regions[:1], "ids": ["a"]}
    columns, linear = torch.tensor([[5]]), torch.nn.Linear.forward
    before = attribute(used, images[:1], columns, **given).cells
    for last in (0, 1, 4):
        calls = itertools.count()

        def failing(self, x, calls=calls, last=last):
            if next(calls) >= last:
                raise MemoryError
            return linear(self, x)

        with monkeypatch.context() as patch, contextlib.suppress(MemoryError):
            patch.setattr(torch.nn.Linear, "forward", failing)
            attribute(used, images[:1], columns, **given)
            assert next(calls) <= last, method
        assert not hooks(used), method
        assert torch.equal(attribute(used, images[:1], columns, **given).cells, before)


@pytest.mark.parametrize("method", list(ATTRIBUTIONS))
@pytest.mark.parametrize("name", ["gimefive", "vgg", "resnet18"])
def test_a_grey_face_is_explained_by_a_greyscale_model_as_its_three_copies(method, name, three):
    """The channels of a greyscale model's map stand in the ratio of the luma weights, or, where the
    image is multiplied in, of their products, since colour cannot say anything there.
    """
    assert predictor(name).model.greyscale
    if (method, name) in REFUSED:
        pytest.skip("refused")
    images, regions = three
    grey = images[:1].mean(dim=1, keepdim=True).expand(-1, 3, -1, -1).contiguous()
    found = explain(
        predictor(name),
        grey,
        method=quick(method, name),
        targets="fear",
        regions=regions[:1],
    )
    assert torch.isfinite(found.maps).all()
    if found.channels is None or method in ("vargrad", "lrp"):
        return
    red, green, blue = found.channels[0]
    scale = green.abs().max().clamp(min=1e-12)
    assert torch.allclose(red / 0.299 / scale, green / 0.587 / scale, atol=1e-3)
    assert torch.allclose(blue / 0.114 / scale, green / 0.587 / scale, atol=1e-3)
