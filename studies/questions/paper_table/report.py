"""What the paper's table leaves: tables, figures, a report, a summary on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table as TerminalTable

from fer_xai.command import terminal
from fer_xai.emotions import SIX
from studies.questions.paper_table import plots, tables
from studies.questions.paper_table.published import PUBLISHED
from studies.registry import question
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.trainings import caveats_of, facts_of, method_of
from training.grid import Training

COSTS = (
    (
        "costs",
        "What each network costs. Operations: multiplications and additions of one face's forward "
        "pass (convolutions, products of matrices, attention). Time of a pass: of 16 faces in "
        "single precision on this machine's processor, over GiMeFive's, median of 5 in turns; "
        "empty unless measured (--timed).",
    ),
    (
        "missing",
        "Cells without a training, and the hours that one would take on this machine beside what "
        "else runs on it: a step was measured on noise, scoring of test faces is not counted.",
    ),
)
"""Names and captions of the tables of costs."""


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    done: Sequence[Training],
    faces: pd.DataFrame,
    *,
    names: Sequence[str],
    rows: Sequence[str],
    costs: Sequence[pd.DataFrame] = (),
) -> str:
    """Everything is made from the trainings' test logits and logs, and the facts on their cards.

    Parameters
    ----------
    folder
        Folder of the run.
    manifest
        Its manifest.
    done
        Trainings.
    faces
        Their predictions: see :func:`training.predictions.predictions`.
    names, rows
        Datasets and models, in the table's order.
    costs
        Table of what networks cost, and before it that of missing trainings where it was measured.
    """
    runs = run_table(done)
    trained = [name for name in names if (runs["data"] == name).any()]
    curves = [curve_of(cell) for cell in done]
    accuracy = tables.accuracy(runs, curves, rows, names)
    gained = tables.optimism(curves)
    made = [
        Table(
            name="accuracy",
            frame=accuracy,
            percent=tuple(accuracy.columns[3:]),
            caption="Percent. The paper's figure is the best epoch on the test set; ours counted "
            "so stands beside it, and only beside it. Ours: the weights that were kept, mean over "
            "training seeds, with their least and largest (min, max), and Student's 95 % interval "
            "from five seeds on; plain, and averaged over each face and its mirror image; and "
            "without test faces that have the very pixels of a training face. Calibration error: "
            "15 equal bins.",
        ),
        Table(
            name="pairs",
            frame=tables.pairs(faces, rows, trained),
            percent=("points, over seeds", "points, over faces"),
            caption="Each model less GiMeFive, points of accuracy. Over seeds: paired by seed, "
            "Student's 95 % interval, the unit for a claim about an architecture; p by the same t, "
            "Holm within a dataset. Over faces: 95 % interval of the mean over test "
            "faces, for these weights alone.",
        ),
        Table(
            name="recall",
            frame=tables.recall(faces),
            percent=SIX,
            caption="Percent of each emotion's test faces named rightly, mean over seeds.",
        ),
        Table(
            name="optimism",
            frame=gained,
            percent=("kept", "best epoch on test", "optimism"),
            caption="What choosing the epoch on the test set would have added to each training.",
        ),
        *(
            Table(name=name, frame=frame, caption=caption)
            for frame, (name, caption) in zip(reversed(costs), COSTS, strict=False)
            if len(frame)
        ),
        Table(name="trainings", frame=runs, caption="Every training; shares, not percent."),
    ]
    pictures = [
        Picture(
            name="accuracy",
            figure=plots.accuracy(runs, accuracy, rows, trained),
            caption="Test accuracy. Dots: one training each, the weights that were kept; red bar: "
            "their mean; grey circle: the paper's printed figure, its best epoch on the test set.",
        ),
        Picture(
            name="curves",
            figure=plots.curves(curves),
            caption="Test accuracy after each epoch, one line a training; the dot is the weights "
            "that were kept. Nothing was chosen by these curves; the paper's way of counting takes "
            "their maximum.",
        ),
        Picture(
            name="confusion",
            figure=plots.confusions(faces, rows, trained),
            caption="Share of each emotion's test faces (row) named as each emotion (column), mean "
            "over seeds.",
        ),
    ]
    sentence = tables.answer(accuracy, gained)
    write_page(
        folder,
        question=question("paper_table"),
        answer=sentence,
        facts=facts_of(manifest, done),
        tables=made,
        pictures=pictures,
        method=method_of(manifest, done),
        caveats=[*_caveats(names), *caveats_of(done)],
        manifest=manifest,
    )
    summary(accuracy)
    return sentence


def run_table(done: Sequence[Training]) -> pd.DataFrame:
    """One row a training: scores of the exported weights, and what it took."""
    found = []
    for cell in done:
        plain, flipped = cell.scores["plain"], cell.scores["flip_averaged"]
        found.append(
            {
                "data": cell.column.name,
                "model": cell.variant.name,
                "seed": cell.seed,
                "accuracy": plain["accuracy"],
                "accuracy, flip averaged": flipped["accuracy"],
                "accuracy, without copies": plain["without_copies"],
                "macro recall": plain["macro_recall"],
                "macro recall, flip averaged": flipped["macro_recall"],
                "macro F1": plain["macro_f1"],
                "calibration error": plain["calibration_error"],
                "predictions changed by halving": cell.card["halving"]["predictions_changed"],
                "epochs": cell.card["epochs"],
                "minutes": cell.card["minutes"],
                "commit": cell.card["commit"],
            }
        )
    return pd.DataFrame(found)


def curve_of(cell: Training) -> tables.Curve:
    """Test accuracy by epoch; none unless every epoch has it."""
    log = cell.log()
    known = cell.curve_known
    return tables.Curve(
        model=cell.variant.name,
        data=cell.column.name,
        seed=cell.seed,
        test=log["test_accuracy"].to_numpy(dtype=np.float64) if known else np.empty(0),
        kept_epoch=int(cell.card["kept_epoch"]),
    )


def _caveats(names: Sequence[str]) -> list[str]:
    """What is to be said of these datasets, and not of others."""
    caveats = [
        "Few seeds make wide intervals: a difference that they do not show may still exist.",
        "One recipe for all rows: an architecture may do better with a recipe of its own.",
    ]
    if not all(name.startswith("synthetic") for name in names):
        caveats.append(
            "Some datasets' official splits share images (FER2013) or may share persons (RAF-DB "
            "names none): see the accuracy without test faces that have a training face's very "
            "pixels."
        )
    if any(name in printed for printed in PUBLISHED.values() for name in names):
        caveats.append(
            "The paper's figures are single runs without a seed, chosen on the test set."
        )
    return caveats


def summary(accuracy: pd.DataFrame) -> None:
    """The table on the terminal."""
    console = terminal()
    for data, part in accuracy.groupby("data", sort=False):
        shown = TerminalTable(title=f"Test accuracy on {data}, %")
        for name in ("model", "paper", "ours, best epoch", "ours", "flip averaged", "seeds"):
            shown.add_column(name, justify="left" if name == "model" else "right")
        for _, row in part.iterrows():
            ours = "" if np.isnan(row["ours"]) else f"{row['ours']:.1f}"
            if np.isfinite(row["ours low"]):
                ours += f" [{row['ours low']:.1f}, {row['ours high']:.1f}]"
            shown.add_row(
                row["model"],
                _number(row["paper (best epoch on test)"]),
                _number(row["ours, best epoch on test"]),
                ours,
                _number(row["ours, flip averaged"]),
                row["seeds"],
            )
        console.print(shown)


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.1f}"
