"""Faces in Hugging Face's format: a folder of it, or a name that the package ``datasets`` knows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_xai.data.datasets.huggingface import huggingface
from fer_xai.data.emotion_map import EmotionMap
from fer_xai.data.loading import check_complete
from fer_xai.data.registry import Problems
from fer_xai.emotions import parse_order
from fer_xai.errors import InputError
from fer_xai.types import Faces
from fer_xai.types.constructors import SOURCES


@SOURCES.register("huggingface")
def from_huggingface(
    place: str | Path,
    *,
    split: str = "test",
    emotions: str | Sequence[str] | None = None,
    label: str = "",
    name: str | None = None,
) -> Faces:
    r"""Faces of a dataset; see :meth:`fer_xai.types.Faces.from_huggingface`.

    Examples
    --------
    >>> from_huggingface("no/such/folder/here")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected a folder of Hugging Face's format or a dataset's name, ...
    """
    folder = Path(place).expanduser()
    if not folder.exists():
        return _of_the_hub(str(place), split, emotions, label, name)
    codes = {} if emotions is None else dict(enumerate(parse_order(emotions)))
    index: Callable[..., Faces] = huggingface  # which takes more than all loaders do
    faces = index(
        folder,
        split=split,
        problems=Problems(skip=False),
        label=label,
        emotion_map=EmotionMap.parse({str(code): emotion for code, emotion in codes.items()}),
    )
    if not len(faces):
        raise InputError(f"Expected faces of split {split} in {folder}, found none.")
    check_complete(faces)
    return faces if name is None else replace(faces, name=name)


def _of_the_hub(
    place: str, split: str, emotions: str | Sequence[str] | None, label: str, name: str | None
) -> Faces:
    """Faces of a dataset by its name, from the cache of ``datasets`` or from the hub."""
    if place.count("/") > 1 or place.startswith((".", "/", "~")):
        raise InputError(
            "Expected a folder of Hugging Face's format or a dataset's name, such as owner/faces, "
            f"got {place}, which does not exist."
        )
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError:
        raise InputError(
            f"Expected a folder of Hugging Face's format, or the package datasets to get {place}, "
            "but there is no such folder and the package is not installed: pip install datasets, "
            "or download the files and name their folder."
        ) from None
    try:
        found = datasets.load_dataset(place, split=split)
    except Exception as error:  # noqa: BLE001 - hub, cache and files make it raise anything
        reason = str(error).split("\n", maxsplit=1)[0][:160]
        raise InputError(
            f"Expected the split {split} of {place} from the hub or the cache of datasets, got "
            f"{type(error).__name__}: {reason}. Offline, download its files elsewhere and name "
            "their folder."
        ) from None
    called = name or place.rpartition("/")[2]
    return Faces.from_dataset(found, emotions=emotions, label=label, name=called)
