"""Likeness of maps to those of other faces of the emotion: what intervals of its mean cover."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.calibration.rows import Row
from metrics.consistency.likeness import EmotionLikeness, emotion_likeness
from metrics.statistics.intervals import mean_interval

SHARES = (0.45, 0.2, 0.15, 0.1, 0.06, 0.04)
"""Shares of six emotions."""
SIDE = 8
SIZES = ((60, 1), (200, 1), (800, 1), (60, 4), (200, 4), (800, 4))
"""Faces, and faces of a person."""
TRUTH = 20
"""Data sets of 4,000 faces whose mean stands for the true one."""


def coverage(repeats: int) -> Iterator[Row]:
    """Coverage of the mean gain, by the spread of the influence and by that of the gains."""
    for each in (1, 4):
        rng = np.random.default_rng([41, each])
        truth = np.mean([np.nanmean(_drawn(rng, 4000, each)[0].gain) for _ in range(TRUTH)])
        for faces, of in SIZES:
            if of != each:
                continue
            hits = np.zeros(2, dtype=np.int64)
            for _ in range(repeats):
                found, persons = _drawn(rng, faces, each)
                made = [
                    mean_interval(values, clusters=persons)
                    for values in (found.influence, found.gain)
                ]
                hits += [one.low <= truth <= one.high for one in made]
            names = ("emotion_likeness", "emotion_likeness, spread of the gains")
            for name, count, nominal in zip(
                names, hits.tolist(), (0.95, float("nan")), strict=True
            ):
                yield Row(
                    statistic=name,
                    design=f"persons of {each} faces" if each > 1 else "faces",
                    n=str(faces // each),
                    nominal=nominal,
                    hits=count,
                    repeats=repeats,
                )


def _drawn(rng: np.random.Generator, faces: int, each: int) -> tuple[EmotionLikeness, list[int]]:
    """Maps of six emotions, each a usual map, noise, and what the maps of a person share."""
    usual = np.random.default_rng(42).normal(size=(len(SHARES), SIDE**2)) * 0.6
    targets: NDArray[np.int64] = rng.choice(len(SHARES), size=faces, p=SHARES)
    persons = np.arange(faces) // each
    own = 0.5 * rng.normal(size=(int(persons.max()) + 1, SIDE**2)) if each > 1 else 0.0
    noise = rng.normal(size=(faces, SIDE**2))
    shared = own[persons] if isinstance(own, np.ndarray) else 0.0
    maps: Tensor = torch.from_numpy(usual[targets] + noise + shared).reshape(-1, SIDE, SIDE)
    return emotion_likeness(maps, torch.from_numpy(targets), persons.tolist()), persons.tolist()
