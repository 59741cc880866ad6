"""One batch of faces."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of faces, ready for a model.

    Attributes
    ----------
    pixels
        ``(B, 3, H, W)`` uint8.
    labels
        ``(B,)`` int64, canonical emotion index (:data:`fer_xai.emotions.EMOTIONS`).
    landmarks
        ``(B, 68, 2)`` float32, iBUG points in pixels x, y of these images; NaN where unknown.
    ids
        The faces' names.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> batch = next(synthetic_faces(2, size=16).batches(size=16))
    >>> batch.images.shape, batch.labels, batch.landmarks.shape
    (torch.Size([2, 3, 16, 16]), tensor([0, 1]), torch.Size([2, 68, 2]))
    """

    pixels: Tensor
    labels: Tensor
    landmarks: Tensor
    ids: list[str]

    @property
    def images(self) -> Tensor:
        """``(B, 3, H, W)`` float32 in [0, 1]."""
        return self.pixels.float() / 255
