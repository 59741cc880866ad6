"""Trainings on the pooled faces of several data sets, tested on another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fer_xai.data.joined import joined_faces
from fer_xai.types import Faces
from training.column_faces import ColumnFaces
from training.run import TrainingRun
from training.variants import Column, TrainingOptions, Variant

POOLED = "pooled"
"""Name of the data set on the card of such a training."""


@dataclass(frozen=True, kw_only=True)
class PooledRun(TrainingRun):
    """A training on the training faces of several data sets, tested on the test faces of another.

    With a limit the pool has as many faces as one data set has: an equal part of each, so that what
    several sets add is variety and not number.

    Examples
    --------
    >>> pool = tuple(map(Column.parse, ("synthetic:lab", "synthetic:web48")))
    >>> run = PooledRun(pool=pool, tested=Column.parse("synthetic:studio"), data=POOLED)
    >>> run.identity()["pool"], run.identity()["tested on"]
    (['synthetic:lab', 'synthetic:web48'], 'synthetic:studio')
    """

    pool: tuple[Column, ...] = ()
    """Data sets that are trained on."""
    tested: Column | None = None
    """Data set that is tested on."""

    def faces(self, split: str) -> Faces:
        """Labelled faces of a split: pooled ones for training, those of the other set for tests."""
        columns = self.pool if split == "train" else (self.tested,)
        limit = self.limit if split != "train" else _part(self.limit, len(self.pool))
        parts = [
            TrainingRun(
                data=column.data,
                source=column.source,
                limit=limit,
                subject_pattern=_pattern(column, self.subject_pattern),
                skip_bad=self.skip_bad,
            ).faces(split)
            for column in columns
            if column is not None
        ]
        return parts[0] if split != "train" else pooled(parts, [one.name for one in self.pool])

    def identity(self) -> dict[str, Any]:
        """What the weights depend on, the data sets of the pool by name."""
        tested = None if self.tested is None else self.tested.name
        pool = [column.name for column in self.pool]
        return super().identity() | {"pool": pool, "tested on": tested}


def _part(limit: int | None, parts: int) -> int | None:
    return None if limit is None else max(limit // parts, 1)


def _pattern(column: Column, pattern: str | None) -> str | None:
    """The pattern of persons, which built-in faces have none of."""
    return None if column.data.startswith("synthetic") else pattern


def pooled(parts: Sequence[Faces], names: Sequence[str]) -> Faces:
    """The faces of several data sets as one, each named after its set.

    Parameters
    ----------
    parts
        Faces of each data set.
    names
        Name of each, which its faces' and persons' names begin with.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> found = pooled([synthetic_faces(1), synthetic_faces(1, style="lab")], ["wild", "lab"])
    >>> found, found.ids[1]
    (Faces(pooled: 2 faces (happiness 2), 2 with landmarks), 'lab/lab-test-00000')
    """
    return dataclasses.replace(joined_faces(parts, names), name=POOLED)


@dataclass(frozen=True, kw_only=True)
class Pool(Column):
    """Several data sets to train on, pooled, and the one that is left out to be tested on.

    Examples
    --------
    >>> pool = Pool.without(Column.parse("rafdb:x"), [Column.parse("rafdb:x"),
    ...                                                Column.parse("ckplus:y")])
    >>> pool.name, [column.name for column in pool.columns]
    ('all but rafdb', ['ckplus'])
    """

    columns: tuple[Column, ...]
    left: Column

    @classmethod
    def without(cls, left: Column, columns: Sequence[Column]) -> Pool:
        """All data sets but one."""
        return cls(
            name=f"all but {left.name}",
            data=POOLED,
            source="+".join(column.name for column in columns if column != left),
            columns=tuple(column for column in columns if column != left),
            left=left,
        )


class PooledFaces(ColumnFaces):
    """The faces of a pool at hand, to hold trainings and records against.

    Examples
    --------
    >>> pool = Pool.without(Column.parse("synthetic"), [Column.parse("synthetic:lab")])
    >>> PooledFaces(TrainingOptions(), pool).run.pool[0].name
    'synthetic:lab'
    """

    def __init__(self, options: TrainingOptions, pool: Pool) -> None:
        super().__init__(options, pool)
        self.pool = pool

    @cached_property
    def run(self) -> TrainingRun:
        """One that reads these faces."""
        return pooled_run(self.options, Variant(name="", model="gimefive"), self.pool, 0)


def pooled_run(options: TrainingOptions, variant: Variant, pool: Pool, seed: int) -> PooledRun:
    """The training of one network on a pool.

    Examples
    --------
    >>> pool = Pool.without(Column.parse("synthetic"), [Column.parse("synthetic:lab")])
    >>> run = pooled_run(TrainingOptions(), Variant(name="a", model="gimefive"), pool, 0)
    >>> run.folder().name.startswith("gimefive-synthetic-lab")
    True
    """
    plain = options.run(variant, pool, seed)
    fields = {field.name: getattr(plain, field.name) for field in dataclasses.fields(plain)}
    return PooledRun(**fields, pool=pool.columns, tested=pool.left)
