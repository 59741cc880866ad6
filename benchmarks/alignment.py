"""Seconds that alignment takes beyond the maps: one method on as many faces as RAF-DB's test set."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

import metrics
from benchmarks.report import Row, Section, Target, shown
from benchmarks.timing import Spread, alternate

FACES, EMOTIONS, SIZE = 2388, 6, 64
METRICS = (
    "au_cosine",
    "region_mass",
    "energy_gain",
    "region_rank",
    "region_iou",
    "pixel_auc",
    "pointing_game",
)
TARGET = Target(bound=60, at_least=False, unit=" s")


def measure(*, rounds: int) -> Section:
    """Seconds of all scores, the primary endpoint, other faces' areas and ceilings, and in all."""
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(FACES * EMOTIONS, 1, 4, 4, generator=generator).clamp(min=0)
    large = torch.nn.functional.interpolate(cells, (SIZE, SIZE), mode="bilinear")
    maps = large.reshape(FACES, EMOTIONS, SIZE, SIZE)
    areas = _blocks(generator)
    parts: dict[str, Callable[[], object]] = {
        "scores": partial(_scores, maps[:, 0].contiguous(), areas[:, 0].contiguous()),
        "contrast": partial(metrics.emotion_contrast, maps, areas),
        "other faces": partial(_other_faces, maps[:, 0].contiguous(), areas[:, 0].contiguous()),
        "ceilings": partial(_ceilings, areas),
    }
    seconds = alternate(parts, rounds=rounds)
    total = Spread.of([sum(values) for values in zip(*seconds.values(), strict=True)])
    said = ", ".join(f"{name} {Spread.of(seconds[name]).median:.2f} s" for name in parts)
    return Section(
        rows=[
            Row(
                name=f"Alignment of {FACES:,} faces, {EMOTIONS} targets, beyond the maps",
                ours=f"{shown(total)} s ({said})",
                value=total.median,
                target=TARGET,
            )
        ],
        seconds={"alignment": seconds},
        notes=[
            f"Alignment takes {len(METRICS)} scores of a map and its area, the contrast of "
            f"{EMOTIONS} targets and areas, the mean cosine over all other faces' areas, and the "
            f"ceilings of the cosine and of the contrast for 4×4 cells, of maps of {SIZE}×{SIZE}.",
        ],
        settings={"size": SIZE, "faces": FACES, "emotions": EMOTIONS},
    )


def _blocks(generator: torch.Generator) -> Tensor:
    """Bool ``(FACES, EMOTIONS, SIZE, SIZE)``: a block of random place and size each."""
    grid = torch.arange(SIZE)
    ends = torch.randint(4, SIZE - 4, (FACES, EMOTIONS, 2, 2), generator=generator)
    low, high = ends.amin(dim=3, keepdim=True), ends.amax(dim=3, keepdim=True)
    inside = (grid >= low) & (grid <= high)  # (FACES, EMOTIONS, 2, SIZE)
    return inside[:, :, 0, :, None] & inside[:, :, 1, None, :]


def _scores(maps: Tensor, areas: Tensor) -> list[Tensor]:
    return [getattr(metrics, name)(maps, areas) for name in METRICS]


def _other_faces(maps: Tensor, areas: Tensor) -> Tensor:
    return metrics.other_faces_areas(maps, areas)


def _ceilings(areas: Tensor) -> tuple[Tensor, Tensor]:
    return metrics.alignment_ceiling(areas[:, 0]), metrics.contrast_ceiling(areas)
