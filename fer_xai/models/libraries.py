"""Architectures of torchvision and timm, by their own names."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models.architecture import Architecture
from fer_xai.models.feeding import IMAGENET_MEAN, IMAGENET_STD
from fer_xai.registry import Registry

_TORCHVISION_LAYERS = {
    "resnet": "layer4",
    "resnext": "layer4",
    "wide_resnet": "layer4",
    "convnext": "features",
    "densenet": "features.norm5",
    "efficientnet": "features",
    "mobilenet": "features",
    "vgg": "features",
    "alexnet": "features",
    "squeezenet": "features",
    "regnet": "trunk_output",
    "shufflenet": "conv5",
    "swin": "permute",
    "vit": "encoder.layers.{last}.ln_1",
    "maxvit": "blocks.3",
}


_NEED_224 = ("vit", "maxvit", "alexnet", "squeezenet")
"""Families that refuse 64 pixels, or end at a map of one cell."""


def torchvision_architecture(plain: str) -> Architecture:
    """A classifier of torchvision.

    Parameters
    ----------
    plain
        Its name in torchvision.

    Raises
    ------
    UnknownNameError, InputError
        If torchvision has no such classifier, or its CAM layer is not known.

    Examples
    --------
    >>> found = torchvision_architecture("resnet18")
    >>> found.cam_layer, found.size
    ('layer4', 64)
    """
    import torchvision

    known: Registry[str] = Registry(
        "torchvision model", dict.fromkeys(torchvision.models.list_models(torchvision.models), "")
    )
    if plain not in known:
        raise UnknownNameError(known.unknown(plain))
    family = next((key for key in _TORCHVISION_LAYERS if plain.startswith(key)), None)
    if family is None:
        raise InputError(
            f"Expected a torchvision family with a known CAM layer, got {plain}: build it yourself "
            "and wrap it with FERModel(net, cam_layer=…)."
        )

    def build(classes: int) -> nn.Module:
        net: nn.Module = torchvision.models.get_model(plain, num_classes=classes)
        for head in [module for module in net.modules() if isinstance(module, nn.Linear)][-1:]:
            # a fresh ViT's head is zero, and so is every gradient
            if not (head.weight.is_meta or bool(head.weight.any())):
                nn.init.trunc_normal_(head.weight, std=0.02)
        return net

    layer = _TORCHVISION_LAYERS[family]
    if family == "vit":
        depth = {"b": 12, "l": 24, "h": 32}[plain.split("_")[1]]
        layer = layer.format(last=f"encoder_layer_{depth - 1}")
    return Architecture(
        build=build,
        cam_layer=layer,
        size=224 if family in _NEED_224 else 64,
        greyscale=False,
        reference="torchvision",
    )


def timm_architecture(plain: str) -> Architecture:
    """A model of timm; its CAM layer is for the user to name."""
    try:
        import timm
    except ModuleNotFoundError:
        raise InputError(
            f"Expected timm to build timm/{plain}, but it is not installed: pip install timm."
        ) from None
    known: Registry[str] = Registry("timm model", dict.fromkeys(timm.list_models(), ""))
    if plain not in known:
        raise UnknownNameError(known.unknown(plain))
    config = timm.get_pretrained_cfg(plain)

    def build(classes: int) -> nn.Module:
        net: nn.Module = timm.create_model(plain, num_classes=classes, pretrained=False)
        return net

    return Architecture(
        build=build,
        cam_layer=None,
        size=config.input_size[-1] if config else 224,
        greyscale=False,
        mean=config.mean if config else IMAGENET_MEAN,
        std=config.std if config else IMAGENET_STD,
        reference="timm",
    )


LIBRARIES: dict[str, Callable[[str], Architecture]] = {
    "torchvision": torchvision_architecture,
    "timm": timm_architecture,
}
"""How to find an architecture by the library's name before the slash."""
