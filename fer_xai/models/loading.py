"""``load_model``: a model by name, with shipped weights, a checkpoint of yours, or none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fer_xai.checks import check_count
from fer_xai.draws.initial import repeatable
from fer_xai.emotions import SIX, parse_outputs
from fer_xai.errors import InputError, UnknownNameError, did_you_mean
from fer_xai.models.architecture import Architecture
from fer_xai.models.checkpoints import load_state, read_state
from fer_xai.models.conventions import convention as convention_named
from fer_xai.models.feeding import overridden
from fer_xai.models.fer_model import FERModel
from fer_xai.models.registry import architecture
from fer_xai.models.stored_settings import LARGEST_SIDE

OWN = "own"
"""Name of the weights that a model brings along (``hf:FOLDER``)."""
_STORED = ("emotions", "size", "greyscale")
"""Settings beside weights that say how the network is fed and read."""


def load_model(
    name: str,
    *,
    weights: str | Path | None = None,
    emotions: str | Sequence[str] | None = None,
    seed: int = 0,
    size: int | None = None,
    greyscale: bool | None = None,
    convention: str | Path | None = None,
) -> FERModel:
    """A model by name, with shipped weights, a checkpoint of yours, or none.

    Parameters
    ----------
    name
        A name of :data:`fer_xai.models.MODELS`, ``"torchvision/<classifier>"``,
        ``"timm/<model>"``, ``"emotieff/<model>"`` (EmotiEffLib's that timm builds), or
        ``"hf:<folder>"``, an image classifier in Hugging Face's format on disk, or its name on the
        hub, which transformers builds and loads with its own weights.
    weights
        ``None`` or ``"untrained"`` for a seeded initialisation; the name of shipped weights
        (``"synthetic"``); or the path of a ``.safetensors`` or ``.pth`` checkpoint, or of the files
        or folder of the package that carries the model (``mini_xception``, ``face_api``). A model
        that brings its own (``hf:…``) has them for ``None`` and ``"own"``.
    emotions
        Outputs in order, as :class:`fer_xai.models.FERModel` takes them: a checkpoint of seven
        classes wants seven. Read from the checkpoint when it says, else those that the model is
        known for, or GiMeFive's six.
    seed
        Seed of the initialisation, when there are no weights. With the name it fixes every weight
        to the bit, on any machine (:mod:`fer_xai.draws.initial`). BatchNorm then still has its
        initial statistics: see :func:`fer_xai.models.calibrate_batchnorm`.
    size, greyscale
        Pixels a side and colour that the network is fed, if they are not those that the checkpoint
        names or the architecture is known for.
    convention
        How the network is fed and read, by the name of a published model or a TOML file, see
        :func:`fer_xai.models.conventions.convention`; what is given beside it goes first.

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
    file = spec.weights if weights is None or str(weights) == OWN else None
    if file is None and weights is not None and str(weights) != "untrained":
        file = _weights_file(name, weights)
    if file is not None:
        with as_file(file) as path:
            state, settings = _read(spec, path)
    if settings.get("model", name) != name:
        raise InputError(
            f"Expected weights of {name}, but {weights} holds a {settings['model'][:80]}: load it "
            f"as load_model({settings['model'][:80]!r}, weights=…)."
        )
    stored = {key: settings[key] for key in _STORED if key in settings}
    told: dict[str, Any] = {"emotions": SIX, "size": spec.size, "greyscale": spec.greyscale}
    told |= {"mean": spec.mean, "std": spec.std}
    more = {} if convention is None else convention_named(convention).arguments
    for changes in (spec.wiring, stored, more):
        told = overridden(told, changes)
    given = {"emotions": emotions, "size": size, "greyscale": greyscale}
    told |= {key: value for key, value in given.items() if value is not None}
    order = parse_outputs(told["emotions"])
    net = _untrained(spec, name, len(order), seed=seed) if state is None else _built(spec, order)
    if told["size"] != spec.size:
        _check_size(spec, told["size"], name)
    if state is not None:
        if spec.translated is not None:
            state = dict(spec.translated(net, state))
        load_state(net, state, what=name)
    model = FERModel(
        net,
        **told,
        cam_layer=spec.cam_layer,
        paper_layer=spec.paper_layer,
        reshape=spec.reshape,
        name=name,
    )
    return model.eval()


def _read(spec: Architecture, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and settings of a checkpoint, or of files of the package that carries the model."""
    theirs = None if spec.read is None else spec.read(path)
    return read_state(path) if theirs is None else (theirs, {})


def _built(spec: Architecture, order: Sequence[str]) -> nn.Module:
    """A network for weights that are about to be filled in."""
    with torch.random.fork_rng(devices=[]):
        return spec.build(len(order))


def _untrained(spec: Architecture, name: str, outputs: int, *, seed: int) -> nn.Module:
    """A network as its own code initialises it."""
    with repeatable(seed, "weights", name) as drawn:
        net = spec.build(outputs)
    if drawn.by_pytorch:
        warnings.warn(
            f"Some untrained weights of {name} differ between machines: PyTorch draws them by "
            f"{', '.join(sorted(drawn.by_pytorch))}.",
            stacklevel=3,
        )
    return net


def _check_size(spec: Architecture, size: int, name: str) -> None:
    """A network that cannot be fed images of a size says so before anything is trained."""
    check_count("size", size)
    if size > LARGEST_SIDE:
        raise InputError(f"Expected a size of at most {LARGEST_SIDE} pixels, got {size}.")
    try:
        with torch.device("meta"):
            spec.build(2).eval()(torch.zeros(1, spec.wiring.get("channels", 3), size, size))
    except (RuntimeError, AssertionError, ValueError):  # timm's and transformers' own checks
        raise InputError(
            f"Expected a size that {name} can be fed ({spec.size} is its own), got {size}: choose "
            "another, or an architecture that pools its last map."
        ) from None


def shipped_weights() -> list[str]:
    """Files of the weights that come with the package, as ``<model>-<weights>``.

    Examples
    --------
    >>> [name for name in shipped_weights() if name.startswith("resnet18")]
    ['resnet18-rafdb', 'resnet18-synthetic']
    """
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
    if isinstance(weights, Path) or "/" in text or "." in text or Path(text).is_dir():
        return Path(weights)
    known = [entry.removeprefix(f"{name}-") for entry in shipped if entry.startswith(f"{name}-")]
    close = did_you_mean(text, [*known, "untrained"])
    raise UnknownNameError(
        f"Expected shipped weights of {name} ({', '.join(known) or 'there are none'}), 'untrained' "
        f"or the path of a checkpoint, got {text!r}{f': {close}' if close else '.'}"
    )
