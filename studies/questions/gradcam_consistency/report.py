"""What a run of the consistency study leaves: tables, figures, a report, a summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table as TerminalTable

from fer_xai.checks import name_or_unknown
from fer_xai.command import terminal
from fer_xai.emotions import SIX
from fer_xai.files import read_arrays
from metrics.consistency.pairs import EXACT_UP_TO, SAMPLED
from studies.engine import store
from studies.engine.units import units_of
from studies.questions.gradcam_consistency import contents, shared, tables
from studies.questions.gradcam_consistency.scores import MATCHED_TO
from studies.registry import question
from studies.reporting.formatting import signed, signed_bounds
from studies.reporting.page import Table, write_page
from studies.scoreboard.consistency import SIZE


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    rows: pd.DataFrame,
    sets: pd.DataFrame,
    *,
    words: Sequence[Table] = (),
) -> str:
    """Tables as csv, Markdown and LaTeX; figures; report.html; a summary on the terminal.

    Returns
    -------
    str
        The answer.
    """
    faces = pd.read_parquet(folder / "faces.parquet")
    maps = read_arrays(folder / "mean_maps.npz")
    clusters = faces.set_index("id")["cluster"]
    primary = tables.primary(rows, sets, faces)
    models = list(dict.fromkeys(primary["model"]))
    regions = tables.regions(rows, clusters)
    unit, emotions = unit_of(faces), manifest.get("emotions", SIX)
    left_out = shared.left_out(sets, tables.COMPARED)
    made = [
        *contents.primary_tables(primary, left_out, unit),
        *contents.tables_of_methods(rows, sets, faces, unit),
        *contents.tables_of_faces(rows, regions, clusters, unit),
        *words,
    ]
    sentence = answer(primary, models)
    write_page(
        folder,
        question=question("gradcam_consistency"),
        answer=sentence,
        facts=_facts(manifest, faces),
        tables=made,
        pictures=contents.pictures_of(
            rows, sets, primary, regions, maps=maps, emotions=emotions, unit=unit
        ),
        method=[*_method(manifest, unit), pairs_compared(sets)],
        caveats=[*_caveats(manifest, faces), *_left_out(left_out)],
        manifest=manifest,
    )
    _summary(primary)
    return sentence


def answer(table: pd.DataFrame, models: Sequence[str]) -> str:
    """The study's answer in one sentence a model."""
    sentences = []
    for model in models:
        row = table[(table["model"] == model) & table["primary"]].iloc[0]
        low, high, excess, p = row["low"], row["high"], row["excess"], row["p (Holm)"]
        if not np.isfinite(excess):
            sentences.append(
                f"For {model} this could not be measured: too few faces have a map to compare."
            )
            continue
        clear = p < 0.05
        verdict = ("more" if excess > 0 else "less") if clear else "not shown to be more or less"
        said = f"p {'below .001' if p < 0.001 else f'{p:.3f}'}" if np.isfinite(p) else "no p"
        over = f"95 % interval {low:+.3f} to {high:+.3f}; " if np.isfinite(low) else ""
        sentences.append(
            f"{model}'s Grad-CAM maps are {verdict} consistent within an emotion than those of "
            "untrained networks: at a fixed target they tell same-emotion from "
            f"different-emotion pairs with AUC {row['AUC trained']:.3f} against "
            f"{row['AUC untrained']:.3f}, an excess of {excess:+.3f} "
            f"({over}{said} after Holm; 0.5 is chance for exchangeable maps only, the untrained "
            "networks are the reference)."
        )
    return " ".join(sentences)


def unit_of(faces: pd.DataFrame) -> str:
    """What intervals count, and whether it is known who is who.

    Examples
    --------
    >>> unit_of(pd.DataFrame({"subject": ["a", "a", "b"], "cluster": [0, 0, 1]}))
    'the person or group of copies (2, of 3 faces)'
    """
    count = faces["cluster"].nunique()
    unknown = int((faces["subject"].map(name_or_unknown) == "").sum())
    alone = {0: "", len(faces): "; no person is known: faces counted as independent"}.get(
        unknown, f"; {unknown} faces of unknown persons counted as independent"
    )
    if count == len(faces):
        return f"the face ({count}{alone})"
    return f"the person or group of copies ({count}, of {len(faces)} faces{alone})"


def _facts(manifest: dict[str, Any], faces: pd.DataFrame) -> dict[str, str]:
    config = manifest["config"]
    lost = faces.loc[~faces["registered"], "emotion"].value_counts()
    missing = ", ".join(f"{name} {count}" for name, count in lost.items()) or "none"
    return {
        "Data": " / ".join(
            str(part)
            for part in (config["data"].split(":")[0], config["source"], config["split"])
            if part
        ),
        "Faces": f"{len(faces)}",
        "Units": units_of(faces),
        "Left out as damaged or missing": f"{len(manifest['skipped'])}",
        **({"Left out": " ".join(manifest["left out"])} if "left out" in manifest else {}),
        "Without landmarks": missing,
        "Registration": config["registration"],
        "Seed": str(config["seed"]),
        "Commit": store.made_by(manifest),
    }


def pairs_compared(sets: pd.DataFrame) -> str:
    """Whether every pair of faces was compared, or a sample of them, in a sentence.

    Examples
    --------
    >>> sets = pd.DataFrame({"metric": ["pairs sampled", "pairs compared"], "value": [1.0, 9e6]})
    >>> pairs_compared(sets)[:55]
    'Pairs are sampled where more than 10,000 faces have a m'
    >>> pairs_compared(sets.assign(value=0.0))
    'Every pair of faces is compared (above 10,000 faces with a map, a sample would be).'
    """
    sampled = sets[(sets["metric"] == "pairs sampled") & (sets["value"] > 0)]
    if not len(sampled):
        return (
            f"Every pair of faces is compared (above {EXACT_UP_TO:,} faces with a map, a sample "
            "would be)."
        )
    every = int((sets["metric"] == "pairs sampled").sum())
    return (
        f"Pairs are sampled where more than {EXACT_UP_TO:,} faces have a map: at most "
        f"{SAMPLED:,} pairs within an emotion and between two, drawn with a fixed seed. Here "
        f"that is so in {len(sampled)} of {every} comparisons (rows `pairs sampled` and `pairs "
        "compared` of sets.parquet)."
    )


def _method(manifest: dict[str, Any], unit: str) -> list[str]:
    config = manifest["config"]
    networks = manifest["networks"]
    layers = "; ".join(
        f"{name}: {_layers(network)}" for name, network in networks.items() if "@" not in name
    )
    registered = {
        "similarity": "Maps are registered to a canonical face by a similarity transform fitted to "
        "brows, nose, eyes and mouth",
        "affine": "Maps are registered to a canonical face by all 68 landmarks, piecewise affine",
        "none": "Maps are compared unregistered, as if every face were the template",
    }[config["registration"]]
    return [
        f"Grad-CAM through Captum, all targets from one pass ({layers}).",
        f"{registered}, on one common mask of {SIZE}×{SIZE} pixels.",
        "The primary endpoint holds the target fixed, so that maps cannot be alike merely because "
        "they explain the same class; all targets are averaged, emotions weigh equally on both "
        "sides of every comparison, over the emotions that every network of the architecture "
        "has enough maps of.",
        f"The floor is {config['untrained']} untrained networks of each architecture (seeded "
        f"initialisation, BatchNorm statistics from {manifest['calibration']}).",
        f"Unit of all intervals: {unit}. Pairs are never resampled, and those inside a unit are "
        "left out. Undefined maps (constant on the mask, or without landmarks) take no part and "
        "are counted.",
        "An AUC of 0.5 is chance for exchangeable maps only: emotions of equal means and unequal "
        "spread give .518. The untrained networks are the reference.",
        "Where a control is the same map for every face, similarity is 1 by construction; no test "
        "exists and none is printed.",
    ]


def _layers(network: dict[str, Any]) -> str:
    return ", ".join(f"{method} at {p['layer']}" for method, p in network["methods"].items())


def _caveats(manifest: dict[str, Any], faces: pd.DataFrame) -> list[str]:
    """What is to be said of this run, and not of others."""
    caveats = [
        "One training run a model: the interval speaks of faces, not of other trainings of the "
        "same architecture.",
        "Consistency is not faithfulness: maps can be alike and wrong.",
        "A coarse map (4×4 for GiMeFive) cannot tell brows from eyes, which limits every region's "
        "gain.",
    ]
    if not faces["registered"].all():
        caveats.append(
            "Landmarks are not missing at random; the rows on unregistered faces show whether it "
            "matters."
        )
    if any("gradcam_paper" in network["methods"] for network in manifest["networks"].values()):
        caveats.append(
            "The paper's layer gives maps that are zero everywhere; where many are, those that "
            "remain are a selection."
        )
    return caveats


def _left_out(left_out: pd.DataFrame) -> list[str]:
    """The emotions that the primary comparison leaves out, a sentence a model."""
    primary = left_out[left_out["faces compared"] == tables.COMPARED["all", MATCHED_TO]]
    found = []
    for model, rows in primary.groupby("model", sort=False):
        said = "; ".join(
            f"{row['emotion']} at {row['left out at (fewest maps)']}" for _, row in rows.iterrows()
        )
        found.append(
            f"Left out of the primary comparison of {model}: {said}. With fewer than five maps "
            "(persons) in a network, an emotion is left out of all networks of the architecture at "
            "that target."
        )
    return found


def _auc(value: float) -> str:
    return "undefined" if pd.isna(value) else f"{value:.3f}"


def _summary(primary: pd.DataFrame) -> None:
    shown = TerminalTable(
        title=question("gradcam_consistency"),
        caption="AUC at a fixed target; the untrained networks are the reference",
    )
    for column in ("model", "faces", "trained", "untrained", "excess [95 %]", "p (Holm)"):
        shown.add_column(column, justify="left" if column in ("model", "faces") else "right")
    for _, row in primary.iterrows():
        p = row["p (Holm)"]
        shown.add_row(
            row["model"],
            row["faces compared"],
            _auc(row["AUC trained"]),
            _auc(row["AUC untrained"]),
            f"{signed(row['excess'])}{signed_bounds(row['low'], row['high'])}",
            "" if pd.isna(p) else ("<.001" if p < 0.001 else f"{p:.3f}"),
        )
    terminal().print(shown)
