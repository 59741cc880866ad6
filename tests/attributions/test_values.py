"""Maps hold the papers' values, face by face, where no peer makes them right."""

import copy
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fer_xai import FERModel, explain
from fer_xai.attributions import attribute
from fer_xai.attributions.extremal import Extremal
from fer_xai.attributions.gradient_shap import GradientShap
from fer_xai.attributions.layercam_fused import FusedLayerCam
from fer_xai.draws.streams import stream
from fer_xai.emotions import SIX
from fer_xai.perturb.fills import fill_images
from tests.attributions.nets import build, predictor
from tests.reference import attributions_slow as slow

TARGETS = ["fear", "happiness"]
COLUMNS = [SIX.index(name) for name in TARGETS]


def close(found, expected, room=1e-4):
    found, expected = torch.as_tensor(found).double(), torch.as_tensor(expected).double()
    assert expected.abs().max() > 0
    return bool((found - expected).abs().max() < room * expected.abs().max())


def test_fused_layercam_is_the_largest_of_the_stages_the_shallow_ones_lifted(images):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = [nn.Conv2d(w, 12, 3, stride=2, padding=1) for w in (3, 12, 12)]
        head = nn.Linear(12, 6)
    net = nn.Sequential(
        parts[0],
        nn.ReLU(),
        parts[1],
        nn.ReLU(),
        parts[2],
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        head,
    )
    model = FERModel(net, emotions=SIX, size=64).eval()
    found = explain(model, images[:2], method=FusedLayerCam(gamma=1.5), targets=TARGETS)
    names = found.params["layers"]
    assert names == ["1", "3", "5"]
    for face, column in enumerate(COLUMNS):
        cells = slow.fused_layercam_slow(model, names, images[face], column, gamma=1.5)
        assert close(found.maps[face], slow.enlarged(cells, 64))


def test_guided_gradcam_is_guided_backprop_under_gradcam(model, images):
    found = explain(model, images[:2], method="guided_gradcam", targets=TARGETS)
    guided = copy.deepcopy(model)
    guided.net.relu1, guided.net.relu2 = slow.GuidedReLU(), slow.GuidedReLU()
    for face, column in enumerate(COLUMNS):
        cam = slow.gradcam_slow(model, "relu2", images[face], column)
        expected = slow.gradient_slow(guided, images[face], column) * cam
        assert close(found.channels[face], expected)
        assert close(found.maps[face], expected.sum(dim=0))


def test_deeplift_shap_is_the_mean_of_rescaled_differences_from_its_baselines():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [
            nn.Conv2d(3, 4, 3, stride=2),
            nn.Conv2d(4, 4, 2),
            nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 6)),
        ]
        images = torch.rand(2, 3, 7, 7)
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), *layers[2])
    model = FERModel(net, emotions=SIX, size=7, mean=(0, 0, 0), std=(1, 1, 1)).eval()
    found = explain(model, images, method="deeplift_shap", targets=TARGETS)
    for face, column in enumerate(COLUMNS):
        starts = [fill_images(images[face : face + 1], k)[0] for k in ("black", "mean", "blur")]
        parts = [slow.rescaled_slow(layers, images[face], start, column) for start in starts]
        assert close(found.channels[face], np.mean(parts, axis=0))


def test_the_extremal_mask_of_a_block_that_alone_is_read_is_the_block():
    weight = torch.zeros(6, 3, 16, 16)
    weight[:, :, 4:12, 8:] = 1 / 64  # a quarter of the image
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 6))
    net[1].weight.data = weight.flatten(1)
    model = FERModel(net, emotions=SIX, size=16, mean=(0, 0, 0), std=(1, 1, 1)).eval()
    method = Extremal(areas=(0.25,), fill="black")
    found = explain(model, torch.ones(1, 3, 16, 16), method=method, targets="fear").maps[0]
    assert found[5:11, 9:].min() > 0.9
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[3:13, 7:] = False
    assert found[outside].max() < 0.1


def test_gradient_rollout_is_the_papers_head_by_head():
    model, images = (
        build("vit"),
        torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
    )
    kept = []

    def attend(attention):
        def forward(x, *_, **__):
            both = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
            made, heads = [], []
            for q, k, v in zip(*(part.chunk(2, -1) for part in both.chunk(3, -1)), strict=True):
                heads.append((q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1))
                made.append(heads[-1] @ v)
            kept.append(heads)
            return attention.out_proj(torch.cat(made, dim=-1)), None

        return forward

    for block in model.net.encoder.layers:
        block.self_attention.forward = attend(block.self_attention)
    columns = torch.tensor(COLUMNS)[:, None]
    found = attribute(predictor("vit"), images, columns, method="gradient_rollout").cells[:, 0]
    logits = model(images).gather(1, columns).sum()
    flat = torch.autograd.grad(logits, [head for heads in kept for head in heads])
    for face in range(2):
        weights = [[head[face].detach() for head in heads] for heads in kept]
        slopes = [[flat[2 * b][face], flat[2 * b + 1][face]] for b in range(len(kept))]
        total = slow.gradient_rollout_slow(weights, slopes)
        assert close(found[face], total[0, 1:].reshape(4, 4))


def test_gradient_shap_is_the_mean_of_gradients_on_the_ways_times_the_ways(model, images):
    method = GradientShap(samples=4, most=4)
    two, kinds = images[:2], method.baselines
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # four points are few
        found = explain(model, two, method=method, targets=TARGETS, ids=["a", "b"], seed=5)
    for face, (name, column) in enumerate(zip("ab", COLUMNS, strict=True)):
        shares = stream(5, name, "path").rand(4)
        starts = [fill_images(two[face : face + 1], kind)[0] for kind in kinds]
        parts = [[], [], []]
        for sample in range(4):
            number = sample % 3  # black, mean, blur and black again, each half of black's way
            start, points = starts[number], (2, 1, 1)[number]
            share = (sample // 3 + shares[sample]) / points
            point = start + share * (two[face] - start)
            parts[number].append(slow.gradient_slow(model, point, column) * (two[face] - start))
        expected = torch.stack([torch.stack(part).mean(dim=0) for part in parts]).mean(dim=0)
        assert close(found.channels[face], expected)
        ends = model(torch.stack([two[face], *starts]))[:, column].detach()
        whole = ends[0] - ends[1:].mean()  # each baseline alike
        lack = (expected.sum() - whole) / whole
        assert torch.isclose(found.completeness_gap[face], lack.float(), atol=1e-3)
