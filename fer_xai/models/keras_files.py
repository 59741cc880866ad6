"""Weights in the HDF5 files of Keras, layer by layer, without Keras."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_xai.errors import InputError

Layer = dict[str, NDArray[np.float32]]
"""Weights of a layer by their names in Keras, such as ``kernel``."""
MOST_VALUES = 2**24
"""Numbers in one weight, at most: a file of a few bytes can claim any."""


def layers_of(file: str | Path) -> dict[str, Layer]:
    """Weights of the layers of a model that Keras saved, by name.

    Nothing of the file is run: its description of the model is left unread.

    Parameters
    ----------
    file
        What ``model.save("….hdf5")`` or ``model.save_weights("….hdf5")`` wrote.

    Raises
    ------
    InputError
        If h5py is not installed, or the file is missing, damaged, or holds other things than
        numbers.

    Examples
    --------
    >>> layers_of("nowhere/emotion_model.hdf5")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a Keras file, but nowhere/emotion_model.hdf5 is missing...
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(
            f"Expected a Keras file, but {file} is missing: give the path of an .hdf5 file."
        )
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise InputError(
            f"Expected h5py to read the Keras file {file}, but it is not installed ({error}): pip "
            "install 'fer-xai[foreign]'."
        ) from None
    try:
        with h5py.File(file, "r") as opened:
            return _read(h5py, opened.get("model_weights", opened))
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file makes h5py raise anything
        raise InputError(
            f"Expected a Keras file in HDF5, but {file} cannot be read "
            f"({type(error).__name__}: {str(error)[:120]}): fetch the package again."
        ) from None


def _read(h5py: Any, group: Any) -> dict[str, Layer]:
    found: dict[str, Layer] = {}

    def take(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or "/" not in name:
            return
        if item.size is None or item.size > MOST_VALUES or item.external:
            raise ValueError(f"{name} is no weight of a usual size in the file itself")
        leaf = name.rpartition("/")[2].partition(":")[0]
        values = np.ascontiguousarray(item[()], dtype=np.float32)
        found.setdefault(name.partition("/")[0], {})[leaf] = values

    group.visititems(take)
    return found
