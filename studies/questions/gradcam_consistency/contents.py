"""Tables of the consistency study with their captions, and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from studies.questions.gradcam_consistency import plots, tables
from studies.questions.gradcam_consistency.blanks import blank_maps
from studies.questions.gradcam_consistency.scores import PERMUTATIONS, SSIM_PAIRS
from studies.reporting.page import Picture, Table


def primary_tables(primary: pd.DataFrame, left_out: pd.DataFrame, unit: str) -> list[Table]:
    """The endpoint and its checks, and the emotions that they leave out.

    Examples
    --------
    >>> [table.name for table in primary_tables(pd.DataFrame(), pd.DataFrame(), "the face (9)")]
    ['primary']
    """
    found = [
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
            "network; left out: emotions at a target, see the table left_out; unregistered: faces "
            "without landmarks; undefined maps: share of registered faces without a map to "
            "compare, mean over targets (and untrained networks). An emotion of "
            "which a network of the architecture has fewer than five maps (persons) at a target is "
            "left out there, of all of these networks.",
        ),
    ]
    if len(left_out):
        found.append(
            Table(
                name="left_out",
                frame=left_out,
                caption="Emotions that a comparison leaves out at a target, of the trained network "
                "and of all untrained ones: a network (the one with the fewest is named) has fewer "
                "than five maps (persons) of them there, and emotions differ in their areas, so "
                "that means over others cannot be compared. Targets: number of targets.",
            )
        )
    return found


def tables_of_methods(
    rows: pd.DataFrame, sets: pd.DataFrame, faces: pd.DataFrame, unit: str
) -> list[Table]:
    """All networks and methods, in all and for each emotion."""
    return [
        Table(
            name="methods",
            frame=tables.methods(rows, sets, faces),
            caption="All networks, methods and chance controls. Columns with * are descriptive: at "
            "each face's own target maps of one emotion share that target, and are alike for that "
            f"reason alone. Intervals: 95 % of one number at a time, not of all rows together, by "
            f"delete-one jackknife over {unit}. Permutation p: "
            "emotions permuted among moments (within a person, copies together), one-sided, "
            f"B = {PERMUTATIONS}. SSIM: mean of {SSIM_PAIRS} seeded pairs an emotion and kind. "
            "Controls are matched to the network's Grad-CAM in resolution; untrained networks of "
            "an architecture are averaged. AUC, fixed target: over the emotions that every network "
            "of the architecture has enough maps of. Blank maps: share of faces whose map of their "
            "own emotion is zero everywhere; undefined maps: share of registered faces without a "
            "map to compare (blank, constant or not finite), mean over fixed targets.",
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
            "can be compared in a network of the architecture, so that the primary endpoint leaves "
            "the emotion out.",
        ),
    ]


def tables_of_faces(
    rows: pd.DataFrame, regions: pd.DataFrame, clusters: pd.Series, unit: str
) -> list[Table]:
    """Where the evidence lies, and whether it follows the face."""
    return [
        Table(
            name="regions",
            frame=regions,
            caption="Log-gain of regions over their area, own target; 0 is a uniform map's. Unit: "
            f"{unit}; intervals: 95 % of one mean at a time, not of all rows together.",
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


def pictures_of(
    rows: pd.DataFrame,
    sets: pd.DataFrame,
    primary: pd.DataFrame,
    regions: pd.DataFrame,
    *,
    maps: Mapping[str, NDArray[Any]],
    emotions: Sequence[str],
    unit: str,
) -> list[Picture]:
    """The figures of the report."""
    models = list(dict.fromkeys(primary["model"]))
    floor = [f"{model}@untrained0" for model in models]
    shown = [name for pair in zip(models, floor, strict=True) for name in pair]
    captions = {name: name.replace("@untrained0", "\nuntrained") for name in shown}
    return [
        Picture(
            name="endpoint",
            figure=plots.endpoint(sets, primary),
            caption="Separability at a fixed target. Red: trained, with its 95 % interval over "
            f"{unit}; blue: one dot an untrained network, by the same method; grey: controls.",
        ),
        Picture(
            name="mean_maps",
            figure=plots.mean_maps(maps, shown, captions, emotions),
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
