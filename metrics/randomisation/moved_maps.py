"""Maps that are moved and mirrored: as smooth as before, and pointing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fer_xai.draws.streams import stream


def moved_copies(
    maps: Tensor, names: Sequence[tuple[object, ...]], *, draws: int
) -> Iterator[Tensor]:
    """Copies of maps ``(B, H, W)`` that are moved around the border and mirrored at random.

    They are moved by at least a quarter of the side along at least one axis, all such moves being
    equally likely, and mirrored along each axis in half of the cases. ``names`` seed each map's
    draws.

    Examples
    --------
    >>> maps = torch.zeros(1, 8, 8)
    >>> maps[0, 0, 0] = 1
    >>> copies = list(moved_copies(maps, [(0, "face a")], draws=3))
    >>> [float(copy.sum()) for copy in copies], [float(copy[0, 0, 0]) for copy in copies]
    ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """
    height, width = maps.shape[-2:]
    far = [
        torch.minimum(torch.arange(side), side - torch.arange(side)) >= side / 4
        for side in (height, width)
    ]
    moves = (far[0][:, None] | far[1][None]).nonzero()  # (K, 2)
    plans = []
    for name in names:
        own = stream(*name)
        chosen = moves[own.randint(len(moves), draws)]
        flips = own.randint(2, draws, 2)
        plans.append(torch.cat([chosen, flips], dim=1).tolist())
    for draw in range(draws):
        copies = []
        for one, plan in zip(maps, plans, strict=True):
            down, right, *flips = plan[draw]
            axes = [axis for axis in (0, 1) if flips[axis]]
            copies.append(one.flip(axes).roll((down, right), (0, 1)))
        yield torch.stack(copies)
