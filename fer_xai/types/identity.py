"""What identifies faces in a manifest: names, labels, and the digests of their files.

Digests of files need no decoding, are the same on every machine, and do not depend on the size at
which faces are fed. Where faces lie in no files (tensors, lists of numbers, rendered ones) the
pixels themselves are taken.

Runs of before digests were taken of files have those of pixels. So that they keep their names, and
can still be compared with, faces of those runs keep the digest that they were known by
(``earlier_digests.json``, by the digest of the files and the size).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

EARLIER = Path(__file__).with_name("earlier_digests.json")


def files_digest(
    ids: Sequence[str], labels: Tensor, digests: NDArray[np.uint8], *, size: int
) -> str:
    """SHA-256 over names, labels and the digests of files.

    Parameters
    ----------
    ids
        N names.
    labels
        ``(N,)`` int64.
    digests
        ``(N, 16)`` digests of the files.
    size
        Side at which the faces of runs of before were taken.

    Examples
    --------
    >>> import torch
    >>> digests = np.zeros((1, 16), np.uint8)
    >>> one, other = (files_digest(["a"], torch.tensor([k]), digests, size=64) for k in (0, 1))
    >>> len(one), one == other
    (64, False)
    """
    found = _begun(ids, labels, kind=b"files\n")
    found.update(np.ascontiguousarray(digests).tobytes())
    told = found.hexdigest()
    return _earlier().get(f"{told} at {size}", told)


def pixels_digest(ids: Sequence[str], labels: Tensor, pixels: Iterable[Tensor]) -> str:
    """SHA-256 over names, labels and pixels, which come a batch at a time.

    Examples
    --------
    >>> import torch
    >>> one = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    >>> len(pixels_digest(["a"], torch.tensor([0]), [one]))
    64
    """
    found = _begun(ids, labels)
    for part in pixels:
        found.update(part.contiguous().numpy().data)
    return found.hexdigest()


def _begun(ids: Sequence[str], labels: Tensor, *, kind: bytes = b"") -> hashlib._Hash:
    found = hashlib.sha256(kind)
    found.update("\n".join(ids).encode())
    found.update(labels.numpy().tobytes())
    return found


@cache
def _earlier() -> dict[str, str]:
    return dict(json.loads(EARLIER.read_text(encoding="utf-8")))
