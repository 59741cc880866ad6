"""``locate``: landmarks of images or faces, from whichever provider is named."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_images
from fer_xai.detect.boxes import faces
from fer_xai.detect.cache import AUTO, Cache, cache_at
from fer_xai.detect.point_checks import check_some_known
from fer_xai.detect.provider import (
    Found,
    ImageProvider,
    Landmarks,
    Pixels,
    Provider,
    TableProvider,
    provider_named,
)
from fer_xai.errors import InputError
from fer_xai.landmarks.in_images import check_placed
from fer_xai.types import Faces
from fer_xai.types.pixels import as_pixels

CHUNK = 512
"""Images that are in memory at a time, at most."""
ROOM = 2**28
"""Bytes of faces' images from which on no further ones are read before these are looked at."""
THREADS = 8
"""Threads that read faces, at most, and faces that are read ahead."""
Images = Tensor | Faces | Sequence[NDArray[np.generic]]
"""Images as users have them."""


def locate(
    images: Images,
    provider: str | Provider = "builtin",
    *,
    detector: str | None = None,
    cache: str | Path | None = AUTO,
) -> Landmarks:
    """Where are the 68 landmarks of each face?

    Parameters
    ----------
    images
        Crops of one face each: ``(B, 3, H, W)`` in [0, 1], read as 8 bits a channel; or a list of
        images ``(H, W, 3)`` or ``(H, W)``, uint8 or floats in [0, 1]; or faces, which providers
        that read files need.
    provider
        A name of :data:`fer_xai.detect.PROVIDERS`, with an option after a colon where it takes one:
        ``"builtin"``, ``"csv:points.csv.gz"``, ``"face-alignment:FOLDER"``.
    detector
        A name of :data:`fer_xai.detect.DETECTORS` for uncropped photographs: the largest face of
        each is looked at. None for crops of one face each.
    cache
        Folder where answers are kept by image and version of the provider; by default the user's
        cache folder (``$XDG_CACHE_HOME/fer-xai/landmarks``), None for none.

    Returns
    -------
    Landmarks
        Points in pixels of each image as it was handed in (of each face's own image, for faces),
        NaN where the provider finds no face.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown provider, one that cannot be used, images that it cannot read, or points that
        are not of these images.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(3)
    >>> locate(faces, provider="synthetic")
    Landmarks(synthetic: 3 of 3 found)
    >>> locate(faces, provider="template", cache=None).label
    'template, approximate'
    """
    chosen = provider_named(provider) if isinstance(provider, str) else provider
    if isinstance(chosen, TableProvider):
        points, confidence = _looked_up(chosen, images)
    elif isinstance(chosen, ImageProvider):
        kept = cache_at(cache) if chosen.cached else None
        found = [
            _seen(chosen, part, kept)
            if detector is None
            else _in_photographs(chosen, part, kept, detector)
            for part in batches_of(images)
        ]
        points = np.concatenate([np.empty((0, 68, 2), np.float32), *(one for one, _ in found)])
        confidence = np.concatenate([np.empty(0, np.float32), *(other for _, other in found)])
    else:
        raise InputError(
            "Expected a provider's name or an ImageProvider or TableProvider, got "
            f"{type(chosen).__name__}."
        )
    return Landmarks(
        points=points,
        confidence=confidence,
        provider=chosen.label,
        version=chosen.version,
        approximate=chosen.approximate,
    )


def with_points(known: Faces, landmarks: Landmarks) -> Faces:
    """Faces with these landmarks instead of their own.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> faces = synthetic_faces(2)
    >>> with_points(faces, locate(faces, provider="template")).landmarks.shape
    (2, 68, 2)
    """
    return dataclasses.replace(known, landmarks=landmarks.points)


def _looked_up(provider: TableProvider, faces: Images) -> Found:
    """Points of a provider that knows faces by name, checked against their images."""
    if not isinstance(faces, Faces):
        raise InputError(
            f"Expected faces with ids and files for the provider {provider.name}, got images "
            "alone: hand in what fer_xai.load_dataset returns, or use builtin."
        )
    points, confidence = provider.look_up(faces)
    check_some_known(points, where=provider.label)
    known = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    chosen = faces.subset(known)
    check_placed(points[known], chosen.image_sizes, chosen.ids, where=provider.label)
    return points, confidence


def _seen(provider: ImageProvider, images: Sequence[Pixels], cache: Cache | None) -> Found:
    """Answers of a provider that looks at pixels; points of what is no face to it are NaN."""
    answers = provider.locate(images) if cache is None else cache.located(provider, images)
    points, confidence = answers[0].copy(), answers[1]
    points[~(np.isnan(confidence) | (confidence >= provider.threshold))] = np.nan
    return points, confidence


def _in_photographs(
    provider: ImageProvider, images: Sequence[Pixels], cache: Cache | None, detector: str
) -> Found:
    """Points of the largest face of each image; NaN, and confidence 0, where there is none."""
    points = np.full((len(images), 68, 2), np.nan, dtype=np.float32)
    confidence = np.zeros(len(images), dtype=np.float32)
    crops, corners, rows = [], [], []
    for row, image in enumerate(images):
        found = faces(image, detector=detector)
        if len(found):
            left, top, right, bottom = (int(value) for value in found[0])
            crops.append(np.ascontiguousarray(image[top:bottom, left:right]))
            corners.append((left, top))
            rows.append(row)
    if rows:
        inside, sure = _seen(provider, crops, cache)
        points[rows] = inside + np.array(corners, dtype=np.float32)[:, None]
        confidence[rows] = sure
    return points, confidence


def batches_of(images: Images) -> Iterator[list[Pixels]]:
    """Images as uint8 ``(H, W, 3)``, :data:`CHUNK` at a time or fewer large ones; those of faces
    are read then.

    Raises
    ------
    InputError
        For what is no images, or values outside [0, 1].

    Examples
    --------
    >>> [[image.shape for image in part] for part in batches_of(torch.zeros(2, 3, 4, 5))]
    [[(4, 5, 3), (4, 5, 3)]]
    """
    if isinstance(images, Faces):
        some: list[Pixels] = []
        room = ROOM
        for image in _read(images):
            some.append(image)
            room -= image.nbytes
            if len(some) == CHUNK or room <= 0:
                yield some
                some, room = [], ROOM
        if some:
            yield some
        return
    if isinstance(images, Tensor):
        check_images(images)
        for part in images.detach().split(CHUNK):
            pixels = (255 * part).round_().clamp_(0, 255).to(torch.uint8).cpu()
            yield list(pixels.permute(0, 2, 3, 1).contiguous().numpy())
        return
    if not isinstance(images, list | tuple | np.ndarray):
        raise InputError(
            "Expected images as a tensor (B, 3, H, W), a list of arrays (H, W, 3) or faces, got "
            f"{type(images).__name__}."
        )
    for start in range(0, len(images), CHUNK):
        given = images[start : start + CHUNK]
        yield [as_pixels(image, face=f"image {start + at}") for at, image in enumerate(given)]


def _read(faces: Faces) -> Iterator[Pixels]:
    """Pixels of faces in order, a few of them read at a time."""
    many = getattr(faces.reader, "many", None)
    if many is not None:
        for index, image in enumerate(many(faces.rows)):
            yield faces.checked(image, index)
        return
    threads = min(THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for start in range(0, len(faces), threads):
            yield from pool.map(faces.read, range(start, min(start + threads, len(faces))))
