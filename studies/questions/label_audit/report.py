"""What the label audit leaves: tables, a report, the answer. No face is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fer_xai.data.duplicates.near import DETAIL, LIKE
from fer_xai.emotions import EMOTIONS
from studies.engine import store
from studies.engine.study import Run
from studies.questions.label_audit.agreement import agreement_table, entropy_table
from studies.questions.label_audit.copies import (
    KINDS,
    Copies,
    conflicts_table,
    duplicates_table,
    example_copies,
    hashes_table,
)
from studies.questions.label_audit.images import balance_table, images_table, measures
from studies.questions.label_audit.issues import issues_by_emotion, named_together
from studies.questions.label_audit.judges import Judge
from studies.questions.label_audit.leakage import leakage_table
from studies.questions.label_audit.thresholds import Apart, false_matches_table
from studies.registry import question
from studies.reporting.formatting import counted
from studies.reporting.page import Table, write_page

CAVEATS = [
    "Near-copies are found by pixels: one photograph in another size, compression, brightness or "
    "colour, or mirrored. A crop by more than a pixel or two, or a turn, is missed.",
    "False matches are counted between sets that share no image. Faces of one set are aligned and "
    "lit more alike than faces of two sets, so that false matches within a set may be more "
    "frequent: look at some (--sheets).",
    "A pair of near-copies may be two frames of one burst, whose expressions may differ: such "
    "labels conflict by this count, and may both be right.",
    "Labels that a network is confident to be wrong are candidates: where it fails, right labels "
    "are named. Networks that were trained on another data set also name what annotators of the "
    "two sets see differently. No label is changed by this study.",
    "Labels of identical images that agree may have been copied along with the image: their "
    "agreement is no measure of two independent annotators.",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a run has found.

    Attributes
    ----------
    copies, table
        The copies, and a row a face.
    threshold, most
        Correlation of near-copies, None where none keeps to the largest share of false matches; and
        that share.
    apart, thresholds
        Comparisons of sets that share no image, and the table by threshold.
    judges, judged
        Predictions, and a summary and rows of each judge.

    Examples
    --------
    >>> example_found().judges
    []
    """

    copies: Copies
    table: pd.DataFrame
    threshold: float | None
    most: float
    apart: list[Apart]
    thresholds: pd.DataFrame
    judges: list[Judge]
    judged: list[tuple[pd.DataFrame, pd.DataFrame]]


def example_found() -> Found:
    """What is found among the faces of :func:`example_copies`, for examples.

    Examples
    --------
    >>> example_found().threshold
    0.95
    """
    copies = example_copies()
    return Found(
        copies=copies,
        table=copies.table,
        threshold=LIKE,
        most=0.001,
        apart=[],
        thresholds=pd.DataFrame(),
        judges=[],
        judged=[],
    )


def write_report(run: Run, found: Found) -> str:
    """Tables and the page; returns the answer.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from studies.questions.label_audit.study import LabelAudit
    >>> with tempfile.TemporaryDirectory() as place:
    ...     study = LabelAudit(out=Path(place), progress=False)
    ...     with study.opened({}, "example") as run:
    ...         write_report(run, example_found()).startswith("Of 1 test face")
    True
    """
    duplicates = duplicates_table(found.copies)
    leakage = leakage_table(found.judges, found.copies, found.table)
    answer = answer_of(duplicates, found, leakage)
    write_page(
        run.folder,
        question=question("label_audit"),
        answer=answer,
        facts=_facts(run.manifest, found),
        tables=[*_copy_tables(found, duplicates), *_label_tables(found, leakage)],
        pictures=[],
        method=_method(found),
        caveats=CAVEATS,
        manifest=run.manifest,
    )
    return answer


def answer_of(duplicates: pd.DataFrame, found: Found, leakage: pd.DataFrame) -> str:
    """The answer in sentences: counts of copies, conflicts, and what leakage did to accuracy.

    Examples
    --------
    >>> found = example_found()
    >>> answer_of(duplicates_table(found.copies), found, pd.DataFrame())[:52]
    'Of 1 test face 0 are files identical to a training f'
    """
    files, pixels, near = (
        duplicates[(duplicates["copies"] == kind) & (duplicates["where"] == "all")].iloc[0]
        for kind in KINDS
    )
    tested, leaked = int(files["test faces"]), "test faces with a training copy"
    parts = []
    if tested:
        parts.append(
            f"Of {counted(tested, 'test face')} {int(files[leaked])} are files identical to a "
            f"training face, {int(pixels[leaked])} have identical pixels, and with near-copies "
            f"{int(near[leaked])} are copies of training faces."
        )
    parts.append(
        f"{counted(int(pixels['conflicting groups']), 'group')} of identical images and "
        f"{counted(int(near['conflicting groups']), 'group')} of copies, near ones included, carry "
        "conflicting labels."
    )
    if found.threshold is None:
        parts.append(
            f"No correlation up to .99 keeps the share of faces with a false match to "
            f"{found.most:g}: near-copies at {LIKE:g} are not to be relied on."
        )
    near_leaks = leakage[leakage["copies"] == KINDS[2]] if len(leakage) else leakage
    for _, row in near_leaks.iterrows():
        bounds = (
            f" (95 % interval {row['inflation low']:+.2f} to {row['inflation high']:+.2f})"
            if np.isfinite(row["inflation low"])
            else ""
        )
        parts.append(
            f"{row['model']} recognises {row['published']:.1f} % of the published test faces of "
            f"{row['set']} and {row['clean']:.1f} % of those that are no copies: "
            f"{row['inflation']:+.2f} points{bounds}."
        )
    return " ".join(parts)


def _copy_tables(found: Found, duplicates: pd.DataFrame) -> list[Table]:
    near = f"{LIKE if found.threshold is None else found.threshold:g}"
    return [
        Table(
            name="duplicates",
            frame=duplicates,
            leading=True,
            caption="Copies within each set, across sets, and in all. Near-copies: pixels "
            f"correlate by {near} or more and detail by {DETAIL:g} or more, at 64×64 in grey, "
            "as they are or mirrored; each kind holds those before it. Groups: whoever is a copy "
            "of a copy. "
            "Conflicting: with more than one label. A test face with a training copy is a copy of "
            "a training face itself, of any set. Faces are counted, not sampled.",
        ),
        Table(
            name="thresholds",
            frame=found.thresholds,
            caption="Pairs of near-copies (identical ones included) and test faces with a training "
            "copy by the least correlation of pixels, detail at its threshold; and false matches: "
            "faces of the first set that match any of the second, where the two share no image.",
        ),
        Table(
            name="false_matches",
            frame=false_matches_table(found.apart, found.threshold or LIKE),
            caption=f"False matches at the threshold of {near}: share in percent of faces of the "
            "first set that match a face of the second. 95 % intervals by Clopper and Pearson over "
            "faces of the first set, given the second.",
        ),
        Table(
            name="hashes",
            frame=hashes_table(found.copies),
            caption="Perceptual hashes beside the rule of pixels, all faces compared with one "
            "another: pairs of hashes that differ in at most so many of 64 bits, and near-copies "
            "among them. Mirrored near-copies are left out, which hashes do not see.",
        ),
        Table(
            name="conflicts",
            frame=conflicts_table(found.copies),
            caption="Groups of copies in which both of two labels are given.",
        ),
        Table(
            name="agreement",
            frame=agreement_table(found.copies),
            caption="Photographs that were labelled twice: a pair of labels of each group of "
            "copies, by where they stand. Agree: percent, with 95 % intervals by Clopper and "
            "Pearson over photographs. κ: Cohen's, for which no interval is given; empty where "
            "chance alone would agree.",
        ),
    ]


def _label_tables(found: Found, leakage: pd.DataFrame) -> list[Table]:
    summaries = [summary for summary, _ in found.judged]
    rows = [rows for _, rows in found.judged if len(rows)]
    every = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    return [
        Table(
            name="leakage",
            frame=leakage,
            leading=True,
            caption="What copies of training faces add to accuracy, in percent and points. "
            "Published: all test faces; clean: those that are no copies of training faces. "
            "Inflation: published less clean. Copies less others: recognition of the copies less "
            "that of the other test faces. Beyond: that difference less the same of a network that "
            "was trained on another set and saw none of these faces; it takes account of copies "
            "being easier or harder photographs. 95 % intervals: square-and-add over the two "
            "groups; clusters are persons where they are known, and groups of copies.",
        ),
        Table(
            name="label_issues",
            frame=pd.concat(summaries, ignore_index=True) if summaries else pd.DataFrame(),
            caption="Labels that confident learning names as probably wrong, by judge, set and "
            "split. Recognised: percent of faces whose label the judge names. Changed: labels that "
            "were changed at random to see how many of them are named, in percent with 95 % "
            "intervals by Clopper and Pearson; others named: of the labels that were not changed.",
        ),
        Table(
            name="label_issues_by_emotion",
            frame=issues_by_emotion(every, EMOTIONS),
            caption="Labels named as probably wrong, by label, and the emotion that the judge "
            "takes most of them for.",
        ),
        Table(
            name="named_together",
            frame=named_together(every),
            caption="Labels that so many judges or more name as probably wrong, of the faces that "
            "all judges of a split have judged; and how many of these faces all judges take for "
            "one emotion. Judges may err alike: photographs that are hard for one network are hard "
            "for others.",
        ),
        Table(
            name="votes",
            frame=entropy_table(found.table),
            caption="Entropy of annotators' votes by label, and share of the votes that the most "
            "voted emotion has.",
        ),
        Table(
            name="balance",
            frame=balance_table(found.table),
            caption="Faces by set, split and label.",
        ),
        Table(
            name="images",
            frame=images_table(found.table, measures(found.copies.prints)),
            caption="Images by set and label; medians over images. Grey: all channels are equal. "
            "Brightness and contrast: mean and standard deviation of greys from 0 to 255. "
            "Sharpness: variance of the Laplacian, at 64×64. Tenths: the value that a tenth of the "
            "images does not exceed.",
        ),
    ]


def _facts(manifest: dict[str, Any], found: Found) -> dict[str, str]:
    sets = found.table["set"].value_counts(sort=False)
    facts = {
        "Faces": ", ".join(f"{count:,} of {name}" for name, count in sets.items()),
        "Threshold of near-copies": f"{LIKE if found.threshold is None else found.threshold:g}",
        "Commit": store.made_by(manifest),
    }
    refused = [
        f"{judge.name}: {', '.join(judge.refused)}" for judge in found.judges if judge.refused
    ]
    if refused:
        facts["Not judged, since in-sample"] = "; ".join(refused)
    known = [f"{judge.name}: by {judge.known_by}" for judge in found.judges if judge.known_by]
    if known:
        facts["How training faces are known"] = "; ".join(known)
    return facts


def _method(found: Found) -> list[str]:
    compared = ", ".join(one.name for one in found.apart) or "none (built-in faces alone)"
    return [
        "Every image is read once. Identical files share their SHA-256, identical pixels that of "
        "the decoded image and its size. Candidates for near-copies are all pairs whose 16×16 "
        "thumbnails correlate (faiss, exhaustive); each candidate is compared at 64×64. Two faces "
        "that are known to be of one person in two recordings are no near-copies, however alike.",
        f"The correlation of near-copies is {LIKE:g}, or the next of .96 to .99 at which the share "
        f"of faces with a false match is {found.most:g} or less in every comparison of sets that "
        f"share no image. Compared: {compared}. No network takes part in finding copies.",
        "Judges of labels are networks on faces that they were not trained on, by the names of "
        "data sets in their cards and the digest of their training faces; or networks of folds, "
        "each on the training faces of the fold that it was not trained on. Faces that are copies "
        "of a training face of theirs are left out of the judgement of labels, too.",
        "Confident learning: Northcutt, Jiang & Chuang, JAIR 2021, by cleanlab (pruned by noise "
        "rate).",
    ]
