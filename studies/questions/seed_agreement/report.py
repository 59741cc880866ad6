"""What the agreement of trainings leaves: a table, a figure, a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from metrics.statistics.intervals import mean_interval
from studies.engine import store
from studies.questions.seed_agreement.pairs import TRAININGS
from studies.registry import question
from studies.reporting.formatting import counted
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.style import style

TRAINED = (
    "The trainings whose maps are compared, and the percentage of test faces that each recognises: "
    "two that learned little agree by what they do not know."
)
METHOD = [
    "Each network's Grad-CAM map without its ReLU, at the emotion that the face shows, brought to "
    "64×64 pixels; likeness is Pearson's correlation over the whole image. Without the ReLU no map "
    "is blank because its evidence is negative.",
    "Same face: the two networks' maps of one face. Other face: the first network's map of the "
    "face with the second one's map of another face of the same emotion, which is what two "
    "networks share that look at the same place in every face. The gain is the difference, face by "
    "face.",
    "A face's value is its mean over the pairs of networks of that kind. Intervals are over faces "
    "(persons, where they are known) for these networks; they do not speak of other trainings.",
]
CAVEATS = [
    "Agreement is reliability, not truth: networks can agree on what they do not use.",
    "Maps of few cells are alike more easily than maps of many.",
]


def summary(rows: pd.DataFrame, clusters: Sequence[object]) -> pd.DataFrame:
    """One row a kind and network: agreement, the other face's, and the gain, with intervals.

    Examples
    --------
    >>> faces = {"id": list("abcdef"), "same face": [0.5] * 6, "other face": [0.2, 0.3] * 3}
    >>> kind = {"kind": TRAININGS, "network": "gimefive", "pairs": 3, "pairs asked": 3}
    >>> found = summary(pd.DataFrame(faces | kind), list("abcdef"))
    >>> found[["same face", "gain", "undefined"]].round(2).to_numpy().tolist()
    [[0.5, 0.25, 0.0]]
    """
    out = []
    for (kind, who), own in rows.groupby(["kind", "network"], sort=False):
        row: dict[str, Any] = {"kind": kind, "network": who}
        gain = own["same face"] - own["other face"]
        sides = {"same face": own["same face"], "other face": own["other face"], "gain": gain}
        for name, values in sides.items():
            reach = 2.0 if name == "gain" else 1.0  # correlations, and a difference of two
            found = mean_interval(values.to_numpy(), clusters=clusters, bounds=(-reach, reach))
            row |= {name: found.estimate, f"{name} low": found.low, f"{name} high": found.high}
        row["units"] = found.n
        row["pairs"] = int(own["pairs asked"].iloc[0])
        row["undefined"] = 1 - own["pairs"].sum() / own["pairs asked"].sum()
        out.append(row)
    return pd.DataFrame(out)


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    rows: pd.DataFrame,
    clusters: Sequence[object],
    trained: pd.DataFrame,
) -> str:
    """The tables, the figure and the page; returns the answer.

    ``trained`` has a row for each training, with the share of test faces that it recognises.
    """
    table = summary(rows, clusters)
    answer = _answer(table)
    caption = (
        "Likeness (Pearson) of the maps that two networks give the same face, and another face of "
        f"its emotion; 95 % intervals over {counted(int(table['units'].max()), 'unit')}, for "
        "these networks. Undefined: share of pairs of maps of which one is constant."
    )
    store.write_table(folder / "faces.parquet", rows)
    write_page(
        folder,
        question=question("seed_agreement"),
        answer=answer,
        facts={
            "Trainings": ", ".join(sorted(manifest["trainings"])),
            "Commit": store.made_by(manifest),
        },
        tables=[
            Table(name="agreement", frame=table, caption=caption, leading=True),
            Table(name="trainings", frame=trained, caption=TRAINED),
        ],
        pictures=[Picture(name="agreement", figure=_figure(table), caption=caption)],
        method=METHOD,
        caveats=CAVEATS,
        manifest=manifest,
    )
    return answer


def _answer(table: pd.DataFrame) -> str:
    said = []
    for _, row in table[table["kind"] == TRAININGS].iterrows():
        said.append(
            f"two trainings of {row['network']} explain the same face alike by "
            f"{row['same face']:.2f} [{row['same face low']:.2f}, {row['same face high']:.2f}] and "
            f"another face of its emotion by {row['other face']:.2f} (gain {row['gain']:+.2f} "
            f"[{row['gain low']:+.2f}, {row['gain high']:+.2f}])"
        )
    if not said:
        return "No network has two trainings whose maps can be compared."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _figure(table: pd.DataFrame) -> Figure:
    """Agreement on the same face and on another one, a line for each kind and network."""
    style()
    fig, axis = plt.subplots(figsize=(6.4, 0.42 * len(table) + 1.2))
    places = range(len(table))
    for name, colour, marker in (("same face", "#1f5a99", "o"), ("other face", "#9a9a9a", "s")):
        reach = [table[name] - table[f"{name} low"], table[f"{name} high"] - table[name]]
        axis.errorbar(
            table[name], places, xerr=reach, fmt=marker, color=colour, capsize=2, label=name
        )
    axis.set_yticks(list(places), list(table["kind"] + "\n" + table["network"]))
    axis.invert_yaxis()
    axis.axvline(0, color="#cccccc", lw=1, zorder=0)
    axis.set_xlabel("likeness of maps (Pearson), 95 % over faces")
    axis.tick_params(labelsize=8)
    axis.legend(frameon=False, fontsize=8)
    return fig
