"""Results on disk: written whole or not at all, so that a run killed anywhere can go on.

A run's folder holds ``manifest.json``, ``maps/`` (at the method's own resolution, in single
precision: halving them was seen to move scores by 5e-6, more than another batch size does),
``shards/`` (rows a network and method), and what is made of them.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from rich.console import Console

from fer_xai.errors import InputError
from training.machine import commit, processor

PACKAGES = ("torch", "torchvision", "captum", "numpy", "scipy", "pandas", "fer-xai")


def write_bytes(path: Path, content: bytes) -> None:
    """A file appears under its name complete, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Readable JSON, keys in the order given."""
    write_bytes(path, (json.dumps(content, indent=2, default=str) + "\n").encode())


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Arrays as ``.npz``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz``, no pickles."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Rows as Parquet."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    write_bytes(path, buffer.getvalue())


def once(path: Path, make: Callable[[], Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Arrays from a file, made and written first if it is not there.

    What is returned was read back either way, so a resumed run sees what an unbroken one saw.
    """
    if not path.exists():
        write_arrays(path, make())
    return read_arrays(path)


def once_table(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Rows from a file, made and written first if it is not there; read back either way."""
    if not path.exists():
        write_table(path, make())
    return pd.read_parquet(path)


def columns_of(path: Path) -> list[str]:
    """Names of a table's columns, without its rows."""
    return list(pq.read_schema(path).names)


def digest(content: Any) -> str:
    """Eight characters that tell configurations apart."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]


def array_digest(values: NDArray[Any] | None) -> str | None:
    """SHA-256 of an array's bytes."""
    if values is None:
        return None
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def state_digest(model: torch.nn.Module) -> str:
    """SHA-256 of a model's parameters and buffers."""
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        total.update(name.encode())
        total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def environment() -> dict[str, Any]:
    """Versions, commit and machine, for a manifest."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "versions": versions,
        "commit": commit(),
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "threads": torch.get_num_threads(),
        },
        "command": " ".join(sys.argv[1:]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def made_by(manifest: Mapping[str, Any]) -> str:
    """The commits that a run was made at, and packages of which it saw several versions."""
    several = [f"{name} {seen}" for name, seen in manifest["versions"].items() if ", " in seen]
    return "; ".join([str(manifest["commit"]), *several])


def open_run(folder: Path, config: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run: a new one, or that of the run being continued.

    A folder without maps or shards is begun anew: it holds a reference run, whose own stay out of
    git. One that is continued at another commit or under other versions keeps its rows; that is
    said on the terminal and recorded, commits and versions one after another.

    Parameters
    ----------
    folder
        Of the run.
    config
        The settings that results depend on.
    inputs
        Hashes of everything read: faces, landmarks, calibration faces, weights.

    Raises
    ------
    InputError
        If the folder holds a run of other settings, of other inputs, or of another version of this
        package.
    """
    check_place(folder)
    path = folder / "manifest.json"
    now = environment()
    asked = json.loads(json.dumps({"config": config, "inputs": inputs}, default=str))
    begun = any((folder / part).exists() for part in ("maps", "shards"))
    if not path.exists() or not begun:  # the latter: a reference run from git
        manifest: dict[str, Any] = {**asked, **now, "networks": {}, "status": "running"}
        write_json(path, manifest)
        return manifest
    manifest = json.loads(path.read_text())
    for key, what in (("config", "settings"), ("inputs", "faces, landmarks and weights")):
        if manifest.get(key) != asked[key]:
            raise InputError(
                f"Expected {folder} to hold a run of the same {what}, but its manifest differs: "
                "choose another --out, or delete that folder."
            )
    ours = now["versions"]["fer-xai"]
    if manifest["versions"]["fer-xai"] != ours:
        raise InputError(
            f"Expected {folder} to hold a run of fer-xai {ours}, got one of "
            f"{manifest['versions']['fer-xai']}: choose another --out, or delete that folder."
        )
    mixed = []
    for kept, name, new in [(manifest, "commit", now["commit"])] + [
        (manifest["versions"], package, new) for package, new in now["versions"].items()
    ]:
        before = kept.get(name, "unknown")
        if new not in before.split(", "):
            kept[name] = f"{before}, {new}"
            mixed.append(f"{name} {new} (before: {before})")
    if mixed:
        write_json(path, manifest)
        Console(stderr=True).print(
            f"{folder} goes on under {', '.join(mixed)}; rows that are there stay as they are.",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
    for left in folder.rglob(".*.tmp"):  # of a run that was killed while it wrote
        left.unlink()
    return manifest


def check_place(folder: Path) -> None:
    """A folder that can be written to, or made.

    Raises
    ------
    InputError
        If it, or the folder above it that is there, is a file or write-protected.
    """
    place = folder.absolute()
    there = next(path for path in (place, *place.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"Expected --out as a folder to write to, got {folder}: {there} is "
            f"{'write-protected' if there.is_dir() else 'a file'}, choose another place."
        )


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    """What turns out not to be possible, before anything was made, leaves no folder behind."""
    try:
        yield
    except InputError:
        if [entry.name for entry in folder.iterdir()] == ["manifest.json"]:
            (folder / "manifest.json").unlink()
            folder.rmdir()
        raise
