"""How far each metric can be believed, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from metrics.core.registry import MetricSpec
from metrics.statistics.intervals import Interval, mean_interval
from studies.scoreboard.tables import bounds, sign

GRADES = {"truth": 4, "half the truth": 3, "noise": 2, "distractor": 2, "inverted truth": 1}
"""Maps of a planted network and how good they are; a distractor is a mark that it does not read."""
BLIND = ("inverted truth",)
"""Maps that a metric which does not see the sign cannot place."""


def meta_table(rows: pd.DataFrame, specs: dict[str, MetricSpec]) -> pd.DataFrame:
    """One row a metric: its three answers with intervals over persons, the truthful first."""
    out = []
    persons = {
        part: some.drop_duplicates("id").set_index("id")["cluster"]
        for part, some in rows.groupby("part", sort=False)
    }
    for name, spec in specs.items():
        own = rows[rows["metric"] == name]
        wide = {
            str(part): sign(spec)
            * some.pivot_table(
                index="id", columns="method", values="value", sort=False, dropna=False
            )
            for part, some in own.groupby("part", sort=False)
        }
        graded = wide["truth"]
        known = [g for g in GRADES if not (spec.sign_blind and g in BLIND)]
        truth = graded[known].apply(_somers_d, axis=1)
        row: dict[str, Any] = {"metric": name, "family": spec.family}
        row |= bounds("truth", _interval(truth, persons["truth"], (-1, 1)))
        row["truth faces"] = int(truth.notna().sum())
        row["truth over noise"] = _better(graded["truth"], graded["noise"])
        row["truth over inverse"] = (
            np.nan if spec.sign_blind else _better(graded["truth"], graded["inverted truth"])
        )
        same = _agreements(wide["as it is"], wide["slight"])
        other = _agreements(wide["as it is"], wide["random"])
        for measure, values, reach in (
            ("noise resilience", same, (-1, 1)),
            ("adversary reactivity", 1 - other, (0, 2)),
            ("reactivity over noise", same - other, (-2, 2)),
        ):
            row |= bounds(measure, _interval(values, persons["as it is"], reach))
            if measure != "reactivity over noise":  # of the same faces as reactivity
                row[f"{measure} faces"] = int(values.notna().sum())
        row["undefined"] = float(own["value"].isna().mean())
        out.append(row)
    table = pd.DataFrame(out)
    return table.sort_values(["truth", "noise resilience"], ascending=False).reset_index(drop=True)


def _somers_d(scores: pd.Series) -> float:
    """Somers' d of a face's scores given the maps' grades: (C − D) / pairs of unequal grade.

    Pairs that the scores order rightly, less those that they order wrongly; scores that are alike
    are neither (Somers, American Sociological Review 1962). NaN where no two grades are scored.
    """
    known = scores.dropna()
    grades = np.array([GRADES[str(name)] for name in known.index])
    values = known.to_numpy(dtype=float)
    right = np.sign(np.subtract.outer(grades, grades) * np.subtract.outer(values, values))
    ordered = np.not_equal.outer(grades, grades)
    return float(right[ordered].mean()) if ordered.any() else float("nan")


def _interval(values: pd.Series, persons: pd.Series, reach: tuple[float, float]) -> Interval:
    """Mean over faces by person, both indexed by face; ``reach`` bounds what a value can be."""
    return mean_interval(values, clusters=list(persons.loc[list(values.index)]), bounds=reach)


def _better(one: pd.Series, two: pd.Series) -> float:
    """Share of faces in which one scores above two; ties count half."""
    gap = (one - two).dropna()
    return float(((gap > 0) + 0.5 * (gap == 0)).mean()) if len(gap) else float("nan")


def _agreements(one: pd.DataFrame, two: pd.DataFrame) -> pd.Series:
    """Spearman of each face's order of maps, under two conditions."""
    found = {}
    for face in one.index:
        a, b = one.loc[face].to_numpy(dtype=float), two.loc[face].to_numpy(dtype=float)
        fine = np.isfinite(a) & np.isfinite(b)
        constant = fine.sum() < 3 or np.ptp(a[fine]) == 0 or np.ptp(b[fine]) == 0
        found[face] = np.nan if constant else stats.spearmanr(a[fine], b[fine]).statistic
    return pd.Series(found, dtype=float)


def believable(table: pd.DataFrame) -> pd.Series:
    """Metrics that pass all three questions, by their rows of :func:`meta_table`."""
    return (
        (table["truth low"] > 0.5)
        & (table["noise resilience low"] > 0.5)
        & (table["adversary reactivity"] >= 0.5)
        & (table["reactivity over noise low"] > 0)
    )
