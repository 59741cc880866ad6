"""Weights as TensorFlow.js keeps them: a manifest in JSON, and files of numbers beside it.

The format is that of ``weightsManifest`` in tfjs-core (``io/types.ts``, ``io/io_utils.ts``): groups
of files (``paths``), whose bytes follow each other, and of weights in them (``name``, ``shape``,
``dtype``); quantised ones are whole numbers that stand for ``value · scale + min``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.checks import quoted
from fer_xai.errors import InputError

ENDING = "-weights_manifest.json"
"""What a manifest's name ends in, behind the name of the model."""
_TYPES = {"float32": "<f4", "int32": "<i4", "uint8": "u1", "bool": "?"}
_QUANTISED = {"uint8": "u1", "uint16": "<u2", "float16": "<f2"}


def manifest_in(place: Path, model: str) -> Path | None:
    """The manifest of a model, from its own path, that of its numbers, or a folder that holds it.

    Parameters
    ----------
    place
        The manifest, the file ``MODEL.bin`` beside it, a folder with both, or the package's folder,
        which has them in ``model``.
    model
        Name of the model, such as ``face_expression_model``.

    Returns
    -------
    Path or None
        None where the place is a file of another kind.

    Raises
    ------
    InputError
        If a folder holds no such manifest.

    Examples
    --------
    >>> manifest_in(Path("face-api/model/face_expression_model.bin"), "face_expression_model").name
    'face_expression_model-weights_manifest.json'
    >>> manifest_in(Path("mine.safetensors"), "face_expression_model") is None
    True
    """
    if place.is_dir():
        folders = (place, place / "model", place / "package" / "model")
        found = [folder / f"{model}{ENDING}" for folder in folders]
        manifest = next((file for file in found if file.is_file()), None)
        if manifest is None:
            raise InputError(
                f"Expected {model}{ENDING} in {place} or its folder model, found none: give the "
                "folder of the package, or the path of the manifest."
            )
        return manifest
    if place.suffix == ".json":
        return place
    return place.with_name(f"{model}{ENDING}") if place.name == f"{model}.bin" else None


def read_manifest(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Weights of a manifest by name, as float32 of the shapes that it states.

    Parameters
    ----------
    path
        The manifest: a list of groups, or a ``model.json`` that has one as ``weightsManifest``.

    Raises
    ------
    InputError
        If a file is missing, is damaged, or does not hold as many numbers as the manifest states.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "mine.bin").write_bytes(bytes([0, 10, 255]))
    ...     told = {"dtype": "uint8", "scale": 0.1, "min": -1.0}
    ...     weight = {"name": "a", "shape": [3], "dtype": "float32", "quantization": told}
    ...     place = Path(folder) / f"mine{ENDING}"
    ...     _ = place.write_text(json.dumps([{"paths": ["mine.bin"], "weights": [weight]}]))
    ...     read_manifest(place)["a"].round(2)
    array([-1. ,  0. , 24.5], dtype=float32)
    """
    path = Path(path)
    found: dict[str, NDArray[np.float32]] = {}
    for group in _groups(path):
        content = b"".join(_bytes(path, name) for name in group["paths"])
        start = 0
        for weight in group["weights"]:
            name, values, size = _weight(path, weight, content, start)
            if name in found:
                raise _wrong(path, f"the weight {quoted(name)} once, got it twice")
            found[name], start = values, start + size
        if start != len(content):
            raise _wrong(
                path, f"{start:,} bytes in {', '.join(group['paths'])}, got {len(content):,}"
            )
    return found


def files_of(manifest: Path) -> list[Path]:
    """The manifest and the files of numbers that it names: what its weights depend on.

    Raises
    ------
    InputError
        If the manifest cannot be read, or names files elsewhere than beside it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = Path(folder) / f"mine{ENDING}"
    ...     _ = place.write_text('[{"paths": ["mine.bin"], "weights": []}]')
    ...     [file.name for file in files_of(place)]
    ['mine-weights_manifest.json', 'mine.bin']
    """
    names = [name for group in _groups(manifest) for name in group["paths"]]
    return [manifest, *(_beside(manifest, name) for name in names)]


def _groups(path: Path) -> list[dict[str, Any]]:
    """Groups of files and weights, their kinds checked."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"Expected a manifest of TensorFlow.js, but {path} is missing.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"Expected a manifest of TensorFlow.js in JSON, but {path} cannot be read "
            f"({str(error)[:120]}): fetch the package again."
        ) from None
    groups = told.get("weightsManifest") if isinstance(told, dict) else told
    if not isinstance(groups, list) or not groups:
        raise _wrong(path, f"a list of groups, got {type(groups).__name__}")
    for group in groups:
        fits = isinstance(group, dict) and all(
            isinstance(group.get(key), list) for key in ("paths", "weights")
        )
        if not fits or not all(isinstance(name, str) for name in group["paths"]):
            raise _wrong(path, f"groups with paths and weights, got {quoted(str(group)[:60])}")
    return groups


def _beside(manifest: Path, name: str) -> Path:
    inside = Path(name.replace("\\", "/"))
    if inside.is_absolute() or ".." in inside.parts or "\0" in name:
        raise _wrong(manifest, f"files beside it, got {quoted(name)}")
    return manifest.parent / inside


def _bytes(manifest: Path, name: str) -> bytes:
    """Content of a file beside the manifest."""
    file = _beside(manifest, name)
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"Expected the numbers of {manifest} in {file}, but it cannot be "
            f"read ({reason}): keep both files in one folder."
        ) from None


def _weight(
    path: Path, told: Any, content: bytes, start: int
) -> tuple[str, NDArray[np.float32], int]:
    """Name, values and number of bytes of a weight that begins at ``start``."""
    if not isinstance(told, dict):
        raise _wrong(path, f"weights with a name and a shape, got {quoted(str(told)[:60])}")
    name: Any = told.get("name")
    shape: Any = told.get("shape")
    if not isinstance(name, str) or not _is_shape(shape):
        raise _wrong(path, f"weights with a name and a shape, got {quoted(str(told)[:60])}")
    quantised = told.get("quantization")
    if quantised is not None and not isinstance(quantised, dict):
        raise _wrong(path, f"the quantisation of {quoted(name)} as an object")
    known = _TYPES if quantised is None else _QUANTISED
    kind = (told if quantised is None else quantised).get("dtype")
    if not isinstance(kind, str) or kind not in known:
        raise _wrong(path, f"{quoted(name)} as {', '.join(known)}, got {quoted(str(kind)[:30])}")
    dtype = np.dtype(known[kind])
    count = math.prod(shape)
    if count * dtype.itemsize > len(content) - start:
        raise _wrong(path, f"all numbers of {quoted(name)} in its files, which are too short")
    values = np.frombuffer(content, dtype, count, start).astype(np.float64)
    if quantised is not None and kind != "float16":
        scale: Any = quantised.get("scale")
        least: Any = quantised.get("min")
        if not (_is_number(scale) and _is_number(least)):
            raise _wrong(path, f"a scale and a min of {quoted(name)} that are numbers")
        values = values * scale + least
    return name, values.astype(np.float32).reshape(shape), count * dtype.itemsize


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(side, int) and not isinstance(side, bool) and 0 < side < 2**31 for side in value
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e30  # never true of NaN


def _wrong(path: Path, expected: str) -> InputError:
    return InputError(
        f"Expected {expected}, in the manifest {path}: fetch the package again, or give the file "
        "that TensorFlow.js wrote."
    )
