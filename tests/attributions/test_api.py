"""Targets, contrasts, outputs, seeds, controls, and refusals of ``explain``."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.attributions import ATTRIBUTIONS, attribute
from fer_xai.attributions.core.question import scores
from fer_xai.attributions.extremal import Extremal
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.layercam_fused import FusedLayerCam
from fer_xai.attributions.perturbation import Occlusion, Rise
from fer_xai.attributions.relevance.deeplift import DeepLiftFrom
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.attributions.smoothgrad import SmoothGrad
from fer_xai.attributions.surrogates import Surrogate
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import face_regions
from fer_xai.perturb.fills import FILLS, fill_images
from fer_xai.types import LARGEST_GAP
from tests.attributions.nets import build, predictor


@pytest.fixture
def linear():
    """Logits w·x + b on the image itself: every gradient method has a closed form."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 6))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nn.init.normal_(net[1].weight)
    model = FERModel(net, emotions=SIX, size=8, mean=(0, 0, 0), std=(1, 1, 1), name="linear")
    return model.eval()


def weight(model, emotion):
    return model.net[1].weight[SIX.index(emotion)].detach().reshape(3, 8, 8)


@pytest.fixture
def small():
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def test_a_linear_model_has_closed_forms(linear, small):
    w = weight(linear, "fear")
    blurred = fill_images(small, "blur")
    expected = {
        "saliency": w.expand(2, -1, -1, -1),
        "smoothgrad": w.expand(2, -1, -1, -1),
        "vargrad": torch.zeros(2, 3, 8, 8),
        "input_x_gradient": w * small,
        "integrated_gradients": w * small,
        "integrated_gradients_blur": w * (small - blurred),
        "deeplift": w * small,
        "lrp": w * small,
    }
    for method, channels in expected.items():
        found = explain(linear, small, method=method, targets="fear")
        assert torch.allclose(found.channels, channels, atol=1e-5), method
        assert torch.allclose(found.maps, channels.sum(dim=1), atol=1e-4), method
        assert bool(found.blank.all()) == (method == "vargrad"), method
    for method in ("integrated_gradients", "deeplift", "deeplift_shap"):
        assert (
            explain(linear, small, method=method, targets="fear").completeness_gap.abs().max()
            < 1e-4
        )


def test_a_contrast_is_the_difference_of_two_maps_of_a_linear_method(linear, small):
    for method in (
        "saliency",
        "input_x_gradient",
        "integrated_gradients",
        "deeplift",
        "lrp",
        "occlusion",
        "region_shapley",
    ):
        given = {"method": method, "regions": _halves(small)}
        both = explain(linear, small, targets="happiness", against="surprise", **given)
        one = explain(linear, small, targets="happiness", **given)
        two = explain(linear, small, targets="surprise", **given)
        assert torch.allclose(both.maps, one.maps - two.maps, atol=1e-5), method
        assert both.against.tolist() == [EMOTIONS.index("surprise")] * 2


def _halves(images):
    n, _, height, width = images.shape
    left = (torch.arange(width) < width // 2).expand(n, 1, height, width)
    return torch.cat([left, ~left], dim=1)


def test_the_output_that_is_explained_can_be_chosen(linear, small):
    logits = linear(small).detach()
    column = torch.full((2, 1), SIX.index("fear"))
    for output, expected in {
        "logit": logits,
        "log_probability": logits.log_softmax(dim=1),
        "probability": logits.softmax(dim=1),
    }.items():
        assert torch.allclose(scores(logits, column, output=output), expected.gather(1, column))
        found = explain(
            linear,
            small,
            method="region_shapley",
            targets="fear",
            output=output,
            regions=_halves(small),
        )
        empty = linear(fill_images(small, "mean")).detach()
        below = {
            "logit": empty,
            "log_probability": empty.log_softmax(1),
            "probability": empty.softmax(1),
        }[output]
        difference = (expected - below).gather(1, column)[:, 0]
        assert torch.allclose(found.values.sum(dim=1), difference, atol=1e-5)
        assert found.params["output"] == output
    gradient = explain(linear, small, method="saliency", targets="fear", output="probability")
    p = logits.softmax(dim=1)
    mean = torch.einsum("bc,cp->bp", p, linear.net[1].weight.detach()).reshape(2, 3, 8, 8)
    expected = p.gather(1, column)[..., None, None] * (weight(linear, "fear") - mean)
    assert torch.allclose(gradient.channels, expected, atol=1e-6)


def test_limit_cases():
    """SmoothGrad without noise is the gradient; one mask over everything is the score lost."""
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    used = predictor("gimefive")
    column = torch.tensor([[4]])
    plain = attribute(used, images, column, method="saliency").channels
    still = attribute(used, images, column, method=SmoothGrad(samples=2, noise=0.0)).channels
    assert (plain - still).norm() < 0.02 * plain.norm()
    whole = attribute(used, images, column, method=Occlusion(window=1.0, fill="black"))
    lost = used.logits(images)[0, 4] - used.logits(torch.zeros_like(images))[0, 4]
    assert torch.allclose(whole.cells, lost.expand_as(whole.cells), atol=1e-5)


def test_the_gap_shrinks_with_steps():
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    gaps = [
        attribute(
            predictor("resnet18"),
            images,
            torch.tensor([[0], [1]]),
            method=IntegratedGradientsTo(steps=steps, most=1),
        )
        .completeness_delta.abs()
        .max()
        for steps in (2, 64)
    ]
    assert gaps[1] < gaps[0] / 2


@pytest.mark.filterwarnings("ignore:GradientShap of gimefive")  # of three points
@pytest.mark.parametrize(
    "method",
    [SmoothGrad(samples=2), Rise(masks=4), GradientShap(samples=3, most=3)],
    ids=lambda m: type(m).__name__,
)
def test_seeds_and_faces_decide_what_is_random(method, faces):
    two = faces.subset([0, 20])
    used = predictor("gimefive")
    one, same, other = (
        explain(used, two, method=method, targets="fear", seed=seed).maps for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, rtol=1e-2)
    turned = explain(used, two.subset([1, 0]), method=method, targets="fear", seed=0).maps
    assert (turned[1] - one[0]).norm() < 0.02 * one[0].norm()  # a face keeps its draws
    same = two.images[[0, 0]]  # these two names have one CRC-32
    maps = explain(used, same, method=method, targets="fear", ids=["plumless", "buckeroo"]).maps
    assert not torch.allclose(maps[0], maps[1], rtol=1e-2)
    twins = two.images[[0, 0]]  # by position, two copies of one face draw differently
    maps = explain(used, twins, method=method, targets="fear").maps
    assert not torch.allclose(maps[0], maps[1], rtol=1e-2)


def test_the_inverse_is_the_map_with_its_sign_turned(model, images):
    for method in ("gradcam", "saliency", "random"):
        one = explain(model, images, method=method, targets="anger")
        other = explain(model, images, method=f"inverse:{method}", targets="anger")
        assert torch.equal(other.maps, -one.maps)
        assert other.method == f"inverse:{method}"


def test_everything_of_an_inverse_is_turned(linear, small):
    given = {"targets": "fear", "regions": _halves(small)}
    for method in ("integrated_gradients_blur", "gradient_shap", "region_shapley"):
        one, other = (
            explain(linear, small, method=name, **given) for name in (method, f"inverse:{method}")
        )
        assert method == "region_shapley" or one.completeness_gap.any()
        for field in ("maps", "channels", "completeness_gap", "values"):
            found, turned = getattr(one, field), getattr(other, field)
            assert (found is None) == (turned is None)
            assert found is None or torch.equal(turned, -found), (method, field)


def test_the_seed_is_recorded_where_it_matters(model, images):
    regions = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    for method, seeded in (
        (Occlusion(window=0.5, stride=0.5), False),
        (Occlusion(window=0.5, stride=0.5, fill="noise"), True),
        (IntegratedGradientsTo(baseline="noise", steps=2), True),
        (DeepLiftFrom(baselines=("black", "noise")), True),
        (DeepLiftFrom(baselines=("black", "mean")), False),
        ("random", True),
        ("gradcam", False),
    ):
        one, two = (
            explain(model, images[:1], method=method, targets="fear", regions=regions, seed=seed)
            for seed in (3, 4)
        )
        assert one.params.get("seed") == (3 if seeded else None), method
        assert torch.equal(one.maps, two.maps) != seeded, method


def test_controls_say_what_they_are_matched_to(model, images):
    found = explain(model, images, method="centre", seed=2)
    expected = {"matched_to": "gradcam", "layer": "relu2", "seed": 2, "output": "logit"}
    assert found.params == expected


def test_options_are_given_with_the_method_and_recorded(model, images):
    found = explain(model, images, method=IntegratedGradientsTo(baseline="blur", steps=3))
    assert found.completeness_gap.abs().max() < 0.05
    assert found.method == "IntegratedGradientsTo"
    assert found.params == {"baseline": "blur", "steps": 3, "most": 256, "output": "logit"}
    assert explain(model, images, method=SmoothGrad(samples=2), seed=7).params["seed"] == 7


def test_a_method_is_named_as_the_registered_one_that_it_equals(linear, small):
    regions = _halves(small)
    for method, name in (
        (Surrogate(), "lime"),
        (Surrogate(kernel="shap"), "kernel_shap"),
        (Surrogate(kernel="shap", samples=8), "Surrogate"),
        (IntegratedGradientsTo(baseline="blur"), "integrated_gradients_blur"),
        (ATTRIBUTIONS["vargrad"], "vargrad"),
    ):
        found = explain(linear, small, method=method, regions=regions)
        assert found.method == name
    assert explain(linear, small, method=Surrogate(samples=8)).params["samples"] == 8


def test_explaining_works_within_inference_mode(model, images):
    expected = explain(model, images, method="saliency", targets="fear").maps
    with torch.inference_mode():
        for method in ("saliency", "gradcam", "ablationcam"):
            found = explain(model, images.clone(), method=method, targets="fear").maps
            if method == "saliency":
                assert torch.allclose(found, expected, atol=1e-6)


def test_images_of_another_size_are_explained_at_their_own(model):
    large = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    regions = torch.ones(1, 1, 96, 96, dtype=torch.bool)
    for method in ATTRIBUTIONS:
        if method in ("attention_rollout", "gradient_rollout"):
            continue
        quick = {"masks": 4, "samples": 4, "steps": 4, "areas": (0.2,)}
        made = ATTRIBUTIONS[method]
        names = {field.name for field in dataclasses.fields(made)}
        made = dataclasses.replace(made, **{k: v for k, v in quick.items() if k in names})
        found = explain(model, large, method=made, targets="fear", regions=regions)
        assert found.maps.shape == (1, 96, 96), method


@pytest.mark.parametrize("kind", list(FILLS))
def test_fills_are_of_each_image_alone_and_in_range(kind, images):
    generators = [torch.Generator().manual_seed(face) for face in range(5)]
    filled = fill_images(images, kind, generators)
    assert filled.shape == images.shape
    assert filled.min() >= 0
    assert filled.max() <= 1
    alone = fill_images(images[2:3], kind, [torch.Generator().manual_seed(2)])
    assert torch.allclose(filled[2:3], alone, atol=1e-6)
    assert fill_images(images[:, :, :3, :3], kind).shape == (5, 3, 3, 3)


def test_occlusion_covers_every_pixel_whatever_the_size():
    for side in (8, 48, 64, 97):
        squares = Occlusion().squares(side, side)
        assert squares.any(dim=0).all()
        assert (squares.flatten(1).sum(dim=1) == round(side / 8) ** 2).all()


def test_bad_input_is_one_sentence(model, images, faces):
    def raises(sentence, error=InputError, **given):
        with pytest.raises(error, match=sentence):
            explain(model, images, **given)

    raises("Unknown method 'gradcam__': did you mean", UnknownNameError, method="gradcam__")
    raises("Unknown method 'gradcamm': did you mean", UnknownNameError, method="inverse:gradcamm")
    raises("Expected output logit, log_probability, probability, got 'loss'", output="loss")
    raises("got 'boredom'", UnknownNameError, against="boredom")
    raises("Expected 5 against, one an image, got 2", targets="fear", against=["anger", "fear"])
    raises("Expected emotions other than the targets", targets="fear", against="fear")
    raises("Expected output='logit' for deeplift", method="deeplift", output="probability")
    raises("Expected output='logit' for lrp", method="lrp", output="log_probability")
    raises("Unknown fill 'pink'", UnknownNameError, method=Occlusion(fill="pink"))
    raises(
        "Expected a layer of tiny, got 'conv9'",
        method=dataclasses.replace(ATTRIBUTIONS["gradcam"], layer="conv9"),
    )
    raises(
        "Expected feature maps .* from layer fc, got",
        method=dataclasses.replace(ATTRIBUTIONS["scorecam"], layer="fc"),
    )
    with pytest.raises(InputError, match="Expected finite images"):
        explain(model, images * torch.nan)
    regions = face_regions(faces.landmarks_at(64), size=64)  # of 36 faces
    raises("Expected regions as bool", regions=regions)
    late = dataclasses.replace(ATTRIBUTIONS["gradcam"], layer="encoder.layers.encoder_layer_2.mlp")
    with pytest.raises(InputError, match="Expected a gradient at layer .* zero everywhere"):
        explain(build("vit"), images, method=late)


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([[0], [1]], "Expected targets as emotions' names or whole numbers, one an image"),
        ([None, 1], "Expected targets as emotions' names or whole numbers"),
        ([float("nan"), 1], "Expected targets as emotions' names or whole numbers"),
        ([True, False], "Expected targets as emotions' names or whole numbers"),
        ([1.7, 1], "Expected targets as emotions' names or whole numbers"),
        (torch.tensor([1.0, 2.0]), "Expected targets as emotions' names or whole numbers"),
        (torch.tensor(1), "Expected targets as one emotion's name or one an image"),
        (3, "Expected targets as one emotion's name or one an image"),
        ([0, 1, 2], "Expected 2 targets, one an image, got 3"),
        ([0, 9], "Expected canonical emotion indices 0–7"),
    ],
)
def test_targets_that_are_none_are_refused_in_one_sentence(targets, sentence, model, images):
    with pytest.raises(InputError, match=sentence):
        explain(model, images[:2], targets=targets)


def test_targets_may_come_from_numpy_and_images_in_double_precision(model, images):
    expected = explain(model, images[:2], targets=[5, 0]).maps
    for targets in (np.array([5, 0]), np.array(["fear", "happy"]), [np.int64(5), torch.tensor(0)]):
        assert torch.equal(explain(model, images[:2], targets=targets).maps, expected)
    double = explain(model, images[:2].double(), targets=[5, 0], ids=[1, 2])
    assert torch.allclose(double.maps, expected, atol=1e-6)
    assert double.maps.dtype == torch.float32


@pytest.mark.parametrize("method", [Surrogate, None, 3])
def test_a_method_is_a_name_or_an_attribution(method, model, images):
    sentence = "Expected method as a name or an attribution with its options, got"
    with pytest.raises(InputError, match=sentence):
        explain(model, images, method=method)
    with pytest.raises(InputError, match=sentence):
        attribute(Predictor(model, device="cpu"), images, torch.zeros(5, 1).long(), method=method)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Surrogate(kernel="shapley"), "Expected kernel lime, shap, got 'shapley'"),
        (lambda: Surrogate(samples=0), "Expected samples as a whole number of 1 or more, got 0"),
        (lambda: Surrogate(sigma=0), "Expected sigma above 0, got 0"),
        (lambda: Surrogate(ridge=0.0), "Expected ridge above 0, got 0.0"),
        (lambda: LayerwiseRelevance(rule="z+"), r"Expected rule epsilon, .*, got 'z\+'"),
        (lambda: Rise(keep=1.0), "Expected keep above 0 and below 1, got 1.0"),
        (lambda: Rise(masks=2.5), "Expected masks as a whole number of 2 or more, got 2.5"),
        (lambda: Occlusion(window=2.0), "Expected window from 0 to 1, got 2.0"),
        (lambda: GradientShap(baselines=()), "Expected the number of baselines .*, got 0"),
        (lambda: DeepLiftFrom(baselines=()), "Expected the number of baselines .*, got 0"),
        (lambda: Extremal(areas=(2.0,)), "Expected areas above 0 and below 1, got 2.0"),
        (lambda: Extremal(areas=()), "Expected the number of areas .*, got 0"),
        (lambda: GradientShap(baselines="black"), "Expected baselines as a sequence of fills"),
        (lambda: SmoothGrad(samples=0), "Expected samples as a whole number of 1 or more, got 0"),
        (lambda: SmoothGrad(noise="much"), "Expected noise from 0, got 'much'"),
        (lambda: IntegratedGradientsTo(steps=-1), "Expected steps .*, got -1"),
        (lambda: FusedLayerCam(stages=0), "Expected stages as a whole number of 1 or more"),
    ],
)
def test_options_that_mean_nothing_are_refused_when_they_are_given(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


def test_what_attribute_is_handed_is_checked_before_any_pass(model, images):
    used, columns = Predictor(model, device="cpu"), torch.zeros(5, 1).long()

    def raises(sentence, columns=columns, **given):
        with pytest.raises(InputError, match=sentence):
            attribute(used, images, columns, method="gradcam", **given)

    raises(r"Expected columns as int64 \(5, K\), got torch.int64 \(3, 1\): hand in", columns[:3])
    raises(r"Expected columns as int64 \(5, K\), got torch.int64 \(5,\)", columns[:, 0])
    raises(r"Expected columns as int64 \(5, K\), got torch.float32", columns.float())
    raises(r"Expected columns in 0–5, .* of tiny, got values in \[17, 17\]", columns + 17)
    raises(r"Expected columns in 0–5, .* got values in \[-1, -1\]", columns - 1)
    raises(r"Expected against as int64 \(5, 1\), got .* \(5, 2\)", against=columns.expand(5, 2))
    raises("Expected output logit, log_probability, probability, got 'prob'", output="prob")
    raises("Expected 5 ids, one an image, got 2", ids=["a", "b"])


def test_a_network_that_cannot_be_traced_is_refused_with_the_reason(images):
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 6, 3), nn.ReLU()

        def forward(self, x):
            x = self.relu(self.conv(x))
            return x.mean(dim=(2, 3)) if x.sum() > 0 else x.amax(dim=(2, 3))

    model = FERModel(Branching(), emotions=SIX, cam_layer="relu").eval()
    for method in ("deeplift", "guided_backprop", "lrp"):
        with pytest.raises(InputError, match=r"Expected a network that torch.fx can trace for"):
            explain(model, images, method=method)
    assert explain(model, images, method="gradcam").maps.shape == (5, 64, 64)


def test_functional_and_reused_relus_are_made_safe(images):
    """The same weights with modules that run once: Captum is right there, and ours on both."""

    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 5, stride=4), nn.Conv2d(4, 6, 3)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            x = self.relu(self.one(x))
            return torch.relu(self.relu(self.two(x)) - 0.01).mean(dim=(2, 3))

    class Clean(Reused):
        def __init__(self, other):
            super().__init__()
            self.load_state_dict(other.state_dict())
            self.a, self.b, self.c = nn.ReLU(), nn.ReLU(), nn.ReLU()

        def forward(self, x):
            return self.c(self.b(self.two(self.a(self.one(x)))) - 0.01).mean(dim=(2, 3))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        reused = Reused()
    for method in ("guided_backprop", "deconvolution", "saliency"):
        found = [
            explain(
                Predictor(FERModel(net, emotions=SIX).eval(), device="cpu"),
                images,
                method=method,
                targets="fear",
            ).maps
            for net in (reused, Clean(reused))
        ]
        assert torch.allclose(found[0], found[1], atol=1e-6)
        assert found[0].abs().max() > 0


def test_superpixels_need_not_be_as_many_in_every_face(faces):
    """In micro-batches of their own, where the most of a batch differ."""
    three = faces.subset([0, 7, 20]).images
    three[1] = 0.5  # one flat face
    used = Predictor(build("resnet18"), device="cpu", batch_size=1)
    for kernel in ("lime", "shap"):
        method = Surrogate(kernel=kernel, samples=12, parts=9)
        found = explain(used, three, method=method, targets="fear")
        assert torch.isfinite(found.maps).all()
        sums = found.values.nansum(dim=1)
        assert torch.allclose(found.maps.sum(dim=(1, 2)), sums, atol=1e-4)


def test_faces_predicted_as_what_they_are_held_against_have_undefined_maps_and_are_counted(model):
    images = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    model.net.fc.weight.data *= 20
    model.net.fc.bias.data -= model(images).mean(dim=0)
    predicted = model.predict(images)
    assert len(predicted.unique()) > 1
    other = EMOTIONS[int(predicted[0])]
    same = predicted == predicted[0]
    sentence = f"{int(same.sum())} of 6 faces are predicted as the emotion that they are contraste"
    for method in ("gradcam", "lime", "eigencam"):
        with pytest.warns(UserWarning, match=sentence):
            found = explain(model, images, method=method, against=other)
        assert torch.equal(found.undefined, same), method
        assert found.maps[same].isnan().all()
        assert not found.blank[same].any()
    with pytest.warns(UserWarning, match=r"1 of 6 faces have the target that they are contrast"):
        given = explain(model, images, targets=[0, 1, 2, 3, 4, 5], against="happiness")
    assert given.undefined.tolist() == [True, *[False] * 5]


def test_images_in_a_graph_are_explained_as_without_one_and_answers_are_ordinary_tensors(model):
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    used = Predictor(model, device="cpu")
    for method in (
        "lime",
        "kernel_shap",
        "gradient_shap",
        "gradcam",
        "eigencam",
        "scorecam",
        "occlusion",
        "deeplift",
        "extremal_perturbation",
    ):
        options = {"lime": {"samples": 20}, "kernel_shap": {"samples": 20}}.get(method, {})
        if method == "extremal_perturbation":
            options = {"steps": 2}
        asked = dataclasses.replace(ATTRIBUTIONS[method], **options)
        found = explain(used, images.clone().requires_grad_(), method=asked, targets="fear")
        plain = explain(used, images, method=asked, targets="fear")
        assert torch.equal(found.maps, plain.maps), method
        for value in vars(found).values():
            if isinstance(value, torch.Tensor):
                assert not value.is_inference(), method
                assert not value.requires_grad, method
    weight = torch.ones(1, requires_grad=True)
    (found.logits * weight).sum().backward()  # an inference tensor raises here
    assert not used.logits(images).is_inference()
    assert not used.run(images).is_inference()
    assert not model.predict(images).is_inference()


def test_whole_numbers_are_no_images_in_0_to_1(model, images):
    pixels = (images * 255).to(torch.uint8)
    for call in (model, model.preprocess, model.predict):
        with pytest.raises(InputError, match="float images.*got torch.uint8: divide uint8 pixels"):
            call(pixels)
    used = Predictor(model, device="cpu")  # converts them
    assert torch.allclose(used.logits(pixels), used.logits(pixels.float() / 255))


def test_squares_that_leave_pixels_out_are_refused_before_any_pass(model, images, monkeypatch):
    method = Occlusion(window=1 / 8, stride=1 / 4)
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "run", lambda *_: pytest.fail("a pass was made"))
        patch.setattr(Predictor, "logits", lambda *_: pytest.fail("a pass was made"))
        for call in (
            lambda: explain(model, images, method=method),
            lambda: attribute(
                Predictor(model, device="cpu"), images, torch.zeros(5, 1).long(), method=method
            ),
        ):
            with pytest.raises(
                InputError, match="squares of 8 at steps of 16 leave some out: take"
            ):
                call()
    fits = Occlusion(window=1 / 8, stride=1 / 8)
    assert torch.isfinite(explain(model, images, method=fits, targets="fear").maps).all()
    wide = Occlusion(window=1.0, stride=0.5)  # one place alone
    assert torch.isfinite(explain(model, images, method=wide, targets="fear").maps).all()
    for side in range(1, 40):  # every size: either refused or whole
        for window, stride in ((1 / 8, 1 / 16), (1 / 8, 1 / 4), (0.3, 0.32), (0.1, 0.1)):
            chosen = Occlusion(window=window, stride=stride)
            covered = bool(chosen.squares(side, side).any(dim=0).all())
            try:
                chosen.check((side, side))
            except InputError:
                assert not covered
            else:
                assert covered


def test_a_map_that_breaks_its_law_is_warned_of_with_method_network_and_gap(model, images):
    few = IntegratedGradientsTo(steps=1, most=1)
    with pytest.warns(UserWarning, match="IntegratedGradientsTo of tiny: ") as caught:
        found = explain(model, images, method=few, targets="fear")
    gaps = found.completeness_gap.abs()
    assert (gaps > 0.05).any()
    said = str(caught[0].message)
    assert f"{int((gaps > 0.05).sum())} of 5 maps miss what they should add up to (score of" in said
    worst = f"{float(gaps.max()):.1%}" if gaps.max() <= 1 else "more than 100%"
    assert f"tolerance of 5%, the worst by {worst}." in said
    undefined = int((gaps > LARGEST_GAP).sum())
    assert (f" {undefined} are undefined in metrics" in said) == (undefined > 0)


def test_integrated_gradients_double_their_steps_for_the_faces_that_need_it(model, images):
    used, columns = Predictor(model, device="cpu"), torch.tensor([[5, 0]] * 5)
    fixed = IntegratedGradientsTo(steps=2, most=2)
    before = attribute(used, images, columns, method=fixed).completeness_gap.abs()
    method = IntegratedGradientsTo(steps=2)
    found = attribute(used, images, columns, method=method)
    after = found.completeness_gap.abs()
    assert (before > 0.05).any()
    assert (before <= 0.05).any()
    assert (after <= 0.05).all()
    kept = before <= 0.05
    assert torch.equal(after[kept], before[kept])
    alone = attribute(used, images[3:4], columns[3:4], method=method)
    assert torch.allclose(alone.cells[0], found.cells[3], atol=1e-6)


def test_kernel_shap_is_efficient_and_lime_promises_nothing(model, images):
    assert ATTRIBUTIONS["lime"].law is None
    assert "filled" in ATTRIBUTIONS["kernel_shap"].law
    found = explain(model, images[:2], method=Surrogate(kernel="shap", samples=30, parts=9))
    assert found.completeness_gap.abs().max() < 1e-4
    assert explain(model, images[:2], method=Surrogate(samples=30)).completeness_gap is None


def test_every_baseline_of_gradient_shap_weighs_alike(linear, small):
    """On a linear model the map is w × (x − mean of the baselines), whatever is drawn."""
    blurred = fill_images(small, "blur")
    mean = (torch.zeros_like(small) + fill_images(small, "mean") + blurred) / 3
    for samples in (3, 4, 5, 7, 24):
        found = explain(linear, small, method=GradientShap(samples=samples), targets="fear")
        assert torch.allclose(found.channels, weight(linear, "fear") * (small - mean), atol=1e-5)
        assert found.completeness_gap.abs().max() < 1e-4
    with pytest.raises(InputError, match="at least one sample for each of 3 baselines, got 2"):
        GradientShap(samples=2)
