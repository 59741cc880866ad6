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


def narrow(name, channels=16):
    """A network of ours with a quarter of its channels: the same parts in the same order."""
    model = load_model(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for path, module in list(model.net.named_modules()):
            parent, _, child = path.rpartition(".")
            few = _with_fewer(module, channels)
            if few is not None:
                setattr(model.net.get_submodule(parent), child, few)
    return FERModel(
        model.net,
        emotions=SIX,
        size=64,
        cam_layer=model.cam_layer,
        paper_layer=model.paper_layer,
        name=name,
    ).eval()


def _with_fewer(module, channels):
    def least(count):
        return count if count in (3, 6) else max(1, count * channels // 64)

    if isinstance(module, torch.nn.BatchNorm2d):
        return torch.nn.BatchNorm2d(least(module.num_features))
    if isinstance(module, torch.nn.Conv2d):
        sizes = [module.kernel_size, module.stride, module.padding]
        few = torch.nn.Conv2d(
            least(module.in_channels),
            least(module.out_channels),
            *sizes,
            bias=module.bias is not None,
        )
    elif isinstance(module, torch.nn.Linear):
        few = torch.nn.Linear(least(module.in_features), least(module.out_features))
    else:
        return None
    torch.nn.init.kaiming_normal_(few.weight, nonlinearity="relu")
    return few


SMALL = {"convnext": _convnext, "swin": _swin, "vit": _vit}
OURS = ("gimefive", "vgg", "resnet18")
NARROW = tuple(f"narrow {name}" for name in OURS)
NAMES = (*OURS, *SMALL)


def build(name: str) -> FERModel:
    if name in NARROW:
        return narrow(name.removeprefix("narrow "))
    if name not in SMALL:
        model = load_model(name)
        if name == "vgg":  # untrained, its logits are alike to 1e-4: nothing to tell targets by
            model.net.classifier[-1].weight.data *= 300
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, layer = SMALL[name]()
    return FERModel(net, emotions=SIX, size=64, cam_layer=layer, name=name).eval()


@lru_cache(maxsize=6)  # as many as a test goes round
def predictor(name: str) -> Predictor:
    return Predictor(build(name), device="cpu", batch_size=4)


def weight(model, emotion):
    return model.net[1].weight[SIX.index(emotion)].detach().reshape(3, 8, 8)


def halves(images):
    n, _, height, width = images.shape
    left = (torch.arange(width) < width // 2).expand(n, 1, height, width)
    return torch.cat([left, ~left], dim=1)
