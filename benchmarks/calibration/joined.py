"""Intervals that join several sources: faces with networks or trainings, shares of faces of persons.

The faces' part of an excess is a mean of their parts, as in the delete-one jackknife; networks and
trainings each have a score of their own, from one shape of distribution.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.calibration.mean_designs import DRAWS, clustered, unequal
from benchmarks.calibration.rows import Row
from metrics.consistency.jackknife import jackknife_interval
from metrics.statistics.clusters import Array
from metrics.statistics.families import mean_family
from studies.engine.recognised_share import wilson_interval
from studies.questions.ablation.tables import Units, excess_interval

FACES = 120
NETWORKS = (3, 5, 10, 20)
"""Numbers of untrained networks."""
SIDES = {"faces make the width": 0.1, "both do": 1.0, "networks make the width": 10.0}
"""Spread of the networks' part of an estimate, over that of the faces' part."""
PERSONS = {
    "24 faces": np.ones(24),
    "60 faces": np.ones(60),
    "300 faces": np.ones(300),
    "20 persons × 3 faces": np.full(20, 3),
    "12 persons × 4 faces": np.full(12, 4),
    "60 persons × 3 faces": np.full(60, 3),
}
SHAPES = ("normal", "exponential", "lognormal")
"""Shapes of what networks and trainings score."""
RIGHT = (0.5, 0.9)
"""Shares of faces that are recognised."""
UNITS = {"64 × 3 faces": 64, "128 × 3 faces": 128, "200 unequal": 200}
RESAMPLES = 499


def excesses(repeats: int) -> Iterator[Row]:
    """An excess over untrained networks, for other faces and other untrained networks."""
    for draw in SHAPES:
        for n in NETWORKS:
            for side, spread in SIDES.items():
                rng = np.random.default_rng([20, n])
                hits = 0
                for _ in range(repeats):
                    faces = _parts(rng)
                    floor = spread * np.sqrt(n / FACES) * DRAWS[draw](rng, (n,))
                    found = jackknife_interval(
                        faces.sum() - floor.mean(),
                        faces - faces.mean(),
                        np.zeros(FACES),
                        extra_variance=floor.var(ddof=1) / n,
                        extra_n=n,
                    )
                    hits += found.low <= 0 <= found.high
                yield Row(
                    statistic="excess over untrained networks",
                    design=f"{draw} networks, {side}",
                    n=str(n),
                    nominal=0.95,
                    hits=hits,
                    repeats=repeats,
                )


def trainings(repeats: int) -> Iterator[Row]:
    """A mean excess of trainings, for other faces, trainings and untrained networks."""
    units = Units(labels=np.zeros(FACES, dtype=np.int64), clusters=[*map(str, range(FACES))])
    for draw in SHAPES:
        for n in (5, 10):
            for side, spread in SIDES.items():
                rng = np.random.default_rng([21, n])
                hits = 0
                for _ in range(repeats):
                    faces = _parts(rng)
                    own = spread * np.sqrt(n / FACES) * DRAWS[draw](rng, (n,))
                    floor = spread * np.sqrt(5 / FACES) * DRAWS[draw](rng, (5,))
                    excess = faces.sum() + own - floor.mean()
                    found = excess_interval(excess, [floor], faces - faces.mean(), units)
                    hits += found.low <= 0 <= found.high
                yield Row(
                    statistic="excess of trainings",
                    design=f"{draw} trainings, {side.replace('networks', 'trainings')}",
                    n=str(n),
                    nominal=0.95,
                    hits=hits,
                    repeats=repeats,
                )


def shares(repeats: int) -> Iterator[Row]:
    """Wilson's interval of the share of faces that are recognised, by person."""
    for design, sizes in PERSONS.items():
        for right in RIGHT:
            for tie in (0.0, 0.5) if sizes.max() > 1 else (0.0,):
                rng = np.random.default_rng([22, len(sizes)])
                persons = np.repeat(np.arange(len(sizes)), sizes.astype(int))
                hits = 0
                for _ in range(repeats):
                    own = rng.random(len(sizes))[persons]  # a person's faces share a draw, or not
                    each = np.where(rng.random(len(persons)) < tie, own, rng.random(len(persons)))
                    low, high, _ = wilson_interval(each < right, persons.tolist())
                    hits += low <= right <= high
                yield Row(
                    statistic="share recognised, Wilson",
                    design=f"{design}, of which {100 * tie:.0f} % share a person's answer"
                    if sizes.max() > 1
                    else design,
                    n=f"share {right:g}",
                    nominal=0.95,
                    hits=hits,
                    repeats=repeats,
                )


def families(repeats: int) -> Iterator[Row]:
    """Studies of 12 methods over persons without any effect: any claim by p, any interval."""
    for design, n in UNITS.items():
        for draw in DRAWS:
            rng = np.random.default_rng([23, n])
            claims = misses = untested = 0
            for seed in range(repeats):
                sizes = unequal(rng, n) if "unequal" in design else np.full(n, 3)
                columns = [clustered(rng, sizes, draw, 0.5) for _ in range(12)]
                common, persons = clustered(rng, sizes, draw, 0.5)
                gains = (np.stack([x for x, _ in columns], axis=1) + common[:, None]) / np.sqrt(2)
                found = mean_family(gains, clusters=persons, repeats=RESAMPLES, seed=seed)
                claims += bool((found.p_values <= 0.05).any())
                misses += any(i.low > 0 or i.high < 0 for i in found.intervals)
                untested += sum(bool(i.reason) for i in found.intervals)
            for name, hits in (
                ("mean_family over persons, p", claims),
                ("mean_family over persons, intervals", misses),
            ):
                yield Row(
                    statistic=name,
                    design=draw,
                    n=design,
                    nominal=0.05,
                    hits=hits,
                    repeats=repeats,
                    told=f"not tested: {untested / repeats / 12:.0%}",
                )


def _parts(rng: np.random.Generator) -> Array:
    """Parts of the faces in an estimate whose faces' part has the spread of one over √FACES."""
    return rng.normal(size=FACES) / FACES
