"""Results on disk: written whole or not at all, so that a run killed anywhere can go on.

A run's folder holds ``manifest.json``, ``maps/`` (half precision, at the method's own resolution),
``shards/`` (rows a network and method), and what is made of them.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.errors import InputError

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


def pack_maps(maps: Tensor) -> dict[str, NDArray[Any]]:
    """Maps ``(…, h, w)`` as half precision with one scale a map, so that small ones survive."""
    scale = maps.abs().amax(dim=(-2, -1), keepdim=True)
    unit = torch.where(scale > 0, maps / scale, torch.zeros_like(maps))
    return {"maps": unit.half().numpy(), "scale": scale.float().numpy()}


def unpack_maps(arrays: Mapping[str, NDArray[Any]]) -> Tensor:
    """The maps that :func:`pack_maps` packed, float32."""
    return torch.from_numpy(arrays["maps"].astype(np.float32) * arrays["scale"])


def once(path: Path, make: Callable[[], Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Arrays from a file, made and written first if it is not there.

    What is returned was read back either way, so a resumed run sees what an unbroken one saw.
    """
    if not path.exists():
        write_arrays(path, make())
    return read_arrays(path)


def digest(content: Any) -> str:
    """Eight characters that tell configurations apart."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]


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
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    return {
        "versions": versions,
        "commit": found.stdout.strip() or "unknown",
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "threads": torch.get_num_threads(),
        },
        "command": " ".join(sys.argv[1:]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def open_run(folder: Path, config: Mapping[str, Any], data_hash: str) -> dict[str, Any]:
    """The manifest of a run: a new one, or that of the run being continued.

    Raises
    ------
    InputError
        If the folder holds a run of other settings or of other data.
    """
    path = folder / "manifest.json"
    if path.exists():
        manifest: dict[str, Any] = json.loads(path.read_text())
        if manifest["config"] != json.loads(json.dumps(dict(config), default=str)):
            raise InputError(
                f"Expected {folder} to hold a run of the same settings, but its manifest differs: "
                "choose another --out."
            )
        if manifest["data_sha256"] != data_hash:
            raise InputError(
                f"Expected the faces of the run in {folder}, but their pixels or labels changed "
                "since: choose another --out, or delete that folder."
            )
        return manifest
    manifest = {
        "config": json.loads(json.dumps(dict(config), default=str)),
        "data_sha256": data_hash,
        **environment(),
        "networks": {},
        "status": "running",
    }
    write_json(path, manifest)
    return manifest
