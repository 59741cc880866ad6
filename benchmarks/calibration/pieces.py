"""Pieces of the calibration: what is simulated, how often, and the rows that each piece counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

from benchmarks.calibration import (
    bounded,
    families,
    foretelling,
    gate,
    groups,
    joined,
    likeness,
    mean_designs,
    means,
    pairs,
    recalls,
)
from benchmarks.calibration.digest import code_of
from benchmarks.calibration.rows import Row

LARGE, SMALL = (300, 600), (60, 150)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of the calibration that runs by itself, in some minutes at most.

    Attributes
    ----------
    name
        Name of its file; what stands before the first dot is the table that it belongs to.
    repeats
        Data sets of each design.
    make
        Rows, from the number of repeats.
    """

    name: str
    repeats: int
    make: Callable[[int], Iterator[Row]]


def pieces() -> dict[str, Piece]:
    """All pieces by their names, the longest ones first."""
    found = [
        *(
            Piece(
                name=f"skewed-families.{shape}",
                repeats=500,
                make=partial(_skewed, shape),
            )
            for shape in families.SHAPES
        ),
        *(_of("family", draw, 400, families.familywise) for draw in mean_designs.DRAWS),
        *(
            Piece(
                name=f"pairs.{effect.name}",
                repeats=200,
                make=partial(_coverage_of_faces, effect),
            )
            for effect in pairs.EFFECTS
        ),
        Piece(name="pairs.persons", repeats=400, make=_coverage_of_persons),
        Piece(name="permutation.persons", repeats=1000, make=_false_positives),
        *(
            Piece(
                name=f"few-values.{name}",
                repeats=1000,
                make=partial(families.few_values, names=[name]),
            )
            for name in families.COUNTED
        ),
        *(_of("stopped-families", draw, 200, means.stopped_families) for draw in _DRAWS),
        *(_of("betting", draw, 1000, bounded.betting) for draw in bounded.DRAWS),
        *(_of("coverage", draw, 10_000, means.coverage) for draw in _DRAWS),
        *(_of("errors", draw, 2000, means.errors) for draw in _DRAWS),
        *(
            Piece(
                name=f"clusters.{design}",
                repeats=2000,
                make=partial(means.cluster_coverage, designs=[design]),
            )
            for design in mean_designs.CLUSTERS
        ),
        *(_of("equivalence", draw, 2000, means.equivalences) for draw in _DRAWS),
        *(_of("stopped", draw, 2000, means.stopped) for draw in _DRAWS),
        Piece(name="power.all", repeats=2000, make=means.powers),
        Piece(name="trainings.all", repeats=5000, make=means.trainings),
        Piece(name="gate-coverage.all", repeats=400, make=_gate_coverage),
        Piece(name="gate-verdicts.all", repeats=40, make=_gate_verdicts),
        Piece(name="joined.networks", repeats=1000, make=joined.excesses),
        Piece(name="joined.trainings", repeats=1000, make=joined.trainings),
        Piece(name="shares.persons", repeats=2000, make=joined.shares),
        *(
            Piece(
                name=f"group-shares.{name}", repeats=400, make=partial(groups.shares, names=[name])
            )
            for name in groups.RECALL
        ),
        *(
            Piece(
                name=f"group-means.{shape}",
                repeats=400,
                make=partial(groups.means, shapes=[shape]),
            )
            for shape in groups.SHAPES
        ),
        *(
            Piece(
                name=f"foretelling.{quality}",
                repeats=400,
                make=partial(foretelling.foretold, qualities=[quality]),
            )
            for quality in foretelling.QUALITIES
        ),
        Piece(name="recalls.all", repeats=1000, make=recalls.coverage),
        Piece(name="likeness.all", repeats=1000, make=likeness.coverage),
        Piece(name="families-of-persons.all", repeats=1000, make=joined.families),
    ]
    return {file_name(piece.name): piece for piece in found}


_DRAWS = tuple(mean_designs.DRAWS)


def _of(name: str, draw: str, repeats: int, make: Callable[..., Iterator[Row]]) -> Piece:
    return Piece(
        name=f"{name}.{draw}",
        repeats=repeats,
        make=partial(make, draws=[draw]),
    )


def file_name(name: str) -> str:
    """The name of a piece without characters that names of files should not have."""
    plain = name.replace("×", "x").replace("σ", "s").replace("%", "pc")
    words = "".join(c if c.isalnum() or c in ".-" else " " for c in plain).split()
    return "-".join(words).replace("-.", ".").replace("..", ".").strip(".")


def _skewed(shape: str, repeats: int) -> Iterator[Row]:
    return chain(
        families.skewed_families(repeats, shapes=[shape], sizes=SMALL, columns=(2, 5, 12)),
        families.skewed_families(repeats, shapes=[shape], sizes=SMALL, columns=(42,)),
        families.skewed_families(
            repeats, shapes=[shape], sizes=LARGE, columns=(5, 42), rhos=(0.0,)
        ),
    )


def _coverage_of_faces(effect: pairs.Effect, repeats: int) -> Iterator[Row]:
    return map(_of_pairs, pairs.coverage_of_faces(repeats, effects=[effect]))


def _coverage_of_persons(repeats: int) -> Iterator[Row]:
    return map(_of_pairs, pairs.coverage_of_persons(repeats))


def _false_positives(repeats: int) -> Iterator[Row]:
    return map(_of_pairs, pairs.false_positives(repeats))


def _of_pairs(row: pairs.Row) -> Row:
    about = "" if row.truth != row.truth else f"truth {row.truth:.3f}, bias {row.bias:+.3f}"
    return Row(
        statistic=row.statistic,
        design=row.design,
        n=row.n,
        nominal=0.95 if about else 0.05,
        hits=round(row.rate * row.repeats),
        repeats=row.repeats,
        told=about,
    )


def _gate_coverage(repeats: int) -> Iterator[Row]:
    found = gate.coverage(repeats=repeats)
    for row in found.to_dict("records"):
        yield Row(
            statistic="crossed_interval",
            design=str(row["design"]),
            n=f"{row['units']} × {row['faces a unit']}",
            nominal=0.95,
            hits=round(row["coverage"] * repeats),
            repeats=repeats,
        )


def _gate_verdicts(repeats: int) -> Iterator[Row]:
    for row in gate.by_resolution(repeats=repeats).to_dict("records"):
        for verdict in ("passes", "undecided", "stopped"):
            yield Row(
                statistic=f"gate: {verdict}",
                design=f"{row['cells']} cells, drawn in {row['drawn in']}",
                n=f"share {row['share']:g}",
                nominal=float("nan"),
                hits=round(row[verdict] * repeats),
                repeats=repeats,
            )


def made_of(piece: Piece) -> str:
    """Digest of the code that a piece is counted by."""
    return code_of(piece.make)
