"""What the ablation leaves: tables, figures, a report, a summary on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.table import Table as TerminalTable

from fer_xai.command import terminal
from metrics.statistics.effect_sizes import auc_to_d
from metrics.statistics.intervals import (
    Interval,
    influence_interval,
)
from metrics.statistics.significance import holm
from metrics.statistics.trainings import percent_interval, training_interval
from studies.registry import question
from studies.reporting.formatting import signed, signed_bounds
from studies.reporting.page import Picture, Table, write_page
from studies.reporting.style import INK, TRAINED, style
from studies.reporting.trainings import caveats_of, facts_of, method_of
from training.grid import Training

REFERENCE = "gimefive"


def write_report(
    folder: Path,
    manifest: dict[str, Any],
    done: Sequence[Training],
    endpoints: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    clusters: Sequence[object],
) -> str:
    """Everything is made from the trainings' test logits and the endpoints of their networks.

    Parameters
    ----------
    folder
        Folder of the run.
    manifest
        Its manifest.
    done
        Trainings.
    endpoints
        By ``variant@seedK`` and ``variant@untrainedK``: see
        :func:`studies.scoreboard.consistency.endpoint`.
    clusters
        Units that the test faces belong to.
    """
    rows = run_table(done, endpoints)
    variants = variant_table(rows, endpoints, clusters)
    differences = difference_table(rows, endpoints)
    made = [
        Table(
            name="variants",
            frame=variants,
            percent=("accuracy", "macro recall"),
            caption="Accuracy: percent of test faces, mean over training seeds, Student's 95 % "
            "interval over seeds. AUC: separability of Grad-CAM maps at a fixed target, same- "
            "against different-emotion pairs, averaged over targets; its untrained floor with the "
            "range over networks. Excess: their difference; 95 % intervals over seeds (with the "
            "variance between untrained networks) and, for these weights, over faces "
            "(infinitesimal jackknife). d: difference of √2·Φ⁻¹(AUC).",
        ),
        Table(
            name="differences",
            frame=differences,
            percent=("points of accuracy",),
            caption="Each variant less GiMeFive, paired by training seed, Student's 95 % interval "
            "over seeds; excess: each over its own untrained floor, whose variance is added. p by "
            "the same t, Holm over the variants.",
        ),
        Table(
            name="trainings",
            frame=rows,
            percent=("accuracy", "macro recall"),
            caption="Every training.",
        ),
    ]
    pictures = [
        Picture(
            name="accuracy_and_consistency",
            figure=scatter(rows),
            caption="Each dot is a training: its test accuracy and the excess of its separability "
            "over untrained networks of its variant; crosses are means over seeds.",
        )
    ]
    sentence = answer(variants, differences)
    write_page(
        folder,
        question=question("ablation"),
        answer=sentence,
        facts=facts_of(manifest, done),
        tables=made,
        pictures=pictures,
        method=[*method_of(manifest, done), *method(manifest)],
        caveats=[*CAVEATS, *caveats_of(done)],
        manifest=manifest,
    )
    summary(variants)
    return sentence


def run_table(
    done: Sequence[Training], endpoints: Mapping[str, Mapping[str, NDArray[Any]]]
) -> pd.DataFrame:
    """One row a training: accuracy, and the endpoint with its variant's floor."""
    found = []
    for cell in done:
        name = cell.variant.name
        floor = floor_of(name, endpoints)
        mine = endpoints[f"{name}@seed{cell.seed}"]
        auc = float(np.nanmean(mine["auc"]))
        found.append(
            {
                "variant": name,
                "seed": cell.seed,
                "accuracy": 100 * cell.scores["plain"]["accuracy"],
                "macro recall": 100 * cell.scores["plain"]["macro_recall"],
                "AUC": auc,
                "AUC untrained": float(floor.mean()),
                "excess": auc - float(floor.mean()),
                "undefined maps": float(mine["undefined"].mean()),
                "grid": "×".join(map(str, mine["grid"])),
            }
        )
    return pd.DataFrame(found)


def floor_of(
    variant: str, endpoints: Mapping[str, Mapping[str, NDArray[Any]]]
) -> NDArray[np.float64]:
    """AUC of each untrained network of a variant, averaged over targets."""
    return np.array(
        [
            float(np.nanmean(found["auc"]))
            for name, found in endpoints.items()
            if name.startswith(f"{variant}@untrained")
        ]
    )


def excess_interval(excess: NDArray[np.float64], floor: NDArray[np.float64]) -> Interval:
    """Mean over seeds, with the variance between trainings and between untrained networks.

    One training has no interval.
    """
    return influence_interval(
        float(excess.mean()),
        (excess - excess.mean()) / len(excess),
        extra_variance=float(floor.var(ddof=1) / len(floor)),
        extra_n=len(floor),
    )


def variant_table(
    rows: pd.DataFrame,
    endpoints: Mapping[str, Mapping[str, NDArray[Any]]],
    clusters: Sequence[object],
) -> pd.DataFrame:
    """One row a variant, means over seeds."""
    found = []
    for variant, here in rows.groupby("variant", sort=False):
        floor = floor_of(str(variant), endpoints)
        accuracy = percent_interval(here["accuracy"])
        excess = excess_interval(here["excess"].to_numpy(), floor)
        faces = influence_interval(
            excess.estimate,
            mean_influence(str(variant), "seed", endpoints)
            - np.nan_to_num(mean_influence(str(variant), "untrained", endpoints)),
            clusters=clusters,
        )
        auc = float(here["AUC"].mean())
        found.append(
            {
                "variant": variant,
                "accuracy": accuracy.estimate,
                "accuracy low": accuracy.low,
                "accuracy high": accuracy.high,
                "macro recall": here["macro recall"].mean(),
                "AUC": auc,
                "AUC untrained": floor.mean(),
                "untrained min": floor.min(),
                "untrained max": floor.max(),
                "excess": excess.estimate,
                "low": excess.low,
                "high": excess.high,
                "excess, over faces": excess.estimate,
                "excess, over faces low": faces.low,
                "excess, over faces high": faces.high,
                "d": auc_to_d(auc) - auc_to_d(float(floor.mean())),
                "undefined maps": here["undefined maps"].mean(),
                "map": here["grid"].iloc[0],
                "seeds": str(len(here)),
            }
        )
    return pd.DataFrame(found)


def mean_influence(
    variant: str, kind: str, endpoints: Mapping[str, Mapping[str, NDArray[Any]]]
) -> NDArray[np.float64]:
    """``(N,)``: each face's influence, averaged over networks; NaN where it has none in any."""
    table = np.array(
        [f["influence"] for name, f in endpoints.items() if name.startswith(f"{variant}@{kind}")]
    )
    return np.where(np.isfinite(table).any(axis=0), np.nan_to_num(table).mean(axis=0), np.nan)


def difference_table(
    rows: pd.DataFrame, endpoints: Mapping[str, Mapping[str, NDArray[Any]]]
) -> pd.DataFrame:
    """Each variant against GiMeFive, paired by seed."""
    wide = {
        name: rows.pivot_table(index="seed", columns="variant", values=name)
        for name in ("accuracy", "excess")
    }
    variants = [name for name in dict.fromkeys(rows["variant"]) if name != REFERENCE]
    if REFERENCE not in wide["accuracy"] or not variants:
        return pd.DataFrame()
    found = []
    for variant in variants:
        pairs = {
            name: (table[variant] - table[REFERENCE]).dropna().to_numpy()
            for name, table in wide.items()
        }
        if not len(pairs["accuracy"]):
            continue
        accuracy = training_interval(pairs["accuracy"])
        floors = [floor_of(name, endpoints) for name in (variant, REFERENCE)]
        gap = pairs["excess"]
        excess = influence_interval(
            float(gap.mean()),
            (gap - gap.mean()) / len(gap),
            extra_variance=float(sum(floor.var(ddof=1) / len(floor) for floor in floors)),
            extra_n=min(map(len, floors)),
        )
        found.append(
            {
                "variant": variant,
                "points of accuracy": accuracy.estimate,
                "points of accuracy low": accuracy.low,
                "points of accuracy high": accuracy.high,
                "p, accuracy": accuracy.p_value,
                "excess AUC": excess.estimate,
                "excess AUC low": excess.low,
                "excess AUC high": excess.high,
                "p, excess": excess.p_value,
                "seeds": str(len(gap)),
            }
        )
    table = pd.DataFrame(found)
    if not found:
        return table
    for name in ("accuracy", "excess"):
        place = list(table.columns).index(f"p, {name}") + 1
        table.insert(place, f"p, {name} (Holm)", holm(table[f"p, {name}"]))
    return table


def scatter(rows: pd.DataFrame) -> Figure:
    """Accuracy against excess, a dot a training, a cross a variant's mean."""
    style()
    fig, axis = plt.subplots(figsize=(7.2, 4.8), layout="constrained")
    variants = list(dict.fromkeys(rows["variant"]))
    for variant, colour in zip(variants, sns.color_palette("husl", len(variants)), strict=True):
        here = rows[rows["variant"] == variant]
        shown = TRAINED if variant == REFERENCE else colour
        axis.plot(here["accuracy"], here["excess"], "o", color=shown, ms=5, alpha=0.75)
        x, y = here["accuracy"].mean(), here["excess"].mean()
        axis.plot(x, y, "+", color=INK, ms=10)
        axis.annotate(str(variant), (x, y), xytext=(7, 4), textcoords="offset points", fontsize=9)
    axis.axhline(0, color=INK, lw=0.8, ls=":")
    axis.set_xlabel("test accuracy, %")
    axis.set_ylabel("excess of AUC over untrained networks")
    sns.despine(ax=axis)
    return fig


def answer(variants: pd.DataFrame, differences: pd.DataFrame) -> str:
    """One paragraph."""
    parts = [
        f"{row['variant']} {row['accuracy']:.1f} % and {signed(row['excess']).replace('-', '−')}"
        for _, row in variants.iterrows()
    ]
    differing = ""
    if len(differences) and differences["p, excess (Holm)"].notna().any():
        clear = differences.loc[differences["p, excess (Holm)"] < 0.05, "variant"]
        differing = (
            f" Over training seeds, {', '.join(clear)} differ{'s' if len(clear) == 1 else ''} from "
            "GiMeFive in the excess (p < .05, Holm)."
            if len(clear)
            else " Over training seeds no variant differs clearly from GiMeFive in the excess "
            "(Holm)."
        )
    return (
        "Accuracy, and excess of the maps' separability over untrained networks: "
        f"{'; '.join(parts)}.{differing}"
    )


def method(manifest: dict[str, Any]) -> list[str]:
    """How explanations were scored, in sentences."""
    return [
        "Explanations: Grad-CAM at each variant's last activation before pooling, maps of all six "
        "fixed targets registered to the canonical face, Pearson similarity.",
        f"The floor of a variant is {manifest['config']['untrained']} untrained networks, "
        "initialised as its trainings are, with BatchNorm statistics of training faces.",
    ]


CAVEATS = [
    "Depth and resolution change the grid of the maps (column map), and coarser maps have fewer "
    "ways to differ: compare excesses, and those with care.",
    "Consistency is not faithfulness: maps can be alike and wrong.",
    "Few seeds make wide intervals: a difference that they do not show may still exist.",
    "One recipe for all variants; one of its own might suit a variant better.",
]


def summary(variants: pd.DataFrame) -> None:
    """The table on the terminal."""
    console = terminal()
    shown = TerminalTable(title=question("ablation"))
    for name in ("variant", "accuracy, %", "excess [95 % over seeds]", "seeds"):
        shown.add_column(name, justify="left" if name == "variant" else "right")
    for _, row in variants.iterrows():
        excess = f"{signed(row['excess'])}{signed_bounds(row['low'], row['high'])}"
        shown.add_row(row["variant"], f"{row['accuracy']:.1f}", excess, row["seeds"])
    console.print(shown)
