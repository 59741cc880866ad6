"""The two nouns every study is made of: faces, and explanations of what a model sees in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from fer_xai.checks import name_or_unknown, quoted
from fer_xai.emotions import EMOTIONS
from fer_xai.errors import InputError

T = TypeVar("T")

LARGEST_GAP = 0.1
"""Share of what should be explained by whose lack a map is undefined."""

COLUMNS: tuple[str, ...] = ("id", "path", "emotion", "split", "subject", "source", "group")
"""Columns of every dataset's table. ``subject`` (a person) and ``group`` (copies of an image, or
frames of a moment) are "" where unknown: such a face stands for itself."""

_TEXTS = ("path", "split", "subject", "source", "group")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of faces, ready for a model.

    Attributes
    ----------
    images
        ``(B, 3, H, W)`` float32 in [0, 1].
    labels
        ``(B,)`` int64, canonical emotion index (:data:`fer_xai.emotions.EMOTIONS`).
    landmarks
        ``(B, 68, 2)`` float32, iBUG points in pixels x, y of these images; NaN where unknown.
    ids
        The faces' names.
    """

    images: Tensor
    labels: Tensor
    landmarks: Tensor
    ids: list[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """Faces of a dataset: a table, and a reader of pixels that is called when they are needed.

    Pixels are uint8 at rest and read lazily; sizes may differ between faces. Pixel coordinates of
    landmarks are x (right), y (down), with pixel centres at whole numbers, as in ``image[y, x]``.

    Parameters
    ----------
    table
        One row a face, with the columns of :data:`COLUMNS`; ``emotion`` holds canonical names.
        None, NaN and white space in the other columns mean "unknown" and become "".
    reader
        Called with a row number of the *original* table; returns the pixels ``(H, W, 3)``, or grey
        ones ``(H, W)`` or ``(H, W, 1)``: uint8, other whole numbers from 0 to 255, or floats in
        [0, 1], which are rounded to 8 bits. Where many faces at once are cheaper it has a method
        ``many(rows)`` that yields them in order.
    landmarks
        ``(N, 68, 2)`` in the pixels of each face's own image, NaN where unknown; None if no face
        has any.
    name
        What the dataset is called in results.
    rows
        Row numbers handed to ``reader``; all, by default.
    skipped
        Faces left out when reading was told to skip bad files: path and reason.
    """

    table: pd.DataFrame
    reader: Callable[[int], NDArray[Any]]
    name: str
    landmarks: NDArray[np.float32] | None = None
    rows: NDArray[np.int64] | None = None
    skipped: tuple[str, ...] = ()
    _pixels: dict[int, Tensor] = field(default_factory=dict, repr=False)
    _sizes: dict[str, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table.columns]
        if missing:
            raise InputError(
                f"Expected a table with columns {', '.join(COLUMNS)}; {', '.join(missing)} missing."
            )
        object.__setattr__(self, "table", _cleaned(self.table))
        self._check_names()
        if self.landmarks is not None and self.landmarks.shape != (len(self.table), 68, 2):
            raise InputError(
                f"Expected landmarks ({len(self.table)}, 68, 2), got {self.landmarks.shape}."
            )
        if self.rows is None:
            object.__setattr__(self, "rows", np.arange(len(self.table)))

    def _check_names(self) -> None:
        unknown = sorted({str(name) for name in set(self.table["emotion"]) - set(EMOTIONS)})
        if unknown:
            some = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise InputError(
                "Expected canonical emotion names in the table, got "
                f"{', '.join(quoted(name)[1:-1] for name in unknown[:5])}{some}: map them with "
                "fer_xai.emotions.parse_emotion."
            )
        ids = self.ids
        nameless = [row for row, name in enumerate(ids) if not name_or_unknown(name)]
        if nameless:
            raise InputError(
                f"Expected an id for each face of {self.name}, but row {nameless[0]} of the table "
                "has none: results are told apart by it."
            )
        if len(set(ids)) < len(ids):
            first: dict[str, int] = {}
            for row, name in enumerate(ids):
                if first.setdefault(name, row) != row:
                    raise InputError(
                        f"Expected each face once in {self.name}, got the id {quoted(name)} twice, "
                        f"in rows {first[name]} and {row} of the table: results are told apart by "
                        "it."
                    )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> list[str]:
        """The faces' names, ``(N,)``."""
        return [str(name) for name in self.table["id"]]

    @property
    def labels(self) -> Tensor:
        """Canonical emotion indices ``(N,)`` int64."""
        index = {name: position for position, name in enumerate(EMOTIONS)}
        return torch.tensor([index[name] for name in self.table["emotion"]], dtype=torch.int64)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in canonical order."""
        present = set(self.table["emotion"])
        return tuple(name for name in EMOTIONS if name in present)

    @property
    def images(self) -> Tensor:
        """All images ``(N, 3, H, W)`` float32 in [0, 1]; their sizes must be equal."""
        sizes = np.unique(self._image_sizes(), axis=0)
        if len(sizes) != 1 or sizes[0, 0] != sizes[0, 1]:
            raise InputError(
                f"Expected square faces of one size, got {len(sizes)} sizes: read them with "
                "faces.pixels(size) or faces.batches(…, size=…)."
            )
        return self.pixels(int(sizes[0, 0])).float() / 255

    def read(self, index: int) -> NDArray[np.uint8]:
        """Pixels of one face, uint8 ``(H, W, 3)``.

        Raises
        ------
        InputError
            If the reader returns anything but pixels of a colour or a grey image.
        """
        assert self.rows is not None
        return self._checked(self.reader(int(self.rows[index])), index)

    def _checked(self, image: object, index: int) -> NDArray[np.uint8]:
        """What the reader returned for a face as uint8 ``(H, W, 3)``."""
        return _as_pixels(image, face=str(self.table["id"].iloc[index]))

    def pixels(self, size: int) -> Tensor:
        """Every face at one size: uint8 ``(N, 3, size, size)``, kept in memory once made."""
        if size not in self._pixels:
            faces = self._read_all(lambda image: (_resized(image, size), image.shape[:2]))
            self._pixels[size] = (
                torch.stack([pixels for pixels, _ in faces])
                if faces
                else torch.zeros((0, 3, size, size), dtype=torch.uint8)
            )
            self._sizes["native"] = np.array([native for _, native in faces]).reshape(-1, 2)
        return self._pixels[size]

    def landmarks_at(self, size: int) -> NDArray[np.float32]:
        """Landmarks ``(N, 68, 2)`` in pixels of the faces resized to ``size``; NaN where unknown.

        Resizing maps pixel *areas*, so a point moves by ``(p + 1/2) · size / native − 1/2``.
        """
        if self.landmarks is None:
            return np.full((len(self), 68, 2), np.nan, dtype=np.float32)
        native = self._image_sizes()[:, None, ::-1].astype(np.float32)  # (N, 1, 2) as width, height
        return (self.landmarks + 0.5) * size / native - 0.5

    def batches(self, batch_size: int, *, size: int) -> Iterator[Batch]:
        """Batches in the table's order, at one size."""
        pixels, labels = self.pixels(size), self.labels
        landmarks, ids = torch.from_numpy(self.landmarks_at(size)), self.ids
        for start in range(0, len(self), batch_size):
            part = slice(start, start + batch_size)
            yield Batch(
                images=pixels[part].float() / 255,
                labels=labels[part],
                landmarks=landmarks[part],
                ids=ids[part],
            )

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> Faces:
        """The faces at these positions, in this order."""
        chosen = np.asarray(indices, dtype=np.int64)
        assert self.rows is not None
        return Faces(
            table=self.table.iloc[chosen].reset_index(drop=True),
            reader=self.reader,
            name=self.name,
            landmarks=None if self.landmarks is None else self.landmarks[chosen],
            rows=self.rows[chosen],
            skipped=self.skipped,
            _pixels={
                size: pixels[torch.from_numpy(chosen)] for size, pixels in self._pixels.items()
            },
            _sizes={name: sizes[chosen] for name, sizes in self._sizes.items()},
        )

    def limit(self, n: int, *, seed: int = 0) -> Faces:
        """At most ``n`` faces, drawn with the emotions' shares kept, in the table's order."""
        if n <= 0:
            raise InputError(f"Expected a positive number of faces to keep, got {n}.")
        if n >= len(self):
            return self
        order = np.random.default_rng(seed).permutation(len(self))
        labels = self.labels.numpy()[order]
        rank_in_class = np.empty(len(self))
        for emotion in np.unique(labels):
            members = np.flatnonzero(labels == emotion)
            rank_in_class[members] = (np.arange(len(members)) + 0.5) / len(members)
        kept = order[np.argsort(rank_in_class, kind="stable")[:n]]
        return self.subset(np.sort(kept))

    def fingerprint(self, size: int) -> str:
        """SHA-256 over ids, labels and pixels at ``size``: what a manifest records."""
        digest = hashlib.sha256("\n".join(self.ids).encode())
        digest.update(self.labels.numpy().tobytes())
        digest.update(self.pixels(size).numpy().tobytes())
        return digest.hexdigest()

    def _image_sizes(self) -> NDArray[np.int64]:
        """Native (height, width) of every face, ``(N, 2)``."""
        if "native" not in self._sizes:
            shapes = self._read_all(lambda image: image.shape[:2])
            self._sizes["native"] = np.array(shapes, dtype=np.int64).reshape(-1, 2)
        return self._sizes["native"]

    def _read_all(self, take: Callable[[NDArray[np.uint8]], T]) -> list[T]:
        """What ``take`` makes of each face's pixels, which are read once and let go."""
        assert self.rows is not None
        many = getattr(self.reader, "many", None)
        if many is not None:
            images = zip(range(len(self)), many(self.rows), strict=True)
            return [take(self._checked(image, index)) for index, image in images]
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            return list(pool.map(lambda index: take(self.read(index)), range(len(self))))


def _cleaned(table: pd.DataFrame) -> pd.DataFrame:
    """The table with "" wherever a text is unknown; the one handed in is left as it is."""
    changed = {}
    for column in _TEXTS:
        values = list(table[column])
        texts = [name_or_unknown(value) for value in values]
        if any(type(value) is not str for value in values) or texts != values:
            changed[column] = pd.Series(texts, index=table.index, dtype=object)
    return table.assign(**changed) if changed else table


def _as_pixels(image: object, *, face: str) -> NDArray[np.uint8]:
    """Pixels that a reader returned as uint8 ``(H, W, 3)``."""
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise InputError(
            f"Expected pixels (H, W, 3) or grey (H, W) from the reader of {quoted(face)}, got "
            f"{_described(image)}: convert the image to RGB, channels last."
        )
    if array.dtype == np.uint8:
        return array if array.flags.writeable else array.copy()  # torch warns of read-only ones
    kind, low, high = array.dtype.kind, 0.0, 0.0
    if kind in "iuf":
        low, high = float(array.min()), float(array.max())
    if kind in "iu" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if kind == "f" and low >= 0 and high <= 1:  # never true with NaN
        return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    values = f" from {low:.4g} to {high:.4g}" if kind in "iuf" else ""
    raise InputError(
        f"Expected pixels as uint8, or as floats in [0, 1], from the reader of {quoted(face)}, got "
        f"{array.dtype}{values}: return image.astype(np.uint8) of values from 0 to 255."
    )


def _described(image: object) -> str:
    shape = getattr(image, "shape", None)
    return type(image).__name__ if shape is None else f"shape {tuple(shape)}"


def _resized(image: NDArray[np.uint8], size: int) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)  # (3, H, W)
    if pixels.shape[1:] != (size, size):
        pixels = tv.resize(pixels, [size, size], antialias=True)
    return pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Attribution maps of a batch of faces, with all that is needed to read them.

    Attributes
    ----------
    maps
        ``(B, H, W)`` float32 at image resolution. Signed maps stay signed; a map that explains
        nothing (all zero) stays all zero.
    targets
        ``(B,)`` int64: canonical index of the emotion each map explains.
    logits
        ``(B, C)``: the model's outputs on the unperturbed faces, in ``emotions`` order.
    emotions
        The model's emotions, in output order.
    method, params
        Registered name of the attribution and the parameters it ran with (the layer among them).
    against
        ``(B,)`` emotions that the targets are held against, for a contrast.
    channels
        ``(B, 3, h, w)``: the maps before colour channels were added up, for methods that have them.
    completeness_gap
        ``(B,)``: by how much the sum of the map misses what it should add up to, as a share of
        that and with its sign, for methods with a law of completeness (docs/attributions.md).
    values
        ``(B, R)``: a number a region, for methods over regions; NaN beyond a face's superpixels.
    ids
        Names of the faces, where they are known: scores of other faces are refused then.
    """

    maps: Tensor
    targets: Tensor
    logits: Tensor
    emotions: tuple[str, ...]
    method: str
    params: Mapping[str, Any]
    against: Tensor | None = None
    channels: Tensor | None = None
    completeness_gap: Tensor | None = None
    values: Tensor | None = None
    ids: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def blank(self) -> Tensor:
        """``(B,)`` bool: which maps are zero everywhere, and so explain nothing."""
        return (self.maps == 0).flatten(1).all(dim=1)

    @property
    def undefined(self) -> Tensor:
        """``(B,)`` bool: which maps are NaN or infinite anywhere, or miss more than
        :data:`LARGEST_GAP` of what they should add up to. No metric scores them.
        """
        return undefined_maps(self.maps, self.completeness_gap)

    @property
    def defined_maps(self) -> Tensor:
        """``(B, H, W)``: the maps, with NaN throughout where they are undefined."""
        return torch.where(self.undefined[:, None, None], torch.nan, self.maps)


def undefined_maps(maps: Tensor, gap: Tensor | None = None) -> Tensor:
    """Which maps say nothing that could be scored.

    Parameters
    ----------
    maps
        ``(…, H, W)``.
    gap
        ``(…)``: their completeness gap, as a share of what they should add up to, if they have any.

    Returns
    -------
    Tensor
        ``(…)`` bool, where the maps are: NaN or infinite anywhere, or beyond :data:`LARGEST_GAP`
        (a gap of NaN among it).

    Examples
    --------
    >>> maps = torch.tensor([[[1.0, 2.0]], [[torch.nan, 0.0]], [[3.0, 0.0]]])
    >>> undefined_maps(maps, torch.tensor([0.01, 0.0, -0.2])).tolist()
    [False, True, True]
    """
    undefined = ~torch.isfinite(maps).flatten(-2).all(dim=-1)
    return undefined if gap is None else undefined | ~(gap.abs() <= LARGEST_GAP).to(maps.device)
