"""What the ablation leaves: tables, figures, a report, a summary on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.table import Table as TerminalTable

from fer_xai.command import terminal
from metrics.consistency.pairs import EXACT_UP_TO, SAMPLED
from studies.questions.ablation import plots
from studies.questions.ablation.curve_report import training_curves
from studies.questions.ablation.shared import left_out
from studies.questions.ablation.tables import (
    Units,
    difference_table,
    run_table,
    variant_table,
)
from studies.registry import question
from studies.reporting.formatting import signed, signed_bounds
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.trainings import caveats_of, facts_of, method_of
from studies.scoreboard.consistency import VERSION
from training.grid import Training

COVERED = (
    "Intervals (95 %) take five trainings; below, the range over trainings stands (min, max). "
    "Those of accuracy cover other training seeds on these test faces. Those of the excess cover "
    "other faces (or persons), other training seeds and other untrained networks at once; they "
    "take three untrained networks. Student's t takes scores of trainings and untrained networks "
    "as normal: where they are as skewed as an exponential, it covers about .88."
)
"""What the intervals of both tables cover."""


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    done: Sequence[Training],
    endpoints: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    units: Units,
) -> str:
    """Everything is made from the trainings' logits and logs, and their networks' endpoints.

    Parameters
    ----------
    folder
        Folder of the run.
    manifest
        Its manifest.
    done
        Trainings.
    endpoints
        By ``variant@seedK`` and ``variant@untrainedK``: see
        :func:`studies.scoreboard.consistency.endpoint`.
    units
        Emotions and persons of the test faces.
    """
    rows = run_table(done, endpoints)
    variants = variant_table(rows, endpoints, units)
    differences = difference_table(rows, endpoints, units)
    made = [
        Table(
            name="variants",
            frame=variants,
            percent=("accuracy", "macro recall"),
            caption="Accuracy: percent of test faces, mean over trainings. AUC: separability of "
            "Grad-CAM maps at a fixed target, same- against different-emotion pairs, averaged over "
            "targets; its untrained floor with the range over networks. Excess: their difference. "
            f"{COVERED} Over faces: the interval for these networks alone, by the delete-one "
            "jackknife. d: difference of √2·Φ⁻¹(AUC).",
        ),
        Table(
            name="differences",
            frame=differences,
            percent=("points of accuracy",),
            caption="Each variant less GiMeFive on the same test faces, paired by training seed; "
            f"excess: each over its own untrained floor. {COVERED} p by the same t, Holm over the "
            "variants that have one.",
        ),
        Table(
            name="trainings",
            frame=rows,
            percent=("accuracy", "macro recall"),
            caption="Every training.",
        ),
    ]
    pictures = [
        Picture(
            name="accuracy_and_consistency",
            figure=plots.scatter(rows),
            caption="Each dot is a training: its test accuracy and the excess of its separability "
            "over untrained networks of its variant; crosses are means over seeds.",
        )
    ]
    curves = training_curves(done, manifest["config"])
    sentence = answer(variants, differences)
    caveats = [*earlier(endpoints), *left_out(endpoints, list(variants["variant"]))]
    write_page(
        folder,
        question=question("ablation"),
        answer=sentence,
        facts=facts_of(manifest, done),
        tables=[*made, *curves.tables],
        pictures=[*pictures, *curves.pictures],
        method=[*method_of(manifest, done), *method(manifest)],
        caveats=[*CAVEATS, *caveats, *curves.caveats, *caveats_of(done)],
        manifest=manifest,
    )
    summary(variants)
    return sentence


def answer(variants: pd.DataFrame, differences: pd.DataFrame) -> str:
    """One paragraph."""
    parts = [
        f"{row['variant']} {row['accuracy']:.1f} % and {signed(row['excess']).replace('-', '−')}"
        for _, row in variants.iterrows()
    ]
    differing = (
        " No difference is tested: that takes five trainings of a variant and of GiMeFive, with "
        "the same seeds."
        if len(differences)
        else ""
    )
    if len(differences) and differences["p, excess (Holm)"].notna().any():
        clear = differences.loc[differences["p, excess (Holm)"] < 0.05, "variant"]
        differing = (
            f" Over faces and training seeds, {', '.join(clear)} "
            f"differ{'s' if len(clear) == 1 else ''} from GiMeFive in the excess (p < .05, Holm)."
            if len(clear)
            else " Over faces and training seeds no variant differs clearly from GiMeFive in the "
            "excess (Holm)."
        )
    return (
        "Accuracy, and excess of the maps' separability over untrained networks: "
        f"{'; '.join(parts)}.{differing}"
    )


def method(manifest: dict[str, Any]) -> list[str]:
    """How explanations were scored, in sentences."""
    return [
        "Explanations: Grad-CAM at each variant's last activation before pooling, maps of all six "
        "fixed targets registered to the canonical face, Pearson similarity; over the emotions "
        "that all networks that are compared have enough maps of.",
        f"The floor of a variant is {manifest['config']['untrained']} untrained networks, "
        "initialised as its trainings are, with BatchNorm statistics of training faces.",
        f"Every pair of faces is compared up to {EXACT_UP_TO:,} faces with a map; above, at most "
        f"{SAMPLED:,} pairs within an emotion and between two are, drawn with a fixed seed.",
    ]


CAVEATS = [
    "Depth and resolution change the grid of the maps (column map), and coarser maps have fewer "
    "ways to differ: compare excesses, and those with care.",
    "Consistency is not faithfulness: maps can be alike and wrong.",
    "Grad-CAM's ReLU leaves maps without any value, which take no part (column undefined maps). "
    "Where variants differ in their share, a part of the difference of their excess may be the "
    "ReLU's: trainings keep no endpoint of maps without it, so that it is not separated here.",
    "Few seeds make wide intervals, and fewer than five none: a difference that is not shown may "
    "still exist.",
    "One recipe for all variants; one of its own might suit a variant better.",
]


def earlier(endpoints: Mapping[str, Mapping[str, NDArray[Any]]]) -> list[str]:
    """What is to be said of endpoints that an earlier version has kept.

    Examples
    --------
    >>> earlier({"a@seed0": {"version": np.array(3)}})
    []
    """
    versions = [int(found.get("version", 1)) for found in endpoints.values()]
    old, before = versions.count(1), sum(version < VERSION for version in versions)
    found = []
    if old:
        found.append(
            f"The endpoints of {old} of {len(endpoints)} networks were kept by an earlier "
            "version: similarities were not rounded to 1e-6 before they were ranked, pairs of one "
            "person took part, and faces have first-order influences in place of their parts in "
            "the jackknife. To have them anew takes the weights; delete the files endpoint-*.npz "
            "of the records then."
        )
    if before:
        found.append(
            f"The endpoints of {before} of {len(endpoints)} networks were kept without the areas "
            "of pairs of emotions: an emotion that one network of their variants has too few maps "
            "of is left out of that network alone, which shifts its area."
        )
    return found


def summary(variants: pd.DataFrame) -> None:
    """The table on the terminal."""
    console = terminal()
    shown = TerminalTable(title=question("ablation"))
    for name in ("variant", "accuracy, %", "excess [95 %, or range]", "seeds"):
        shown.add_column(name, justify="left" if name == "variant" else "right")
    for _, row in variants.iterrows():
        excess = f"{signed(row['excess'])}{_bounds_or_range(row)}"
        shown.add_row(row["variant"], f"{row['accuracy']:.1f}", excess, row["seeds"])
    console.print(shown)


def _bounds_or_range(row: pd.Series) -> str:
    """The interval of an excess, or the range over trainings where it has none."""
    if np.isfinite(row["low"]):
        return signed_bounds(row["low"], row["high"])
    return f" (from {signed(row['excess min'])} to {signed(row['excess max'])})"
