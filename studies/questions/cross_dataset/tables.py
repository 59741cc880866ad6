"""Tables of the study, made of its cells alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metrics.statistics.trainings import percent_interval
from studies.engine.domains import IN, PART, SEEN, UNKNOWN
from studies.engine.recognised_share import wilson_interval
from studies.questions.cross_dataset.scores import Cell

ALL = "all"
"""Row of all emotions together."""


@dataclass(frozen=True, kw_only=True)
class CellTables:
    """Tables of all networks on all data sets.

    Attributes
    ----------
    cells
        The cells, in the tables' order.

    Examples
    --------
    >>> CellTables(cells=[]).copies.empty
    True
    """

    cells: Sequence[Cell]

    @property
    def accuracy(self) -> pd.DataFrame:
        """A row a network and data set: percent of faces recognised, with its interval."""
        return pd.DataFrame(
            [
                {
                    **_head(cell),
                    "emotion": ALL,
                    "recognised": 100 * cell.accuracy.estimate,
                    "recognised low": 100 * cell.accuracy.low,
                    "recognised high": 100 * cell.accuracy.high,
                    "faces": len(cell.hits),
                    "units": cell.accuracy.n,
                    "faces are": cell.relation,
                    "interval": cell.accuracy.scheme,
                }
                for cell in self.cells
            ]
        )

    @property
    def recall(self) -> pd.DataFrame:
        """A row a network, data set and emotion: the same by emotion."""
        rows = []
        for cell in self.cells:
            units = cell.tested.table.groupby("emotion")["cluster"].nunique()
            for row in cell.recognition.recall.to_dict("records"):
                rows.append(
                    {
                        **_head(cell),
                        "emotion": row["emotion"],
                        "recognised": 100 * row["recall"],
                        "recognised low": 100 * row["recall low"],
                        "recognised high": 100 * row["recall high"],
                        "faces": row["faces"],
                        "units": int(units[row["emotion"]]),
                        "most often named": row["most often named"],
                        "interval": row["interval"],
                    }
                )
        return pd.DataFrame(rows)

    @property
    def scores(self) -> pd.DataFrame:
        """A row a network and data set: macro recall and its interval, macro F1, calibration error.

        Where a network has outputs beyond the common emotions, also the share recognised if all of
        them may be named.
        """
        rows = []
        for cell in self.cells:
            found = cell.macro_recall
            row: dict[str, Any] = {
                **_head(cell),
                "macro recall": 100 * found.estimate,
                "macro recall low": 100 * found.low,
                "macro recall high": 100 * found.high,
                "macro F1": cell.scores["macro_f1"],
                "calibration error": cell.scores["calibration_error"],
            }
            if any(set(one.outputs) != set(one.common) for one in self.cells):
                row["recognised, all outputs"] = 100 * float(cell.hits_of_all.mean())
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def copies(self) -> pd.DataFrame:
        """A row a network and data set with copies of training faces among the test faces.

        Only those whose training faces are at hand are known; ``copies`` of 0 are told, too.
        """
        rows = []
        for cell in self.cells:
            if cell.copies is None:
                continue
            rest = ~cell.copies
            row = {**_head(cell), "faces": len(rest), "copies": int(cell.copies.sum())}
            row["recognised"] = 100 * cell.accuracy.estimate
            names = ("without copies", "without copies low", "without copies high")
            values = [np.nan] * 3
            if rest.any():
                own = [one for one, kept in zip(cell.tested.clusters, rest, strict=True) if kept]
                low, high, _ = wilson_interval(cell.hits[rest], own, unit=cell.tested.unit)
                values = [100 * float(cell.hits[rest].mean()), 100 * low, 100 * high]
            rows.append(row | dict(zip(names, values, strict=True)))
        return pd.DataFrame(rows)

    @property
    def matrix(self) -> pd.DataFrame:
        """A row a row and column of the matrix: mean, bounds, and what they are.

        ``low`` and ``high`` are the interval over faces of one training, Student's interval over
        five trainings or more, and the range (``ends`` says so) of two to four.
        """
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.network.row, cell.tested.name), []).append(cell)
        rows = []
        for (name, data), own in found.items():
            row: dict[str, Any] = {
                "trained on": name,
                "tested on": data,
                "faces are": own[0].relation,
            }
            values = [100 * cell.accuracy.estimate for cell in own]
            if len(own) == 1:
                low, high = 100 * own[0].accuracy.low, 100 * own[0].accuracy.high
                ends = "95 % over faces"
            else:
                over = percent_interval(values)
                low, high, ends = over.low, over.high, "95 % over trainings"
                if not np.isfinite(low):
                    low, high, ends = min(values), max(values), "range of trainings"
            row |= {"accuracy": float(np.mean(values)), "low": low, "high": high}
            rows.append(row | {"ends": ends, "trainings": len(own)})
        return pd.DataFrame(rows)


def matrix_text(table: pd.DataFrame) -> pd.DataFrame:
    """The matrix as a table of text: a row a network, a column a data set.

    Examples
    --------
    >>> row = {"trained on": "net", "tested on": "a", "faces are": "in-domain", "accuracy": 80.0}
    >>> row |= {"low": 78.1, "high": 81.9, "ends": "95 % over faces", "trainings": 1}
    >>> matrix_text(pd.DataFrame([row])).iloc[0].to_list()
    ['net', '80.0 ± 1.9 (in)']
    """
    marks = {IN: " (in)", PART: " (part)", UNKNOWN: " (?)", SEEN: " (seen)"}
    text = [
        cell_text(row, joint=" ") + marks.get(row["faces are"], "")
        for row in table.to_dict("records")
    ]
    wide = table.assign(text=text).pivot_table(
        index="trained on", columns="tested on", values="text", aggfunc="first", sort=False
    )
    order = list(dict.fromkeys(table["tested on"]))
    return wide[order].reset_index().rename_axis(columns=None)


def cell_text(row: dict[Any, Any], *, joint: str) -> str:
    """Accuracy of a cell with half the width of its interval, or with its range.

    Examples
    --------
    >>> row = {"accuracy": 80.0, "low": 79.0, "high": 82.0, "ends": "range of trainings"}
    >>> cell_text(row, joint=" ")
    '80.0 (79.0–82.0)'
    """
    if row["ends"].startswith("range"):
        return f"{row['accuracy']:.1f}{joint}({row['low']:.1f}–{row['high']:.1f})"
    if not np.isfinite(row["low"]):
        return f"{row['accuracy']:.1f}"
    return f"{row['accuracy']:.1f}{joint}± {(row['high'] - row['low']) / 2:.1f}"


def _head(cell: Cell) -> dict[str, str]:
    return {"model": cell.network.name, "data": cell.tested.name}
