"""The package face-alignment and its files of weights: there, fetched, or named in a sentence."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from fer_xai.errors import InputError

FAN, S3FD = "2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth"
"""Files of the landmark network and of the detector, as face-alignment 1.5.0 names them."""
SOURCE = "https://www.adrianbulat.com/downloads/python-fan"


def module(name: str) -> Any:
    """A module of the package face-alignment.

    Raises
    ------
    InputError
        If the package is not installed.

    Examples
    --------
    >>> module("face_alignments")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the package face-alignment, but it is not installed ...
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"Expected the package face-alignment, but it is not installed ({error}): pip install "
            "'fer-xai[landmarks]', or use the provider builtin."
        ) from None


@contextmanager
def fetched(files: Sequence[str], folder: Path | None) -> Iterator[Path]:
    """The folder that holds files of weights, those that are missing fetched; for loading them.

    Parameters
    ----------
    files
        Names of the files.
    folder
        A user's own folder, from which nothing is missing; by default torch's, where files are
        fetched to.

    Raises
    ------
    InputError
        If a file is missing and cannot be fetched, or what it holds cannot be loaded.

    Examples
    --------
    >>> with fetched([FAN], Path("nowhere")):
    ...     pass
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected the weights 2DFAN4-11f355bf06.pth.tar in nowhere, ...
    """
    place = Path(torch.hub.get_dir()) / "checkpoints" if folder is None else folder
    for name in files:
        if not (place / name).is_file():
            if folder is not None:
                raise InputError(
                    f"Expected the weights {name} in {place}, but they are not there: download "
                    f"them from {SOURCE}/{name}."
                )
            _fetch(name, place)
    try:
        yield place
    except InputError:
        raise
    except Exception as error:  # a damaged file makes torch raise anything
        reason = str(error).split("\n", maxsplit=1)[0][:120]
        raise InputError(
            f"Expected {' and '.join(files)} in {place} to hold the weights of face-alignment, but "
            f"they cannot be loaded ({type(error).__name__}: {reason}): download them again from "
            f"{SOURCE}."
        ) from error


def _fetch(name: str, place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(f"{SOURCE}/{name}", str(place / name), progress=False)
    except OSError as error:  # URLError is one
        raise InputError(
            f"Expected the weights {name} of face-alignment, but they cannot be fetched ({error}): "
            f"download them from {SOURCE}/{name} on another machine and put them into {place}, or "
            "name their folder after the provider, as in face-alignment:FOLDER."
        ) from None
