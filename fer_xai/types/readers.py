"""Readers whose pixels lie in files, which say what identifies them without decoding."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class StoredReader(Protocol):
    """A reader that knows a digest of all that the pixels of a face depend on, such as its file.

    Faces of such a reader are identified by these digests, and their resized pixels are kept on
    disk. A reader that changes what it reads (crops it, say) has to take that into the digest.

    Examples
    --------
    >>> from fer_xai.types.image_files import ImageFiles
    >>> isinstance(ImageFiles(["a.png"]), StoredReader)
    True
    """

    def __call__(self, row: int, /) -> Any:
        """Pixels of a row."""
        ...

    def known_digests(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Digests ``(n, 16)`` that are known without reading, and which these are ``(n,)``."""
        ...

    def digests(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Digests ``(n, 16)``; what is not known is read."""
        ...

    def sizes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Heights and widths ``(n, 2)`` of the images, as the pixels have them."""
        ...

    def check_unchanged(self, rows: NDArray[np.int64]) -> None:
        """Refuse files that were written to since their digests were taken."""
        ...

    def remember(self) -> None:
        """Write down what has been found out, for later processes."""
        ...
