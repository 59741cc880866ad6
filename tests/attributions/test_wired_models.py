"""Attributions of models that are fed and read in other ways than their networks' defaults."""

import pytest
import torch
from torch import nn

from fer_xai import FERModel, explain
from fer_xai.emotions import SEVEN
from fer_xai.errors import InputError
from tests.helpers import tiny_model


class Parts(nn.Module):
    """A network whose answer holds its logits among other things."""

    def __init__(self, net, make):
        super().__init__()
        self.net, self.make = net, make
        self.other = nn.Linear(6, 3)

    def forward(self, x):
        logits = self.net(x)
        return self.make(logits, self.other(logits))


@pytest.mark.parametrize("method", ["lrp", "deeplift", "gradcam", "integrated_gradients"])
@pytest.mark.parametrize(
    ("make", "outputs"),
    [
        (lambda logits, other: (logits, other), "0"),
        (lambda logits, other: {"va": other, "expression": logits}, "expression"),
        (lambda logits, other: [[other], logits], "1"),
    ],
)
def test_maps_of_a_part_are_those_of_the_plain_network(images, method, make, outputs):
    plain = tiny_model(seed=2)
    net = Parts(plain.net, make)
    model = FERModel(net, emotions=plain.emotions, outputs=outputs, cam_layer="net.relu2").eval()
    found, expected = (
        explain(one, images[:3], method=method, targets="fear").maps for one in (model, plain)
    )
    assert torch.allclose(found, expected, atol=1e-6)


def test_relevance_of_logits_that_are_made_of_the_answer_is_refused(images):
    plain = tiny_model(seed=2)
    net = Parts(plain.net, lambda logits, other: (logits, logits))
    halves = FERModel(net, emotions=plain.emotions, outputs={"0": 0.5, "1": 0.5}).eval()
    ending = nn.Sequential(plain.net, nn.Softmax(1))
    soft = FERModel(ending, emotions=plain.emotions, ends_in="softmax", cam_layer="0.relu2").eval()
    for model, sentence in ((halves, "several of its parts"), (soft, "probabilities .softmax")):
        with pytest.raises(InputError, match=f"answers with logits for lrp, but .* {sentence}"):
            explain(model, images[:2], method="lrp")
    told = {"method": "gradcam", "targets": "fear", "against": "anger"}
    found, expected = (explain(one, images[:3], **told).maps for one in (soft, plain))
    assert torch.allclose(found, expected, atol=1e-5)  # a difference of log-probabilities


@pytest.mark.parametrize("method", ["deeplift", "lrp", "integrated_gradients", "occlusion"])
def test_maps_of_cropped_swapped_and_one_channel_models_add_up(images, method):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(16), nn.Flatten(), nn.Linear(16, 6)
    )
    emotions = list(SEVEN[:6])
    options = {"channels": 1, "crop": 0.125, "resize": "area", "colour_order": "bgr", "size": 32}
    model = FERModel(net, emotions=emotions, **options).eval()
    found = explain(model, images[:3], method=method, targets="fear")
    assert found.maps.shape == (3, 64, 64)
    assert torch.isfinite(found.maps).all()
    if method in ("deeplift", "integrated_gradients"):
        inside = found.maps[:, 8:56, 8:56].sum((1, 2))
        assert torch.allclose(found.maps.sum((1, 2)), inside)
        assert float(found.completeness_gap.abs().max()) < 0.02


@pytest.mark.parametrize(
    "wrap",
    [
        torch.jit.script,
        lambda net: torch.jit.trace(net, torch.rand(1, 3, 64, 64)),
        torch.nn.DataParallel,
        torch.compile,
        lambda net: net.double(),
    ],
    ids=["script", "trace", "parallel", "compiled", "double"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_wrapped_networks_are_explained_as_they_are(images, wrap):
    plain = tiny_model(seed=2)
    model = FERModel(wrap(tiny_model(seed=2).net), emotions=plain.emotions).eval()
    found, expected = (
        explain(one, images[:3], method="saliency", targets="fear").maps for one in (model, plain)
    )
    assert torch.allclose(found.float(), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_cams_of_scripts_are_refused(images):
    scripted = torch.jit.script(tiny_model(seed=2).net)
    for layer in (None, "relu2"):
        model = FERModel(scripted, emotions=list(SEVEN[:6]), cam_layer=layer)
        with pytest.raises(InputError, match="but model is a script, whose cannot: hand in the"):
            explain(model, images[:2], method="gradcam")


def test_networks_that_are_not_built_yet_say_so(images):
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    with pytest.raises(InputError, match="Expected a network whose layers are built, but"):
        explain(FERModel(lazy, emotions=["sad", "happy"]), images[:2])
