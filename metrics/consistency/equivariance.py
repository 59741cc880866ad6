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
    """How well a map moves with the face.

    Attributes
    ----------
    equivariant
        ``(N,)`` Pearson correlation of the moved image's map with the moved map.
    unmoved
        ``(N,)`` the same for a map that stays where it was: the score that coarse cells give for
        free.
    gain
        ``(N,)`` equivariant − unmoved.

    Examples
    --------
    >>> import torch
    >>> maps = torch.tensor([[[0.0, 1.0], [2.0, 5.0]]])
    >>> still = self_consistency(maps, maps, maps.flip(2), torch.ones(2, 2) > 0)
    >>> still.gain  # the map stays where it was although the face was mirrored
    array([0.])
    """

    equivariant: Array
    unmoved: Array
    gain: Array


def self_consistency(
    maps: Tensor, maps_of_moved: Tensor, maps_moved: Tensor, mask: Tensor
) -> SelfConsistency:
    """Does the map move with the face? A higher gain is better, 0 is a map that does not follow.

    Parameters
    ----------
    maps
        ``(N, H, W)`` maps of the faces.
    maps_of_moved
        ``(N, H, W)`` maps of the moved faces (flipped, shifted, rotated, brightened).
    maps_moved
        ``(N, H, W)`` the first maps, moved in the same way.
    mask
        ``(H, W)`` bool: pixels that come from inside the image.

    Returns
    -------
    SelfConsistency
        ``equivariant``, ``unmoved`` and ``gain``, ``(N,)`` each; NaN where a map is constant on the
        mask, or not finite.

    Raises
    ------
    InputError
        If the stacks of maps differ in length, or do not fit the mask.

    Examples
    --------
    >>> import torch
    >>> maps = torch.tensor([[[0.0, 1.0], [2.0, 5.0]]])
    >>> found = self_consistency(maps, maps.flip(2), maps.flip(2), torch.ones(2, 2) > 0)
    >>> found.equivariant.round(3), found.gain.round(3)
    (array([1.]), array([0.714]))
    """
    for name, other in (("maps of moved faces", maps_of_moved), ("moved maps", maps_moved)):
        check_length(name, len(other), len(maps))
    still, made, moved = (normalised_rows(m, mask) for m in (maps, maps_of_moved, maps_moved))
    equivariant = (made * moved).sum(dim=1).double().numpy()
    unmoved = (still * moved).sum(dim=1).double().numpy()
    return SelfConsistency(equivariant=equivariant, unmoved=unmoved, gain=equivariant - unmoved)
