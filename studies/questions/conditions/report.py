"""What the study of conditions leaves: tables, curves, a report, the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from metrics.statistics.mean_tests import LEAST_TESTED
from studies.engine import store
from studies.engine.study import Run
from studies.engine.units import units_of
from studies.questions.conditions.plots import severity_curves
from studies.questions.conditions.sweeps import Sweep
from studies.questions.conditions.tables import areas, curves
from studies.registry import question
from studies.reporting.formatting import signed, signed_bounds
from studies.reporting.page import Picture, Table, write_page

CAVEATS = [
    "A likeness of 1 is no merit by itself: a method that ignores the image has it. What counts "
    "is the gain over other faces' maps, which such a method has not.",
    "The gain says that a map is this face's own, not that it shows what was learned: untrained "
    "networks' maps have a gain, too. See theirs beside it.",
    "A map that changes where the network's answer changes may be right to do so: see the faces "
    "that are still recognised.",
    "Faces that are still recognised differ from severity to severity, and become ever easier "
    "ones: a flat curve over them may hide a fall. Faces recognised at all severities are the same "
    "along the curve, and a selected, easy part of all.",
    "Where the face moves, the map is moved back by interpolation, or both maps are brought to the "
    "canonical face by landmarks; what is left at small severities is in part that.",
    "Real photographs differ from simulated conditions: lenses, compression chains and poses come "
    "together, and a wider crop shows what lies beyond, not a repeated border.",
    "Areas weigh severities by their unit, so areas of different conditions do not compare.",
    "Stability is not faithfulness: a map can stay the same and be wrong. Name --metrics for that.",
]

MORE = "For a judgement name more persons: a larger --limit, or other --data."
"""What a user can do where too few units are judged."""


def write_report(
    run: Run,
    rows: pd.DataFrame,
    faces: pd.DataFrame,
    sweeps: Sequence[Sweep],
    pictures: Sequence[Picture],
) -> str:
    """Tables, figures and the page; returns the answer."""
    manifest = run.manifest
    clusters = dict(zip(faces["id"], faces["cluster"], strict=True))
    summary, curve = areas(rows, clusters), curves(rows, clusters)
    prior = float(faces["emotion"].value_counts().max() / len(faces))
    answer = _answer(summary, curve)
    unit = "persons" if len(set(clusters.values())) < len(faces) else "faces"
    figures = [
        Picture(
            name=f"curves_{model}_{method}",
            figure=severity_curves(own, prior=prior),
            caption=f"{model}, {method}. Above: share of faces that are recognised, and of all "
            "faces those that are so still, and those that are lost, since they were recognised "
            "when clean. Below: Pearson correlation of the map with the clean face's own, moved "
            "along, at the clean face's prediction; and its floors. Bands: 95 % of each point by "
            f"itself, over {unit}.",
        )
        for (model, method), own in curve.groupby(["model", "method"], sort=False)
    ]
    write_page(
        run.folder,
        question=question("conditions"),
        answer=answer,
        facts=_facts(manifest, faces),
        tables=[_areas(summary, unit), _worst(curve, unit), _all_points(curve)],
        pictures=[*figures, *pictures],
        method=_method(manifest, sweeps),
        caveats=CAVEATS,
        manifest=manifest,
    )
    return answer


def _areas(summary: pd.DataFrame, unit: str) -> Table:
    return Table(
        name="areas",
        frame=summary,
        leading=True,
        caption="Areas under curves over the severities above 0, from the mildest to the worst, "
        "over that range (of a single severity, its value): severity 0 is left out, where each map "
        "is its own. Recognised: share of faces. Likeness: Pearson correlation of the map "
        "with the clean face's own. Other face: with clean maps of other persons' faces that were "
        "named the same emotion. Gain: likeness less other face, the declared endpoint, with "
        "intervals and p that hold over all conditions and methods together (one max-T resampling; "
        "where a gain has fewer than 60 units Bonferroni, and none below 24). Centre: what a map "
        "that stays in the image's centre would have. "
        f"Untrained: the likeness, and its gain, of untrained networks' maps, explained at the "
        f"trained one's predictions. 95 % intervals over {unit}, of "
        "one number each but for the gain. Undefined: share of faces without a map, or without "
        "another face, at some severity above 0.",
    )


def _worst(curve: pd.DataFrame, unit: str) -> Table:
    last = curve.groupby(["model", "condition", "method"])["severity"].transform("max")
    columns = ["model", "condition", "label", "method", "group", "faces"]
    columns += ["share", "share low", "share high", "likeness", "likeness low", "likeness high"]
    columns += ["undefined"]
    columns += [name for name in map(str, curve) if name.endswith(" over centre")]
    return Table(
        name="worst",
        frame=curve[curve["severity"] == last][columns].rename(columns={"label": "severity"}),
        leading=True,
        caption="At the worst severity, faces that are still recognised and faces that are lost "
        "(recognised when clean, no longer here), so that the fall of recognition and that of the "
        "explanation are told apart. Share: of all faces, Wilson's interval. Always: recognised at "
        "every severity. Over centre: a metric's gain over the centre control, on the changed "
        "faces; higher is better. Undefined: share of the group without a likeness, since a map "
        f"is blank or constant. 95 % intervals over {unit}, of one number each.",
    )


def _all_points(curve: pd.DataFrame) -> Table:
    return Table(
        name="curves",
        frame=curve,
        caption="All points of the curves; other, centre and untrained are floors of likeness.",
    )


def _answer(summary: pd.DataFrame, curve: pd.DataFrame) -> str:
    """A sentence on the endpoint for each model and method, and one on what is lost."""
    lines = []
    for (model, method), own in summary.groupby(["model", "method"], sort=False):
        text = f"{model}, {method}: "
        if own["reason"].ne("").all():
            text += "whether the map stays more like the clean face's own than like other faces' "
            text += f"cannot be judged: {own['reason'].iloc[0]} {MORE} "
            text += "Estimates of the gain in area: "
        else:
            text += f"{_told(own)}; gain in area "
        said = [
            f"{row['condition']} {signed(row['gain'], digits=2)}"
            f"{signed_bounds(row['gain low'], row['gain high'], digits=2)}"
            for _, row in own.iterrows()
        ]
        text += ", ".join(said)
        floors = own["untrained gain"]
        if floors.notna().all():
            gains = ", ".join(signed(value, digits=2) for value in floors)
            text += f" (untrained networks, in this order: {gains})"
        text += "."
        points = curve[(curve["model"] == model) & (curve["method"] == method)]
        lines.append(f"{text} {_lost(points)}".strip())
    return "\n".join(lines)


def _told(own: pd.DataFrame) -> str:
    """Under which conditions the map is told to stay its own, under which the contrary."""
    told = own["p"] < 0.05
    more, less = told & (own["gain low"] > 0), told & (own["gain high"] < 0)
    parts = []
    for chosen, word in ((more, "more"), (less, "less")):
        if chosen.any() or (word == "more" and not less.any()):
            where = f"under {_listed(own['condition'][chosen].astype(str)) or 'no condition'}"
            parts.append((where if not chosen.all() else "under every condition", word))
    own_map = "like the clean face's own than like other faces' of the same emotion"
    text = " and ".join(f"{where} the map stays {word} {own_map}" for where, word in parts)
    rest = own["condition"][~more & ~less].astype(str)
    return f"{text}, and it cannot be told under {_listed(rest)}" if len(rest) else text


def _lost(points: pd.DataFrame) -> str:
    """What the condition that costs most recognition leaves, told apart."""
    last = points[points["severity"] == points.groupby("condition")["severity"].transform("max")]
    every = last[last["group"] == "all"].reset_index(drop=True)
    worst = every.iloc[int(every["recognised"].to_numpy().argmin())]
    own = points[points["condition"] == worst["condition"]]
    clean = own[(own["group"] == "all") & (own["severity"] == 0)]
    before = float(clean["recognised"].iloc[0])
    after = float(worst["recognised"])
    if after >= before:
        return (
            f"Recognition, {100 * before:.0f} % when clean, falls under no condition at its worst."
        )
    digits = next((d for d in range(4) if f"{100 * before:.{d}f}" != f"{100 * after:.{d}f}"), 4)
    text = (
        f"Recognition falls most under {worst['condition']} ({worst['label']}), from "
        f"{100 * before:.{digits}f} to {100 * after:.{digits}f} %"
    )
    here = last[last["condition"] == worst["condition"]]
    still = here[here["group"] == "still recognised"]
    new = after - float(still["share"].iloc[0]) if len(still) else 0.0
    if f"{100 * new:.{digits}f}" != f"{0:.{digits}f}":
        text += (
            f" ({100 * (after - new):.{digits}f} % are recognised still, and "
            f"{100 * new:.{digits}f} % newly: not when clean)"
        )
    said = [
        f"{row['likeness']:.2f}{_bounds(row)} on the {100 * row['share']:.0f} % {row['group']}"
        for _, row in here.iterrows()
        if row["group"] in ("still recognised", "lost") and np.isfinite(row["likeness"])
    ]
    return f"{text}; there the map's likeness is {' and '.join(said)}." if said else f"{text}."


def _bounds(row: pd.Series) -> str:
    """The interval, where as many faces as a judgement takes share it; else their number."""
    if row["faces"] < LEAST_TESTED:
        counted = "1 face" if row["faces"] == 1 else f"{row['faces']:.0f} faces"
        return f" ({counted}, too few for an interval here)"
    if not np.isfinite(row["likeness low"]):
        return ""
    return f" [{row['likeness low']:.2f}, {row['likeness high']:.2f}]"


def _listed(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    return " and ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)


def _facts(manifest: dict[str, Any], faces: pd.DataFrame) -> dict[str, str]:
    config = manifest["config"]
    parts = (config["data"], config["source"], config["split"])
    return {
        "Data": " / ".join(str(part) for part in parts if part),
        "Units": units_of(faces),
        "Side": f"{manifest['side of the changed images']} px",
        "Seed": str(config["seed"]),
        "Commit": store.made_by(manifest),
    }


def _method(manifest: dict[str, Any], sweeps: Sequence[Sweep]) -> list[str]:
    side = manifest["side of the changed images"]
    lines = [
        f"Conditions act on images of {side}×{side} pixels, the largest size that a model of the "
        "run is fed; severity 0 is the image as it is, bit by bit. What is random about a face is "
        "drawn once and is the same at every severity.",
        "Every map explains the emotion that the trained network names for the clean face, "
        "whatever is named under the condition, and whatever the label is.",
    ]
    lines += [
        f"{sweep.condition}: {sweep.meaning}; {', '.join(sweep.labels(side)[1:])}."
        for sweep in sweeps
    ]
    return [
        *lines,
        "Affine moves: the map is moved back and compared over what can still be seen. Pose and "
        "intensity: both maps are brought to the canonical face, piecewise affine over all 68 "
        "landmarks, which are exact.",
        "Recognised: the named emotion is the label. Still: when clean and here. Lost: when clean, "
        "not here.",
    ]
