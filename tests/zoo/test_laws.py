"""Methods with a law keep it on every network of the zoo, however it branches, or refuse it."""

from functools import lru_cache

import pytest
import torch
from torch import nn

from fer_xai import explain, load_dataset, load_model
from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from tests.reference.secants_slow import contributions_slow
from tests.zoo.families import FAMILIES, member
from tests.zoo.networks import ACTIVATIONS, BIAS_FREE, RELU_NETS, SIZE, STYLES, small

RULES = {
    "deeplift": "deeplift",
    "deeplift_shap": "deeplift_shap",
    "lrp": "lrp",
    "lrp, γ": LayerwiseRelevance(rule="gamma"),
    "lrp, α1β0": LayerwiseRelevance(rule="alpha1_beta0"),
}
POOLED = {
    "inception",
    "overlapping max-pool",
    "max-pool that rounds up",
    "shared max-pool",
    "functional pools",
    "flattened beside an activation",
    "hourglass",
    "maxout",
    "spatial gate",
    "squeeze and excitation",
}
"""Networks that the slow reference of DeepLift does not know."""


GUIDED = ("deconvolution", "guided_backprop")


def images(size=SIZE, n=3):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1))


@lru_cache
def predictor(name, style="module", bias=True):
    return Predictor(small(name, style=style, bias=bias), device="cpu", batch_size=4)


def maps(used, method, x):
    return explain(used, x, method=method, targets="fear")


def refused(name, method):
    """What a method has no rule for in a network."""
    if method.startswith("lrp") and name in ("Sigmoid", "Softplus"):
        return name
    changed = method in ("lrp, γ", "lrp, α1β0")
    return "ConvTranspose2d" if changed and name == "transposed convolution" else None


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("name", [*RELU_NETS, *ACTIVATIONS])
def test_nothing_of_the_score_is_lost(name, method):
    part = refused(name, method)
    if part is not None:
        with pytest.raises(InputError, match=f"rules for, but {name} has {part}"):
            maps(predictor(name), RULES[method], images())
        return
    found = maps(predictor(name), RULES[method], images())
    assert found.completeness_gap.abs().max() < 1e-4
    assert not found.undefined.any()
    assert torch.isfinite(found.channels).all()


@pytest.mark.parametrize("name", RELU_NETS)
def test_styles_of_activations_make_no_difference(name):
    """Functions, modules, and modules that write into what they read."""
    for method in ("deeplift", "lrp", *GUIDED):
        if method in GUIDED and name == "maxout":
            continue
        plain = maps(predictor(name), method, images()).maps
        for style in STYLES[1:]:
            other = maps(predictor(name, style), method, images()).maps
            assert (other - plain).abs().max() <= 1e-4 * plain.abs().max(), (method, style)


@pytest.mark.parametrize("name", RELU_NETS)
def test_multipliers_are_those_of_one_pixel_at_a_time(name):
    used, x = predictor(name), images(n=1)
    inputs = used.model.preprocess(x)[0]
    column = used.emotions.index("fear")
    for method, start in (("lrp", None), ("deeplift", torch.zeros_like(inputs))):
        if name in ("spatial gate", "squeeze and excitation") or (
            start is not None and name in POOLED
        ):
            continue
        if start is None and name in POOLED:
            continue  # windows hold other values when one pixel is there alone
        net = small(name).net
        expected = contributions_slow(net, inputs, start, column).float()
        found = maps(used, method, x).channels[0]
        assert (found - expected).abs().max() <= 1e-4 * expected.abs().max(), method


@pytest.mark.parametrize("name", BIAS_FREE)
def test_without_biases_three_methods_are_one(name):
    """Input × gradient, LRP-0 and DeepLift from zero, where a ReLU network has no constants."""
    used, x = predictor(name, bias=False), images()
    column = used.emotions.index("fear")
    plain = maps(used, "input_x_gradient", x)
    assert torch.allclose(plain.maps.sum(dim=(1, 2)), plain.logits[:, column], rtol=1e-4, atol=1e-6)
    for method in ("lrp", "deeplift"):
        other = maps(used, method, x).channels
        assert (other - plain.channels).abs().max() <= 1e-4 * plain.channels.abs().max(), method


@pytest.mark.parametrize("method", RULES)
def test_noise_turns_no_map_over(method):
    x = images()
    moved = (x + 1e-6 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))).clamp(
        0, 1
    )
    for name in [name for name in RELU_NETS if refused(name, method) is None]:
        one, two = (maps(predictor(name), RULES[method], y).maps.flatten(1) for y in (x, moved))
        assert torch.cosine_similarity(one, two).min() > 0.9, name


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "squeezenet1_1"])
def test_small_members_of_families(name):
    used = Predictor(member("torchvision", name), device="cpu", batch_size=2)
    for method in RULES.values():
        assert maps(used, method, images(64, 2)).completeness_gap.abs().max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("family", "name"), [(f, name) for f in FAMILIES for name in FAMILIES[f]])
def test_all_members_of_families_keep_the_laws_or_are_refused(family, name):
    used = Predictor(member(family, name), device="cpu", batch_size=2)
    for label, method in RULES.items():
        try:
            found = maps(used, method, images(64, 2))
        except InputError:
            continue
        assert found.completeness_gap.abs().max() < 1e-3, label


@pytest.mark.parametrize("name", ["gimefive", "resnet18"])
def test_the_shipped_networks_lose_nothing(name):
    faces = load_dataset("synthetic", split="test", limit=6)
    used = Predictor(load_model(name, weights="rafdb"), device="cpu", batch_size=6)
    for method in ("deeplift", "deeplift_shap", "lrp"):
        assert explain(used, faces, method=method).completeness_gap.abs().max() < 1e-4, method


class Detached(nn.Module):
    """Half of what its convolution gives is hidden from gradients."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 6)

    def forward(self, x):
        y = self.conv(x).relu()
        return self.fc((y + 2 * y.detach()).mean(dim=(2, 3)))


def test_what_hides_from_gradients_is_refused_by_name():
    from fer_xai import FERModel
    from fer_xai.emotions import SIX

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = FERModel(Detached(), emotions=SIX, size=SIZE, name="net").eval()
    for method in ("deeplift", "lrp"):
        with pytest.raises(InputError, match="detach"):
            maps(model, method, images())


def test_every_method_with_a_law_states_it():
    lawful = {name for name in ATTRIBUTIONS if ATTRIBUTIONS[name].law}
    assert {"deeplift", "deeplift_shap", "lrp", "integrated_gradients", "region_shapley"} <= lawful
    for name in lawful:
        assert 0 < ATTRIBUTIONS[name].tolerance <= 0.1
