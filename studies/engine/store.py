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
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyarrow import ArrowException

from fer_xai.command import check_folder, terminal
from fer_xai.errors import InputError
from fer_xai.files import (
    REMADE,
    DamagedFileError,
    damaged,
    read_arrays,
    read_json,
    write_arrays,
    write_bytes,
)
from fer_xai.names import slug
from fer_xai.provenance import commit, processor
from studies.engine.leftovers import remove_leftovers

T = TypeVar("T")
PACKAGES = ("torch", "torchvision", "captum", "numpy", "scipy", "pandas", "fer-xai")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Readable JSON, keys in the order given.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(Path(folder) / "run.json", {"out": Path("out"), "seed": 0})
    ...     read_json(Path(folder) / "run.json", remedy=REMADE)
    {'out': 'out', 'seed': 0}
    """
    write_bytes(path, (json.dumps(content, indent=2, default=str) + "\n").encode())


def read_table(path: Path) -> pd.DataFrame:
    """Rows of a Parquet file.

    Raises
    ------
    DamagedFileError
        If it cannot be read, such as one that was cut off.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(Path(folder) / "rows.parquet", pd.DataFrame({"value": [0.5, 0.7]}))
    ...     read_table(Path(folder) / "rows.parquet")["value"].tolist()
    [0.5, 0.7]
    """
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, ArrowException) as bad:
        raise damaged(path, bad, remedy=REMADE) from None


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Rows as Parquet.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(Path(folder) / "rows.parquet", pd.DataFrame({"id": ["a", "b"]}))
    ...     len(read_table(Path(folder) / "rows.parquet"))
    2
    """
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    write_bytes(path, buffer.getvalue())


def once(path: Path, make: Callable[[], Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Arrays from a file, made and written first if it is not there or damaged.

    What is returned was read back either way, so a resumed run sees what an unbroken one saw.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for value in (1, 2):  # the second is not made
    ...         once(Path(folder) / "maps.npz", lambda: {"maps": np.full(3, value)})
    {'maps': array([1, 1, 1])}
    {'maps': array([1, 1, 1])}
    """
    return _once(path, read_arrays, lambda: write_arrays(path, make()))


def once_table(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Rows from a file, made and written first if it is not there or damaged; read back always.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for value in (1, 2):  # the second is not made
    ...         table = pd.DataFrame({"value": [value]})
    ...         once_table(Path(folder) / "rows.parquet", lambda: table)["value"].tolist()
    [1]
    [1]
    """
    return _once(path, read_table, lambda: write_table(path, make()))


def _once(path: Path, read: Callable[[Path], T], write: Callable[[], None]) -> T:
    if path.exists():
        try:
            return read(path)
        except DamagedFileError:
            sys.stderr.write(f"{path} is damaged and is made anew.\n")
    write()
    return read(path)


def digest(content: Any) -> str:
    """Eight characters that tell configurations apart.

    Examples
    --------
    >>> digest({"seed": 0, "metrics": ["gini"]}) == digest({"metrics": ["gini"], "seed": 0})
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]


def array_digest(values: NDArray[Any] | None) -> str | None:
    """SHA-256 of an array's bytes.

    Examples
    --------
    >>> array_digest(np.zeros(2)) == array_digest(np.ones(2)), array_digest(None)
    (False, None)
    """
    if values is None:
        return None
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


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


def run_id(*parts: str | None) -> str:
    """Name of a run's folder, from the parts that identify it; unknown ones are left out.

    >>> run_id("rafdb", None, "test", "0a1b2c3d")
    'rafdb-test-0a1b2c3d'
    """
    return slug("-".join(part for part in parts if part))


def made_by(manifest: Mapping[str, Any]) -> str:
    """The commits that a run was made at, and packages of which it saw several versions.

    Examples
    --------
    >>> made_by({"commit": "1a2b, 3c4d", "versions": {"torch": "2.8, 2.9", "numpy": "2.3"}})
    '1a2b, 3c4d; torch 2.8, 2.9'
    """
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
        Folder of the run.
    config
        The settings that results depend on.
    inputs
        Digests of everything read: faces, landmarks, calibration faces, models.

    Raises
    ------
    InputError
        If the folder holds a run of other settings, of other inputs, or of another version of this
        package.
    """
    check_folder(folder)
    path = folder / "manifest.json"
    now = environment()
    asked = json.loads(json.dumps({"config": config, "inputs": inputs}, default=str))
    begun = any((folder / part).exists() for part in ("maps", "shards"))
    if not path.exists() or not begun:  # the latter: a reference run from git
        manifest: dict[str, Any] = {**asked, **now, "networks": {}, "status": "running"}
        write_json(path, manifest)
        return manifest
    anew = f"delete {folder}, and the same command begins anew"
    manifest = read_json(path, remedy=anew)
    if not isinstance(manifest.get("versions"), dict) or "fer-xai" not in manifest["versions"]:
        raise damaged(path, ValueError("no versions"), remedy=anew)
    manifest.setdefault("networks", {})
    for key, what in (("config", "settings"), ("inputs", "faces, landmarks and models")):
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
        terminal(error=True).print(
            f"{folder} goes on under {', '.join(mixed)}; rows that are there stay as they are.",
            soft_wrap=True,
        )
    remove_leftovers(folder)
    return manifest


@contextmanager
def removed_if_refused(folder: Path) -> Iterator[None]:
    """What turns out not to be possible, before anything was made, leaves no folder behind.

    Examples
    --------
    >>> import tempfile
    >>> from contextlib import suppress
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = Path(place) / "run"
    ...     write_json(folder / "manifest.json", {})
    ...     with suppress(InputError), removed_if_refused(folder):
    ...         raise InputError("no rules for this model")
    ...     folder.exists()
    False
    """
    try:
        yield
    except InputError:
        if [entry.name for entry in folder.iterdir()] == ["manifest.json"]:
            (folder / "manifest.json").unlink()
            folder.rmdir()
        raise
