"""Before a run: whether it may go on from what its folder holds, and what would make it slow."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_xai.checks import emulates_bf16, resolve_device
from fer_xai.errors import InputError
from fer_xai.files import read_json, write_bytes
from fer_xai.models.checkpoints import file_digest
from fer_xai.models.initial_weights import IMAGENET, imagenet_file
from fer_xai.names import slug
from training import loop

SETTINGS = "settings.json"
"""What a run was made of."""
OPTIONAL = ("permute_labels", "subject_pattern", "folds", "align")
"""Settings that stand among those of a run only where they are given."""


def folder_name(*parts: str) -> str:
    """Name of a run's folder, of the parts that are not empty.

    Examples
    --------
    >>> folder_name("gimefive", "", "rafdb", "seed0")
    'gimefive-rafdb-seed0'
    """
    return slug("-".join(part for part in parts if part))


def short_digest(changes: Mapping[str, Any]) -> str:
    """Six hexadecimal digits by which changes of a recipe are told apart; empty where it has none.

    Examples
    --------
    >>> short_digest({"epochs": 3}), short_digest({})
    ('543da7', '')
    """
    text = json.dumps(dict(changes), sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:6] if changes else ""


def check_same_run(
    identity: Mapping[str, Any], folder: Path, digests: Mapping[str, str | None]
) -> None:
    """Refuse to continue from a checkpoint that other settings or faces have made.

    Test faces that were never scored may be scored later, and left alone later.

    Raises
    ------
    InputError
        Naming what differs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     check_same_run({"seed": 0}, Path(place), {"train_faces_sha256": "1a2b"})
    ...     check_same_run({"seed": 1}, Path(place), {"train_faces_sha256": "1a2b"})
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected ... to hold a run ..., but it differs in seed: ...
    """
    settings: dict[str, Any] = {**identity, "processes": loop.PROCESSES, **digests}
    file = folder / SETTINGS
    if file.exists():
        theirs = read_json(file, remedy=f"delete {folder}, and the same command begins anew")
        unknown = [key for key in digests if key not in theirs]
        if unknown:
            raise InputError(
                f"Expected {folder} to say what faces its run was made of, but it holds no "
                f"{', '.join(unknown)}, as those of older versions: choose another --out, or "
                "delete that folder."
            )
        unseen = [key for key in digests if key.startswith("test") and theirs[key] is None]
        left_out = [key for key in digests if key.startswith("test") and digests[key] is None]
        differ = [
            key
            for key in settings
            if theirs.get(key) != settings[key] and key not in (*unseen, *left_out)
        ]
        differ += [key for key in OPTIONAL if theirs.get(key) and key not in settings]
        if differ:
            raise InputError(
                f"Expected {folder} to hold a run of the same settings and faces, but it differs "
                f"in {', '.join(differ)}: choose another --out, or delete that folder."
            )
        settings = theirs | {key: digests[key] for key in unseen}
        if settings == theirs:
            return
    if loop.RANK == 0:
        write_bytes(file, (json.dumps(settings, indent=2) + "\n").encode())


def initial_digest(pretrained: str | None, model: str) -> str | None:
    """SHA-256 of the weights that a run begins with, None where it begins with none.

    Parameters
    ----------
    pretrained, model
        As in :class:`training.run.TrainingRun`.

    Raises
    ------
    InputError
        If there are no such weights.

    Examples
    --------
    >>> initial_digest("no/such.safetensors", "gimefive")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected weights to begin with, found none at no/such.safetensors.
    """
    if pretrained is None:
        return None
    if pretrained == IMAGENET:
        return file_digest(imagenet_file(model))
    if not Path(pretrained).is_file():
        raise InputError(f"Expected weights to begin with, found none at {pretrained}.")
    return file_digest(Path(pretrained))


def say_if_emulated(precision: str, device: str) -> None:
    """A sentence on standard error where bf16 costs time instead of saving it.

    Parameters
    ----------
    precision, device
        As in :class:`training.run.TrainingRun`.

    Examples
    --------
    >>> say_if_emulated("fp32", "cpu")
    """
    if precision == "bf16" and emulates_bf16(resolve_device(device)) and loop.RANK == 0:
        sys.stderr.write(
            "training: this CPU has no instructions for bf16, which takes many times as long on it "
            "as fp32: stop and add --precision fp32, or train on a GPU.\n"
        )
