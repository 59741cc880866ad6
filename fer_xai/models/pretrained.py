"""Weights of another task to begin with: torchvision's ImageNet weights, or any checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from fer_xai.errors import InputError
from fer_xai.models.checkpoints import load_state, read_state

IMAGENET = "imagenet"
"""Word for torchvision's default weights, if they are on this machine."""


def load_backbone(net: nn.Module, source: str | Path, *, name: str) -> None:
    """Fill a network from a checkpoint, in place; the last linear layer is kept unless it fits.

    Parameters
    ----------
    net
        Network with the user's number of classes.
    source
        Path of a checkpoint, or ``"imagenet"``.
    name
        Registered name of the architecture, ``torchvision/<name>`` for ``"imagenet"``.

    Raises
    ------
    InputError
        If the weights are not on this machine, or fit another architecture.
    """
    path = imagenet_file(name) if str(source) == IMAGENET else Path(source)
    state, _ = read_state(path)
    own: dict[str, Tensor] = net.state_dict()
    linear = [key for key, module in net.named_modules() if isinstance(module, nn.Linear)]
    head = linear[-1] if linear else ""
    for key in (f"{head}.weight", f"{head}.bias"):
        if key in own and (key not in state or state[key].shape != own[key].shape):
            state[key] = own[key]
    load_state(net, state, what=name)


def imagenet_file(name: str) -> Path:
    """Where torch.hub keeps torchvision's default weights of a model; nothing is downloaded.

    Raises
    ------
    InputError
        If the model is not torchvision's, or the file is not there: it says how to get it.
    """
    import torchvision

    family, _, plain = name.partition("/")
    if family != "torchvision":
        raise InputError(
            f"Expected a torchvision model to begin with ImageNet's weights, got {name}: choose "
            "torchvision/<name>, or give the path of a checkpoint."
        )
    url: str = torchvision.models.get_model_weights(plain).DEFAULT.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", maxsplit=1)[-1]
    if not path.is_file():
        raise InputError(
            f"Expected ImageNet's weights of {plain} at {path}, found none: fetch them once with "
            f"`python -c \"import torchvision; torchvision.models.get_model('{plain}', "
            f"weights='DEFAULT')\"`, or give the path of a checkpoint."
        )
    return path
