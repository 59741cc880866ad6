"""Reading and writing weights, safely: safetensors, or pickles restricted to tensors."""

from __future__ import annotations

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

NESTED_KEYS = ("state_dict", "model_state_dict", "net", "model")
"""Where training scripts of the field put the weights inside a checkpoint."""


def read_state(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a checkpoint, and the settings stored with them.

    ``.safetensors`` files, and ``torch.save`` files read with ``weights_only=True`` (a pickle that
    holds anything but tensors and containers is refused, never run). Nested state dicts are
    unwrapped and ``module.`` prefixes of data-parallel training are cut off.

    Returns
    -------
    state, settings
        Half-precision tensors come back as float32. ``settings`` is the JSON this package writes
        into its safetensors files (``{}`` for others).

    Raises
    ------
    InputError
        If the file is missing, damaged, or not loadable without running its code.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"Expected a checkpoint file, found none at {path}.")
    settings: dict[str, Any] = {}
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                settings = json.loads((file.metadata() or {}).get("fer_xai", "{}"))
                raw: Any = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, json.JSONDecodeError, OSError) as error:
            raise InputError(
                f"Expected a safetensors file, but {path} cannot be read ({error})."
            ) from None
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
    return _tensors(raw, path), settings


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
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_state(net: nn.Module, state: Mapping[str, Tensor], *, what: str) -> None:
    """Fill a network, or say in one sentence which keys and shapes do not fit.

    Raises
    ------
    InputError
        Naming missing, surplus and misshapen keys; the network is left as it was.
    """
    own = net.state_dict()
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
    net.load_state_dict(dict(state))


def save_weights(
    net: nn.Module, path: str | Path, *, settings: Mapping[str, Any], half: bool = True
) -> None:
    """Write a network as safetensors, floating-point tensors in half precision by default.

    The file appears under its name only when it is complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if half and value.is_floating_point() else value).contiguous().cpu()
        for key, value in net.state_dict().items()
    }
    temporary = path.with_suffix(path.suffix + ".tmp")
    save_file(state, temporary, metadata={"fer_xai": json.dumps(dict(settings), sort_keys=True)})
    temporary.chmod(0o644)  # safetensors writes for its owner alone
    temporary.replace(path)
