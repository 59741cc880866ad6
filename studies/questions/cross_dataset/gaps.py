r"""In-domain less out-of-domain accuracy, as it is and at the same shares of the emotions.

Accuracy on other faces also differs since the emotions have other shares there (label shift). With
:math:`r_c` the recall of emotion c on the other faces and :math:`\pi_c` its share among the
in-domain faces, :math:`\sum_c \pi_c r_c` is the accuracy that the other faces would have with the
in-domain shares, if faces of an emotion stayed as they are (Saerens, Latinne & Decaestecker, Neural
Computation 2002; Lipton, Wang & Smola, ICML 2018). What is left of the gap is not label shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from metrics.statistics.intervals import Interval, mean_interval
from metrics.statistics.trainings import training_interval
from studies.engine.domains import IN, OUT
from studies.engine.weighted_recalls import difference
from studies.questions.cross_dataset.scores import Cell

QUANTITIES = ("gap", "gap at the same shares", "less than trained there")
"""Columns that hold differences, in points of accuracy."""


def gaps(cells: Sequence[Cell]) -> pd.DataFrame:
    """A row a network and data set that it was not trained on; points of accuracy.

    ``gap``: in-domain less out-of-domain accuracy, of different faces. ``gap at the same shares``:
    the same where the other faces' emotions are given the in-domain shares. ``less than trained
    there``: accuracy of a network of the same architecture and seed that was trained on the other
    data set less this one's, on the same faces. Bounds are NaN where there are none.

    Parameters
    ----------
    cells
        All networks on all data sets.

    Examples
    --------
    >>> gaps([]).empty  # no network on a data set that it was not trained on
    True
    """
    rows = [_gap(cell, cells) for cell in cells if cell.relation == OUT]
    frame = pd.DataFrame([row for row in rows if row is not None])
    return _over_seeds(frame) if len(frame) else frame


def _gap(cell: Cell, cells: Sequence[Cell]) -> dict[str, Any] | None:
    own = next((c for c in cells if c.network is cell.network and c.relation == IN), None)
    there = [
        c
        for c in cells
        if c.tested is cell.tested
        and c.relation == IN
        and c.network.architecture == cell.network.architecture
        and c.network.seed == cell.network.seed
    ]
    if own is None and not there:
        return None
    row: dict[str, Any] = {
        "trained on": cell.network.row,
        "tested on": cell.tested.name,
        "in-domain": np.nan if own is None else 100 * own.accuracy.estimate,
        "out-of-domain": 100 * cell.accuracy.estimate,
    }
    plain = shifted = beside = None
    if own is not None:
        plain = difference(own.accuracy, cell.accuracy)
        shifted = difference(own.accuracy, cell.weighted(own.prior))
    if there:
        beside = _paired(there[0], cell)
        row["against"] = there[0].network.row
    for name, found in zip(QUANTITIES, (plain, shifted, beside), strict=True):
        row |= _bounds(name, found)
    return row


def _bounds(name: str, found: Interval | None) -> dict[str, float]:
    if found is None:
        return dict.fromkeys((name, f"{name} low", f"{name} high"), float("nan"))
    values = (found.estimate, found.low, found.high)
    ends = ("", " low", " high")
    return {f"{name}{end}": 100 * value for end, value in zip(ends, values, strict=True)}


def _paired(one: Cell, other: Cell) -> Interval:
    """Accuracy of one network less another's on the same faces."""
    values = one.hits.astype(float) - other.hits.astype(float)
    return mean_interval(values, clusters=one.tested.clusters, bounds=(-1, 1))


def _over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for several trainings: mean, Student's interval from five on, and range."""
    keys = ["trained on", "tested on"]
    rows = []
    for (trained, tested), own in frame.groupby(keys, sort=False):
        if len(own) == 1:
            rows.append(own.iloc[0].to_dict() | {"trainings": 1})
            continue
        row = {
            "trained on": trained,
            "tested on": tested,
            **own[["in-domain", "out-of-domain"]].mean(),
        }
        for name in QUANTITIES:
            found = training_interval(own[name])
            row |= {name: found.estimate, f"{name} low": found.low, f"{name} high": found.high}
        gap = own["gap"]
        row |= {"trainings": len(own), "gap min": gap.min(), "gap max": gap.max()}
        row |= {"against": own["against"].iloc[0]} if "against" in own else {}
        rows.append(row)
    made = pd.DataFrame(rows)
    return made if made["trainings"].max() > 1 else made.drop(columns="trainings")
