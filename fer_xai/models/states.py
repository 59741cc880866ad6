"""The state dict inside a checkpoint, and the names that its tensors have in a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from fer_xai.checks import listed
from fer_xai.errors import InputError
from fer_xai.models.unpickling import Placeholder

NESTED_KEYS = (
    *("state_dict", "model_state_dict", "model_state", "net", "model", "params", "weights"),
    *("network", "module", "ema", "model_ema", "state_dict_ema", "params_ema"),
)
"""Where training scripts of the field put the weights; averaged ones only where no others are."""
_BESIDE = frozenset(
    (
        *("optimizer", "optim", "optimizer_state_dict", "optimizer_state", "optimizer_states"),
        *("scheduler", "lr_scheduler", "scheduler_state_dict", "lr_schedulers", "scaler"),
        *("amp", "criterion", "loops", "callbacks", "hyper_parameters", "args", "config"),
    )
)
"""What lies beside the weights and holds tensors of its own."""
_WRAPPERS = ("module", "_orig_mod", "model", "net", "backbone", "network", "encoder", "base_model")
"""Names of attributes under which frameworks keep a network."""
_INSIDE = ("module", "_orig_mod")
"""Those that wrap parts of a network, too."""
_DEEPEST = 8


def find_state(raw: Any, path: Path) -> dict[str, Tensor]:
    """The tensors of a network in what a checkpoint holds, by name.

    Mappings are looked into under the names of :data:`NESTED_KEYS`, and under any name where one
    mapping alone holds tensors. Numbers of a training that are tensors (``best_acc``) may lie
    beside them. ``module.`` and ``_orig_mod.`` before all names are cut off.

    Parameters
    ----------
    raw
        Content of the file.
    path
        Its path, for messages.

    Raises
    ------
    InputError
        If there is no state dict, there are several, or a whole module was pickled.

    Examples
    --------
    >>> import torch
    >>> state = {"module.fc.weight": torch.ones(1)}
    >>> find_state({"best_acc": torch.tensor(0.9), "state_dict": state}, Path("old.pth"))
    {'fc.weight': tensor([1.])}
    """
    for _ in range(_DEEPEST):
        if not isinstance(raw, Mapping):
            raise InputError(_no_mapping(raw, path))
        inner = next((raw[key] for key in NESTED_KEYS if _tensors_in(raw.get(key))), None)
        if inner is None:
            own = sum(isinstance(value, Tensor) for value in raw.values())
            others = {
                key: value
                for key, value in raw.items()
                if key not in _BESIDE and _tensors_in(value) > own
            }
            if len(others) > 1 and not own:
                raise InputError(
                    f"Expected one state dict in {path}, got several, under {listed(others)}: "
                    "save the one that is meant."
                )
            if len(others) != 1:
                break
            inner = next(iter(others.values()))
        raw = inner
    found = {str(key): value for key, value in raw.items() if isinstance(value, Tensor)}
    if not found:
        raise InputError(_no_tensors(raw, path))
    for prefix in (f"{name}." for name in _INSIDE * 2):
        if all(key.startswith(prefix) for key in found):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def _tensors_in(value: Any, depth: int = 0) -> int:
    """Number of tensors in a mapping and the mappings in it; 0 for anything else."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return 0
    return sum(
        1 if isinstance(one, Tensor) else _tensors_in(one, depth + 1)
        for key, one in value.items()
        if key not in _BESIDE
    )


def _no_mapping(raw: Any, path: Path) -> str:
    if isinstance(raw, Placeholder):
        return _pickled(raw.of, path)
    kind = "a placeholder" if isinstance(raw, type) else type(raw).__name__
    return f"Expected a state dict in {path}, got {kind}: save net.state_dict() and load that file."


def _pickled(name: str, path: Path, key: str = "") -> str:
    """How to save a module properly that was pickled whole."""
    part = f"[{key!r}]" if key else ""
    return (
        f"Expected tensors only in {path}, but it holds an object of {name}, which its own code "
        "alone can read. Run there\n"
        "    import torch\n"
        f'    net = torch.load("{path.name}", map_location="cpu", weights_only=False){part}\n'
        '    torch.save(net.state_dict(), "weights.pth")\n'
        "and load weights.pth."
    )


def _no_tensors(raw: Mapping[Any, Any], path: Path) -> str:
    for key, value in raw.items():
        if isinstance(value, Placeholder) and key in NESTED_KEYS:
            return _pickled(value.of, path, str(key))
    objects = [
        f"{key} ({value.of})" for key, value in raw.items() if isinstance(value, Placeholder)
    ]
    unread = f"; objects that are not read: {listed(objects, most=4)}" if objects else ""
    return (
        f"Expected a state dict in {path}, at the top or under {', '.join(NESTED_KEYS)}; "
        f"got the keys {listed(raw, most=8) or '(none)'}{unread}."
    )


def without_prefix(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The part of a checkpoint that is the network's, its keys without the prefix they share.

    A training framework keeps a network under the name of an attribute (``model.net.conv1.weight``
    for ``conv1.weight``), beside what else it holds. A checkpoint whose keys fit as they are, or in
    no such way, comes back as it is. Where no prefix fits all, the names of wrappers
    (``backbone.``, ``_orig_mod.``) are cut off key by key.

    Raises
    ------
    InputError
        If several parts of the checkpoint fit.

    Examples
    --------
    >>> import torch
    >>> sorted(without_prefix({"net.a": torch.ones(1), "loss.b": torch.ones(1)},
    ...                       {"a": torch.ones(1)}))
    ['a']
    >>> sorted(without_prefix({"backbone.a": torch.ones(1), "fc": torch.ones(1)},
    ...                       {"a": torch.ones(1), "fc": torch.ones(1)}))
    ['a', 'fc']
    """
    found = dict(state)
    if not own or all(key in state for key in own):
        return found
    counts = _prefixes(state, own)
    fitting = [prefix for prefix, count in counts.items() if count == len(own)]
    if len(fitting) > 1:
        raise InputError(
            f"Expected a checkpoint of one network, but parts of it fit under "
            f"{listed(fitting, most=4)}: save the state dict of the one that is meant."
        )
    if not fitting:
        renamed = {_plain(key, own): value for key, value in found.items()}
        matched = sum(key in own for key in renamed)
        if len(renamed) == len(found) and matched > sum(key in own for key in found):
            return renamed
        best = max(counts, key=lambda prefix: counts[prefix], default="")
        if not best or counts[best] <= max(matched, sum(key in own for key in found)):
            return found
        fitting = [best]
    return {
        key.removeprefix(fitting[0]): value
        for key, value in found.items()
        if key.startswith(fitting[0])
    }


def _prefixes(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Counter[str]:
    """How many of a network's keys a checkpoint holds behind each prefix."""
    counts: Counter[str] = Counter()
    for key in state:
        parts = key.split(".")
        for start in range(1, min(len(parts), _DEEPEST)):
            if ".".join(parts[start:]) in own:
                counts[".".join(parts[:start]) + "."] += 1
    return counts


def _plain(key: str, own: Mapping[str, Tensor]) -> str:
    """A key without the names of wrappers, if the network knows it then."""
    if key in own:
        return key
    parts = key.split(".")
    while parts:
        inside = ".".join(part for part in parts if part not in _INSIDE)
        for tried in (".".join(parts), inside):
            if tried in own:
                return tried
        if parts[0] not in _WRAPPERS:
            break
        parts = parts[1:]
    return key
