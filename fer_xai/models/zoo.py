"""The models of GiMeFive's table by name, other libraries' by theirs, and the weights we ship."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.checks import check_count
from fer_xai.emotions import SIX, parse_order
from fer_xai.errors import InputError
from fer_xai.models.architecture import Architecture
from fer_xai.models.baselines import ResNet, SmallVGG
from fer_xai.models.checkpoints import LARGEST_SIDE, load_state, read_state
from fer_xai.models.gimefive import GiMeFive, GiMeFiveRes
from fer_xai.models.libraries import LIBRARIES
from fer_xai.models.transformers import CompactTransformer
from fer_xai.models.wrapper import FERModel
from fer_xai.registry import Registry

MODELS: Registry[Architecture] = Registry(
    "model",
    dict.fromkeys(
        (
            "gimefive",
            "gimefive-nobn",
            "gimefive-nodropout",
            "gimefive-noblockdropout",
            "gimefive-noheaddropout",
            "gimefive-flatten",
            "gimefive-depth4",
            "gimefive-depth6",
            "gimefive-se",
            "gimefive-6blocks",
            "gimefive-res",
            "baseline4",
            "vgg",
            "resnet18",
            "resnet34",
            "cct",
        ),
        __name__,
    ),
)


def _gimefive(
    classes: int,
    *,
    blocks: int = 5,
    batch_norm: bool = True,
    block_dropout: bool = True,
    head_dropout: bool = True,
    dropout_last_block: bool = False,
    se_reduction: int = 0,
    flattened: int = 0,
) -> nn.Module:
    return GiMeFive(
        classes=classes,
        blocks=blocks,
        batch_norm=batch_norm,
        block_dropout=0.2 if block_dropout else 0.0,
        head_dropout=0.5 if head_dropout else 0.0,
        flattened=flattened,
        dropout_last_block=dropout_last_block,
        se_reduction=se_reduction,
    )


_no_dropout = partial(_gimefive, block_dropout=False, head_dropout=False)


def _resnet(classes: int, *, depths: Sequence[int]) -> nn.Module:
    return ResNet(depths, classes=classes)


def _stack(parameters: int, build: Callable[[int], nn.Module], blocks: int = 5) -> Architecture:
    return Architecture(
        build=build, cam_layer=f"relu{blocks}", paper_layer=f"conv{blocks}", parameters=parameters
    )


for _name, _architecture in {
    "gimefive": _stack(10_478_086, _gimefive),
    "gimefive-nobn": _stack(10_474_118, partial(_gimefive, batch_norm=False)),
    "gimefive-nodropout": _stack(10_478_086, _no_dropout),
    "gimefive-noblockdropout": _stack(10_478_086, partial(_gimefive, block_dropout=False)),
    "gimefive-noheaddropout": _stack(10_478_086, partial(_gimefive, head_dropout=False)),
    "gimefive-flatten": _stack(16_769_542, partial(_gimefive, flattened=64)),
    "gimefive-depth4": _stack(2_606_086, partial(_gimefive, blocks=4), blocks=4),
    "gimefive-depth6": _stack(41_950_726, partial(_gimefive, blocks=6), blocks=6),
    "gimefive-se": _stack(10_478_598, partial(_no_dropout, se_reduction=16)),
    "gimefive-6blocks": _stack(41_950_726, partial(_no_dropout, blocks=6), blocks=6),
    "gimefive-res": Architecture(
        build=lambda classes: GiMeFiveRes(classes=classes),
        cam_layer="res_block5.relu2",
        paper_layer="res_block5.conv2",
        parameters=95_051_014,
    ),
    "baseline4": _stack(2_606_086, partial(_gimefive, blocks=4, dropout_last_block=True), blocks=4),
    "vgg": Architecture(
        build=lambda classes: SmallVGG(classes=classes),
        cam_layer="relu6",
        paper_layer="conv6",
        parameters=72_460_742,
    ),
    "resnet18": Architecture(
        build=partial(_resnet, depths=(2, 2, 2, 2)),
        cam_layer="layer4.1.relu2",
        paper_layer="layer4.1.conv2",
        parameters=11_179_590,
    ),
    "resnet34": Architecture(
        build=partial(_resnet, depths=(3, 4, 6, 3)),
        cam_layer="layer4.2.relu2",
        paper_layer="layer4.2.conv2",
        parameters=21_287_750,
    ),
    "cct": Architecture(
        build=lambda classes: CompactTransformer(classes=classes),
        cam_layer="blocks.6.ln_1",
        parameters=3_906_759,
        reference="arXiv 2104.05704",
    ),
}.items():
    MODELS.register(_name)(_architecture)


def architecture(name: str) -> Architecture:
    """What is known of a model by its name, ``torchvision/<name>`` and ``timm/<name>`` included.

    Raises
    ------
    UnknownNameError
        Suggesting the close names.
    InputError
        If timm is not installed, or torchvision's family has no known CAM layer.
    """
    library, _, plain = name.partition("/")
    if plain and library in LIBRARIES:
        return LIBRARIES[library](plain)
    return MODELS[name]


def load_model(
    name: str,
    *,
    weights: str | Path | None = None,
    emotions: str | Sequence[str] | None = None,
    seed: int = 0,
    size: int | None = None,
    greyscale: bool | None = None,
) -> FERModel:
    """A model by name, with shipped weights, a checkpoint of yours, or none.

    Parameters
    ----------
    name
        A name of :data:`MODELS`, ``"torchvision/<classifier>"`` or ``"timm/<model>"``.
    weights
        ``None`` or ``"untrained"`` for a seeded initialisation; the name of shipped weights
        (``"synthetic"``); or the path of a ``.safetensors`` or ``.pth`` checkpoint.
    emotions
        Output order; read from the checkpoint when it says, else GiMeFive's six.
    seed
        Of the initialisation, when there are no weights. BatchNorm then still has its initial
        statistics: see :func:`fer_xai.models.calibrate_batchnorm`.
    size, greyscale
        Pixels a side and colour that the network is fed, if they are not those that the checkpoint
        names or the architecture is known for.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown model, unknown weights, or a checkpoint that does not fit.

    Examples
    --------
    >>> model = load_model("gimefive")
    >>> sum(p.numel() for p in model.parameters()), model.cam_layer
    (10478086, 'relu5')
    """
    spec = architecture(name)
    state: dict[str, Tensor] | None = None
    settings: dict[str, Any] = {}
    if weights is not None and str(weights) != "untrained":
        with as_file(_weights_file(name, weights)) as path:
            state, settings = read_state(path)
    if settings.get("model", name) != name:
        raise InputError(
            f"Expected weights of {name}, but {weights} holds a {settings['model'][:80]}: load it "
            f"as load_model({settings['model'][:80]!r}, weights=…)."
        )
    order = parse_order(emotions or settings.get("emotions") or SIX)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = spec.build(len(order))
    told = settings.get("size", spec.size) if size is None else size
    if told != spec.size:
        _check_size(spec, told, name)
    if state is not None:
        load_state(net, state, what=name)
    model = FERModel(
        net,
        emotions=order,
        size=told,
        greyscale=settings.get("greyscale", spec.greyscale) if greyscale is None else greyscale,
        mean=spec.mean,
        std=spec.std,
        cam_layer=spec.cam_layer,
        paper_layer=spec.paper_layer,
        reshape=spec.reshape,
        name=name,
    )
    return model.eval()


def _check_size(spec: Architecture, size: int, name: str) -> None:
    """A network that cannot be fed images of a size says so before anything is trained."""
    check_count("size", size)
    if size > LARGEST_SIDE:
        raise InputError(f"Expected a size of at most {LARGEST_SIDE} pixels, got {size}.")
    try:
        with torch.device("meta"):
            spec.build(2).eval()(torch.zeros(1, 3, size, size))
    except RuntimeError:
        raise InputError(
            f"Expected a size that {name} can be fed ({spec.size} is its own), got {size}: choose "
            "another, or an architecture that pools its last map."
        ) from None


def shipped_weights() -> list[str]:
    """Files of the weights that come with the package, as ``<model>-<weights>``."""
    folder = files("fer_xai") / "weights"
    if not folder.is_dir():
        return []
    return sorted(
        file.name.removesuffix(".safetensors")
        for file in folder.iterdir()
        if file.name.endswith(".safetensors")
    )


def _weights_file(name: str, weights: str | Path) -> Path:
    text = str(weights)
    shipped = shipped_weights()
    if f"{name}-{text}" in shipped:
        return Path(str(files("fer_xai") / "weights" / f"{name}-{text}.safetensors"))
    if isinstance(weights, Path) or "/" in text or "." in text:
        return Path(weights)
    known = [entry.removeprefix(f"{name}-") for entry in shipped if entry.startswith(f"{name}-")]
    raise InputError(
        f"Expected shipped weights of {name} ({', '.join(known) or 'there are none'}), 'untrained' "
        f"or the path of a checkpoint, got {text!r}."
    )
