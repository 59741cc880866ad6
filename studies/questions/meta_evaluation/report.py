"""What the meta-evaluation says: figure, report, and the answer on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from metrics.core.registry import METRICS
from studies.engine import store
from studies.questions.meta_evaluation.tables import GRADES, believable
from studies.registry import question
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.style import INK, TRAINED, style

SLIGHT = 0.01
"""Uniform noise of a change that should change no metric, in [0, 1] pixel values."""

CAVEATS = [
    "A planted mark is a small patch of one colour that the network reads alone: a metric that "
    "orders maps of it rightly need not do so on faces, but one that does not cannot be trusted.",
    "One network is made random, by the seed: intervals are over persons and do not hold what "
    "another draw would have given.",
    "Metrics of complexity do not look at the network: they cannot react to its becoming random, "
    "and whether they order true maps first is a matter of what true maps look like.",
]


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    table: pd.DataFrame,
    *,
    model: str,
    faces: int,
    methods: int,
) -> str:
    """Table, figure and report; returns the answer."""
    distinct = {
        m for m in table["metric"] if not set(METRICS[m].redundant_with) & set(table["metric"])
    }
    faithful = table[(table["family"] == "faithfulness") & table["metric"].isin(distinct)]
    sure = faithful[believable(faithful)]
    answer = (
        f"Of {len(faithful)} faithfulness metrics (mere sums of others apart) {len(sure)} order "
        "maps as planted truth does (Somers' d above one half), keep their order under a trifle of "
        "noise (Spearman above one half) and lose it when the network is made random (1 − Spearman "
        "of one half or more, and above what the trifle does): "
        f"{', '.join(sure['metric']) or 'none'}."
    )
    caption = (
        "Truth: Somers' d of a metric given the known quality of maps of a planted network "
        f"({', '.join(f'{name} {grade}' for name, grade in GRADES.items())}; without the inverse "
        "for metrics that do not see the sign): pairs of unequal quality in the right order less "
        "those in the wrong one, as a share of all; 1 is perfect, and scores that are alike count "
        "against. Truth over noise, over inverse: share of faces in "
        "which the true map scores better. Noise resilience: Spearman of the order of "
        f"{methods} maps of a trained network on faces changed by uniform noise of "
        f"±{SLIGHT}, with their order on the faces as they are. Adversary reactivity: 1 − Spearman "
        "with the order after the network was made random; over noise: less 1 − noise resilience, "
        "paired by face. Believed is a metric whose truth and noise resilience lie above .5 and "
        "whose reactivity over noise lies above 0, all by their intervals, with a reactivity of .5 "
        f"or more. Unit: the person ({faces} built-in faces of each kind, planted ones each "
        "of a person of its own); 95 % intervals of means. Faces: those whose "
        "maps the metric does not score all alike, before and after, so that there is an order."
    )
    write_page(
        folder,
        question=question("meta_evaluation"),
        answer=answer,
        facts={
            "faces": f"built-in, {faces} of each kind",
            "network": model,
            "commit": store.made_by(manifest),
        },
        tables=[Table(name="metrics", frame=table, caption=caption)],
        pictures=[
            Picture(
                name="metrics",
                figure=_figure(table),
                caption="Means with 95 % intervals, "
                "the truthful metrics first; the table below says what they are of.",
            )
        ],
        method=[f"{name}: {METRICS[name].reference}." for name in table["metric"]],
        caveats=CAVEATS,
        manifest=manifest,
    )
    return answer


def _figure(table: pd.DataFrame) -> Figure:
    """Panels of dots, metrics over each other."""
    style()
    shown = table.iloc[::-1].reset_index(drop=True)
    names = ("truth", "noise resilience", "adversary reactivity", "reactivity over noise")
    fig, axes = plt.subplots(
        1, len(names), figsize=(12, 0.26 * len(shown) + 1.1), sharey=True, layout="constrained"
    )
    for axis, name in zip(axes, names, strict=True):
        for place, (_, row) in enumerate(shown.iterrows()):
            axis.plot(
                [row[f"{name} low"], row[f"{name} high"]], [place, place], color=TRAINED, lw=2
            )
            axis.plot(row[name], place, "o", color=TRAINED, ms=4)
        axis.axvline(0, color=INK, lw=0.6)
        axis.set_title(name, fontsize=10)
        axis.set_yticks(
            range(len(shown)), [str(m).replace("_", " ") for m in shown["metric"]], fontsize=8
        )
    sns.despine(fig)
    return fig
