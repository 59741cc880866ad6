"""Tables and readers of faces that come from tensors, lists of images or a dataset of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length, quoted
from fer_xai.emotions import EMOTIONS, parse_emotion, parse_order
from fer_xai.errors import InputError
from fer_xai.types.tables import COLUMNS

Images = Tensor | NDArray[Any] | Sequence[Any]
"""Images in memory."""
Labels = Sequence[str] | Sequence[int] | Tensor | NDArray[Any]
"""Emotions as names or numbers."""
_IMAGES = ("image", "img", "pixels", "pixel_values")
_LABELS = ("label", "labels", "emotion", "expression", "target")
"""Usual keys of items that are dicts."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A table of faces, and the reader of its rows.

    Examples
    --------
    >>> Made(table=pd.DataFrame(columns=list(COLUMNS)), reader=lambda row: np.zeros((8, 8)))
    Made(table=Empty DataFrame...
    """

    table: pd.DataFrame
    reader: Callable[[int], NDArray[Any]]


def of_tensors(
    images: Images,
    labels: Labels,
    *,
    emotions: str | Sequence[str] | None = None,
    name: str,
    ids: Sequence[str] | None,
    columns: Mapping[str, Sequence[str]],
) -> Made:
    """Faces in memory; see :meth:`fer_xai.types.Faces.from_tensors`.

    Examples
    --------
    >>> import torch
    >>> made = of_tensors(torch.zeros(1, 3, 8, 8), [5], name="mine", ids=None, columns={})
    >>> made.table["emotion"].tolist(), made.reader(0).shape
    (['fear'], (8, 8, 3))
    """
    arrays = _arrays(images)
    count = len(arrays)
    if not count:
        raise InputError("Expected one image or more, got none.")
    names = _names(labels, count, EMOTIONS if emotions is None else parse_order(emotions))
    fixed = {"id": ids if ids is not None else [f"{name}-{k}" for k in range(count)]}
    for column, values in {**fixed, **columns}.items():
        check_length(f"values of {column}", len(values), count)
    if {"path", "emotion"} & set(columns):
        raise InputError("Expected no column path or emotion beside tensors and their labels.")
    table = table_of({**fixed, **columns, "emotion": names}, count)
    return Made(table=table, reader=arrays.__getitem__)


def _arrays(images: Images) -> Sequence[NDArray[Any]] | NDArray[Any]:
    """Images as arrays with channels last, checked for their shapes."""
    if isinstance(images, Tensor):
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise InputError(
                "Expected images as a tensor (N, 3, H, W) or (N, 1, H, W), or a list of images, "
                f"got {tuple(images.shape)}."
            )
        return images.detach().cpu().movedim(1, -1).numpy()
    if isinstance(images, str | bytes) or not hasattr(images, "__len__"):
        raise InputError(
            "Expected images as a tensor (N, 3, H, W) or (N, 1, H, W), or a list of images, got "
            f"{type(images).__name__}."
        )
    found = [as_array(image) for image in images]
    for index, array in enumerate(found):
        grey = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1)
        if not (grey or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
            raise InputError(
                "Expected each image as a tensor (3, H, W), an array (H, W, 3), a grey one (H, W) "
                f"or a PIL image, got {_described(images[index])} at position {index}."
            )
    return found


def as_array(image: Any) -> NDArray[Any]:
    """One image as an array with channels last: a tensor ``(C, H, W)``, an array or a PIL image.

    Examples
    --------
    >>> import torch
    >>> as_array(torch.zeros(3, 4, 5)).shape, as_array(np.zeros((4, 5))).shape
    ((4, 5, 3), (4, 5))
    """
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        return (image.movedim(0, -1) if image.ndim == 3 else image).numpy()
    return np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)


def _described(image: Any) -> str:
    shape = getattr(image, "shape", None)
    kind = type(image).__name__
    return kind if shape is None else f"{kind} of shape {tuple(shape)}"


def of_dataset(
    dataset: Any,
    *,
    emotions: str | Sequence[str] | None,
    name: str,
    labels: Labels | None,
    label: str = "",
) -> Made:
    """Faces of a PyTorch dataset; see :meth:`fer_xai.types.Faces.from_dataset`.

    Examples
    --------
    >>> made = of_dataset(
    ...     [(np.zeros((8, 8, 3)), "happy")], emotions=None, name="mine", labels=None
    ... )
    >>> made.table["emotion"].tolist()
    ['happiness']
    """
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise InputError(
            f"Expected a dataset with a length and items by index, got {type(dataset).__name__}: "
            "read an iterable one into a list first."
        )
    count = len(dataset)
    if not count:
        raise InputError(f"Expected one item or more in {name}, got an empty dataset.")
    column = _column(dataset, label)
    given = labels
    if given is None and column:
        given = dataset[column]  # without decoding an image
    if given is None:
        given = getattr(dataset, "targets", None)
    if given is None:
        given = [_item(dataset, index, label)[1] for index in range(count)]
    told = emotions if emotions is not None else _classes(dataset, column)
    names = _names(given, count, None if told is None else parse_order(told))

    def read(row: int) -> NDArray[Any]:
        return as_array(_item(dataset, row, label)[0])

    ids = [f"{name}-{index}" for index in range(count)]
    return Made(table=table_of({"id": ids, "emotion": names}, count), reader=read)


def _column(dataset: Any, label: str) -> str:
    """Column of labels of a dataset of Hugging Face; "" for other datasets."""
    known = getattr(dataset, "column_names", None)
    if not isinstance(known, list | tuple):
        return ""
    found = [one for one in ([label] if label else _LABELS) if one in known]
    if not found:
        wanted = label or " or ".join(_LABELS[:3])
        raise InputError(
            f"Expected a column {wanted} of the dataset, got {', '.join(map(str, known))}."
        )
    return found[0]


def _classes(dataset: Any, column: str) -> Sequence[str] | None:
    """Emotions in the order of the labels' numbers, as far as the dataset tells them."""
    features = getattr(dataset, "features", None)
    if column and isinstance(features, Mapping):
        return getattr(features.get(column), "names", None)
    while not hasattr(dataset, "classes") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset  # a subset knows the whole
    classes: Sequence[str] | None = getattr(dataset, "classes", None)
    return classes


def _names(labels: Labels, count: int, order: Sequence[str] | None) -> list[str]:
    """Emotion of each of a number of labels."""
    if isinstance(labels, str | bytes) or not hasattr(labels, "__len__") or _ndim(labels) != 1:
        got = getattr(labels, "shape", None)
        raise InputError(
            "Expected labels as a list of names or numbers, one an image, got "
            f"{quoted(labels) if got is None else f'the shape {tuple(got)}'}."
        )
    plain = labels.tolist() if isinstance(labels, Tensor | np.ndarray) else list(labels)
    check_length("labels", len(plain), count)
    return [emotion_of(label, order) for label in plain]


def _ndim(labels: Any) -> int:
    return int(getattr(labels, "ndim", 1))


def emotion_of(label: Any, order: Sequence[str] | None) -> str:
    """Emotion of a name or a number.

    Raises
    ------
    InputError
        For an unknown name, or a number outside the order or without one.

    Examples
    --------
    >>> emotion_of(1, ["fear", "anger"]), emotion_of("happy", None)
    ('anger', 'happiness')
    """
    text = str(label).strip()
    if isinstance(label, int | np.integer) or text.isdecimal():
        if order is None:
            raise InputError(
                f"Expected the order of the emotions for labels that are numbers, such as {text}: "
                "hand it in as emotions=…"
            )
        if isinstance(label, bool) or not 0 <= int(text) < len(order):
            raise InputError(
                f"Expected labels 0 to {len(order) - 1} ({', '.join(order)}), got {text}."
            )
        return order[int(text)]
    return parse_emotion(text)


def _item(dataset: Any, index: int, label: str) -> tuple[Any, Any]:
    """Image and label of an item."""
    item = dataset[index]
    if isinstance(item, Mapping):
        images = [key for key in _IMAGES if key in item]
        labels = [key for key in ([label] if label else _LABELS) if key in item]
        if images and labels:
            return item[images[0]], item[labels[0]]
        raise InputError(
            f"Expected items with {' or '.join(_IMAGES[:2])} and "
            f"{label or ' or '.join(_LABELS[:3])} of the dataset, got the keys "
            f"{', '.join(map(str, item))}."
        )
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise InputError(
            f"Expected items (image, label) of the dataset, got {type(item).__name__}."
        )
    return item[0], item[1]


def table_of(columns: Mapping[str, Sequence[Any]], count: int) -> pd.DataFrame:
    """A table of faces with all its columns, "" where nothing is known.

    Examples
    --------
    >>> table_of({"id": ["a"], "emotion": ["fear"], "age": ["30"]}, 1)["split"].tolist()
    ['']
    """
    every = {column: list(columns.get(column, [""] * count)) for column in COLUMNS}
    others = {name: list(values) for name, values in columns.items() if name not in every}
    return pd.DataFrame(every | others, dtype=object)
