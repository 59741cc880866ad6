"""Layers are found, tokens reshaped, and transformers' attention multiplied as the papers say."""

import pytest
import timm
import torch

from fer_xai import FERModel, explain
from fer_xai.attributions import attribute
from fer_xai.attributions.attention import attentions
from fer_xai.attributions.core.feature_maps import channel_axis
from fer_xai.attributions.core.layers import found_layers, layer_of
from fer_xai.attributions.core.question import Question
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model
from tests.attributions.nets import build, predictor

FOUND = {
    "gimefive": ("relu5", (4, 4)),
    "vgg": ("relu6", (16, 16)),
    "resnet18": ("layer4", (4, 4)),
    "cct": ("norm", (16, 16)),
    "torchvision/convnext_tiny": ("features", (2, 2)),
    "torchvision/swin_t": ("permute", (2, 2)),
}


@pytest.mark.parametrize("name", list(FOUND))
def test_the_last_spatial_layer_is_found_without_being_named(name):
    model = load_model(name)
    model.cam_layer, model.reshape = None, None
    used = Predictor(model, device="cpu")
    layer = layer_of(used, None)
    assert (layer.name, layer.side) == FOUND[name]


TIMM = {
    "vit_tiny_patch16_224": "blocks.11.norm1",
    "swin_tiny_patch4_window7_224": None,
    "convnext_atto": None,
    "resnet10t": "layer4",
    "maxvit_rmlp_pico_rw_256": None,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TIMM))
def test_layers_of_timm_models_are_found(name):
    size = 256 if "256" in name else 224
    net = timm.create_model(name, num_classes=6)
    model = FERModel(net, emotions=SIX, size=size, name=name).eval()
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    found = explain(model, images, targets="fear")
    assert torch.isfinite(found.maps).all()
    if TIMM[name]:
        assert found.params["layer"] == TIMM[name]


def test_small_timm_models_are_found():
    net = timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=6,
        img_size=64,
        depth=2,
        embed_dim=48,
        num_heads=2,
        reg_tokens=3,
        class_token=True,
    )
    model = FERModel(net, emotions=SIX, size=64).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = attribute(
        Predictor(model, device="cpu"), images, torch.zeros(2, 1).long(), method="gradcam"
    )
    assert found.cells.shape == (2, 1, 4, 4)  # class token and registers left out
    rollout = explain(model, images, method="attention_rollout")
    chefer = explain(model, images, method="gradient_rollout", targets="fear")
    assert torch.isfinite(rollout.maps).all()
    assert (chefer.maps > 0).any()


def test_channels_stand_where_they_stand():
    assert channel_axis(torch.zeros(2, 16, 4, 4)) == 1
    assert channel_axis(torch.zeros(2, 4, 4, 16)) == 3
    assert channel_axis(torch.zeros(2, 17, 24)) == 2


def test_token_grad_cam_is_grad_cam_on_the_patch_tokens():
    model = build("vit")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    kept = []
    handle = model.layer(model.cam_layer).register_forward_hook(lambda *a: kept.append(a[2]))
    logits = model(images)
    handle.remove()
    gradient = torch.autograd.grad(logits[0, 2], kept[0])[0]
    tokens, slopes = kept[0][0, 1:], gradient[0, 1:]  # (16, 24), without the class token
    expected = torch.relu((tokens * slopes.mean(dim=0)).sum(dim=1)).reshape(4, 4)
    found = attribute(predictor("vit"), images, torch.tensor([[2]]), method="gradcam").cells[0, 0]
    assert torch.allclose(found, expected, atol=1e-6)


def test_rollouts_are_the_papers_on_torchvisions_own_attention():
    """Weights from torchvision's own attention modules, asked to return them."""
    model = build("vit")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    weights = []
    for block in model.net.encoder.layers:
        attention = block.self_attention

        def forward(q, k, v, attention=attention, **_):
            out, found = type(attention).forward(
                attention, q, k, v, need_weights=True, average_attn_weights=False
            )
            weights.append(found)
            return out, None

        attention.forward = forward
    logits = model(images)
    used = predictor("vit")
    columns = torch.tensor([[2], [4]])
    question = Question(images=images, columns=columns, keys=(0, 1))
    ours, kept = attentions(used, question)
    assert torch.allclose(ours, logits, atol=1e-5)
    for mine, theirs in zip(kept, weights, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)
    total = torch.eye(17)
    for found in weights:
        total = (0.5 * found.mean(dim=1) + 0.5 * torch.eye(17)) @ total
    expected = total[:, 0, 1:].reshape(2, 4, 4)
    rollout = attribute(used, images, columns, method="attention_rollout").cells[:, 0]
    assert torch.allclose(rollout, expected.detach(), atol=1e-6)


def test_a_network_that_counts_its_rows_is_not_cut(images):
    """Its layer's output cannot be repeated: targets are taken one after the other."""

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = torch.nn.Conv2d(3, 6, 8, stride=8), torch.nn.ReLU()

        def forward(self, x):
            y = self.relu(self.conv(x))
            assert len(y) == len(x)
            return y.mean(dim=(2, 3))

    used = Predictor(
        FERModel(Counting(), emotions=SIX, cam_layer="relu").eval(), device="cpu", fold=False
    )
    assert not layer_of(used, None).cut
    for method in ("gradcam", "scorecam", "ablationcam"):
        cells = attribute(used, images[:2], torch.tensor([[0, 3]] * 2), method=method).cells
        assert torch.isfinite(cells).all()
        assert not torch.allclose(cells[:, 0], cells[:, 1])


def test_layers_that_cannot_be_used_name_one_that_can(images):
    used = Predictor(build("vit"), device="cpu")
    with pytest.raises(InputError, match="zero everywhere.*such as encoder.layers.encoder_layer_2"):
        layer_of(used, "encoder.ln")
    with pytest.raises(InputError, match=r"got \(2, 6\): .*such as relu5"):
        layer_of(predictor("gimefive"), "fc3")
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64 * 64, 6))
    with pytest.raises(InputError, match="Expected model to have a layer with a spatial output"):
        found_layers(Predictor(FERModel(flat, emotions=SIX), device="cpu"))


class Oblong(torch.nn.Module):
    """Cells twice as wide as high, with channels first or last, as many as rows if need be."""

    def __init__(self, channels, *, last):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, channels, (8, 4), stride=(8, 4))
        self.norm, self.last = torch.nn.LayerNorm(channels), last
        self.relu, self.head = torch.nn.ReLU(), torch.nn.Linear(channels, 6)

    def forward(self, x):
        x = self.conv(x)
        x = self.relu(self.norm(x.movedim(1, 3)) if self.last else x)
        return self.head(x.tanh().mean(dim=(1, 2) if self.last else (2, 3)))


@pytest.mark.parametrize("channels", [4, 5, 8])
@pytest.mark.parametrize("last", [True, False])
def test_grids_that_are_not_square_are_told_from_channels(channels, last):
    model = FERModel(Oblong(channels, last=last), emotions=SIX, size=32).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    used = Predictor(model, device="cpu")
    layer = layer_of(used, None)
    assert (layer.name, layer.side) == ("relu", (4, 8))
    for method in ("gradcam", "eigencam", "scorecam", "ablationcam"):
        cells = attribute(used, images, torch.zeros(2, 1).long(), method=method).cells
        assert cells.shape == (2, 1, 4, 8), method
