"""What ``explain`` and the attributions' options refuse, each in one sentence."""

import copy

import pytest
import torch

from fer_xai import FERModel, explain
from fer_xai.attributions import attribute
from fer_xai.attributions.cam import GradCam
from fer_xai.attributions.cam_ablation import ScoreCam
from fer_xai.attributions.extremal import Extremal
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.layercam_fused import FusedLayerCam
from fer_xai.attributions.perturbation import Occlusion, Rise
from fer_xai.attributions.relevance.deeplift import DeepLiftFrom
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.attributions.smoothgrad import SmoothGrad
from fer_xai.attributions.surrogates import Surrogate
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from tests.attributions.nets import build


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"method": "gradcam__"}, "Unknown method 'gradcam__': did you mean"),
        ({"method": "gradcamm"}, "^Unknown method 'gradcamm': did you mean gradcam"),
        ({"method": "inverse:gradcamm"}, "Unknown method 'gradcamm': did you mean"),
        ({"targets": "boredom"}, "got 'boredom'"),
        ({"against": "boredom"}, "got 'boredom'"),
        ({"method": Occlusion(fill="pink")}, "Unknown fill 'pink'"),
    ],
)
def test_unknown_names_are_refused(given, sentence, model, images):
    with pytest.raises(UnknownNameError, match=sentence):
        explain(model, images, **given)


ONE = torch.ones(36, 1, 64, 64, dtype=torch.bool)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"output": "loss"}, "Expected output logit, log_probability, probability, got 'loss'"),
        ({"targets": [0, 1]}, "Expected 5 targets, one an image, got 2"),
        ({"against": ["anger", "fear"]}, "Expected 5 against, one an image, got 2"),
        ({"targets": "contempt"}, "Expected targets among the outputs of tiny"),
        ({"targets": "fear", "against": "fear"}, "Expected emotions other than the targets"),
        ({"method": "deeplift", "output": "probability"}, "Expected output='logit' for deeplift"),
        ({"method": "lrp", "output": "log_probability"}, "Expected output='logit' for lrp"),
        ({"method": GradCam(layer="conv9")}, "Expected a layer of tiny, got 'conv9'"),
        ({"method": ScoreCam(layer="fc")}, "Expected feature maps .* from layer fc, got"),
        ({"regions": ONE}, "Expected regions as bool"),
        ({"regions": ONE[:5].float()}, "Expected regions as bool"),
        (
            {"regions": torch.cat([ONE[:5]] * 2, dim=1)},
            "Expected regions that cover each pixel onc",
        ),
        ({"method": "region_shapley"}, "Expected regions .* for a method over regions, got none"),
        ({"method": "other_face_other_emotion", "targets": "fear"}, "images of two emotions or mo"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(given, sentence, model, images):
    with pytest.raises(InputError, match=sentence):
        explain(model, images, **given)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda model, images: (model, images * torch.nan), "Expected finite images"),
        (lambda model, images: (model, images.numpy()), "Expected images as a torch tensor"),
        (
            lambda model, images: (model.net, images),
            "Expected a FERModel or a Predictor of one, got TinyNet",
        ),
    ],
    ids=["nan", "numpy", "bare network"],
)
def test_what_is_no_model_and_no_images_is_refused(change, sentence, model, images):
    with pytest.raises(InputError, match=sentence):
        explain(*change(model, images))


def test_a_layer_that_no_gradient_reaches_is_refused(images):
    late = GradCam(layer="encoder.layers.encoder_layer_2.mlp")
    with pytest.raises(InputError, match="Expected a gradient at layer .* zero everywhere"):
        explain(build("vit"), images, method=late)


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


def test_uint8_pixels_mean_0_to_255_and_other_whole_numbers_are_refused(model, images):
    pixels = (images * 255).to(torch.uint8)
    used = Predictor(model, device="cpu")
    for call in (model, model.preprocess, model.predict, used.logits):
        assert torch.allclose(call(pixels), call(pixels.float() / 255), atol=1e-6)
    for call in (model, model.preprocess, model.predict):
        for kind in (torch.int64, torch.int32, torch.bool):
            with pytest.raises(InputError, match=f"or as uint8 from 0 to 255, got {kind}: convert"):
                call(pixels.to(kind))
    half = FERModel(copy.deepcopy(model.net), emotions=model.emotions, size=64).half()
    assert half.preprocess(pixels).dtype == torch.float16
