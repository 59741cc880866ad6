"""Macro recall, accuracy under other shares of emotions, and gaps: what their intervals cover.

Coverage of 95 % intervals of a sum with equal weights, of one with another data set's shares as
weights, and of the difference between the accuracy of one set of faces and that sum of another,
whose weights are the shares among the first (:mod:`studies.engine.weighted_recalls`). Persons of
several faces differ in how easily they are recognised (standard deviation of ``spread`` on the
logit scale).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.calibration.rows import Row
from metrics.statistics.intervals import Interval
from studies.engine.recognised_share import wilson_interval
from studies.engine.weighted_recalls import difference, weighted_recall

Array = NDArray[np.float64]
EMOTIONS = 6
RECALLS = np.array([0.93, 0.86, 0.92, 0.88, 0.58, 0.58])
ELSEWHERE = np.array([0.66, 0.87, 0.64, 0.39, 0.32, 0.06])
"""Recalls of a network on its own test faces, and on those of another data set."""
FREQUENT = np.array([0.496, 0.138, 0.2, 0.068, 0.067, 0.031])
EVEN = np.full(EMOTIONS, 1 / EMOTIONS)
Design = tuple[int, int, float, Array]
DESIGNS: tuple[Design, ...] = (
    (2388, 1, 0.0, FREQUENT),
    (300, 1, 0.0, FREQUENT),
    (120, 1, 0.0, EVEN),
    (60, 1, 0.0, EVEN),
    (600, 12, 0.5, EVEN),
    (600, 12, 1.5, EVEN),
    (240, 12, 1.0, EVEN),
    (213, 21, 1.0, EVEN),
    (120, 12, 1.0, EVEN),
)
"""Faces, faces a person, spread between persons, and shares of the emotions."""


def drawn(
    rng: np.random.Generator, recalls: Array, design: Design
) -> tuple[NDArray[np.bool_], NDArray[np.int64], list[int]]:
    """Hits, emotions and persons of faces."""
    faces, each, spread, shares = design
    persons = np.arange(faces) // each
    if each > 1:
        labels = np.arange(faces) % EMOTIONS
    else:
        labels = np.repeat(np.arange(EMOTIONS), np.maximum(np.round(shares * faces), 2).astype(int))
        persons = np.arange(len(labels))
    ease = spread * rng.normal(size=int(persons.max()) + 1)
    hits = rng.random(len(labels)) < special.expit(special.logit(recalls[labels]) + ease[persons])
    return hits, labels, persons.tolist()


def marginal(recalls: Array, spread: float) -> Array:
    """Recalls over persons, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    chances = special.expit(special.logit(recalls)[:, None] + spread * nodes)
    return np.asarray(chances @ weights / weights.sum())


STATISTICS = ("macro recall", "accuracy at other shares", "gap to an accuracy")


def coverage(repeats: int, *, designs: Sequence[Design] = DESIGNS) -> Iterator[Row]:
    """Coverage of the macro recall, of the reweighed accuracy, and of the gap to it."""
    for place, design in enumerate(designs):
        faces, each, spread, _ = design
        hits = _hits(repeats, design, np.random.default_rng([31, place]))
        of = f"persons of {each}, spread {spread:g}" if each > 1 else "faces"
        for name, found in zip(STATISTICS, hits.tolist(), strict=True):
            yield Row(
                statistic=f"weighted_recall: {name}",
                design=of,
                n=str(faces // each),
                nominal=0.95,
                hits=found,
                repeats=repeats,
            )


def _hits(repeats: int, design: Design, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each of the three intervals covers."""
    there = marginal(ELSEWHERE, design[2])
    own_truth = float(FREQUENT @ RECALLS)
    truths = there.mean(), float(FREQUENT @ there), own_truth - float(FREQUENT @ there)
    found = np.zeros(3, dtype=np.int64)
    for _ in range(repeats):
        hits, labels, persons = drawn(rng, ELSEWHERE, design)
        own_labels = rng.choice(EMOTIONS, size=2388, p=FREQUENT / FREQUENT.sum())
        own = rng.random(2388) < RECALLS[own_labels]
        low, high, _ = wilson_interval(own, range(2388))
        at_home = Interval(
            estimate=float(own.mean()), low=low, high=high, standard_error=0.0, n=2388, scheme=""
        )
        macro = weighted_recall(hits, labels, persons, weights=dict(enumerate(EVEN)))
        shifted = weighted_recall(hits, labels, persons, weights=dict(enumerate(FREQUENT)))
        seen = dict(enumerate(np.bincount(own_labels, minlength=EMOTIONS) / 2388))
        moved = weighted_recall(hits, labels, persons, weights=seen)
        made = macro, shifted, difference(at_home, moved)
        found += [one.low <= truth <= one.high for one, truth in zip(made, truths, strict=True)]
    return found
