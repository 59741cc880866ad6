"""What the planted regions leave: tables, a figure, a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from studies.engine import store
from studies.questions.planted_regions.plants import PLANTS
from studies.questions.planted_regions.tables import found_table, refused_table
from studies.registry import question
from studies.reporting.formatting import counted
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.style import style

METHOD = [
    "The network is a 1×1 convolution that knows two pure colours, pooled and added up: what it "
    "reads is known exactly. CAMs are taken from its pooled map of 16×16 cells.",
    "A map's sign does not matter to being found: its largest absolute value does. A map that is "
    "zero everywhere has found nothing.",
    "Exact Shapley values are taken with the blur fill; for two marks that cancel they are zero by "
    "right, and the pair is found by its interaction index.",
]
CAVEATS = [
    "A mark is a small patch of one colour: methods that find it need not find a smile.",
    "In XOR both marks are saturated, so that gradients vanish: that is the point of the plant.",
]


def write_report(folder: Path, manifest: dict[str, Any], rows: pd.DataFrame) -> str:
    """Tables, the figure and the page; returns the answer."""
    table = found_table(rows)
    real = table[~table["control"]]
    perfect = real[(real[list(PLANTS)] == 100).all(axis=1)]["attribution"]
    one = int((real["one mark"] == 100).sum())
    asked = real.dropna(subset=["one mark"])
    both = asked.dropna(subset=list(PLANTS))
    blank = (
        f" ({len(asked) - len(both)} without maps of that network: see the table of refusals)"
        if len(both) < len(asked)
        else ""
    )
    answer = (
        f"Of {counted(len(asked), 'attribution')} {one} {'finds' if one == 1 else 'find'} the one "
        f"region that a planted network reads in every face; of the {len(both)} that can be asked "
        f"where two marks cancel in XOR{blank}, {len(perfect)} "
        f"{'finds' if len(perfect) == 1 else 'find'} the regions there too: "
        f"{', '.join(perfect) or 'none'}."
    )
    caption = (
        "How often the planted region is found, in percent of marked faces; "
        + "; ".join(f"{plant}: {meaning}" for plant, meaning in PLANTS.items())
        + f". Unit: the built-in face ({rows['face'].nunique()}), each of a person of its own and "
        "marked in every region; 95 % intervals by Clopper and Pearson over faces, as if a face's "
        "regions were found or missed together; undefined maps are left out, and counted among the "
        "refusals. Blank: refused, or undefined for more than half. Share: of a map's absolute "
        "mass, in the one region. By chance one region of eight is found in 12.5 %, a pair in "
        "3.6 %."
    )
    write_page(
        folder,
        question=question("planted_regions"),
        answer=answer,
        facts={"Faces": "built-in, marked", "Commit": store.made_by(manifest)},
        tables=[
            Table(name="found", frame=table, caption=caption, percent=tuple(PLANTS)),
            Table(
                name="refused",
                frame=refused_table(manifest, rows),
                caption="Blank cells: methods without maps of a planted network, and why. Methods "
                "whose maps are undefined for some faces stand among them.",
            ),
        ],
        pictures=[Picture(name="found", figure=_figure(table), caption=caption)],
        method=METHOD,
        caveats=CAVEATS,
        manifest=manifest,
    )
    return answer


def _figure(table: pd.DataFrame) -> Figure:
    """Hit rates as a heat map, methods over controls."""
    style()
    shown = table.set_index("attribution")[list(PLANTS)]
    shown.index = [str(name).replace("_", " ") for name in shown.index]
    fig, axis = plt.subplots(figsize=(5.6, 0.27 * len(shown) + 1))
    sns.heatmap(
        shown,
        vmin=0,
        vmax=100,
        cmap="Blues",
        annot=True,
        fmt=".0f",
        ax=axis,
        annot_kws={"fontsize": 8},
        cbar_kws={"label": "found, %", "shrink": 0.5},
    )
    axis.axhline(int((~table["control"]).sum()), color="white", lw=5)
    axis.tick_params(labelsize=9, length=0)
    axis.set(xlabel="", ylabel="")
    return fig
