"""Images that are made while others are passed, so that no core waits for the one that draws."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import torch
from torch import Tensor

from fer_xai.errors import InputError


class LazyImages:
    """Images of an iterator's parts by slices, each part made when its first image is asked for.

    For :meth:`fer_xai.inference.predictor.Predictor.logits`: while one thread makes the next part,
    others pass the images that are there, and no more than a few parts are in memory. Micro-batches
    are those of all parts joined, so that logits are the same. Slices may be asked for by several
    threads, each image once and about in order.

    Parameters
    ----------
    parts
        Images ``(m, 3, H, W)``, part by part. Parts are made one after another, by whichever thread
        needs the next one, outside of inference mode. Making them must not use the predictor.
    n
        Number of images of all parts together.

    Raises
    ------
    InputError
        When images are read, if the parts hold fewer or more than ``n``.

    Examples
    --------
    >>> images = LazyImages((torch.full((2, 3, 1, 1), part / 4) for part in range(3)), 6)
    >>> [images[start : start + 4][:, 0, 0, 0].tolist() for start in (0, 4)]
    [[0.0, 0.0, 0.25, 0.25], [0.5, 0.5]]
    """

    def __init__(self, parts: Iterable[Tensor], n: int) -> None:
        self._parts, self._n = iter(parts), n
        self._lock = threading.Lock()
        self._made = 0
        self._held: dict[int, tuple[Tensor, int]] = {}  # by first image: those not read yet

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, part: slice, /) -> Tensor:
        start, stop, _ = part.indices(self._n)
        with self._lock:
            with torch.inference_mode(mode=False):
                while self._made < stop:
                    self._make()
            return self._read(start, stop)

    def _make(self) -> None:
        images = next(self._parts, None)
        if images is None:
            raise InputError(f"Expected {self._n} images in all parts, got {self._made}.")
        if len(images):
            self._held[self._made] = images, len(images)
            self._made += len(images)
        if self._made > self._n or (self._made == self._n and _more(self._parts)):
            raise InputError(f"Expected {self._n} images in all parts, got more.")

    def _read(self, start: int, stop: int) -> Tensor:
        pieces = []
        for first, (images, left) in list(self._held.items()):
            piece = images[max(0, start - first) : max(0, stop - first)]
            if not len(piece):
                continue
            pieces.append(piece)
            if left == len(piece):
                del self._held[first]
            else:
                self._held[first] = images, left - len(piece)
        if sum(map(len, pieces)) < stop - start:
            raise InputError(
                f"Expected each of the {self._n} images to be read once, got {start} to "
                f"{stop - 1} a second time: make them anew."
            )
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _more(parts: Iterable[Tensor]) -> bool:
    return any(len(images) for images in parts)
