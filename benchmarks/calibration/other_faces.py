"""Gain of a face's own map over other faces' maps: what its interval covers.

``python -m benchmarks.calibration.other_faces --repeats 400``: faces stand for each other, so that
differences of faces hang together. ``lent`` takes a face's part in other faces' means off
(:mod:`studies.questions.conditions.likeness`); without it, intervals are too short.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
import pandas as pd
import torch
from tabulate import tabulate

from metrics.statistics.clusters import Array
from metrics.statistics.intervals import mean_interval
from studies.engine.other_persons import other_persons
from studies.questions.conditions.likeness import compared
from studies.questions.conditions.tables import gains

SIZES = ((60, 1), (96, 1), (150, 1), (192, 2), (400, 5))
"""Faces, and faces a person."""
SIDE, EMOTIONS = 4, 6
TRUTH_FACES, TRUTH_REPEATS = 600, 40


def drawn(
    rng: np.random.Generator, shapes: Array, *, faces: int, each: int, kept: float, blank: float
) -> tuple[Array, Array, list[int]]:
    """Gains with and without ``lent``, and the persons, of maps of which a share is kept.

    The changed maps of the least typical faces, a share ``blank`` of all, are blank.
    """
    persons, emotions = np.arange(faces) // each, np.arange(faces) % EMOTIONS
    own = 0.5 * rng.normal(size=(faces // each, SIDE**2))[persons]
    own += rng.normal(size=own.shape) * np.exp(0.5 * rng.normal(size=(faces, 1)))
    clean = shapes[emotions] + own
    changed = kept * clean + rng.normal(size=own.shape) * np.exp(0.4 * rng.normal(size=(faces, 1)))
    typical = (clean * shapes[emotions]).sum(axis=1)
    changed[typical < np.quantile(typical, blank)] = 0.0
    maps = [torch.from_numpy(one).float().reshape(faces, SIDE, SIDE) for one in (changed, clean)]
    others = other_persons(torch.from_numpy(emotions), persons.tolist()).numpy()
    found = compared(*maps, torch.rand(1, SIDE, SIDE), others=others)
    rows = pd.DataFrame({"id": np.arange(faces), "severity": 1.0, "likeness": found.own})
    rows = rows.assign(other=found.other, lent=found.lent, explained=emotions)
    return gains(rows).loc[rows["id"]].to_numpy(), found.own - found.other, persons.tolist()


def coverage(repeats: int, *, seed: int = 0) -> list[list[object]]:
    """A row a size and share that is kept: coverage of 95 % intervals with ``lent``, and without."""
    rng = np.random.default_rng(seed)
    shapes = rng.normal(size=(EMOTIONS, SIDE**2))
    rows: list[list[object]] = []
    for faces, each in SIZES:
        for kept, blank in product((0.0, 0.6), (0.0, 1 / 3)):
            about = {"each": each, "kept": kept, "blank": blank}
            means = [
                np.nanmean(drawn(rng, shapes, faces=TRUTH_FACES, **about)[0])
                for _ in range(TRUTH_REPEATS)
            ]
            hits = np.zeros(2)
            for _ in range(repeats):
                *both, persons = drawn(rng, shapes, faces=faces, **about)
                for k, values in enumerate(both):
                    found = mean_interval(values, clusters=persons)
                    hits[k] += found.low <= np.mean(means) <= found.high
            rows.append([faces, each, kept, blank, *(hits / repeats)])
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Coverage of gains over other faces.")
    parser.add_argument("--repeats", type=int, default=400)
    heads = ["faces", "a person", "kept", "blank", "with lent", "without"]
    print(tabulate(coverage(parser.parse_args().repeats), heads, floatfmt=".3f"))
