"""Tables of causes: where the model looks, beside where the book says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from fer_xai.emotions import EMOTIONS
from metrics.statistics.bounded import order_by_name
from metrics.statistics.intervals import mean_interval
from studies.questions.landmark_alignment.causes import ACTIVE
from studies.scoreboard.tables import bounds

MOSTLY = 0.5
"""Share of a region's pixels in an emotion's area from which on the book counts as naming it."""


def region_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a model, emotion and region, over the faces whose own target is that emotion.

    Parameters
    ----------
    rows
        One row a face and region.

    Examples
    --------
    >>> row = {"id": "a", "model": "m", "target": "fear", "region": "mouth"}
    >>> row |= {"share in the book": 0.75, "Grad-CAM gain": 2.0, "Shapley share": 0.5}
    >>> region_table(pd.DataFrame([row]))[["in the book", "Grad-CAM gain"]].to_dict("records")
    [{'in the book': True, 'Grad-CAM gain': 2.0}]
    """
    keys = ["model", "target", "region"]
    grouped = _in_order(rows).groupby(keys, sort=False, observed=True)
    columns = ["share in the book", "Grad-CAM gain", "Shapley share"]
    table = grouped[columns].mean()
    table.insert(1, "in the book", table["share in the book"] >= MOSTLY)
    table["faces"] = grouped["Grad-CAM gain"].count()
    table["faces with Shapley values"] = grouped["Shapley share"].count()
    return table.reset_index().rename(columns={"target": "emotion"})


def agreement_table(rows: pd.DataFrame, clusters: pd.Series, *, by: str) -> pd.DataFrame:
    """Mean Spearman by model, ``by`` and emotion, with intervals over faces; all emotions first.

    Parameters
    ----------
    rows
        ``id``, ``model``, ``target``, ``by`` and ``value``.
    clusters
        Cluster of each face, by id.
    by
        Column of what is correlated.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": list("abcde"), "model": "m", "target": "fear", "pair": "x",
    ...     "value": [0.1, 0.2, 0.3, 0.4, 0.5]})
    >>> found = agreement_table(rows, pd.Series(range(5), index=list("abcde")), by="pair")
    >>> found["emotion"].tolist(), found["Spearman"].round(3).tolist()
    (['all', 'fear'], [0.3, 0.3])
    """
    out = []
    rows = _in_order(rows)
    every = pd.concat([rows.assign(target="all"), rows], ignore_index=True)
    for (model, name, target), own in every.groupby(["model", by, "target"], sort=False):
        values = own.set_index("id")["value"]
        found = mean_interval(
            values, clusters=list(clusters.loc[list(values.index)]), bounds=(-1, 1)
        )
        out.append(
            {
                "model": model,
                by: name,
                "emotion": target,
                **bounds("Spearman", found),
                "faces": int(values.notna().sum()),
            }
        )
    return pd.DataFrame(out)


def unit_table(rows: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """One row a model, emotion and action unit, over the faces that show it.

    Parameters
    ----------
    rows
        One row a face and unit.
    clusters
        Cluster of each face, by id.

    Examples
    --------
    >>> row = {"id": "a", "model": "m", "target": "fear", "unit": "AU5", "in book": True}
    >>> rows = pd.DataFrame([row | {"intensity": 0.8, "lost": 0.25}])
    >>> unit_table(rows, pd.Series([0], index=["a"]))[["unit", "lost"]].to_dict("records")
    [{'unit': 'AU5', 'lost': 0.25}]
    """
    shown = _in_order(rows[rows["intensity"] >= ACTIVE], "unit")
    out = []
    for (model, target, unit), own in shown.groupby(["model", "target", "unit"], sort=False):
        found = mean_interval(own["lost"], clusters=list(clusters.loc[list(own["id"])]))
        out.append(
            {
                "model": model,
                "emotion": target,
                "unit": unit,
                "in the book": bool(own["in book"].iloc[0]),
                **bounds("lost", found),
                "faces": len(own),
            }
        )
    return pd.DataFrame(out)


def book_units(rows: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """One row a model: does a unit of the book cost the emotion more than another shown unit does?

    On each face the mean over shown units in the book, less that over shown units that are not in
    it; faces that lack either take no part. Units count alike whatever their intensity, whose means
    over the same faces stand beside.

    Parameters
    ----------
    rows
        One row a face and unit.
    clusters
        Cluster of each face, by id.

    Examples
    --------
    >>> row = {"id": "a", "model": "m", "target": "fear", "intensity": 0.8}
    >>> rows = pd.DataFrame(
    ...     [row | {"in book": True, "lost": 0.5}, row | {"in book": False, "lost": 0.125}]
    ... )
    >>> book_units(rows, pd.Series([0], index=["a"]))["difference"].tolist()
    [0.375]
    """
    shown = _in_order(rows[rows["intensity"] >= ACTIVE])
    out: list[dict[str, Any]] = []
    for model, own in shown.groupby("model", sort=False):
        means = own.groupby(["id", "in book"], sort=False)[["lost", "intensity"]].mean()
        both = means["lost"].unstack("in book").reindex(columns=[True, False]).dropna()
        strength = means["intensity"].unstack("in book").reindex(both.index, columns=[True, False])
        difference = both[True] - both[False]
        found = mean_interval(
            difference.to_numpy(dtype=np.float64), clusters=list(clusters.loc[list(both.index)])
        )
        out.append(
            {
                "model": model,
                "units in the book": float(both[True].mean()),
                "other shown units": float(both[False].mean()),
                **bounds("difference", found),
                "intensity in the book": float(strength[True].mean()),
                "intensity of others": float(strength[False].mean()),
                "faces": len(both),
            }
        )
    return pd.DataFrame(out)


def _in_order(rows: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Rows in an order that is not that of the data set: models as they are, emotions as in
    :data:`~fer_xai.emotions.EMOTIONS`, action units by number, faces by name.
    """
    models = list(dict.fromkeys(rows["model"]))
    number: dict[str, Callable[[str], int]] = {
        "model": models.index,
        "target": EMOTIONS.index,
        "unit": _number,
    }
    found = rows.iloc[order_by_name(rows["id"])]
    places = pd.DataFrame(
        {key: [number[key](name) for name in found[key]] for key in ("model", "target", *keys)}
    )
    return found.iloc[np.lexsort([places[key] for key in reversed(places.columns)])]


def _number(unit: str) -> int:
    return int("".join(filter(str.isdigit, unit)))
