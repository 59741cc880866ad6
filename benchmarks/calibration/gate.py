"""How the randomisation gate decides: the grid, the margin, verdicts by resolution, coverage.

``python -m benchmarks.calibration.gate`` prints four tables of planted maps, of which it is known
what share of their variance ignores the network:

- likeness by the maps' own resolution, on grids of 4, 8 and 16 cells a side and on pixels;
- what a map still shows of what was learned, by that share;
- verdicts by that share and the maps' resolution;
- coverage of the interval for new faces and new random networks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from fer_xai.command import terminal
from metrics.core.similarity import comparable, compared
from metrics.randomisation.gate import GRID, Gate, on_grid
from metrics.statistics.crossed import crossed_interval

SIDE = 64
"""Pixels a side of planted maps."""
RESOLUTIONS = (4, 8, 16, 64)
"""Cells a side in which planted maps are made."""
SHARES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Shares of a map's variance that ignore the network."""


def planted_maps(
    share: float,
    cells: int,
    *,
    faces: int = 24,
    networks: int = 10,
    detail: float = 0.0,
    source: int | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Maps of a trained and of random networks, of which a share of the variance is the face's.

    Parameters
    ----------
    share
        Share of the variance that every network's map of a face has in common.
    cells
        Cells a side; maps are enlarged to 64 pixels by repeating them.
    faces, networks
        Number of faces and of random networks.
    detail
        Variance of independent noise on each pixel, in units of the cells' variance.
    source
        Cells a side in which values are drawn, before they are repeated up to ``cells``; by default
        ``cells``. The same map at several resolutions has one source.
    seed
        Seed of the random generator.

    Returns
    -------
    tuple
        ``(faces, 64, 64)`` and ``(networks, faces, 64, 64)``.

    Examples
    --------
    >>> trained, random = planted_maps(1.0, 4, faces=2, networks=3)
    >>> random.shape, torch.equal(random[0], trained)
    (torch.Size([3, 2, 64, 64]), True)
    """
    draw = torch.Generator().manual_seed(seed)
    drawn = source or cells
    common = torch.randn(faces, drawn, drawn, generator=draw)
    own = torch.randn(1 + networks, faces, drawn, drawn, generator=draw)
    maps = share**0.5 * common + (1 - share) ** 0.5 * own
    maps = F.interpolate(maps.flatten(0, 1)[:, None], size=(SIDE, SIDE))[:, 0]
    maps = maps.reshape(1 + networks, faces, SIDE, SIDE)
    if detail:
        maps = maps + detail**0.5 * torch.randn(maps.shape, generator=draw)
    return maps[0], maps[1:]


def likeness(trained: Tensor, random: Tensor, *, grid: int = GRID) -> Tensor:
    """Spearman ``(faces, networks)`` of trained and random networks' maps on a grid.

    Examples
    --------
    >>> likeness(*planted_maps(1.0, 4, faces=2, networks=3)).round()
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    own = comparable(on_grid(trained, grid=grid), "spearman")
    others = [comparable(on_grid(maps, grid=grid), "spearman") for maps in random]
    return torch.stack([compared(own, other, "spearman") for other in others], dim=1)


def by_grid(
    *, grids: Sequence[int] = (4, 8, 16, SIDE), share: float = 0.5, repeats: int = 20
) -> pd.DataFrame:
    """Mean likeness of planted maps on several grids, and its scatter over studies.

    On pixels, noise on single pixels hides what the maps share; on one grid it does not.

    Examples
    --------
    >>> by_grid(repeats=2)["grid"].unique().tolist()
    [4, 8, 16, 64]
    """
    rows = []
    for grid in grids:
        for name, cells, detail in (
            *((f"{cells} cells", cells, 0.0) for cells in RESOLUTIONS),
            ("8 cells and noise on pixels", 8, 4.0),
        ):
            means = [
                float(
                    likeness(
                        *planted_maps(share, cells, detail=detail, faces=8, seed=seed), grid=grid
                    ).mean()
                )
                for seed in range(repeats)
            ]
            rows.append(
                {
                    "grid": grid,
                    "maps": name,
                    "likeness": np.mean(means),
                    "deviation over studies": np.std(means, ddof=1),
                }
            )
    return pd.DataFrame(rows)


def what_is_left(*, faces: int = 4000) -> pd.DataFrame:
    """What a map shows of what was learned, by the share of its variance that ignores the network.

    ``correlation`` with the learned part, and the share of the learned part's upper quarter of
    cells that lies in the map's upper quarter, of which chance gives a quarter.

    Examples
    --------
    >>> what_is_left(faces=200).columns.tolist()
    ['share', 'correlation', 'upper quarter kept']
    """
    draw = torch.Generator().manual_seed(0)
    common, learned = torch.randn(2, faces, GRID**2, generator=draw)
    rows = []
    for share in SHARES:
        maps = share**0.5 * common + (1 - share) ** 0.5 * learned
        quarter = GRID**2 // 4
        kept = torch.zeros_like(maps, dtype=torch.bool).scatter(
            1, maps.topk(quarter, dim=1).indices, value=True
        )
        rows.append(
            {
                "share": share,
                "correlation": float(np.corrcoef(maps.flatten(), learned.flatten())[0, 1]),
                "upper quarter kept": float(
                    kept.gather(1, learned.topk(quarter, dim=1).indices).float().mean()
                ),
            }
        )
    return pd.DataFrame(rows)


def by_resolution(
    *, shares: Sequence[float] = SHARES, faces: int = 24, repeats: int = 50
) -> pd.DataFrame:
    """Share of studies with each verdict, for one map at several resolutions, and for maps whose
    cells are all drawn.

    Examples
    --------
    >>> found = by_resolution(shares=[0.0], faces=6, repeats=2)
    >>> found["passes"].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    rows = []
    for share in shares:
        for cells, source in (*((cells, cells) for cells in RESOLUTIONS), (8, 4), (16, 4), (64, 4)):
            gates = []
            for seed in range(repeats):
                maps = planted_maps(share, cells, source=source, faces=faces, seed=seed)
                found = likeness(*maps)
                gates.append(Gate(similarity=found, null=torch.zeros_like(found)))
            verdicts = [gate.verdict for gate in gates]
            rows.append(
                {
                    "share": share,
                    "cells": cells,
                    "drawn in": source,
                    "likeness": np.mean([gate.mean for gate in gates]),
                    **{
                        name: verdicts.count(name) / repeats
                        for name in ("passes", "undecided", "stopped")
                    },
                }
            )
    return pd.DataFrame(rows)


Scatter = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Mean 0 and variance 1, skewed to the left as likeness near its end at 1 is."""
    return 1 - rng.exponential(size=shape)


DESIGNS: dict[str, tuple[float, float, float, Scatter]] = {
    "noise maps of 4×4 cells": (0.0, 0.0, 0.26, _normal),
    "faces differ": (0.25, 0.0, 0.2, _normal),
    "networks differ": (0.1, 0.08, 0.2, _normal),
    "networks differ much": (0.1, 0.2, 0.1, _normal),
    "skewed faces and networks": (0.2, 0.08, 0.1, _skewed),
}
"""Standard deviations of faces, networks and single pairs, by the name of the design."""
SIZES = ((12, 1), (24, 1), (60, 1), (150, 1), (600, 1), (20, 3))
"""Number of units, and faces a unit."""


def coverage(
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    networks: int = 10,
    level: float = 0.95,
    repeats: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of studies whose interval holds the mean over all faces and all random networks.

    Beside it stands the coverage of an interval over faces alone, which takes these networks for
    all there are.

    Examples
    --------
    >>> coverage(sizes=[(12, 1)], repeats=20)["coverage"].between(0, 1).all()
    np.True_
    """
    rng = np.random.default_rng(seed)
    rows = []
    for name, (of_faces, of_networks, of_pairs, draw) in DESIGNS.items():
        for units, each in sizes:
            held = []
            people = None if each == 1 else np.repeat(np.arange(units), each).tolist()
            for _ in range(repeats):
                face = np.repeat(of_faces * draw(rng, (units,)), each)
                pair = np.repeat(of_pairs * rng.standard_normal((units, networks)), each, axis=0)
                table = face[:, None] + of_networks * draw(rng, (networks,)) + pair
                table = table + 0.05 * rng.standard_normal(table.shape) * (each > 1)
                found = crossed_interval(table, clusters=people, level=level)
                rows_alone = crossed_interval(
                    np.repeat(table.mean(axis=1)[:, None], 2, axis=1), clusters=people, level=level
                )
                held.append([found.low <= 0 <= found.high, rows_alone.low <= 0 <= rows_alone.high])
            rows.append(
                {
                    "design": name,
                    "units": units,
                    "faces a unit": each,
                    "networks": networks,
                    "coverage": np.mean(held, axis=0)[0],
                    "over faces alone": np.mean(held, axis=0)[1],
                    "error": float(np.sqrt(level * (1 - level) / repeats)),
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000, help="studies for each coverage")
    repeats: int = parser.parse_args().repeats
    console = terminal()
    for title, table in (
        ("Likeness by grid (share .5)", by_grid()),
        ("What a map shows of what was learned", what_is_left()),
        ("Verdicts", by_resolution(repeats=max(repeats // 40, 2))),
        ("Coverage of the 95 % interval", coverage(repeats=repeats)),
        (
            "Coverage of the 98.75 % interval (four methods, Bonferroni), five networks",
            coverage(networks=5, level=0.9875, repeats=repeats),
        ),
    ):
        console.print(f"{title}\n{table.round(3).to_string(index=False)}\n")


if __name__ == "__main__":
    main()
