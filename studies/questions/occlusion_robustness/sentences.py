"""Sentences of the report on occlusion: the answer, how it was done, and what to keep in mind."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fer_xai.emotions import SIX
from studies.questions.occlusion_robustness.covers import CHANCE, DRAWS, FILL
from studies.questions.occlusion_robustness.grids import WORDS
from studies.reporting.formatting import signed, signed_bounds

METHOD = [
    "Occluders are fitted to the 68 landmarks of each face. In the endpoint all are filled in "
    f"{FILL}, and so are the {DRAWS} random square patches a face, which hide as many of the "
    "face's pixels at a place drawn by the seed and the face's name; a face of which an occluder "
    "hides nothing is left out of that occluder's row.",
    "What a region costs is the probability of the explained emotion on the clean face less that "
    "with the region hidden (Zeiler & Fergus, ECCV 2014, 4.2). Regions partition the image.",
    "Maps are made again for each occluder and the emotion that is explained of the clean face; "
    "likeness is Pearson's correlation over the pixels that stay in sight. One untrained network "
    "of each architecture stands beside the trained ones, as a floor without an interval; it "
    "explains the same emotions as the trained one.",
    "Maps of other persons' faces, for which the same emotion is explained, are compared with a "
    "face's clean map over the same pixels, all of them in mean.",
    "Cells of the grid: Lee et al., Latent-OFER, ICCV 2023. Cells that a map makes alike are "
    "ordered by seed.",
]
CAVEATS = [
    "A covered face is not one that the network has seen in training: part of what an occluder "
    "costs is its being strange. Patches of the same fill share that, and what is said beyond a "
    "patch is about the place alone.",
    "Cells that are hidden at random lie scattered, which breaks up all of the face, while those "
    "of a map and of the centre hang together: the fair floor of a map is the random map of "
    "Grad-CAM's resolution.",
    "A patch is a compact square; cheeks, eyes and brows are apart from each other or long, which "
    "costs a network more than the same area in one piece.",
    "Sunglasses, mask and hand reach beyond the face, where a patch does not; the patch hides as "
    "much of the face.",
    "Objects are drawn by landmarks: their light and texture are not those of photographs.",
    "A map that moves with an occluder may follow a network that reacts to it, and one that does "
    "not may ignore the image: neither is a merit by itself.",
    "Faces without landmarks are left out, and are not missing at random: see the table of "
    "landmarks.",
]


def answer_of(frames: Mapping[str, pd.DataFrame], clean: Mapping[str, float]) -> str:
    """The answer: for each model three paragraphs, on accuracy, on regions, and on maps.

    Parameters
    ----------
    frames
        Tables of the report, by name.
    clean
        Accuracy of each model on clean faces, in percent.
    """
    lines = []
    for model, accuracy in clean.items():
        regions = [
            _bound(_of(frames["regions_by_emotion"], "model", model)),
            _book(_of(frames["codebook"], "model", model)),
        ]
        maps = [
            _guided(_of(frames["guided"], "model", model)),
            _drift(_of(frames["drift"], "network", model)),
            _mass(_of(frames["mass"], "network", model)),
        ]
        lines.append(_occluders(model, accuracy, _of(frames["occluders"], "model", model)))
        lines.append(f"Regions, {model}: {' '.join(part for part in regions if part)}")
        lines.append(f"Maps, {model}: {' '.join(part for part in maps if part)}")
    return "\n".join(lines)


def _of(frame: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    return frame[frame[column] == name]


def told(row: pd.Series, name: str, p: str) -> int:
    """1 or −1 where a mean is told from 0 by p and interval, to that side; else 0.

    Examples
    --------
    >>> told(pd.Series({"gain low": 0.1, "gain high": 0.3, "p": 0.01}), "gain", "p")
    1
    """
    if not row[p] < 0.05:
        return 0
    return int(row[f"{name} low"] > 0) - int(row[f"{name} high"] < 0)


def _occluders(model: str, accuracy: float, table: pd.DataFrame) -> str:
    name, p = "beyond a patch", "p, beyond a patch"
    rows = [row for _, row in table.sort_values(name, ascending=False).iterrows()]
    above = [row for row in rows if told(row, name, p) > 0]
    below = [row for row in rows[::-1] if told(row, name, p) < 0]
    said = f"{model} names {accuracy:.1f} % of the clean faces rightly. "
    if above:
        said += f"It loses more with these hidden than with random patches: {_listed(above)}"
    else:
        said += (
            "No occluder is shown to cost more than a random patch of the same area (the most: "
            + _listed(rows[:1])
            + ")"
        )
    said += f"; it loses less with these: {_listed(below)}." if below else "."
    return said


def _listed(rows: list[pd.Series]) -> str:
    return ", ".join(
        f"{str(row['occluder']).replace('_', ' ')} ({row['lost']:.1f} points lost, "
        f"{signed(row['beyond a patch'], digits=1)}"
        f"{signed_bounds(row['beyond a patch low'], row['beyond a patch high'], digits=1)} beyond "
        "a patch)"
        for row in rows
    )


def _bound(matrix: pd.DataFrame) -> str:
    """The regions that are told to cost an emotion more than a patch, over all cells."""
    name, p = "beyond a patch", "p, beyond a patch"
    parts = []
    for emotion in SIX:
        own = matrix[matrix["emotion"] == emotion].sort_values(name, ascending=False)
        cells = [
            f"{str(row['region']).replace('_', ' and ')} ({signed(row[name], digits=2)})"
            for _, row in own.iterrows()
            if told(row, name, p) > 0
        ]
        if cells:
            parts.append(f"{emotion}: {', '.join(cells)}")
    if not parts:
        return "No region is told from a patch of its area for any emotion."
    return (
        "These regions cost an emotion more probability than patches of their area do, judged over "
        f"all regions and emotions at once: {'; '.join(parts)}."
    )


def _book(table: pd.DataFrame) -> str:
    """The mean over emotions, which has no interval, and the emotions that are told from 0."""
    whole = table[table["emotion"] == "all"]
    if not len(whole) or pd.isna(whole["gain"].iloc[0]):
        return ""
    each = [row for _, row in table[table["emotion"] != "all"].iterrows()]
    parts = [
        f"{words} for {', '.join(_gain(row) for row in each if told(row, 'gain', 'p') == side)}"
        for side, words in ((1, "more"), (-1, "less"))
        if any(told(row, "gain", "p") == side for row in each)
    ]
    shown = f"it is shown to cost {' and '.join(parts)}" if parts else "no emotion is told from 0"
    return (
        "Hiding the regions where EMFACS shows an emotion costs "
        f"{signed(whole['gain'].iloc[0])} of its probability beyond the regions of other emotions "
        f"(mean over emotions, each equally, without an interval); {shown}."
    )


def _gain(row: pd.Series) -> str:
    bounds = signed_bounds(row["gain low"], row["gain high"])
    return f"{row['emotion']} ({signed(row['gain'])}{bounds})"


def _guided(table: pd.DataFrame) -> str:
    """What the cells of the costliest method cost beside chance orders, grouped by verdict."""
    methods = table[~table["order"].isin(CHANCE)]
    if not len(methods):
        return ""
    row = methods.sort_values("lost", ascending=False, kind="stable").iloc[0]
    groups: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for words in WORDS.values():
        column = f"beyond {words}"
        if column in row and pd.notna(row[column]):
            bounds = signed_bounds(row[f"{column} low"], row[f"{column} high"], digits=1)
            said = f"{words} ({signed(row[column], digits=1)}{bounds} points)"
            groups[told(row, column, f"p, {words}")].append(said)
    verdicts = {1: "costs more than", -1: "costs less than", 0: "is not told apart from"}
    parts = [
        f"{words} hiding {_and(groups[side])}" for side, words in verdicts.items() if groups[side]
    ]
    if not parts:
        return ""
    which = (
        f", the method of {len(methods)} whose hidden cells cost most," if len(methods) > 1 else ""
    )
    return (
        f"In accuracy, hiding the cells that {_name(row['order'])}{which} marks "
        f"{'; it '.join(parts)}."
    )


def _drift(table: pd.DataFrame) -> str:
    """How alike the map stays on what is still in sight, beside its floors."""
    row = table.iloc[0]
    named = _name(row["method"])
    first = f" (the first of {len(table)} methods)" if len(table) > 1 else ""
    if pd.isna(row["likeness"]):
        return f"The likeness of the map of {named} is undefined under every occluder."
    said = (
        f"Where the face is not covered, the map of {named}{first} correlates with that of the "
        "whole face "
        f"by {row['likeness']:.2f} (Pearson, {row['faces']} faces"
    )
    if pd.notna(row["prediction stays"]):
        said += f"; {row['prediction stays']:.2f} where the prediction stays"
    floors = [
        f"{words} {row[column]:.2f}"
        for column, words in (
            ("random patch", "under random patches of the same area by"),
            ("other persons' maps", "with maps of other persons by"),
        )
        if pd.notna(row[column])
    ]
    said += f"), {_and(floors)}." if floors else ")."
    if row["undefined"] > 0:
        said += f" For {row['undefined']:.1f} % of the covered faces there is no map to compare."
    return said


def _mass(table: pd.DataFrame) -> str:
    """How much of the map lies on the covered part, before and after."""
    row = table.iloc[0]
    if pd.isna(row["moved"]):
        return ""
    verdict = {1: "more than", -1: "less than", 0: "not told from"}
    return (
        f"The covered part, {100 * row['area']:.0f} % of the image, holds "
        f"{100 * row['before']:.0f} % of the map before and {100 * row['after']:.0f} % after: "
        f"{signed(row['moved'])}{signed_bounds(row['moved low'], row['moved high'])}, "
        f"{verdict[told(row, 'beyond a patch', 'p, beyond a patch')]} the change under patches."
    )


def _name(name: object) -> str:
    return str(name).replace("_", " ")


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
