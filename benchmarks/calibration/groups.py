"""Gaps of groups, standardised to emotions: how often their intervals cover, by group and rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.calibration.rows import Row
from fer_xai.errors import InputError
from metrics.statistics.clusters import Array
from metrics.statistics.group_gaps import gap_of_means, gap_of_shares
from metrics.statistics.standardised import common_strata, sides_of

PRIOR = (0.4, 0.2, 0.15, 0.1, 0.1, 0.05)
"""Shares of six emotions."""
RECALL: dict[str, tuple[float, ...]] = {
    "recall .55 to .95": (0.95, 0.85, 0.80, 0.80, 0.60, 0.55),
    "recall .90 to .98": (0.98, 0.97, 0.96, 0.95, 0.90, 0.95),
    "recall .30 to .60": (0.5, 0.4, 0.45, 0.6, 0.3, 0.35),
}
SIZES: tuple[tuple[int, int, int], ...] = (
    *((20, 20, 1), (20, 500, 1), (40, 500, 1), (100, 300, 1)),
    *((5, 40, 4), (5, 5, 12), (5, 40, 12), (8, 40, 12), (12, 12, 12), (20, 40, 12)),
)
"""Persons of the group and of the rest, and faces of a person."""
GAP, SPREAD = 0.1, 1.0
"""What the group has less, and the standard deviation of persons on the logit scale."""
LEVELS = (0.95, 0.99)


def shares(repeats: int, *, names: Sequence[str] = tuple(RECALL)) -> Iterator[Row]:
    """Coverage of the gap of standardised shares of right answers."""
    for name in names:
        rest = np.array(RECALL[name])
        chances = np.stack([rest, rest - GAP])  # rest, group
        for size in SIZES:
            z = np.linspace(-4, 4, 81)
            weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
            spread = SPREAD if size[2] > 1 else 0.0
            truth = (special.expit(special.logit(chances)[..., None] + spread * z) * weight).sum(-1)
            rng = np.random.default_rng([21, *size])
            yield from _counted(repeats, name, size, rng, (chances, truth, spread))


def _counted(
    repeats: int,
    name: str,
    size: tuple[int, int, int],
    rng: np.random.Generator,
    facts: tuple[Array, Array, float],
) -> Iterator[Row]:
    chances, truth, spread = facts
    hits, made = dict.fromkeys(LEVELS, 0), 0
    for _ in range(repeats):
        member, emotion, person = _faces(rng, size)
        easy = spread * rng.normal(size=person.max() + 1)[person]
        chance = special.expit(special.logit(chances[member.astype(int), emotion]) + easy)
        right = (rng.random(len(chance)) < chance).astype(np.float64)
        try:
            sides = sides_of(right, member, emotion, person.tolist())
        except InputError:  # no emotion in common
            continue
        own = truth[:, common_strata(member, emotion, person)].mean(axis=1)
        made += 1
        for level in LEVELS:
            found = gap_of_shares(*sides, level=level)
            hits[level] += bool(found.low <= own[1] - own[0] <= found.high)
    yield from (
        Row(
            statistic=f"gap_of_shares, {level:.0%}",
            design=name,
            n=_size(size),
            nominal=0.95 if level == 0.95 else float("nan"),
            hits=hits[level],
            repeats=made,
        )
        for level in LEVELS
    )


SHAPES = ("normal", "gamma(4)", "exponential")
"""Shapes of scores, of skewness 0, 1 and 2; the last one has an interval from 100 units on."""


def means(repeats: int, *, shapes: Sequence[str] = SHAPES) -> Iterator[Row]:
    """Coverage of the gap of standardised means of scores."""
    for shape in shapes:
        for size in (*SIZES, (100, 500, 1)):
            rng, covered, made = np.random.default_rng([22, *size]), 0, 0
            share = 0.5 if size[2] > 1 else 0.0  # of the variance that persons have
            for _ in range(repeats):
                member, emotion, person = _faces(rng, size)
                scores = np.sqrt(share) * _draw(rng, shape, person.max() + 1)[person]
                scores = scores + np.sqrt(1 - share) * _draw(rng, shape, len(person))
                scores = scores * (1 + 0.06 * emotion) + 0.2 * emotion + GAP * member
                try:
                    sides = sides_of(scores, member, emotion, person.tolist())
                except InputError:  # no emotion in common
                    continue
                found = gap_of_means(*sides)
                made += 1
                covered += found.low <= GAP <= found.high
            yield Row(
                statistic="gap_of_means",
                design=shape,
                n=_size(size),
                nominal=0.95 if shape != "exponential" or size[0] >= 100 else float("nan"),
                hits=covered,
                repeats=made,
            )


def _draw(rng: np.random.Generator, shape: str, n: int) -> Array:
    if shape == "normal":
        return rng.normal(size=n)
    form = 4.0 if shape == "gamma(4)" else 1.0
    return (rng.gamma(form, size=n) - form) / np.sqrt(form)


def _faces(
    rng: np.random.Generator, size: tuple[int, int, int]
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Whether each face is of the group, its emotion and its person."""
    group, rest, each = size
    person = np.repeat(np.arange(group + rest), each)
    if each == 1:
        emotion = rng.choice(len(PRIOR), size=len(person), p=PRIOR)
    else:
        emotion = np.arange(len(person)) % each % len(PRIOR)
    return person < group, emotion, person


def _size(size: tuple[int, int, int]) -> str:
    group, rest, each = size
    return f"{group} and {rest}" + (f" × {each}" if each > 1 else "")
