"""What the study leaves: the answer, tables, the matrix as a figure, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from studies.engine import store
from studies.engine.domains import IN, OUT
from studies.engine.endpoints import PERSON
from studies.questions.cross_dataset import plots, tables
from studies.questions.cross_dataset.gaps import QUANTITIES, gaps
from studies.questions.cross_dataset.published import SOURCE, published
from studies.questions.cross_dataset.scores import Cell
from studies.registry import question
from studies.reporting.formatting import counted, signed, signed_bounds
from studies.reporting.page import Picture, Table, write_page

MATRIX = (
    "Accuracy in percent: of the common emotions, the one with the largest output counts as named. "
    "± is half the width of the 95 % interval over faces (persons, where they are known) for one "
    "training, or over trainings from five on; brackets are the range of two to four trainings."
)
GAPS = (
    "Points of accuracy, with 95 % intervals. gap: accuracy on the test faces of the data set "
    "trained on, less that on others. At the same shares: as if each emotion were as frequent "
    "among the other faces as among the in-domain ones, which takes label shift away. Less than "
    "trained there: the accuracy of the network named under against, which has the same "
    "architecture and seed and was trained on the other data set, less that of this one, on the "
    "same faces. Rows of several trainings: mean, Student's interval "
    "from five on."
)
METHOD = [
    "A face is recognised where the largest output among the common emotions is that of its label. "
    "Emotions are matched by name. Each face is passed once, as it is, in single precision.",
    "Accuracy and recalls: Wilson's interval over faces, of the effective number of faces where "
    "persons or copies are known. Macro recall, and accuracy at other shares of emotions: bounds "
    "recovered from those of the recalls (Zou, Huang & Zhang 2009), widened where persons show "
    "several emotions. Gaps: bounds recovered from those of the two (Newcombe 1998). Simulated "
    "coverage: .93 to .97 from ten persons or 60 faces on (docs/statistics.md).",
    "Macro F1 and the calibration error (15 equal bins, softmax over the common emotions) have "
    "no interval: none was found whose coverage is known.",
    "Label shift: shares of emotions are those of the in-domain test faces, taken as known "
    "(Saerens et al. 2002; Lipton et al. 2018).",
    "Copies are test faces that show the photograph of a training face, identical or nearly so; "
    "they are known where the training split at hand has the digest on the weights' card. Built-in "
    "faces are not looked at: their splits share no person.",
    "Data sets are told apart by their names and sources; two names for one folder of faces are "
    "not noticed. Faces of folders, lists and sets without splits of their own count as in-domain "
    "where the training faces at hand have the digest on the weights' card and none of them is "
    "tested, and as seen where some are.",
]
CAVEATS = [
    "A gap says that other faces are recognised worse, and not why: data sets differ in their "
    "images, in how they were labelled, and in how hard their faces are. The column with networks "
    "trained there takes the last away.",
    "An interval over faces covers other faces of the same kind, and no other trainings.",
]


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    cells: Sequence[Cell],
    left_out: pd.DataFrame,
    *,
    more: Mapping[str, str],
    method: Sequence[str] = (),
    caveats: Sequence[str] = (),
) -> str:
    """The tables, the figure and the page; returns the answer.

    Parameters
    ----------
    folder, manifest
        Folder of the run, and its manifest.
    cells
        All networks on all data sets.
    left_out
        Faces that are left out.
    more
        Facts beside the split and the emotions.
    method, caveats
        What is to be said beyond :data:`METHOD` and :data:`CAVEATS`, such as of trainings.
    """
    rows = tables.CellTables(cells=cells)
    found, lost = rows.matrix, gaps(cells)
    emotions = cells[0].common
    said = answer(found, lost)
    shares = ("recognised", "without copies", "macro recall", "recognised, all outputs")
    made = [
        Table(
            name="matrix",
            frame=tables.matrix_text(found),
            caption=f"{MATRIX} (in): of the data set trained on; (part): of one of several, or of "
            "a set that shares images; (seen): the very faces that were trained on are among them; "
            "(?): it is not known whether they are.",
            leading=True,
        ),
        Table(
            name="gaps",
            frame=lost,
            percent=("in-domain", "out-of-domain", *QUANTITIES, "gap min", "gap max"),
            caption=GAPS,
            leading=True,
        ),
        Table(
            name="published",
            frame=published(),
            percent=("FER+", "AffectNet (7)", "SFEW"),
            caption=f"Other people's figures, under another protocol (seven emotions, other "
            f"networks, crops and sizes), for orientation alone: percent of the test faces of data "
            f"sets that were not trained on. {SOURCE}, table 1.",
        ),
        Table(
            name="accuracy",
            frame=rows.accuracy,
            percent=shares,
            caption=f"Share of faces recognised, in percent. Unit: {PERSON}, and groups of "
            "identical images; 95 %: as the column interval says.",
        ),
        Table(
            name="scores",
            frame=rows.scores,
            percent=shares,
            caption="Macro recall in percent, with its 95 % interval; macro F1 and the calibration "
            "error have none.",
        ),
        Table(
            name="copies",
            frame=rows.copies,
            percent=shares,
            caption="Test faces that are copies or near-copies of training faces, where those are "
            "at hand, and percent recognised with and without them.",
        ),
        Table(
            name="left_out",
            frame=left_out,
            caption="Test faces of emotions that not all models and data sets have.",
        ),
        Table(
            name="recall",
            frame=rows.recall,
            percent=shares,
            caption="Share of faces recognised by emotion, in percent, and the emotion most often "
            "named. 95 %: as the column interval says.",
        ),
    ]
    write_page(
        folder,
        question=question("cross_dataset"),
        answer=said,
        facts={
            "Split": str(manifest["config"]["split"]),
            "Emotions": ", ".join(emotions),
            "Left out": counted(int(left_out["faces left out"].sum()), "face"),
            **more,
            "Commit": store.made_by(manifest),
        },
        tables=[table for table in made if len(table.frame)],
        pictures=[
            Picture(
                name="matrix",
                figure=plots.matrix(found),
                caption=f"{MATRIX} Framed: test faces of the data set trained on; dotted: of one "
                "of several trained on, or of a set that shares images with them.",
            )
        ],
        method=[*METHOD, *method],
        caveats=[*CAVEATS, *caveats],
        manifest=manifest,
    )
    return said


def answer(matrix: pd.DataFrame, lost: pd.DataFrame) -> str:
    """At most three sentences: in- and out-of-domain accuracy, the gap, and what shares explain.

    Parameters
    ----------
    matrix
        A row a cell (:attr:`studies.questions.cross_dataset.tables.CellTables.matrix`).
    lost
        A row a pair (:func:`studies.questions.cross_dataset.gaps.gaps`).

    Examples
    --------
    >>> row = {"trained on": "net=a", "tested on": "a", "faces are": "in-domain", "accuracy": 80.0}
    >>> answer(pd.DataFrame([row]), pd.DataFrame())
    '80.0 % of the faces of the data set trained on are recognised.'
    """
    said = []
    for kind, where in ((IN, "the data set trained on"), (OUT, "data sets not trained on")):
        values = matrix.loc[matrix["faces are"] == kind, "accuracy"]
        if len(values):
            said.append(f"{_range(values)} % of the faces of {where}")
    if not said:
        return (
            f"{_range(matrix['accuracy'])} % of the faces are recognised, of data sets that the "
            "networks were trained on, or may have been."
        )
    sentences = [f"{' and '.join(said)} are recognised."]
    rows = [row for row in lost.to_dict("records") if np.isfinite(row["gap"])]
    if rows:
        sentences += [_gap_sentence(rows), _shift_sentence(rows)]
    return " ".join(sentences)


def _range(values: pd.Series[float]) -> str:
    low, high = (f"{value:.1f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _pair(row: Mapping[Any, Any], name: str = "gap") -> str:
    bounds = signed_bounds(row[f"{name} low"], row[f"{name} high"], digits=1)
    return f"{signed(row[name], digits=1)}{bounds}"


def _gap_sentence(rows: Sequence[Mapping[Any, Any]]) -> str:
    """The gap of one pair; the smallest, the largest and the mean of several."""
    least = min(rows, key=lambda row: row["gap"])
    where = "{0[trained on]} on {0[tested on]}".format
    if len(rows) == 1:
        return f"The gap of {where(least)} is {_pair(least)} points of accuracy."
    most = max(rows, key=lambda row: row["gap"])
    mean = float(np.mean([row["gap"] for row in rows]))
    return (
        f"The gap between the two is {_pair(least)} ({where(least)}) to {_pair(most)} points of "
        f"accuracy ({where(most)}), {signed(mean, digits=1)} on average over {len(rows)} pairs."
    )


def _shift_sentence(rows: Sequence[Mapping[Any, Any]]) -> str:
    """What is left of the gap at the same shares of emotions."""
    name = "gap at the same shares"
    if len(rows) == 1:
        return f"If emotions had the same shares in both it would be {_pair(rows[0], name)}."
    values = [row[name] for row in rows]
    mean, least, most = (signed(f(values), digits=1) for f in (np.mean, min, max))
    return (
        f"If emotions had the same shares in both it would be {mean} on average ({least} to "
        f"{most})."
    )
