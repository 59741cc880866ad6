"""Tables of the paper's table, made from predictions and training logs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fer_xai.emotions import SIX
from metrics.statistics.intervals import mean_interval
from metrics.statistics.significance import holm
from metrics.statistics.trainings import percent_interval, training_interval
from studies.questions.paper_table.published import KEPT, PUBLISHED, TITLES
from studies.reporting.formatting import counted

REFERENCE = "gimefive"
"""The model that others are compared with."""
NOT_RUN = "not trained here"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Test accuracy of a training after each of its epochs, and which epoch was kept, from 1.

    ``test`` is empty where the test faces were not scored after every epoch.
    """

    model: str
    data: str
    seed: int
    test: NDArray[np.float64]
    kept_epoch: int

    @property
    def kept(self) -> float:
        """Accuracy at the kept epoch, in the curve's precision, so that only the choice differs."""
        return float(self.test[self.kept_epoch - 1])


def accuracy(
    runs: pd.DataFrame, curves: Sequence[Curve], rows: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
    """Every row of the paper's table on every column: ours, with what the paper prints beside it.

    All figures are percent. Intervals are Student's over training seeds, from five on; below stand
    the least and the largest of the trainings.
    """
    found = []
    for data in columns:
        for model in rows:
            here = runs[(runs["model"] == model) & (runs["data"] == data)]
            printed = PUBLISHED.get(model, {}).get(data)
            own = [c for c in curves if (c.model, c.data) == (model, data)]
            # of the same trainings as what stands beside it
            best = [100 * c.test.max() for c in own] if all(len(c.test) for c in own) else []
            ours = percent_interval(100 * here["accuracy"])
            flipped = percent_interval(100 * here["accuracy, flip averaged"])
            found.append(
                {
                    "data": data,
                    "model": TITLES.get(model, model),
                    "seeds": str(len(here)) if len(here) else NOT_RUN,
                    "paper (best epoch on test)": np.nan if printed is None else printed[1],
                    "paper's run, epoch by validation": KEPT.get((model, data), np.nan),
                    "ours, best epoch on test": float(np.mean(best)) if best else np.nan,
                    "ours": ours.estimate,
                    "ours low": ours.low,
                    "ours high": ours.high,
                    "ours min": min(ours.dots, default=np.nan),
                    "ours max": max(ours.dots, default=np.nan),
                    "ours, flip averaged": flipped.estimate,
                    "ours, flip averaged low": flipped.low,
                    "ours, flip averaged high": flipped.high,
                    "ours, without copies": 100 * here["accuracy, without copies"].mean(),
                    "macro recall": 100 * here["macro recall"].mean(),
                    "macro recall, flip averaged": 100 * here["macro recall, flip averaged"].mean(),
                    "macro F1": 100 * here["macro F1"].mean(),
                    "calibration error": 100 * here["calibration error"].mean(),
                }
            )
    return pd.DataFrame(found)


def recall(predictions: pd.DataFrame) -> pd.DataFrame:
    """Percent of each emotion's test faces named rightly, mean over seeds, by model and data."""
    right = predictions["true"] == predictions["predicted"]
    table = (
        predictions.assign(right=100.0 * right)
        .groupby(["data", "model", "seed", "true"], observed=True)["right"]
        .mean()
        .groupby(level=["data", "model", "true"], observed=True)
        .mean()
        .unstack("true")
    )
    table.columns = pd.Index([SIX[int(position)] for position in table.columns])
    table = table.reset_index()
    table["model"] = [TITLES.get(str(name), str(name)) for name in table["model"]]
    return table


def pairs(predictions: pd.DataFrame, models: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Each model against the reference, in points of accuracy, paired.

    Two intervals answer two questions. Over *seeds* (pairs of trainings that share one): does the
    architecture do better? Over *faces* (mean of the seeds' differences in being right): do these
    very weights do better on other faces?  Holm's p is over the seeds, within a column.
    """
    found = []
    for data in columns:
        here = predictions[predictions["data"] == data]
        known = here.drop_duplicates("id")
        clusters = pd.Series(known["cluster"].to_numpy(), index=known["id"].astype(str))
        right = {
            str(model): _right(here[here["model"] == model])
            for model in models
            if (here["model"] == model).any()
        }
        if REFERENCE not in right:
            continue
        rows = []
        for model, table in right.items():
            shared = table.columns.intersection(right[REFERENCE].columns)
            if model == REFERENCE or not len(shared):
                continue
            difference = 100 * (table[shared] - right[REFERENCE].loc[table.index, shared])
            seeds = training_interval(difference.mean(axis=0).to_numpy())
            faces = mean_interval(
                difference.mean(axis=1).to_numpy(),
                clusters=list(clusters.loc[difference.index.astype(str)]),
            )
            rows.append(
                {
                    "data": data,
                    "model": TITLES.get(model, model),
                    "against": TITLES[REFERENCE],
                    "points, over seeds": seeds.estimate,
                    "points, over seeds low": seeds.low,
                    "points, over seeds high": seeds.high,
                    "points, over faces": faces.estimate,
                    "points, over faces low": faces.low,
                    "points, over faces high": faces.high,
                    "p": seeds.p_value if seeds.n > 1 else np.nan,
                    "n": len(shared),
                }
            )
        if rows:
            table = pd.DataFrame(rows)
            table.insert(list(table.columns).index("p") + 1, "p (Holm)", holm(table["p"]))
            found.append(table)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _right(predictions: pd.DataFrame) -> pd.DataFrame:
    """Faces × seeds: whether each was named rightly."""
    right = (predictions["true"] == predictions["predicted"]).astype(float)
    table = predictions.assign(right=right)
    return table.pivot_table(index="id", columns="seed", values="right", observed=True)


def optimism(curves: Sequence[Curve]) -> pd.DataFrame:
    """What choosing the epoch on the test set adds, by training, in points of accuracy."""
    return pd.DataFrame(
        [
            {
                "data": curve.data,
                "model": TITLES.get(curve.model, curve.model),
                "seed": str(curve.seed),
                "kept": 100 * curve.kept,
                "kept epoch": f"{curve.kept_epoch} of {len(curve.test)}",
                "best epoch on test": 100 * float(curve.test.max()),
                "best epoch": f"{int(curve.test.argmax()) + 1} of {len(curve.test)}",
                "optimism": 100 * (float(curve.test.max()) - curve.kept),
            }
            for curve in curves
            if len(curve.test)
        ]
    )


def answer(table: pd.DataFrame, gained: pd.DataFrame) -> str:
    """A paragraph: accuracies on each dataset that has any, GiMeFive first."""
    trained = table[table["seeds"] != NOT_RUN]
    sentences = []
    for data, here in trained.groupby("data", sort=False):
        first = here["model"] == TITLES[REFERENCE]
        rows = pd.concat([here[first], here[~first]])
        figures = "; ".join(_accuracy(row) for _, row in rows.iterrows())
        sentences.append(f"Accuracy on the test faces of {data}: {figures}.")
    if len(gained):
        sentences.append(
            "Choosing the epoch on the test set, as the paper does, would add "
            f"{gained['optimism'].mean():.1f} points on average "
            f"({counted(len(gained), 'training')})."
        )
    return " ".join(sentences)


def _accuracy(row: pd.Series) -> str:
    interval = (
        f" [{row['ours low']:.1f}, {row['ours high']:.1f}]" if np.isfinite(row["ours low"]) else ""
    )
    printed = row["paper (best epoch on test)"]
    theirs = f", the paper prints {printed:.1f}" if np.isfinite(printed) else ""
    seeds = "one training" if row["seeds"] == "1" else f"{row['seeds']} trainings"
    apart = row["ours, without copies"]
    copies = (
        f", {apart:.1f} without test faces that are copies of training faces"
        if abs(apart - row["ours"]) >= 0.05
        else ""
    )
    return f"{row['model']} {row['ours']:.1f} %{interval} ({seeds}{copies}{theirs})"
