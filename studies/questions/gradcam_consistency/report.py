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
from fer_xai.files import read_arrays
from studies.engine import store
from studies.engine.units import units_of
from studies.questions.gradcam_consistency import plots, tables
from studies.questions.gradcam_consistency.blanks import blank_maps
from studies.questions.gradcam_consistency.scores import PERMUTATIONS, SSIM_PAIRS
from studies.registry import question
from studies.reporting.formatting import signed, signed_bounds
from studies.reporting.page import Picture, Table, write_page
from studies.scoreboard.consistency import SIZE


def write_report(
    folder: Path, manifest: dict[str, Any], rows: pd.DataFrame, sets: pd.DataFrame
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
    unit = unit_of(faces)
    made = [
        Table(
            name="primary",
            frame=primary,
            caption="Primary endpoint: AUC of the Pearson similarity of two registered maps, same- "
            "against different-emotion pairs, at a fixed target, averaged over targets, emotions "
            "weighing equally; in excess of untrained networks. Unit: " + unit + "; intervals by "
            "delete-one jackknife, 95 %; that of the excess also carries the variance between "
            "untrained networks, whose own AUC has its range over networks in brackets. Holm over "
            "the primary rows; the other rows are checks. Effect size d: difference of "
            "√2·Φ⁻¹(AUC), trained less untrained. Units: behind the interval; n_min, n_max: faces "
            "compared, at the target that has fewest and most; targets: with an AUC in every "
            "network; unregistered: faces without landmarks; undefined maps: share of registered "
            "faces without a map to compare, mean over targets (and untrained networks). An "
            "emotion with fewer than five maps (persons) at a target is left out there.",
        ),
        Table(
            name="methods",
            frame=tables.methods(rows, sets, faces),
            caption="All networks, methods and chance controls. Columns with * are descriptive: at "
            "each face's own target maps of one emotion share that target, and are alike for that "
            f"reason alone. Intervals, 95 %: delete-one jackknife over {unit}. Permutation p: "
            "emotions permuted among moments (within a person, copies together), one-sided, "
            f"B = {PERMUTATIONS}. SSIM: mean of {SSIM_PAIRS} seeded pairs an emotion and kind. "
            "Controls are matched to the network's Grad-CAM in resolution; untrained networks of "
            "an architecture are averaged. Blank maps: share of faces whose map of their own "
            "emotion is zero everywhere; undefined maps: share of registered faces without a map "
            "to compare (blank, constant or not finite), mean over fixed targets.",
        ),
        Table(
            name="emotions",
            frame=tables.emotions(sets),
            caption="Each emotion, at its own target (descriptive). Profile reliability: log-gain "
            "of regions over area, faces as raters, ICC(A,1) and Kendall's W, which mean Spearman "
            "restates. A map that ignores the face (centre) agrees with itself, so read a method's "
            "beside it; a uniform map's log-gain is 0 everywhere and has no W. Untrained networks "
            "are averaged.",
        ),
        Table(
            name="blank_maps",
            frame=blank_maps(sets),
            caption="Share of each emotion's faces whose map is zero everywhere, by target. Blanks "
            "are not at random: Grad-CAM's ReLU leaves a map only where something speaks for the "
            "target. Left out at: targets at which fewer than five of the emotion's maps (persons) "
            "can be compared, so that the primary endpoint leaves the emotion out.",
        ),
        Table(
            name="regions",
            frame=regions,
            caption="Log-gain of regions over their area, own target; 0 is a uniform map's. Unit: "
            f"{unit}; 95 % intervals of means, over so many units.",
        ),
        Table(
            name="self_consistency",
            frame=tables.self_consistency(rows, clusters),
            caption="Does the map follow the face? Pearson of the moved face's map with the moved "
            "map, against a map that stays where it was. A change of brightness moves nothing: "
            f"there, read the first column. Unit: {unit}; a seeded sample of faces, from which "
            "so many units come; d_z is the mean gain over its standard deviation.",
        ),
    ]
    floor = [f"{model}@untrained0" for model in models]
    shown = [name for pair in zip(models, floor, strict=True) for name in pair]
    captions = {name: name.replace("@untrained0", "\nuntrained") for name in shown}
    pictures = [
        Picture(
            name="endpoint",
            figure=plots.endpoint(sets, primary),
            caption="Separability at a fixed target. Red: trained, with its 95 % interval over "
            f"{unit}; blue: one dot an untrained network, by the same method; grey: controls.",
        ),
        Picture(
            name="mean_maps",
            figure=plots.mean_maps(maps, shown, captions),
            caption="Mean map of each emotion (its own target) on the canonical face; each panel "
            "is scaled to its own maximum, so compare places, not strengths.",
        ),
        Picture(
            name="similarity_matrix",
            figure=plots.similarity_matrices(sets),
            caption="Mean Pearson similarity of maps between emotions, at a fixed target, averaged "
            "over targets (and untrained networks); pairs of distinct faces. Colours are centred "
            "on each panel's mean.",
        ),
        Picture(
            name="distributions",
            figure=plots.distributions(rows, shown),
            caption="Each face's mean similarity to faces of its own and of other emotions, own "
            "target (descriptive: sharing a target makes maps alike, trained or not).",
        ),
        Picture(
            name="region_profiles",
            figure=plots.profiles(regions, models),
            caption=f"Mean log-gain of regions over area, own target. Unit: {unit}.",
        ),
    ]
    sentence = answer(primary, models)
    write_page(
        folder,
        question=question("gradcam_consistency"),
        answer=sentence,
        facts=_facts(manifest, faces),
        tables=made,
        pictures=pictures,
        method=_method(manifest, unit),
        caveats=_caveats(manifest, faces),
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
        "Without landmarks": missing,
        "Registration": config["registration"],
        "Seed": str(config["seed"]),
        "Commit": store.made_by(manifest),
    }


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
        "sides of every comparison.",
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
