"""Weights of another task to begin with: a library's ImageNet weights, or any checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from fer_xai.errors import InputError
from fer_xai.models.checkpoints import load_state, read_state
from fer_xai.models.registry import architecture
from fer_xai.models.states import without_prefix

IMAGENET = "imagenet"
"""Word for torchvision's or timm's default weights, if they are on this machine."""


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

    Examples
    --------
    >>> import tempfile
    >>> old = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1000))
    >>> new = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 6))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(old.state_dict(), Path(folder) / "old.pt")
    ...     load_backbone(new, Path(folder) / "old.pt", name="mine")
    >>> torch.equal(new[0].weight, old[0].weight), new[1].weight.shape
    (True, torch.Size([6, 4]))
    """
    path = imagenet_file(name) if str(source) == IMAGENET else Path(source)
    state, _ = read_state(path)
    own: dict[str, Tensor] = net.state_dict()
    state = without_prefix(state, own)
    linear = [key for key, module in net.named_modules() if isinstance(module, nn.Linear)]
    head = linear[-1] if linear else ""
    for key in (f"{head}.weight", f"{head}.bias"):
        if key in own and (key not in state or state[key].shape != own[key].shape):
            state[key] = own[key]
    load_state(net, state, what=name)


def imagenet_file(name: str) -> Path:
    """Where torch.hub, or Hugging Face's cache for timm, keeps default weights; downloads nothing.

    Raises
    ------
    InputError
        If the model is neither library's, or the file is not there: it says how to get it.

    Examples
    --------
    >>> imagenet_file("gimefive")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a model of torchvision or timm to begin with ImageNet's ...
    """
    library, _, plain = name.partition("/")
    architecture(name)
    if library == "torchvision":
        import torchvision

        url: str = torchvision.models.get_model_weights(plain).DEFAULT.url
        path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", maxsplit=1)[-1]
        command = f"import torchvision; torchvision.models.get_model('{plain}', weights='DEFAULT')"
    elif library == "timm":
        import timm
        from huggingface_hub import try_to_load_from_cache

        hub = timm.get_pretrained_cfg(plain).hf_hub_id
        found = try_to_load_from_cache(hub, "model.safetensors") if hub else None
        path = Path(found if isinstance(found, str) else f"{hub}/model.safetensors")
        command = f"import timm; timm.create_model('{plain}', pretrained=True)"
    else:
        raise InputError(
            f"Expected a model of torchvision or timm to begin with ImageNet's weights, got "
            f"{name}: choose torchvision/<name> or timm/<name>, or give the path of a checkpoint."
        )
    if not path.is_file():
        raise InputError(
            f"Expected ImageNet's weights of {plain} at {path}, found none: fetch them once with "
            f'`python -c "{command}"`, or give the path of a checkpoint.'
        )
    return path
