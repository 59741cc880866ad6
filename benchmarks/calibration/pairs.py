"""Coverage of the intervals of pairs, and false positives of their permutation test, by design.

``python -m benchmarks.calibration --only pairs --only permutation`` counts them; this module by
itself prints a table.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from metrics.consistency.pairs import LEAST
from metrics.consistency.separability import separability
from metrics.consistency.similarity import permuted_excess, similarity
from metrics.core.similarity import normalised_rows
from metrics.statistics.intervals import Interval
from metrics.statistics.permuting import permutation_p_value

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
SIDE, EMOTIONS = 4, 6
_MASK = torch.ones(SIDE, SIDE, dtype=torch.bool)
_DRAWN_FOR_TRUTH = 20_000
PERMUTATIONS = 99
STATISTICS = ("separability", "excess similarity")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One design: what was measured of it, with its Monte-Carlo error."""

    design: str
    statistic: str
    n: str
    rate: float
    repeats: int
    truth: float = float("nan")
    bias: float = float("nan")

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the rate."""
        return float(np.sqrt(self.rate * (1 - self.rate) / self.repeats))


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How maps come about: a pattern of all faces, of an emotion, of a moment, and noise.

    A moment is what a person shows of an emotion; each has a strength of its own (lognormal), so
    that faces differ in their say.
    """

    name: str
    base: float = 1.0
    pattern: float = 0.0
    spread: float = 0.8
    moment: float = 0.0
    noise: float = 1.0
    rectified: bool = False

    def rows(self, labels: Codes, persons: Codes, rng: np.random.Generator) -> torch.Tensor:
        """``(N, 16)`` unit vectors of maps of faces of the given emotions and persons."""
        cells = SIDE**2
        patterns = np.random.default_rng(5).normal(size=(1 + EMOTIONS, cells))
        moments = np.unique(persons * EMOTIONS + labels, return_inverse=True)[1]
        count = int(moments.max()) + 1
        strength = rng.lognormal(0, self.spread, (count, 1))[moments]
        signal = self.base * patterns[0] + self.pattern * patterns[1:][labels]
        made = strength * signal + self.noise * rng.normal(size=(len(labels), cells))
        if self.moment:
            made += self.moment * rng.normal(size=(count, cells))[moments]
        if self.rectified:  # a ReLU, as Grad-CAM's
            made = np.maximum(made - 1, 0) + 1e-6 * np.abs(made)
        return normalised_rows(torch.from_numpy(made.reshape(-1, SIDE, SIDE)), _MASK)


@cache
def truths(effect: Effect) -> dict[str, Array]:
    """``(E, E)`` areas of one emotion above another, and gaps of their mean similarity.

    They are measured on pairs of which no two share a face.
    """
    labels = np.repeat(np.arange(EMOTIONS), 2 * _DRAWN_FOR_TRUTH)
    rows = effect.rows(labels, np.arange(len(labels)), np.random.default_rng(99))
    x = rows.double().numpy().reshape(EMOTIONS, 2, _DRAWN_FOR_TRUTH, -1)
    found = {name: np.zeros((EMOTIONS, EMOTIONS)) for name in STATISTICS}
    for e, f in itertools.permutations(range(EMOTIONS), 2):
        within = (x[e, 0] * x[e, 1]).sum(axis=1).round(6)
        across = (x[e, 0] * x[f, 1]).sum(axis=1).round(6)
        above = stats.mannwhitneyu(within, across).statistic / len(within) ** 2
        found["separability"][e, f] = above
        found["excess similarity"][e, f] = within.mean() - across.mean()
    return found


def truth_of(effect: Effect, labels: Codes, persons: Codes) -> dict[str, float]:
    """The statistics' true values, over emotions that have units enough."""
    shown = np.unique(labels)
    counted = [e for e in shown if len(np.unique(persons[labels == e])) >= LEAST]
    pairs = list(itertools.permutations(counted, 2))
    return {
        name: float(np.mean([matrix[pair] for pair in pairs]))
        for name, matrix in truths(effect).items()
    }


EFFECTS = (
    Effect(name="noise alone (degenerate null)", base=0.0),
    Effect(name="one pattern for all (null)"),
    Effect(name="weak effect", pattern=0.6),
    Effect(name="weak effect behind a ReLU", pattern=1.0, rectified=True),
    Effect(name="strong effect", pattern=1.5, spread=0.5),
)
SHARES = np.array([329, 74, 160, 1185, 478, 162]) / 2388
"""Shares of the six emotions in RAF-DB's test faces."""


def sizes(n: int, smallest: int | None) -> Codes:
    """Faces of each emotion: equal, or in RAF-DB's shares with this many of the rarest."""
    if smallest is None:
        return np.full(EMOTIONS, n // EMOTIONS)
    found = np.round(SHARES * n).astype(np.int64)
    found[1] = smallest
    return np.maximum(found, smallest)


FACES: tuple[tuple[int, int | None], ...] = (
    *((60, None), (60, 2), (60, 3), (60, 4), (60, 5), (60, 6)),
    *((150, None), (150, 3), (150, 5), (150, 6), (600, None), (600, 5)),
)


def coverage_of_faces(
    repeats: int,
    *,
    effects: Sequence[Effect] = EFFECTS,
    faces: Sequence[tuple[int, int | None]] = FACES,
) -> Iterator[Row]:
    """Intervals of independent faces; emotions below five faces are left out of the truth too."""
    for effect in effects:
        for n, smallest in faces:
            labels = np.repeat(np.arange(EMOTIONS), sizes(n, smallest))
            said = f"{n} faces, " + (
                "equal emotions" if smallest is None else f"rarest emotion {smallest}"
            )
            yield from coverage(effect, labels, np.arange(len(labels)), said, repeats)


def coverage_of_persons(repeats: int) -> Iterator[Row]:
    """Intervals of persons with near-identical frames."""
    for effect in (
        Effect(name="persons (null)", moment=1.0, noise=0.2),
        Effect(name="persons, weak effect", pattern=0.6, moment=1.0, noise=0.2),
    ):
        for said, labels, persons in person_designs():
            yield from coverage(effect, labels, persons, said, repeats)


def person_designs() -> Iterator[tuple[str, Codes, Codes]]:
    """Labels and persons of designs with several frames a person."""
    yield (
        "12 persons × 2 emotions × 2 frames",
        np.tile(np.repeat([0, 1], 2), 12),
        np.repeat(np.arange(12), 4),
    )
    persons = np.repeat(np.arange(20), 3)
    yield "20 persons × 3 frames, one emotion each", persons % 2, persons
    yield "20 persons × 3 emotions × 1 frame", np.tile(np.arange(3), 20), persons
    yield "50 persons × 3 frames, one emotion each", *_single(50)
    yield "200 persons × 3 frames, one emotion each", *_single(200)
    frames = np.random.default_rng(0).integers(1, 8, 40)
    several = np.repeat(np.arange(40), frames)
    yield "40 persons, 1 to 7 frames, one emotion each", several % 4, several


def _single(count: int) -> tuple[Codes, Codes]:
    persons = np.repeat(np.arange(count), 3)
    return persons % EMOTIONS, persons


def coverage(
    effect: Effect, labels: Codes, persons: Codes, said: str, repeats: int
) -> Iterator[Row]:
    """How often the intervals of both statistics hold the truth, in one design."""
    truth = truth_of(effect, labels, persons)
    classes = torch.from_numpy(labels)
    clusters = None if len(np.unique(persons)) == len(persons) else persons
    found: dict[str, list[Interval]] = {name: [] for name in STATISTICS}
    for repeat in range(repeats):
        rows = effect.rows(labels, persons, np.random.default_rng((1, repeat)))
        found["separability"].append(separability(rows, classes, clusters=clusters).interval)
        found["excess similarity"].append(similarity(rows, classes, clusters=clusters).interval)
    for name, intervals in found.items():
        inside = [i.low <= truth[name] <= i.high for i in intervals]
        yield Row(
            design=effect.name,
            statistic=name,
            n=said,
            rate=float(np.mean(inside)),
            repeats=repeats,
            truth=truth[name],
            bias=float(np.mean([i.estimate for i in intervals])) - truth[name],
        )


def false_positives(repeats: int) -> Iterator[Row]:
    """Share of data sets without an effect that permutation calls a finding at .05."""
    for effect in (
        Effect(name="persons (null)", moment=1.0, noise=0.2),
        Effect(name="persons, noise alone (null)", base=0.0, moment=1.0, noise=0.05),
    ):
        for said, labels, persons in person_designs():
            if len(labels) <= 200:
                rate = false_positives_of(effect, labels, persons, repeats)
                yield Row(
                    design=effect.name,
                    statistic="permutation, false positives",
                    n=said,
                    rate=rate,
                    repeats=repeats,
                )


def false_positives_of(effect: Effect, labels: Codes, persons: Codes, repeats: int) -> float:
    """Share of data sets of one design whose p-value is .05 or less."""
    classes, found = torch.from_numpy(labels), 0
    for repeat in range(repeats):
        rows = effect.rows(labels, persons, np.random.default_rng((2, repeat)))
        p = permutation_p_value(
            *permuted_excess(rows, classes, repeats=PERMUTATIONS, seed=repeat, clusters=persons)
        )
        found += p <= 0.05
    return found / repeats


def table(rows: Iterator[Row]) -> Iterator[str]:
    """Lines of a Markdown table, each as soon as it is known."""
    yield "| statistic | design | size | rate | ± | truth | bias |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        cells = (row.statistic, row.design, row.n, f"{row.rate:.3f}", f"{row.error:.3f}")
        numbers = ("", "") if np.isnan(row.truth) else (f"{row.truth:.3f}", f"{row.bias:+.3f}")
        yield f"| {' | '.join((*cells, *numbers))} |"


def main() -> None:
    """Print the table of all designs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000, help="data sets a design")
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    parts = (coverage_of_faces, coverage_of_persons, false_positives)
    for line in table(row for part in parts for row in part(repeats)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
