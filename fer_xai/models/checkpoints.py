"""Reading and writing weights, safely: safetensors, or pickles restricted to tensors."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fer_xai.errors import InputError
from fer_xai.files import write_whole
from fer_xai.models.stored_settings import checked_settings

NESTED_KEYS = ("state_dict", "model_state_dict", "net", "model")
"""Where training scripts of the field put the weights inside a checkpoint."""
TRAINEE = "model.net."
"""What the keys of our own training's checkpoints begin with."""
HALF_ROUNDING = 2.0**-10
"""Share of a value's size by which half precision may move it: twice what rounding does."""


def read_state(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a checkpoint, and the settings stored with them.

    ``.safetensors`` files, and ``torch.save`` files read with ``weights_only=True`` (a pickle that
    holds anything but tensors and containers is refused, never run). Nested state dicts are
    unwrapped and ``module.`` prefixes of data-parallel training are cut off.

    Returns
    -------
    state, settings
        Half-precision tensors come back as float32. ``settings`` is what this package writes into
        its safetensors files and checkpoints, checked (``{}`` for others).

    Raises
    ------
    InputError
        If the file is missing, damaged, not loadable without running its code, or holds settings
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
        try:
            raw = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001 - a file of anything makes it raise anything
            # torch's first sentence: the next one advises to run the file's code
            reason = str(error).split("\n", maxsplit=1)[0].split(". ", maxsplit=1)[0]
            raise InputError(
                f"Expected tensors only in {path}, but it cannot be read safely ({reason}): save "
                "`model.state_dict()` from the code that made it and load that file."
            ) from None
        settings = _settings_of_checkpoint(raw, path)
    return _tensors(raw, path), checked_settings(settings, path)


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


def _tensors(raw: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(raw, Mapping) and not any(isinstance(value, Tensor) for value in raw.values()):
        inner = next((raw[key] for key in NESTED_KEYS if key in raw), None)
        if inner is None:
            raise InputError(
                f"Expected a state dict in {path}, at the top or under {', '.join(NESTED_KEYS)}; "
                f"got the keys {', '.join(map(str, list(raw)[:8])) or '(none)'}."
            )
        raw = inner
    if not isinstance(raw, Mapping):
        raise InputError(f"Expected a state dict in {path}, got {type(raw).__name__}.")
    return {
        str(key).removeprefix("module."): value.float() if value.is_floating_point() else value
        for key, value in raw.items()
        if isinstance(value, Tensor)
    }


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


def without_prefix(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The part of a checkpoint that is the network's, its keys without the prefix they share.

    A training framework keeps a network under the name of an attribute (``model.net.conv1.weight``
    for ``conv1.weight``), beside what else it holds. A checkpoint whose keys fit as they are, or in
    no such way, comes back as it is.

    Raises
    ------
    InputError
        If several parts of the checkpoint fit.

    Examples
    --------
    >>> sorted(without_prefix({"net.a": torch.ones(1), "loss.b": torch.ones(1)},
    ...                       {"a": torch.ones(1)}))
    ['a']
    """
    found = dict(state)
    if not own or any(key in state for key in own):
        return found
    first = next(iter(own))
    prefixes = [key.removesuffix(first) for key in state if key.endswith(f".{first}")]
    fitting = [prefix for prefix in prefixes if all(f"{prefix}{key}" in state for key in own)]
    if len(fitting) > 1:
        raise InputError(
            f"Expected a checkpoint of one network, but parts of it fit under "
            f"{', '.join(fitting[:4])}: save the state dict of the one that is meant."
        )
    if not fitting:
        return found
    return {
        key.removeprefix(fitting[0]): value
        for key, value in found.items()
        if key.startswith(fitting[0])
    }


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
        f"{label}: {', '.join(keys[:6])}{f' and {len(keys) - 6} more' if len(keys) > 6 else ''}"
        for label, keys in (("missing", missing), ("unexpected", surplus), ("shape", shapes))
        if keys
    ]
    if parts:
        raise InputError(
            f"Expected the weights of {what}, but the checkpoint does not fit — "
            f"{'; '.join(parts)}: choose the architecture that was trained."
        )
    broken = not_finite(net, state)
    if broken:
        raise InputError(
            f"Expected finite weights of {what}, got NaN or infinity in {broken[0]}"
            f"{f' and {len(broken) - 1} more' if len(broken) > 1 else ''}: the training that made "
            "them diverged, take other weights."
        )
    net.load_state_dict(dict(state))


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


def fits_half(value: Tensor, *, statistic: bool = False) -> bool:
    """Whether half precision holds a tensor: nothing overflows, and no part of it is lost.

    A part is a row of a matrix or kernel (what one output reads), or a whole vector; of a
    ``statistic`` that is nowhere negative, such as a running variance, each value.

    Examples
    --------
    >>> fits_half(torch.tensor([1e5])), fits_half(torch.tensor([[1.0, 1e-9], [0.5, 0.0]]))
    (False, True)
    >>> fits_half(torch.tensor([1.0, 1e-9]), statistic=True)
    False
    """
    value = value.detach().double()
    lost = (value.half().double() - value).abs()
    if not bool(torch.isfinite(lost).all()):
        return False
    if statistic and bool((value >= 0).all()):
        return bool((lost <= HALF_ROUNDING * value).all())
    rows = value.reshape(len(value), -1) if value.ndim > 1 else value.reshape(1, -1)
    lost = lost.reshape(rows.shape)
    return bool((lost.norm(dim=1) <= HALF_ROUNDING * rows.norm(dim=1)).all())


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
