"""What a run of the agreement study leaves: tables, figures, a report, the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from metrics.statistics.intervals import Interval
from studies.engine import store
from studies.engine.units import units_of
from studies.questions.attribution_agreement import tables
from studies.registry import question
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.style import CONTROL, INK, TRAINED, UNTRAINED, style
from studies.scoreboard.judged import meaning_of


def write_report(
    folder: Path, manifest: dict[str, Any], rows: pd.DataFrame, faces: pd.DataFrame
) -> str:
    """Tables as csv, Markdown and LaTeX; figures; report.html; returns the answer."""
    clusters = faces.set_index("id")["cluster"]
    table = tables.methods(rows, clusters, manifest["networks"])
    tops = tables.between_fills(rows, clusters)
    sentence = tables.answer(table, tops, tables.floors(rows))
    unit = f"the face ({len(faces)})"
    if clusters.nunique() < len(faces):
        unit = f"the person or group of copies ({clusters.nunique()}, of {len(faces)} faces)"
    fills = ", ".join(manifest["config"]["fills"])
    made = [
        Table(
            name="methods",
            frame=table,
            percent=(),
            caption="Shapley: Spearman, over the regions of a face, of what the map gives each "
            f"region with its exact Shapley value, mean over faces and fills ({fills}; but those "
            "that a method starts from itself: compare methods of one column of fills, or by their "
            "gain). Another fill: what exact Shapley values of another fill (of the one that the "
            "method starts from, if any) reach by the same fills, which no method is bound to stay "
            "below. Over chance: difference from "
            "the chance control that scores best, paired by face and fill, with simultaneous "
            "intervals and p of one max-T resampling over all methods (a family takes 60 units); "
            "d_z: its mean over its standard deviation. Units to tell: where a gain is not told "
            "from zero, with how many units one as large would be, with a power of .8 at the level "
            "that the family leaves to each. "
            f"{meaning_of(table)}Other methods: mean "
            "Spearman over pixels with every method that is no control. Itself: the same with "
            f"another seed. Unit: {unit}; 95 % intervals. Undefined: "
            "share of faces without a score. Passes: "
            "a face, of the network or of what lies behind a layer.",
        ),
        Table(
            name="ceiling",
            frame=_ceilings(tops),
            caption="Agreement (Spearman over regions) between exact Shapley values of two fills, "
            f"mean over pairs of fills. Unit: {unit}.",
        ),
        Table(
            name="refused",
            frame=_refused(manifest),
            caption="Methods that have no rules for a model, and why.",
        ),
    ]
    pictures = []
    for model in dict.fromkeys(table["model"]):
        pictures += [
            Picture(
                name=f"shapley_{model}",
                figure=_dots(table[table["model"] == model], tops[str(model)]),
                caption=f"{model}: agreement with exact region Shapley. Red: methods; grey: chance "
                "controls; the band is the agreement between two fills of Shapley itself, with "
                "its 95 % interval, a tick what it is for the fills that a row is scored by. "
                f"Unit: {unit}.",
            ),
            Picture(
                name=f"agreement_{model}",
                figure=_heatmap(tables.matrix(rows, str(model))),
                caption=f"{model}: mean Spearman over pixels of each pair of attributions, in the "
                "order of an average-linkage tree; an empty cell is a map that is constant.",
            ),
        ]
    write_page(
        folder,
        question=question("attribution_agreement"),
        answer=sentence,
        facts=_facts(manifest, faces),
        tables=made,
        pictures=pictures,
        method=_method(manifest),
        caveats=CAVEATS,
        manifest=manifest,
    )
    return sentence


def _ceilings(tops: dict[str, Interval]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "model": model,
                "between fills": top.estimate,
                "between fills low": top.low,
                "between fills high": top.high,
                "units": top.n,
            }
            for model, top in tops.items()
        ]
    )


def _refused(manifest: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"model": model, "attribution": name, "reason": reason}
            for model, network in manifest["networks"].items()
            for name, reason in network["refused"].items()
        ],
        columns=["model", "attribution", "reason"],
    )


def _dots(table: pd.DataFrame, top: Interval) -> Figure:
    """Methods by their agreement with Shapley, over the band of two fills."""
    style()
    shown = table.dropna(subset=["Shapley"]).iloc[::-1].reset_index(drop=True)
    fig, axis = plt.subplots(figsize=(7.2, 0.27 * len(shown) + 1.1))
    axis.axvspan(top.low, top.high, color=UNTRAINED, alpha=0.25, lw=0)
    axis.axvline(top.estimate, color=UNTRAINED, lw=1.2)
    axis.axvline(0, color=INK, lw=0.6)
    for place, (_, row) in enumerate(shown.iterrows()):
        colour = CONTROL if row["control"] else TRAINED
        axis.plot([row["Shapley low"], row["Shapley high"]], [place, place], color=colour, lw=2)
        axis.plot(row["Shapley"], place, "o", color=colour, ms=5)
        axis.plot(row["another fill"], place, "|", color=UNTRAINED, ms=9, mew=1.5)
    axis.set_yticks(
        range(len(shown)), [str(name).replace("_", " ") for name in shown["attribution"]]
    )
    axis.set_xlabel("Spearman with exact region Shapley")
    axis.annotate(
        "agreement between fills",
        (top.estimate, len(shown) - 0.4),
        fontsize=8,
        ha="center",
        va="bottom",
        color=UNTRAINED,
        annotation_clip=False,
    )
    axis.set_ylim(-0.7, len(shown) - 0.3)
    sns.despine(fig)
    return fig


def _heatmap(matrix: pd.DataFrame) -> Figure:
    """Agreement of each pair, like beside like."""
    style()
    known = matrix.notna().sum() > 1
    shown = matrix.loc[known, known]
    distance = (1 - shown.fillna(0).to_numpy()).clip(min=0)
    np.fill_diagonal(distance, 0)
    order = leaves_list(linkage(squareform(distance, checks=False), method="average"))
    shown = shown.iloc[order, order]
    labels = [str(name).replace("_", " ") for name in shown.index]
    side = 0.3 * len(shown) + 2
    fig, axis = plt.subplots(figsize=(side + 0.8, side))
    sns.heatmap(
        shown,
        vmin=-1,
        vmax=1,
        cmap="RdBu_r",
        square=True,
        ax=axis,
        xticklabels=labels,
        yticklabels=labels,
        cbar_kws={"label": "Spearman over pixels", "shrink": 0.6},
        linewidths=0.3,
        linecolor="white",
    )
    axis.tick_params(labelsize=8, length=0)
    axis.set(xlabel="", ylabel="")
    return fig


def _facts(manifest: dict[str, Any], faces: pd.DataFrame) -> dict[str, str]:
    config = manifest["config"]
    parts = (config["data"], config["source"], config["split"])
    facts = {
        "Data": " / ".join(str(part) for part in parts if part),
        "Faces": f"{len(faces)}, all with landmarks",
        "Units": units_of(faces),
        "Fills": ", ".join(config["fills"]),
        "Seed": str(config["seed"]),
        "Commit": store.made_by(manifest),
    }
    for model, network in manifest["networks"].items():
        facts[f"{model} is right on"] = f"{100 * network['accuracy on these faces']:.0f} %"
    return facts


def _method(manifest: dict[str, Any]) -> list[str]:
    lines = [
        "Every map explains the face's predicted emotion (its logit), so that the label leaks into "
        "none.",
        "Regions partition the image: forehead, brows, eyes, nose, cheeks, mouth, chin and jaw, "
        "and what is off the face. All 256 coalitions are scored, so Shapley values are exact "
        "for a fill.",
        "What a map gives a region is the sum over its pixels, with its sign; a uniform map gives "
        "each its area, which is why the controls stand beside.",
        "Controls are matched to Grad-CAM in resolution.",
        "Unit: the face; pairs of pixels or of regions are never resampled.",
    ]
    for model, network in manifest["networks"].items():
        layers = sorted({str(p["layer"]) for p in network["methods"].values() if p.get("layer")})
        lines.append(f"{model}: maps of CAMs from {', '.join(layers) or 'no layer'}.")
    return lines


CAVEATS = [
    "Shapley values are exact for a fill, and not the truth: see how little two fills agree.",
    "Agreement is not faithfulness: methods can agree and be wrong together.",
    "Eight regions a face: one face's Spearman is coarse, the mean over faces is what counts.",
    "Shapley hands out the whole of v(all) − v(none), the off-face region included; a CAM that is "
    "clamped at zero cannot say that a region speaks against the emotion.",
    "One training run a model: the interval speaks of faces, not of other trainings.",
]
