"""The small members of torchvision's and timm's families of networks, with random weights."""

from __future__ import annotations

import torch
import torchvision

from fer_xai.emotions import SIX
from fer_xai.models import FERModel
from tests.zoo.networks import settled

FAMILIES = {
    "torchvision": (
        "resnet18",
        "densenet121",
        "squeezenet1_1",
        "googlenet",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "shufflenet_v2_x0_5",
        "mnasnet0_5",
        "efficientnet_b0",
        "vgg11",
        "regnet_x_400mf",
        "regnet_y_400mf",
        "resnext50_32x4d",
    ),
    "timm": (
        "resnet10t",
        "dla46_c",
        "ghostnet_050",
        "hrnet_w18_small",
        "repvgg_a0",
        "selecsls42",
        "mobileone_s0",
        "tinynet_e",
        "semnasnet_050",
        "lcnet_035",
        "skresnet18",
        "resnest14d",
        "ese_vovnet19b_dw",
        "cspresnet50",
        "xception41p",
        "rexnet_100",
        "gernet_s",
        "dpn48b",
        "res2net50_14w_8s",
        "nf_regnet_b0",
        "resnetv2_50",
        "convnext_atto",
        "vit_tiny_patch16_224",
    ),
}


def member(family: str, name: str, *, size: int = 64) -> FERModel:
    """A small member of a family, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if family == "torchvision":
            options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
            net = getattr(torchvision.models, name)(num_classes=6, **options)
        else:
            import timm

            options = {"img_size": size} if name.startswith("vit") else {}
            net = timm.create_model(name, num_classes=6, **options)
        settled(net, size)
    return FERModel(net, emotions=SIX, size=size, name=name).eval()
