"""Reading and writing weights, safely: safetensors, or pickles restricted to tensors."""

from __future__ import annotations

import errno
import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fer_xai.checks import listed
from fer_xai.errors import InputError
from fer_xai.files import write_whole
from fer_xai.models.half_precision import fits_half
from fer_xai.models.states import find_state, without_prefix
from fer_xai.models.stored_settings import checked_settings
from fer_xai.models.unpickling import read_inertly

TRAINEE = "model.net."
"""What the keys of our own training's checkpoints begin with."""


def read_state(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a checkpoint, and the settings stored with them.

    ``.safetensors`` files, and ``torch.save`` files, of which tensors and plain containers alone
    are read: no code of theirs is ever run, and other objects are passed over. Nested state dicts
    are unwrapped (:func:`fer_xai.models.states.find_state`) and ``module.`` prefixes of
    data-parallel training are cut off.

    Returns
    -------
    state, settings
        Half-precision tensors come back as float32. ``settings`` is what this package writes into
        its safetensors files and checkpoints, checked (``{}`` for others).

    Raises
    ------
    InputError
        If the file is missing, damaged, holds a whole pickled module and no state dict, or settings
        that cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = {"module.weight": torch.ones(2)}  # as data-parallel training leaves it
    ...     torch.save({"state_dict": state, "epoch": 7}, Path(folder) / "old.pt")
    ...     read_state(Path(folder) / "old.pt")
    ({'weight': tensor([1., 1.])}, {})
    """
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(
            f"Expected a checkpoint file, but {path} {found}: give the path of a .safetensors or "
            ".pth file."
        )
    settings: dict[str, Any] = {}
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                settings = json.loads(metadata.get("fer_xai", "{}"))
                raw: Any = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, json.JSONDecodeError, OSError) as error:
            raise InputError(
                f"Expected a safetensors file, but {path} cannot be read ({error})."
            ) from None
        # safetensors' save_model writes tied tensors once, and which name stands for which
        raw |= {key: raw[twin] for key, twin in metadata.items() if key not in raw and twin in raw}
    else:
        raw = _unpickled(path)
        settings = _settings_of_checkpoint(raw, path)
    state = {
        key: value.detach().float() if value.is_floating_point() else value
        for key, value in find_state(raw, path).items()
    }
    return state, checked_settings(settings, path)


def _unpickled(path: Path) -> Any:
    """Content of a pickled file: tensors, plain containers, and placeholders of other objects."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a file of anything makes it raise anything
        # torch's first sentence: the next one advises to run the file's code
        reason = str(error).split("\n", maxsplit=1)[0].split(". ", maxsplit=1)[0][:160]
    try:
        return read_inertly(path)
    except Exception as error:  # noqa: BLE001 - as above
        if isinstance(error, pickle.UnpicklingError):
            reason = str(error)[:160]
    raise InputError(
        f"Expected tensors only in {path}, but it cannot be read safely ({reason}): save "
        "`model.state_dict()` from the code that made it and load that file."
    )


def _settings_of_checkpoint(raw: Any, path: Path) -> dict[str, Any]:
    """Settings that our training keeps in its checkpoints; one without them is refused.

    The network's input would otherwise be guessed.
    """
    if not isinstance(raw, Mapping):
        return {}
    if "fer_xai" in raw:
        return checked_settings(raw["fer_xai"], path)
    state = raw.get("state_dict")
    lightning = "pytorch-lightning_version" in raw and isinstance(state, Mapping)
    if lightning and state and all(str(key).startswith(TRAINEE) for key in state):
        raise InputError(
            f"Expected weights with the size and colour that they were trained with, but {path} is "
            "a checkpoint for resuming a training and does not say them: load the "
            "weights.safetensors that the training exported."
        )
    return {}


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "empty").write_bytes(b"")
    ...     file_digest(Path(folder) / "empty")[:8]
    'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _with_twins(net: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state in which tied tensors that were written once stand under each of their names."""
    tied: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, tensor in net.state_dict(keep_vars=True).items():
        tied.setdefault((id(tensor), tuple(tensor.shape)), []).append(name)
    for names in tied.values():
        known = next((name for name in names if name in state), None)
        if known is not None:
            state |= {name: state[known] for name in names if name not in state}
    return state


def load_state(net: nn.Module, state: Mapping[str, Tensor], *, what: str) -> None:
    """Fill a network, or say in one sentence which keys and shapes do not fit.

    Keys may share a prefix (:func:`without_prefix`), and tied tensors may stand under one of their
    names alone.

    Raises
    ------
    InputError
        Naming missing, surplus and misshapen keys, or weights that are NaN or infinite; the network
        is left as it was.

    Examples
    --------
    >>> net = nn.Linear(3, 2)
    >>> load_state(net, {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, what="mine")
    >>> load_state(net, {"weight": torch.ones(4, 3)}, what="mine")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the weights of mine, but ... missing: bias; shape: ...
    """
    own = net.state_dict()
    state = _with_twins(net, without_prefix(state, own))
    missing = [key for key in own if key not in state]
    surplus = [key for key in state if key not in own]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    parts = [
        f"{label}: {listed(keys, most=6)}"
        for label, keys in (("missing", missing), ("unexpected", surplus), ("shape", shapes))
        if keys
    ]
    if parts:
        raise InputError(
            f"Expected the weights of {what}, but the checkpoint does not fit — "
            f"{'; '.join(parts)}: {_remedy(state, own)}."
        )
    strange = [
        key
        for key, value in state.items()
        if value.is_meta or value.is_quantized or value.layout != torch.strided
    ]
    if strange:
        raise InputError(
            f"Expected the weights of {what} as plain tensors, but {listed(strange, most=4)} are "
            "quantised, sparse or without content: save the state dict of the network in single "
            "precision."
        )
    broken = not_finite(net, state)
    if broken:
        raise InputError(
            f"Expected finite weights of {what}, got NaN or infinity in {broken[0]}"
            f"{f' and {len(broken) - 1} more' if len(broken) > 1 else ''}: the training that made "
            "them diverged, take other weights."
        )
    net.load_state_dict(dict(state))


def _remedy(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """What to do about a checkpoint that does not fit: another head wants other emotions."""
    apart = [key for key in own if key in state and state[key].shape != own[key].shape]
    if all(key in state for key in own) and all(
        own[key].ndim and own[key].shape[1:] == state[key].shape[1:] for key in apart
    ):
        counts = {(len(state[key]), len(own[key])) for key in apart}
        if len(counts) == 1 and state.keys() <= own.keys():
            theirs, ours = counts.pop()
            return (
                f"it has {theirs} outputs and the network {ours}, so name the emotions of its "
                f"{theirs} outputs in order (emotions=, or --emotions on the command line)"
            )
    return "choose the architecture that was trained"


def not_finite(net: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that are NaN or infinite; −∞ is left to buffers, whose masks hold it.

    Examples
    --------
    >>> net = nn.BatchNorm1d(2)
    >>> not_finite(net, {"weight": torch.tensor([1.0, torch.nan]), "running_mean": torch.zeros(2)})
    ['weight']
    """
    parameters = {name for name, _ in net.named_parameters(remove_duplicate=False)}
    found = []
    for name, value in state.items():
        if value.is_floating_point():
            fine = torch.isfinite(value)
            if name not in parameters:
                fine |= value == -torch.inf
            if not bool(fine.all()):
                found.append(name)
    return found


def save_weights(
    net: nn.Module, path: str | Path, *, settings: Mapping[str, Any], half: bool = True
) -> list[str]:
    """Write a network as safetensors, floating-point tensors in half precision by default.

    Tensors that half precision cannot hold (:func:`fits_half`) stay in single precision. The file
    appears under its name only when it is complete.

    Returns
    -------
    list of str
        Names of the tensors that stayed as they were because half precision cannot hold them.

    Raises
    ------
    InputError
        If weights are NaN or infinite, or the file cannot be written; nothing is left behind then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.safetensors"
    ...     save_weights(nn.Linear(3, 2), path, settings={"model": "mine", "size": 64})
    ...     state, settings = read_state(path)
    []
    >>> sorted(state), settings
    (['bias', 'weight'], {'model': 'mine', 'size': 64})
    """
    path = Path(path)
    state = {key: value.detach().cpu() for key, value in net.state_dict().items()}
    broken = not_finite(net, state)
    if broken:
        raise InputError(
            f"Expected finite weights to write to {path}, got NaN or infinity in {broken[0]}"
            f"{f' and {len(broken) - 1} more' if len(broken) > 1 else ''}: the training diverged, "
            "start another one with a lower learning rate."
        )
    buffers = {name for name, _ in net.named_buffers(remove_duplicate=False)}
    kept = [
        key
        for key, value in state.items()
        if half and value.is_floating_point() and not fits_half(value, statistic=key in buffers)
    ]
    written = {
        key: (
            value.half() if half and value.is_floating_point() and key not in kept else value
        ).clone(memory_format=torch.contiguous_format)  # tied tensors must not share memory
        for key, value in state.items()
    }
    metadata = {"fer_xai": json.dumps(dict(settings), sort_keys=True)}

    def write(temporary: Path) -> None:
        try:
            save_file(written, temporary, metadata=metadata)
        except SafetensorError as error:  # the system's own, wrapped
            full = "No space left" in str(error) or "os error 28" in str(error)
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error
        temporary.chmod(0o644)  # safetensors writes for its owner alone

    write_whole(path, write)
    return kept
