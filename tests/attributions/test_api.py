"""Targets, contrasts, outputs, seeds, controls, and warnings of ``explain``."""

import dataclasses

import pytest
import torch

from fer_xai import explain
from fer_xai.attributions import ATTRIBUTIONS, attribute
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.perturbation import Occlusion, Rise
from fer_xai.attributions.relevance.deeplift import DeepLiftFrom
from fer_xai.attributions.smoothgrad import SmoothGrad
from fer_xai.attributions.surrogates import Surrogate
from fer_xai.emotions import EMOTIONS
from fer_xai.inference.predictor import Predictor
from fer_xai.perturb.fills import fill_images
from fer_xai.types import LARGEST_GAP
from tests.attributions.nets import halves, predictor, weight


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
        given = {"method": method, "regions": halves(small)}
        both = explain(linear, small, targets="happiness", against="surprise", **given)
        one = explain(linear, small, targets="happiness", **given)
        two = explain(linear, small, targets="surprise", **given)
        assert torch.allclose(both.maps, one.maps - two.maps, atol=1e-5), method
        assert both.against.tolist() == [EMOTIONS.index("surprise")] * 2


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
    given = {"targets": "fear", "regions": halves(small)}
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
    regions = halves(small)
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
