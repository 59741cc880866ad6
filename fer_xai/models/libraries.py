"""Architectures of torchvision and timm, by their own names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from fer_xai.errors import InputError, UnknownNameError
from fer_xai.models.architecture import Architecture
from fer_xai.models.conventions import CONVENTIONS
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
    timm = _timm(f"timm/{plain}")
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


def _timm(name: str) -> Any:
    """The library, if it is installed."""
    try:
        import timm
    except ModuleNotFoundError:
        raise InputError(
            f"Expected timm to build {name}, but it is not installed: pip install timm."
        ) from None
    return timm


_EMOTIEFF_NETS = {"enet_b0": "tf_efficientnet_b0", "enet_b2": "tf_efficientnet_b2"}


def _without_container(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """EmotiEffLib keeps some heads in a container of one."""
    del net
    return {key.replace("classifier.0.", "classifier."): value for key, value in state.items()}


def emotieff_architecture(plain: str) -> Architecture:
    """A model of EmotiEffLib (HSEmotion), whose networks are timm's.

    Parameters
    ----------
    plain
        Its name there, ``enet_b0_8``; endings such as ``_best_vgaf`` name a checkpoint of it.

    Raises
    ------
    UnknownNameError, InputError
        If it is none that timm builds, or timm is not installed.

    Examples
    --------
    >>> found = emotieff_architecture("enet_b2_7")
    >>> found.size, found.wiring["emotions"][:2]
    (260, ('anger', 'disgust'))
    """
    known = {
        name.removeprefix("emotieff/"): told
        for name, told in CONVENTIONS.items()
        if name.startswith("emotieff/enet")
    }
    name = plain.partition("_best_")[0]
    if name not in known:
        names: Registry[str] = Registry("EmotiEffLib model", dict.fromkeys(known, ""))
        raise UnknownNameError(names.unknown(plain))
    timm = _timm(f"emotieff/{plain}")
    net = _EMOTIEFF_NETS[name.rpartition("_")[0].removesuffix("_8_va")]

    def build(classes: int) -> nn.Module:
        made: nn.Module = timm.create_model(net, num_classes=classes, pretrained=False)
        return made

    wiring = dict(known[name].arguments)
    return Architecture(
        build=build,
        cam_layer="conv_head",
        size=wiring.pop("size"),
        greyscale=False,
        reference=known[name].source,
        wiring=wiring,
        translated=_without_container,
    )


LIBRARIES: dict[str, Callable[[str], Architecture]] = {
    "torchvision": torchvision_architecture,
    "timm": timm_architecture,
    "emotieff": emotieff_architecture,
}
"""How to find an architecture by the library's name before the slash."""
