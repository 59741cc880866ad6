"""Networks that the study trains: one on each data set, and one on all but each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fer_xai.models import load_model
from studies.engine.domains import of_card
from studies.questions.cross_dataset.networks import Network
from training.column_faces import ColumnFaces
from training.faces import data_name
from training.grid import Training, trainings
from training.pooled import Pool, PooledFaces, pooled_run
from training.variants import Column, TrainingOptions, Variant

LEAST_POOLED = 3
"""Fewest data sets of which one can be left out, so that a pool is more than one set."""


def asked(
    options: TrainingOptions,
    columns: Sequence[Column],
    variant: Variant,
    *,
    leave_one_out: bool,
) -> list[Training]:
    """The trainings of the study: on each data set, and on all others together.

    Parameters
    ----------
    options
        How networks are trained.
    columns
        Data sets to train on.
    variant
        The network.
    leave_one_out
        Whether networks are also trained on all data sets but one, for each of three or more.

    Raises
    ------
    InputError
        If two data sets have one name, or the options cannot be used.

    Examples
    --------
    >>> columns = [Column.parse(f"synthetic:{style}") for style in ("studio", "lab", "wild")]
    >>> variant, options = Variant(name="gimefive", model="gimefive"), TrainingOptions(seeds=(0,))
    >>> found = asked(options, columns, variant, leave_one_out=True)
    >>> [cell.column.name for cell in found][2:4]
    ['synthetic:wild', 'all but synthetic:studio']
    """
    faces = {column.name: ColumnFaces(options, column) for column in columns}
    found = [
        dataclasses.replace(cell, run=dataclasses.replace(cell.run, test="once"))
        for cell in trainings(options, [variant], columns, faces=faces)
    ]
    if not leave_one_out or len(columns) < LEAST_POOLED:
        return found
    for left in columns:
        pool = Pool.without(left, columns)
        at_hand = PooledFaces(options, pool)
        for seed in options.seeds:
            run = dataclasses.replace(pooled_run(options, variant, pool, seed), test="once")
            record = options.records / run.name()
            found.append(
                Training(
                    variant=variant, column=pool, seed=seed, run=run, record=record, faces=at_hand
                )
            )
    return found


def networks_of(done: Sequence[Training]) -> list[Network]:
    """Trainings that have ended, as rows of the matrix; those of one row differ in their seed.

    Raises
    ------
    InputError
        If the weights of one are not on this machine.

    Examples
    --------
    >>> networks_of([])
    []
    """
    several = len({cell.seed for cell in done}) > 1
    return [_network(cell, several=several) for cell in done]


def _network(cell: Training, *, several: bool) -> Network:
    row = f"{cell.variant.name} on {cell.column.name}"
    weights = cell.weights()
    faces = cell.faces
    built_in = all(
        column.data.startswith("synthetic")
        for column in (cell.column.columns if isinstance(cell.column, Pool) else [cell.column])
    )
    return Network(
        name=f"{row}, seed {cell.seed}" if several else row,
        row=row,
        architecture=cell.variant.name,
        training=of_card(cell.card),
        load=lambda: load_model(cell.variant.model, weights=weights),
        seed=cell.seed,
        learned=None if built_in or faces is None else lambda: faces.train,
    )


def editions(texts: Sequence[str]) -> list[Column]:
    """Data sets to train on; the folder of an aggregate stands for both of its editions.

    Examples
    --------
    >>> [column.name for column in editions(["synthetic:lab", "aggregate:/data/pool"])]
    ['synthetic:lab', 'aggregate', 'aggregate:as_published']
    >>> [column.name for column in editions(["aggregate:/data/pool@rafdb"])]
    ['aggregate@rafdb', 'aggregate:as_published@rafdb']
    """
    found = []
    for text in texts:
        column = Column.parse(text)
        found.append(column)
        if column.data.startswith("aggregate:") and not column.data.endswith(".csv"):
            data = f"{column.data}/as_published.csv"
            found[-1], published = (
                Column(name=_title(one, column.source), data=one, source=column.source)
                for one in (column.data, data)
            )
            found.append(published)
    return found


def _title(data: str, source: str | None) -> str:
    return data_name(data) + (f"@{source}" if source else "")
