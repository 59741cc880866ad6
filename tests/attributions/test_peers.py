"""The same map as another library's, on the same model and faces, wherever it makes it right."""

import copy

import numpy as np
import pytest
import torch
from captum import attr as captum
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule

from fer_xai.attributions import ATTRIBUTIONS, Question, attribute, upsample
from fer_xai.attributions.cam_ablation import AblationCam, ScoreCam
from fer_xai.attributions.core.layer_passes import activations_and_gradients
from fer_xai.attributions.core.layers import layer_of
from fer_xai.attributions.integrated_gradients import IntegratedGradientsTo
from fer_xai.attributions.perturbation import Occlusion
from fer_xai.attributions.relevance.lrp import LayerwiseRelevance
from fer_xai.attributions.surrogates import Surrogate, superpixels
from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel
from fer_xai.perturb.fills import fill_images
from tests.attributions.nets import build, predictor

pytorch_grad_cam = pytest.importorskip("pytorch_grad_cam")
torchcam = pytest.importorskip("torchcam.methods")

COLUMNS = torch.tensor([[0], [3]])


@pytest.fixture(scope="module")
def images(faces):
    return faces.subset([0, 20]).images


@pytest.fixture(scope="module")
def trained():
    """Peers are compared where maps mean something: most random networks have blank CAMs."""
    from fer_xai import load_model

    return load_model("gimefive", weights="synthetic")


def correlations(one, two):
    a, b = (maps.flatten(1).double() for maps in (one, two))
    a, b = (rows - rows.mean(dim=1, keepdim=True) for rows in (a, b))
    return torch.nn.functional.cosine_similarity(a, b, dim=1)


GRAD_CAM = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAMPlusPlus",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "xgradcam": "XGradCAM",
    "eigencam": "EigenCAM",
    "scorecam": "ScoreCAM",
    "ablationcam": "AblationCAM",
}
TORCHCAM = {
    "gradcam": "GradCAM",
    "layercam": "LayerCAM",
    "xgradcam": "XGradCAM",
    "scorecam": "ScoreCAM",
}


def ours(model, images, method):
    # at the image's own resolution: peers enlarge Score-CAM's masks in other ways
    layer = "relu1" if method in ("scorecam", "ablationcam") else "relu5"
    kinds = {"scorecam": ScoreCam, "ablationcam": AblationCam}
    chosen = kinds[method](layer=layer) if method in kinds else ATTRIBUTIONS[method]
    cells = attribute(Predictor(model, device="cpu"), images, COLUMNS, method=chosen).cells
    return upsample(cells, size=(64, 64))[:, 0], layer


@pytest.mark.parametrize("method", list(GRAD_CAM))
def test_pytorch_grad_cam(method, trained, images):
    if method == "gradcam++":  # gradients far above the peer's ε in a denominator
        trained = copy.deepcopy(trained)
        trained.net.fc3.weight.data *= 100
    found, layer = ours(trained, images, method)
    model = copy.deepcopy(trained)
    peer = getattr(pytorch_grad_cam, GRAD_CAM[method])(
        model=model, target_layers=[model.layer(layer)]
    )
    targets = [pytorch_grad_cam.utils.model_targets.ClassifierOutputTarget(int(c)) for c in COLUMNS]
    if method == "eigencam":  # its sign is the solver's
        expected = upsample(_eigen(trained, images)[:, None], size=(64, 64))[:, 0]
    else:
        expected = torch.from_numpy(peer(input_tensor=images, targets=targets))
    assert correlations(found, expected).min() > 0.999


def _eigen(model, images):
    """The peer's component ``(B, h, w)``, turned to follow the mean activation, and clamped."""
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

    kept = []
    handle = model.layer("relu5").register_forward_hook(lambda *a: kept.append(a[2].detach()))
    model(images)
    handle.remove()
    theirs = torch.from_numpy(np.asarray(get_2d_projection(kept[0].numpy())))
    signs = correlations(theirs, kept[0].mean(dim=1)).sign()
    return (theirs * signs[:, None, None]).clamp(min=0)


@pytest.mark.parametrize("method", list(TORCHCAM))
def test_torchcam(method, trained, images):
    found, layer = ours(trained, images, method)
    model = copy.deepcopy(trained)
    with getattr(torchcam, TORCHCAM[method])(model, target_layer=model.layer(layer)) as peer:
        scores = model(images)
        cells = peer(class_idx=COLUMNS[:, 0].tolist(), scores=scores)[0].detach()
    expected = upsample(cells[:, None], size=(64, 64))[:, 0]
    assert correlations(found, expected).min() > 0.999


def test_torchcams_grad_cam_plus_plus_does_not_divide(trained, images):
    """Its α stays G²: it divides a copy (torchcam 0.5). Ours is the paper's and pytorch-grad-cam's."""
    model, used = copy.deepcopy(trained), Predictor(trained, device="cpu")
    question = Question(images=images, columns=COLUMNS, keys=(0, 1))
    activations, gradients, _ = activations_and_gradients(used, question, layer_of(used, "relu5"))
    weights = (gradients**2 * gradients.clamp(min=0)).sum(dim=(-2, -1), keepdim=True)
    undivided = (weights * activations).sum(dim=2).clamp(min=0)
    with torchcam.GradCAMpp(model, target_layer=model.layer("relu5")) as peer:
        theirs = peer(class_idx=COLUMNS[:, 0].tolist(), scores=model(images))[0].detach()
    assert correlations(undivided[:, 0], theirs).min() > 0.999


class Plain(torch.nn.Module):
    """Without the signature of FERModel, which Captum's DeepLift would feed more to."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


def _captum(method, model, images, baseline):
    columns = COLUMNS[:, 0]
    if method == "saliency":
        return captum.Saliency(model).attribute(images, columns, abs=False)
    if method == "input_x_gradient":
        return captum.InputXGradient(model).attribute(images, columns)
    if method == "integrated_gradients":
        return captum.IntegratedGradients(model).attribute(images, baseline, columns, n_steps=8)
    if method == "guided_backprop":
        return captum.GuidedBackprop(model).attribute(images, columns)
    if method == "deconvolution":
        return captum.Deconvolution(model).attribute(images, columns)
    return captum.DeepLift(Plain(model)).attribute(images, baseline, columns)


@pytest.mark.filterwarnings("ignore:ControlInputs (forward|backward|forward, backward)")
@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
@pytest.mark.parametrize(
    "method",
    [
        "saliency",
        "input_x_gradient",
        "integrated_gradients",
        "guided_backprop",
        "deconvolution",
        "deeplift",
    ],
)
def test_captum(method, images):
    """On the paper's ResNet18, whose ReLUs are modules that run once: Captum is right there."""
    model = build("resnet18")
    chosen = IntegratedGradientsTo(steps=8, most=8) if method == "integrated_gradients" else method
    found = attribute(predictor("resnet18"), images, COLUMNS, method=chosen).channels[:, 0]
    expected = _captum(method, model, images.clone(), torch.zeros_like(images))
    assert (found - expected.detach()).norm() < 0.02 * expected.norm()  # kinks, see same()


def test_deeplift_adds_up_on_gimefive_whose_max_pool_is_reused(trained, images):
    """Captum's breaks there, and its rule for max-pools loses some even where each is used once."""
    found = attribute(Predictor(trained, device="cpu"), images, COLUMNS, method="deeplift")
    full = trained(images).gather(1, COLUMNS)
    empty = trained(torch.zeros_like(images)).gather(1, COLUMNS)
    difference = (full - empty).detach()
    assert torch.allclose(found.cells.sum(dim=(2, 3)), difference, atol=1e-3)
    assert found.completeness_delta.abs().max() < 1e-3


class Once(torch.nn.Module):
    """All in modules that run once, without BatchNorm, as Captum asks for."""

    def __init__(self, *, bias):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 6, 3, bias=bias)
        self.conv2 = torch.nn.Conv2d(6, 8, 3, bias=bias)
        self.relu1, self.relu2 = torch.nn.ReLU(), torch.nn.ReLU()
        self.max_pool, self.pool = torch.nn.MaxPool2d(2), torch.nn.AdaptiveAvgPool2d(1)
        self.fc = torch.nn.Linear(8, 6)

    def forward(self, x):
        x = self.relu2(self.conv2(self.max_pool(self.relu1(self.conv1(x)))))
        return self.fc(self.pool(x).flatten(1))


@pytest.mark.filterwarnings("ignore:ControlInputs (forward|backward|forward, backward)")
@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
@pytest.mark.parametrize(
    ("rule", "kind"),
    [("epsilon", EpsilonRule), ("gamma", GammaRule), ("alpha1_beta0", Alpha1_Beta0_Rule)],
)
def test_lrp_is_captums_where_its_layers_run_once_and_biases_play_no_part(rule, kind, images):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Once(bias=rule == "epsilon")
    model = FERModel(net, emotions=SIX).eval()
    found = attribute(
        Predictor(model, device="cpu"), images, COLUMNS, method=LayerwiseRelevance(rule=rule)
    ).channels[:, 0]
    peer = copy.deepcopy(net)
    peer.conv2.rule = kind()  # the first convolution reads the image, with ε
    inputs = model.preprocess(images)
    expected = captum.LRP(peer).attribute(inputs, target=COLUMNS[:, 0]).detach()
    assert (found - expected).norm() < 1e-3 * expected.norm()


def test_occlusion_is_captums_up_to_how_often_a_pixel_is_covered(images):
    """Captum adds up what overlapping squares lose, and divides by how many cover a pixel."""
    model = build("resnet18")
    found = attribute(
        predictor("resnet18"),
        images,
        COLUMNS,
        method=Occlusion(window=0.25, stride=0.25, fill="black"),
    ).cells[:, 0]
    expected = captum.Occlusion(model).attribute(
        images, (3, 16, 16), (3, 16, 16), baselines=0, target=COLUMNS[:, 0]
    )[:, 0]
    assert torch.allclose(found, expected.detach(), atol=1e-6 + 1e-4 * expected.abs().max())


def test_region_ablation_is_captums(faces):
    from fer_xai.landmarks import face_regions

    chosen = faces.subset([0, 20])
    regions = face_regions(chosen.landmarks_at(64), size=64)
    found = attribute(
        predictor("resnet18"), chosen.images, COLUMNS, method="region_ablation", regions=regions
    )
    for face in range(2):
        image = chosen.images[face : face + 1]
        baseline = fill_images(image, "mean")
        expected = captum.FeatureAblation(build("resnet18")).attribute(
            image,
            baseline,
            int(COLUMNS[face]),
            feature_mask=regions[face].to(torch.uint8).argmax(dim=0).long()[None, None],
        )[0, 0]
        for region in range(8):
            inside = regions[face, region]
            if inside.any():
                value = found.values[face, 0, region]
                assert torch.allclose(value, expected[inside][0], atol=1e-5)


def test_kernel_shap_comes_to_the_exact_values_and_is_efficient(faces):
    """With every coalition drawn many times, the fit is the exact value, but for the sample."""
    from fer_xai.landmarks import face_regions

    chosen = faces.subset([0])
    eight = face_regions(chosen.landmarks_at(64), size=64)
    regions = torch.stack(
        [eight[:, :2].any(1), eight[:, 2], eight[:, 3:5].any(1), eight[:, 5:7].any(1), eight[:, 7]],
        dim=1,
    )
    given = {"regions": regions, "ids": ["0"]}
    column = torch.zeros(1, 1).long()
    used = predictor("narrow gimefive")
    method = Surrogate(kernel="shap", samples=2400, fill="mean")
    found = attribute(used, chosen.images, column, method=method, **given).values[0, 0]
    exact = attribute(used, chosen.images, column, method="region_shapley", **given).values[0, 0]
    assert torch.allclose(found, exact, atol=0.05 * exact.abs().max())
    assert torch.isclose(found.sum(), exact.sum(), atol=1e-5)


def test_lime_finds_the_coefficients_of_a_linear_game(faces):
    """On a model that is linear in the image, a fit over superpixels is exact but for the ridge."""
    from torch import nn

    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 6))
    model = FERModel(net, emotions=SIX, mean=(0, 0, 0), std=(1, 1, 1)).eval()
    image = faces.subset([0]).images
    parts = superpixels(image, n=8)
    weight = net[1].weight[2].reshape(3, 64, 64).detach()
    exact = torch.stack([(weight * image[0] * part).sum() for part in parts[0]])
    used = Predictor(model, device="cpu")
    column = torch.full((1, 1), 2)
    for kernel in ("lime", "shap"):
        method = Surrogate(kernel=kernel, samples=400, parts=8, fill="black", ridge=1e-6)
        found = attribute(used, image, column, method=method).values[0, 0]
        assert torch.allclose(found, exact, atol=1e-4 * exact.abs().max())
