"""The architectures that every attribution is tried on, small where they can be."""

from functools import lru_cache

import torch
from torchvision.models import ConvNeXt, SwinTransformer, VisionTransformer
from torchvision.models.convnext import CNBlockConfig

from fer_xai.emotions import SIX
from fer_xai.inference.predictor import Predictor
from fer_xai.models import FERModel, load_model


def _convnext():
    stages = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, 32, 1), CNBlockConfig(32, None, 1)]
    return ConvNeXt(stages, num_classes=6), "features"


def _swin():
    net = SwinTransformer([2, 2], 16, [1, 2], [2, 2], [4, 4], num_classes=6)
    return net, "permute"


def _vit():
    net = VisionTransformer(
        image_size=64,
        patch_size=16,
        num_layers=3,
        num_heads=2,
        hidden_dim=24,
        mlp_dim=48,
        num_classes=6,
    )
    torch.nn.init.trunc_normal_(net.heads.head.weight, std=0.1)
    return net, "encoder.layers.encoder_layer_2.ln_1"


SMALL = {"convnext": _convnext, "swin": _swin, "vit": _vit}
NAMES = ("gimefive", "vgg", "resnet18", *SMALL)


def build(name: str) -> FERModel:
    if name not in SMALL:
        model = load_model(name)
        if name == "vgg":  # untrained, its logits are alike to 1e-4: nothing to tell targets by
            model.net.classifier[-1].weight.data *= 300
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, layer = SMALL[name]()
    return FERModel(net, emotions=SIX, size=64, cam_layer=layer, name=name).eval()


@lru_cache
def predictor(name: str) -> Predictor:
    return Predictor(build(name), device="cpu", batch_size=4)


def weight(model, emotion):
    return model.net[1].weight[SIX.index(emotion)].detach().reshape(3, 8, 8)


def halves(images):
    n, _, height, width = images.shape
    left = (torch.arange(width) < width // 2).expand(n, 1, height, width)
    return torch.cat([left, ~left], dim=1)
