"""Points that were measured on images of another size: how they lie says so."""

from __future__ import annotations

import torch
from torch import Tensor

MANY = 5
"""Faces from which on half of them speak for a whole set of landmarks."""
NEARLY_ALL = 0.9
"""Share of the brows', eyes', nose's and mouth's points that lie in most images of any set."""
FEW = 0.6
"""Share below which most faces of a set lie where no crop of a face has them."""
HARDLY_ANY = 1 / 3
"""Share below which a single face is refused."""


def too_large(points: Tensor, sizes: Tensor) -> Tensor:
    """``(N,)`` bool: faces that show that points were measured on larger images than these.

    Such points leave an image at the right and at the bottom, and nowhere at the left or the top:
    x and y are multiplied from the upper left corner. Of the 41 points of nose, eyes and mouth (27
    to 67) 93 % or more lie inside on each of 2,252 test faces of RAF-DB; multiplied by 1.25 they
    leave at both sides on three faces of four, by 1.56 on nearly all. A face that a crop cuts
    leaves at one side, and one that is cropped too tightly at opposite ones. A set is refused where
    more than half of its faces are so (with fewer than :data:`MANY` faces, where fewer than
    :data:`FEW` of most faces' points lie inside), a face where fewer than :data:`HARDLY_ANY` do.

    Parameters
    ----------
    points
        ``(N, 68, 2)`` in pixels x, y; all known.
    sizes
        ``(N, 2)`` width and height of each image, or what spreads to it.

    Examples
    --------
    >>> from fer_xai.landmarks import canonical_landmarks
    >>> points, sizes = torch.from_numpy(canonical_landmarks()[None]), torch.tensor([[64, 64]])
    >>> too_large(points, sizes), too_large(points * 100 / 64, sizes)
    (tensor([False]), tensor([True]))
    """
    inner = points[:, 27:68]  # (N, 41, 2)
    before, behind = inner < -0.5, inner > sizes.reshape(-1, 1, 2) - 0.5
    share = (~(before | behind).any(dim=2)).float().mean(dim=1)  # (N,)
    leaving = behind.any(dim=1).all(dim=1) & ~before.flatten(1).any(dim=1)
    leaving &= share < NEARLY_ALL
    most = leaving.float().mean() > 0.5 if len(leaving) else torch.tensor(False)
    if bool(most) and (len(leaving) >= MANY or bool(share.quantile(0.5) < FEW)):
        return leaving
    return leaving & (share < HARDLY_ANY)
