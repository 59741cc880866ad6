"""The page of the fairness study: answer, dot plots, tables and caveats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from metrics import METRICS
from studies.engine import store
from studies.engine.study import Run
from studies.engine.units import units_of
from studies.questions.fairness.gaps import LEVEL, MOST_SKEWED, SURE, told
from studies.questions.fairness.groups import LEAST_FACES, LEAST_PERSONS, UNKNOWN, Groups
from studies.questions.fairness.plots import gap_plot
from studies.questions.fairness.recall import LEAST_SHOWN
from studies.questions.fairness.rows import MEANS
from studies.registry import question
from studies.reporting.formatting import counted, signed
from studies.reporting.page import Picture, Table, write_page

CAVEATS = [
    "A gap is no cause: groups differ in images, cameras, ages of the data and annotators as well "
    "as in persons, and only what is standardised (the emotion) is taken out.",
    "Labels come from annotators, whose errors may differ between groups; a gap can be theirs. "
    "Attributes are the data set's own, judged from photographs, and not what persons say of "
    "themselves. RAF-DB has three codes of race (Caucasian, African-American, Asian) and three of "
    "gender (male, female, unsure).",
    "Groups were trained on as unequally as the training data have them.",
    "The likeness to other persons' maps is that to the same faces, of which large groups have "
    "most. Faces share these maps: simulated without any gap, 95 % "
    "intervals covered in .955 (20 faces and 60) and .935 (40 and 200) of 600 samples.",
]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What was found out of one model.

    Attributes
    ----------
    model
        Its name.
    recognition, worst, qualities, recall
        Tables of :class:`~studies.questions.fairness.gaps.Gaps`, and of recall.
    refused
        Why methods have no maps, by name.

    Examples
    --------
    >>> none = pd.DataFrame()
    >>> part = Part(model="net", recognition=none, worst=none, qualities=none, recall=none)
    >>> part.refused
    {}
    """

    model: str
    recognition: pd.DataFrame
    worst: pd.DataFrame
    qualities: pd.DataFrame
    recall: pd.DataFrame
    refused: dict[str, str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "refused", self.refused or {})


def write_report(
    run: Run,
    parts: Sequence[Part],
    groups: Groups,
    faces: pd.DataFrame,
    *,
    caveats: Sequence[str] = (),
) -> str:
    """Tables, figures and the page, with more caveats than those of all runs; returns the answer.

    Examples
    --------
    >>> write_report.__name__  # see the tests of the study
    'write_report'
    """
    answer = "\n".join(answer_of(part, groups) for part in parts)
    unit = "persons" if faces["cluster"].nunique() < len(faces) else "faces"
    write_page(
        run.folder,
        question=question("fairness"),
        answer=answer,
        facts=_facts(run.manifest, faces),
        tables=_tables(parts, groups, unit),
        pictures=[picture for part in parts for picture in _pictures(part, unit)],
        method=_method(parts, groups),
        caveats=[*CAVEATS, *caveats],
        manifest=run.manifest,
    )
    return answer


def answer_of(part: Part, groups: Groups) -> str:
    """At most three sentences of one model: recognition, explanations, and groups too small.

    Parameters
    ----------
    part
        What was found out of the model.
    groups
        The groups.

    Examples
    --------
    >>> from fer_xai.data.datasets.synthetic import synthetic_faces
    >>> from studies.questions.fairness.groups import groups_of
    >>> faces = synthetic_faces(480)
    >>> groups = groups_of(faces, ["glasses"], persons=faces.persons)
    >>> gap = {"attribute": "glasses", "group": ["yes", "no"], "gap": [-0.2, 0.2], "small": "",
    ...        "gap low": [-0.3, 0.1], "gap high": [-0.1, 0.3], "p (max-T)": 0.001}
    >>> rows = pd.DataFrame(gap)
    >>> part = Part(model="net", recognition=rows, worst=rows, qualities=rows[:0], recall=rows)
    >>> answer_of(part, groups)
    'net recognises fewer faces of glasses yes (−20.0 points [−30.0, −10.0]) than of the rest.'
    """
    said = [_recognition(part, groups)]
    if len(part.qualities):
        said.append(_explanations(part, groups))
    small = groups.sizes[(groups.sizes["small"] != "") & (groups.sizes["group"] != UNKNOWN)]
    if len(small):
        names = ", ".join(
            f"{row['attribute']} {row['group']} ({counted(row['faces'], 'face')})"
            for _, row in small.iterrows()
        )
        said.append(f"Not compared, since too small or without an emotion in common: {names}.")
    return " ".join(said)


def _recognition(part: Part, groups: Groups) -> str:
    rows = _once(part.recognition[part.recognition["small"] == ""], groups)
    found = told(rows)
    pieces = []
    for word, chosen in (("fewer", found["gap"] < 0), ("more", found["gap"] > 0)):
        own = [f"{_name(row)} ({_points(row)})" for _, row in found[chosen].iterrows()]
        if own:
            pieces.append(f"{word} faces of {', '.join(own)}")
    rest = len(rows) - len(found)
    if pieces:
        text = f"{part.model} recognises {' and '.join(pieces)} than of the rest"
        return (
            f"{text}; {counted(rest, 'other gap')} cannot be told from 0." if rest else f"{text}."
        )
    largest = rows.iloc[int(rows["gap"].abs().to_numpy().argmax())]
    return (
        f"No group of {len(rows)} compared is told to be recognised by {part.model} worse or "
        f"better than the rest; the largest gap is that of {_name(largest)}, {_points(largest)}."
    )


def _explanations(part: Part, groups: Groups) -> str:
    rows = _once(part.qualities, groups)
    found = told(rows)
    judged = int(rows["gap low"].notna().sum())
    if not len(found):
        return f"None of {counted(judged, 'gap')} in the quality of explanations is told from 0."
    pieces = []
    for word, chosen in (("worse", found["gap"] < 0), ("better", found["gap"] > 0)):
        own = [
            f"{_name(row)} ({row['method']}, {row['quality']} {signed(row['gap'], digits=3)})"
            for _, row in found[chosen].iterrows()
        ]
        if own:
            more = f" and {len(own) - 4} more" if len(own) > 4 else ""
            pieces.append(f"{word} for {', '.join(own[:4])}{more}")
    return (
        f"Over chance, explanations are {' and '.join(pieces)} than for the rest, of "
        f"{counted(judged, 'gap')} judged."
    )


def _once(rows: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    """Rows without the mirrored one of attributes of two groups: the lower group's are left."""
    kept = []
    for attribute, own in rows.groupby("attribute", sort=False):
        place = groups.attributes.index(str(attribute))
        two = len(set(groups.labels[:, place]) - {""}) == 2 and own["group"].nunique() == 2
        if two:
            keys = [name for name in ("method", "quality") if name in own]
            for _, pair in own.groupby(keys, sort=False) if keys else [((), own)]:
                kept.append(pair[pair["gap"] == pair["gap"].min()].head(1))
        else:
            kept.append(own)
    return pd.concat(kept) if kept else rows


def _name(row: pd.Series) -> str:
    return f"{row['attribute']} {row['group']}"


def _points(row: pd.Series) -> str:
    value, low, high = (
        f"{100 * row[name]:+.1f}".replace("-", "−") for name in ("gap", "gap low", "gap high")
    )
    return f"{value} points [{low}, {high}]"


def _pictures(part: Part, unit: str) -> list[Picture]:
    recognised = part.recognition[part.recognition["group"] != UNKNOWN]
    found = [
        Picture(
            name=f"recognition_{part.model}",
            caption=f"{part.model}: share of faces that are recognised, gap of each group to all "
            "other faces, standardised to equal weights of the emotions that both have. Lines: "
            f"95 %, for all groups together (Bonferroni), over {unit}. Filled: told from 0 (also "
            "by the permutation of groups). Crosses: the gap of all faces as they are. Groups "
            "without a dot are not compared.",
            figure=gap_plot([("recognised", recognised)], points=True),
        )
    ]
    for method, own in part.qualities.groupby("method", sort=False):
        panels = [(str(name), rows) for name, rows in own.groupby("quality", sort=False)]
        found.append(
            Picture(
                name=f"explanations_{part.model}_{method}",
                caption=f"{part.model}, {method}: quality of the explanation of the named emotion "
                "over its control, gap of each group to the rest, standardised to "
                f"the named emotions. Lines: 95 %, for all gaps together, over {unit}; a dot "
                "without a line has no interval.",
                figure=gap_plot(panels),
            )
        )
    return found


def _tables(parts: Sequence[Part], groups: Groups, unit: str) -> list[Table]:
    def joined(name: str) -> pd.DataFrame:
        frames = []
        for part in parts:
            frame: pd.DataFrame = getattr(part, name).copy()
            if len(parts) > 1 and len(frame):
                frame.insert(0, "model", part.model)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    recognition = joined("recognition")
    return [
        Table(
            name="groups",
            frame=recognition.rename(columns={"small": "not compared, since"}),
            leading=True,
            caption="Share of faces recognised, as the mean of the recalls of the emotions that "
            "the group and the rest have in common (their number is in the column emotions), in "
            "the group, in the rest, and the gap with its interval, which holds for all "
            f"{groups.comparisons} comparisons together (Bonferroni; Newcombe over {unit}). p: "
            "groups permuted among persons within emotions, corrected by the largest statistic. "
            "All faces: the share without standardisation, and its gap; sample's prior: the gap "
            "where emotions weigh as in the whole sample. Confidence: mean probability of the "
            "named emotion.",
        ),
        Table(
            name="worst",
            frame=joined("worst"),
            leading=True,
            caption="The group that lies furthest below the rest, by attribute. The lowest of "
            "several noisy gaps is below 0 by selection alone: by chance is the median of the "
            "lowest gap with groups permuted, one in twenty its 5 % quantile, p how often it is as "
            "low as the observed one (not corrected over attributes).",
        ),
        Table(
            name="explanations",
            frame=joined("qualities"),
            caption="Quality of explanations of the named emotion, less that of the centre control "
            "on the same face (likeness: less that to maps of the other emotions), so that more is "
            "better and groups of other images are comparable; means over the named emotions that "
            "both have, in the group and the rest. Intervals "
            f"hold for all gaps together (Bonferroni; Welch's t over {unit}). Gap, rightly named: "
            "among faces whose emotion is named rightly, so that the gap in recognition is not "
            "counted again. Undefined: share of the group's faces without a score. Reason: why a "
            "gap has no interval.",
        ),
        Table(
            name="recall",
            frame=joined("recall"),
            caption="Equalised odds: how often each emotion is named where it is shown (recall, "
            "Wilson's 95 % interval, one at a time), and where it is not (false alarms), by group. "
            f"Cells of fewer than {LEAST_SHOWN} faces are blank.",
        ),
    ]


def _facts(manifest: dict[str, Any], faces: pd.DataFrame) -> dict[str, str]:
    config = manifest["config"]
    data = [str(config["data"]), *([config["source"]] if config["source"] else []), config["split"]]
    return {
        "Data": "; ".join([" / ".join(data), *config["also"]]),
        "Groups": ", ".join(config["groups"]),
        "Units": units_of(faces),
        "Models": ", ".join(manifest["networks"]),
        "Seed": str(config["seed"]),
        "Commit": store.made_by(manifest),
    }


def _method(parts: Sequence[Part], groups: Groups) -> list[str]:
    lines = [
        f"A group is compared with all other faces whose group is known, from {LEAST_FACES} faces "
        f"of {LEAST_PERSONS} persons on (and the rest, too). Smaller groups are counted, and "
        "nothing else is said of them.",
        "Direct standardisation: emotions weigh alike, in both sides, whatever their number; only "
        "emotions that two persons of each side show are taken.",
        f"A gap is told from 0 if its interval leaves 0 out and its p is below {1 - LEVEL:.2f}.",
        "A mean of a group has no interval where scores within emotions are more skewed than "
        f"{MOST_SKEWED[False]:g} (from {SURE} units on {MOST_SKEWED[True]:g}), since it would "
        "cover too rarely.",
    ]
    qualities = [
        *dict.fromkeys(name for part in parts for name in part.qualities.get("quality", []))
    ]
    lines += [
        f"{name}: {MEANS[name] if name in MEANS else METRICS[name].question}" for name in qualities
    ]
    for part in parts:
        lines += [
            f"{part.model}: {name} is left out: {why}" for name, why in (part.refused or {}).items()
        ]
    return lines
