"""Self-consistency: does the map of a moved face move with it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fer_xai.checks import check_length
from metrics.core.similarity import normalised_rows

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SelfConsistency:
    """Whether a map moves with the face.

    Attributes
    ----------
    equivariant
        ``(N,)`` Pearson correlation of the moved image's map with the map, moved.
    unmoved
        ``(N,)`` the same for a map that stays where it was: what coarse cells give for nothing.
    gain
        ``(N,)`` equivariant − unmoved.
    """

    equivariant: Array
    unmoved: Array
    gain: Array


def self_consistency(
    maps: Tensor, maps_of_moved: Tensor, maps_moved: Tensor, mask: Tensor
) -> SelfConsistency:
    """Gain of following the face over not moving at all. Higher is better, 0 is no following.

    Parameters
    ----------
    maps
        ``(N, H, W)`` maps of the faces.
    maps_of_moved
        ``(N, H, W)`` maps of the moved faces (flipped, shifted, turned, brightened).
    maps_moved
        ``(N, H, W)`` the first maps, moved likewise.
    mask
        ``(H, W)`` bool: pixels that come from inside the image.
    """
    for name, other in (("maps of moved faces", maps_of_moved), ("moved maps", maps_moved)):
        check_length(name, len(other), len(maps))
    still, made, moved = (normalised_rows(m, mask) for m in (maps, maps_of_moved, maps_moved))
    equivariant = (made * moved).sum(dim=1).double().numpy()
    unmoved = (still * moved).sum(dim=1).double().numpy()
    return SelfConsistency(equivariant=equivariant, unmoved=unmoved, gain=equivariant - unmoved)
