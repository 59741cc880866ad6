"""Pairs of many maps: similarity by sums of unit vectors, and separability, against whole tables."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from benchmarks.report import Row, Section, Target, shown
from benchmarks.timing import Spread, alternate, ratio
from fer_xai.attributions import upsample
from metrics.consistency.separability import separability
from metrics.consistency.similarity import Similarity, similarity
from metrics.core.similarity import normalised_rows

SIZE = 64
N_MAPS, N_GRAM = 10_000, 2_000
N_EMOTIONS = 6
N_FACES = 2388
"""As many as RAF-DB's test faces."""
TARGET = Target(bound=10, at_least=False, unit=" s")
TWICE = Target(bound=2, at_least=False)
"""Areas of 30 pairs of emotions and their jackknife, against one ranking of all pairs of faces."""


def measure(*, rounds: int) -> Section:
    """Seconds for 10,000 maps; the ratio to the Gram matrix at 2,000."""
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand(N_MAPS, 1, 4, 4, generator=generator)
    maps = upsample(cells, size=(SIZE, SIZE))[:, 0]  # (N, SIZE, SIZE)
    labels = torch.arange(N_MAPS) % N_EMOTIONS
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    many = alternate({"ours": partial(_end_to_end, maps, mask, labels)}, rounds=rounds)
    spread = Spread.of(many["ours"])
    rows, few = normalised_rows(maps[:N_GRAM], mask), labels[:N_GRAM]
    seconds = alternate(
        {"ours": partial(similarity, rows, few), "gram": partial(_gram, rows, few)},
        rounds=rounds,
    )
    faces, told = normalised_rows(maps[:N_FACES], mask), labels[:N_FACES]
    persons = [str(face // 2 if face < N_FACES // 10 else face) for face in range(N_FACES)]
    areas = alternate(
        {
            "ours": partial(separability, faces, told, clusters=persons),
            "ranks": partial(_ranks, faces),
        },
        rounds=rounds,
    )
    difference = np.abs(similarity(rows, few).within - _gram(rows, few)[0].numpy()).max()
    return Section(
        rows=[
            Row(
                name=f"Similarity (Pearson) of {N_MAPS:,} maps of {SIZE}×{SIZE}, all pixels",
                ours=f"{shown(spread)} s",
                value=spread.median,
                target=TARGET,
            ),
            Row(
                name=f"Similarity of {N_GRAM:,} maps: Gram matrix / ours",
                ours=f"{Spread.of(seconds['ours']).median * 1e3:.0f} ms",
                peer=f"{Spread.of(seconds['gram']).median * 1e3:.0f} ms",
                ratio=ratio(seconds, "gram", "ours"),
                agreement=f"differ by {difference:.0e}",
            ),
            Row(
                name=f"Separability of {N_FACES:,} maps with persons, interval and all: ours / "
                "one product of all maps and scipy's rankdata of its pairs",
                ours=f"{shown(Spread.of(areas['ours']))} s",
                peer=f"{shown(Spread.of(areas['ranks']))} s",
                ratio=ratio(areas, "ours", "ranks"),
                target=TWICE,
            ),
        ],
        seconds={f"{N_MAPS} maps": many, f"{N_GRAM} maps": seconds, "separability": areas},
        notes=[
            f"Similarity of {N_MAPS:,} maps takes normalised_rows and similarity together. Against "
            "the Gram matrix both start from the same unit rows; its product is in float32, ours "
            "in float64 throughout.",
        ],
        settings={"size": SIZE, "emotions": N_EMOTIONS},
    )


def _end_to_end(maps: Tensor, mask: Tensor, labels: Tensor) -> Similarity:
    return similarity(normalised_rows(maps, mask, kind="pearson"), labels)


def _gram(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Each map's mean similarity within its emotion and to the others, from all pairs."""
    gram = rows @ rows.T  # (N, N)
    same = labels[:, None] == labels[None]
    apart = ~same
    same.fill_diagonal_(False)
    within = (gram * same).sum(dim=1, dtype=torch.float64) / same.sum(dim=1)
    between = (gram * apart).sum(dim=1, dtype=torch.float64) / apart.sum(dim=1)
    return within, between


def _ranks(rows: Tensor) -> np.ndarray:
    """Ranks of the similarities of all pairs, the least work of an area under a ROC curve."""
    every = rows.double().numpy()
    return np.asarray(rankdata((every @ every.T)[np.triu_indices(len(every), k=1)]))
