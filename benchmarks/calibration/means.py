"""Means over faces: what their intervals cover, how often their tests err, how many faces they take.

The truth of every design is known. ``python -m benchmarks.calibration`` counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.calibration.families import COLUMNS, SIZES
from benchmarks.calibration.mean_designs import CLUSTERS, DRAWS, clustered
from benchmarks.calibration.rows import Row
from metrics.statistics.clustered import mean_parts
from metrics.statistics.clusters import Array
from metrics.statistics.families import mean_family
from metrics.statistics.intervals import mean_interval
from metrics.statistics.mean_tests import equivalence, mean_test, untested
from metrics.statistics.power import units_for_difference
from metrics.statistics.sequential import stop_when
from metrics.statistics.significance import wilcoxon_p
from metrics.statistics.trainings import training_interval

FEW = (5, 8, 12, 16)
SHOWN_BESIDE = 10
"""Tests that are not in use are tried on one data set in so many."""


def coverage(
    repeats: int, *, draws: Sequence[str] = tuple(DRAWS), sizes: Sequence[int] = (*FEW, *SIZES)
) -> Iterator[Row]:
    """95 % intervals of a mean over independent faces."""
    for draw in draws:
        for n in sizes:
            rng = np.random.default_rng([1, n])
            found = [mean_interval(x) for x in DRAWS[draw](rng, (repeats, n))]
            known = [f for f in found if not f.reason]
            width = np.median([(f.high - f.low) / 3.92 / f.standard_error for f in known])
            yield Row(
                statistic="mean_interval",
                design=draw,
                n=str(n),
                nominal=0.95,
                hits=sum(f.low <= 0 <= f.high for f in known),
                repeats=len(known),
                told=f"{width:.2f} of a normal interval's width",
            )


def cluster_coverage(
    repeats: int,
    *,
    draws: Sequence[str] = tuple(DRAWS),
    designs: Sequence[str] = tuple(CLUSTERS),
    rhos: Sequence[float] = (0.0, 0.3, 0.9),
) -> Iterator[Row]:
    """95 % intervals of a mean over clusters, and errors of the test that belongs to them."""
    for design in designs:
        for draw in draws:
            for rho in rhos:
                rng = np.random.default_rng(2)
                found = []
                for _ in range(repeats):
                    x, codes = clustered(rng, CLUSTERS[design](rng), draw, rho)
                    found.append(mean_interval(x, clusters=codes))
                yield Row(
                    statistic="mean_interval, clusters",
                    design=f"{design}, {draw}, correlation {rho:g}",
                    n=f"{found[0].n}",
                    nominal=0.95,
                    hits=sum(f.low <= 0 <= f.high for f in found),
                    repeats=repeats,
                    told=f"freedom {np.median([f.freedom for f in found]):.1f}",
                )


def sign_flip_p(x: Array, rng: np.random.Generator, flips: int = 999) -> float:
    """Two-sided p of the mean under flipped signs: exact where differences are symmetric."""
    signs = rng.integers(0, 2, (flips, len(x))) * 2 - 1
    flipped = np.abs(signs @ x)
    return float((1 + (flipped >= abs(x.sum()) * (1 - 1e-12)).sum()) / (1 + flips))


def errors(
    repeats: int, *, draws: Sequence[str] = tuple(DRAWS), sizes: Sequence[int] = (*FEW, *SIZES)
) -> Iterator[Row]:
    """False positives at 5 % of tests of a mean, without any effect."""
    for draw in draws:
        for n in sizes:
            rng = np.random.default_rng([3, n])
            data = DRAWS[draw](rng, (repeats, n))
            refused = np.mean([bool(untested(mean_parts(x))) for x in data])
            tests: dict[str, Callable[[Array], float]] = {
                "mean_test": mean_test,
                "sign flips": lambda x, rng=rng: sign_flip_p(x, rng, 399),
                "Wilcoxon": wilcoxon_p,
            }
            for name, test in tests.items():
                tried = data if name == "mean_test" else data[: -(-repeats // SHOWN_BESIDE)]
                yield Row(
                    statistic=name,
                    design=draw,
                    n=str(n),
                    nominal=0.05,
                    hits=sum(test(x) < 0.05 for x in tried),
                    repeats=len(tried),
                    told=f"not tested: {refused:.0%}" if name == "mean_test" else "",
                )


def equivalences(
    repeats: int, *, draws: Sequence[str] = tuple(DRAWS), sizes: Sequence[int] = (24, 60, 150, 300)
) -> Iterator[Row]:
    """Means that differ by just the margin: how often they are called equivalent."""
    for draw in draws:
        for n in sizes:
            rng = np.random.default_rng([6, n])
            data = DRAWS[draw](rng, (repeats, n))
            for side in (0.5, -0.5):
                yield Row(
                    statistic="equivalence",
                    design=f"{draw}, mean at {side:+g} of a margin .5",
                    n=str(n),
                    nominal=0.05,
                    hits=sum(equivalence(x + side, margin=0.5).equivalent for x in data),
                    repeats=repeats,
                )


def powers(repeats: int, *, effects: Sequence[float] = (0.5, 0.2)) -> Iterator[Row]:
    """Power at the number of faces that :func:`units_for_difference` gives for 80 %."""
    for draw in DRAWS:
        for effect in effects:
            n = units_for_difference(1.0, effect)
            data = DRAWS[draw](np.random.default_rng([7, n]), (repeats, n)) + effect
            yield Row(
                statistic="power of mean_test",
                design=f"{draw}, {effect:g} spreads",
                n=str(n),
                nominal=float("nan"),
                hits=sum(mean_test(x) < 0.05 for x in data),
                repeats=repeats,
                told="power",
            )


def stopped(
    repeats: int, *, draws: Sequence[str] = tuple(DRAWS), widths: Sequence[float] = (0.25, 0.15)
) -> Iterator[Row]:
    """Coverage of the interval at which a sequential run stops, looking after every 8 faces."""
    for draw in draws:
        for width in widths:
            rng = np.random.default_rng([8, int(100 * width)])
            covered, sizes = 0, []
            for x in DRAWS[draw](rng, (repeats, 1200)):
                n = stop_when(x, width, step=8)
                if n is not None:
                    found = mean_interval(x[:n])
                    covered += found.low <= 0 <= found.high
                    sizes.append(n)
            yield Row(
                statistic="stop_when",
                design=f"{draw}, ±{width:g} spreads",
                n=f"{np.median(sizes):.0f}",
                nominal=0.95,
                hits=covered,
                repeats=len(sizes),
                told=f"stopped: {len(sizes) / repeats:.0%}",
            )


def stopped_families(repeats: int, *, draws: Sequence[str] = tuple(DRAWS)) -> Iterator[Row]:
    """The same of a family of methods, which stop together, looking after every 16 faces."""
    for draw in draws:
        yield _stopped_family(draw, repeats)


def _stopped_family(draw: str, repeats: int, *, width: float = 0.25) -> Row:
    """All intervals of a family at the stop; columns share a half of their variance."""
    rng = np.random.default_rng([8, 12])
    covered, sizes = 0, []
    for _ in range(repeats):
        own, common = DRAWS[draw](rng, (COLUMNS, 800)), DRAWS[draw](rng, (1, 800))
        table = (own + common).T / np.sqrt(2)
        n = stop_when(table, width, step=16)
        if n is not None:
            found = mean_family(table[:n], repeats=999).intervals
            assert not any(f.reason for f in found)
            covered += not any(f.low > 0 or f.high < 0 for f in found)
            sizes.append(n)
    return Row(
        statistic="stop_when, then mean_family",
        design=f"{draw}, {COLUMNS} methods, ±{width:g} spreads",
        n=f"{np.median(sizes):.0f}" if sizes else "",
        nominal=0.95,
        hits=covered,
        repeats=len(sizes),
        told=f"stopped: {len(sizes) / repeats:.0%}",
    )


def trainings(repeats: int) -> Iterator[Row]:
    """Intervals over trainings of one network."""
    for draw in ("normal", "exponential", "lognormal"):
        for n in (5, 10, 20):
            found = [
                training_interval(x) for x in DRAWS[draw](np.random.default_rng(9), (repeats, n))
            ]
            yield Row(
                statistic="training_interval",
                design=f"{draw} seeds",
                n=str(n),
                nominal=0.95,
                hits=sum(f.low <= 0 <= f.high for f in found),
                repeats=repeats,
            )
