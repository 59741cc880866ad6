"""The answer of the alignment study in words, and what a reader has to know beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from studies.engine.explained import MATCHED_TO
from studies.questions.landmark_alignment.causes import FILL, SHAPLEY
from studies.questions.landmark_alignment.figures import shown
from studies.questions.landmark_alignment.tables import CONTRAST, LEAST_NETWORKS, OVER, SCHEME
from studies.reporting.formatting import signed, signed_bounds
from studies.scoreboard.scores import FLOOR
from studies.scoreboard.tables import P

GAIN = f"over {FLOOR}"


def answer(table: pd.DataFrame, scores: pd.DataFrame, units: pd.DataFrame, networks: int) -> str:
    """One paragraph a model.

    Parameters
    ----------
    table
        The endpoint by model and method.
    scores
        Means and gains over the centre control, by model, metric and method.
    units
        What a unit of the book costs beside other units, by model; empty for real faces.
    networks
        Number of untrained networks.

    Examples
    --------
    >>> table = pd.DataFrame({"model": ["m"], "method": MATCHED_TO, CONTRAST: np.nan})
    >>> scores = pd.DataFrame({"model": ["m"], "metric": "au_cosine", "method": MATCHED_TO})
    >>> answer(table.assign(control=False), scores.assign(mean=np.nan), pd.DataFrame(), 2)
    'm: no face has Grad-CAM maps of two emotions, so that nothing is told apart.'
    """
    lines = []
    for model, own in table.groupby("model", sort=False):
        sentences = [
            _contrast(str(model), own, networks),
            _others(own, networks),
            _gain(scores[scores["model"] == model]),
            _exact(own),
            _units(units, str(model)),
        ]
        lines.append(" ".join(sentence for sentence in sentences if sentence))
    return "\n".join(lines)


def _bounds(row: pd.Series, name: str) -> str:
    return signed_bounds(row[f"{name} low"], row[f"{name} high"])


def _way(row: pd.Series) -> str:
    """How the interval of a contrast was made, where there is one."""
    return f"interval {row[SCHEME]}; " if np.isfinite(row[f"{CONTRAST} low"]) else ""


def _contrast(model: str, own: pd.DataFrame, networks: int) -> str:
    row = own[own["method"] == MATCHED_TO].iloc[0]
    if not np.isfinite(row[CONTRAST]):
        return f"{model}: no face has Grad-CAM maps of two emotions, so that nothing is told apart."
    shuffled = own.loc[own["method"] == "shuffled", CONTRAST].iloc[0]
    text = (
        f"{model}: Grad-CAM's maps of an emotion resemble that emotion's own areas by "
        f"{signed(row[CONTRAST])}{_bounds(row, CONTRAST)} more than other emotions' areas (cosine; "
        f"{_way(row)}a map that ignores the emotion has 0, Grad-CAM's own cells in random order "
        f"{signed(shuffled)}, and the best map of so few cells {row['ceiling']:.2f}). "
        f"Over {networks} untrained networks that is {signed(row[OVER])}{_bounds(row, OVER)}"
    )
    if not np.isfinite(row[OVER]):
        return text.rpartition(". Over ")[0] + ". No untrained network has maps to compare."
    if networks < LEAST_NETWORKS:
        return text + ", without an interval, which takes five untrained networks."
    if not np.isfinite(row[f"{OVER} low"]):
        return text + ", without an interval (too few untrained networks have maps)."
    if row[f"{OVER} low"] > 0:
        return text + ": training brought it about."
    if row[f"{OVER} high"] < 0:
        return text + ": less than untrained networks have."
    return text + ": not told from what untrained networks have."


def _others(own: pd.DataFrame, networks: int) -> str:
    judged = own[~own["control"] & (own["method"] != SHAPLEY)]
    if networks < LEAST_NETWORKS or len(judged) < 2:
        return ""
    above = judged[judged[f"{OVER} low"] > 0]["method"]
    names = ", ".join(shown(name) for name in above) or "none"
    return f"Above untrained networks, of {len(judged)} methods: {names}."


def _gain(scores: pd.DataFrame) -> str:
    here = scores[scores["metric"] == "au_cosine"].set_index("method")
    row = here.T[MATCHED_TO]
    if not np.isfinite(row["mean"]):
        return ""
    centre, uniform = (float(here["mean"].loc[name]) for name in (FLOOR, "uniform"))
    told = f"{signed(row[GAIN])}{_bounds(row, GAIN)}"
    judged = row[P] < 0.05 and (row[f"{GAIN} low"] > 0 or row[f"{GAIN} high"] < 0)
    verdict = "" if judged else ", not told apart"
    elsewhere = row["other faces"]
    others = (
        f"the areas of other faces {elsewhere:.2f}"
        if np.isfinite(elsewhere)
        else "and no other person's face has the same target"
    )
    return (
        f"The map of the face's own target has a cosine of {row['mean']:.2f} with the target's "
        f"area; a plain blob on the image's centre has {centre:.2f} (difference "
        f"{told}{verdict}), a uniform map {uniform:.2f}, {others}."
    )


def _exact(own: pd.DataFrame) -> str:
    rows = own[own["method"] == SHAPLEY]
    if not len(rows) or not np.isfinite(rows[CONTRAST].iloc[0]):
        return ""
    row = rows.iloc[0]
    return (
        f"Where the model looks, by exact region Shapley values of {int(row['faces'])} faces, has "
        f"a contrast of {signed(row[CONTRAST])}{_bounds(row, CONTRAST)}"
        f"{' (this interval by itself)' if np.isfinite(row[f'{CONTRAST} low']) else ''}."
    )


def _units(units: pd.DataFrame, model: str) -> str:
    rows = units[units["model"] == model] if len(units) else units
    if not len(rows) or not np.isfinite(rows["difference"].iloc[0]):
        return ""
    row = rows.iloc[0]
    return (
        f"Setting one of the book's units to rest costs {row['units in the book']:.3f} of the "
        f"target's probability, another shown unit {row['other shown units']:.3f} (difference "
        f"{signed(row['difference'])}{_bounds(row, 'difference')})."
    )


METHOD = [
    "Every face has a map of each emotion and an area of each emotion by the codebook. The "
    "contrast is the mean cosine of the maps with their own emotion's area, less that with the "
    "other emotions' areas; sharp maps and large areas, which add to rows and columns, cancel. A "
    "blank map takes its target out of rows and columns of that face.",
    "Untrained networks of the same architecture have BatchNorm statistics of the calibration "
    "faces. The excess is paired by face, over the pairs of emotions that both networks have maps "
    "of, and its interval is over faces and over networks.",
    "Scores of one map a face (cosine, mass, rank, gain, pointing, IoU, AUC, mass off the face) "
    "are of the face's own target. Beside them stand controls at Grad-CAM's resolution (of Grad-CAM"
    "'s own cells in random order, of another face's map of the same target, of the mean map), the "
    "untrained networks, the mean over the areas of other persons' faces of the same target, and "
    "the best score that any map of Grad-CAM's cells can have.",
    f"Exact Shapley values: all 256 coalitions of eight regions, left-out ones filled with the "
    f"{FILL}; logit of the target.",
]

CAVEATS = [
    "A map that lies elsewhere than the book says need not be wrong: the network may look there. "
    "Alignment is no faithfulness.",
    "Nobody has measured which pixels an action unit changes: every edition is a reading of the "
    "anatomy, and every codebook a convention about posed faces. Look at the choices.",
    "Cosines are bounded by the root of an area's share: maps that are wider for emotions with "
    "larger areas have a positive contrast without any sense of place. Pearson is the sensitivity "
    "to it, and Grad-CAM's own cells in random order (shuffled) show what it amounts to.",
    "Every unit of surprise is one of fear's in all three codebooks: without the pixels that both "
    "share nothing is left of surprise, and that choice compares the other emotions. The choice "
    "without their pair keeps both.",
    "The contrast of a mean map (average) is what does not hang on the face at all: where it is as "
    "high as the method's, the maps follow the target and not the face.",
    "Shapley values are exact for a fill, and not the truth.",
    "Intervals speak of faces and untrained networks for these weights, not of other trainings.",
]


def caveats(manifest: dict[str, Any], *, built_in: bool) -> list[str]:
    """Caveats of a run.

    Examples
    --------
    >>> len(caveats({"without landmarks": {"fear": [3, 0]}}, built_in=False)) == len(CAVEATS)
    True
    """
    found = list(CAVEATS)
    if any(lost for _, lost in manifest["without landmarks"].values()):
        found.append(
            "Landmarks are not missing at random: faces without them take no part (see the table)."
        )
    if built_in:
        found.append(
            "Built-in faces are drawn by the action units of EMFACS, with weaker companions: on "
            "them the book is right by construction, and on real faces it may not be. Units of the "
            "book cost more than other shown ones partly because they are drawn stronger."
        )
    for choice, reason in manifest.get("choices refused", {}).items():
        found.append(f"Left out: {choice} ({reason})")
    return found
