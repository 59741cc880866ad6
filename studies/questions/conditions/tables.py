"""Curves over severity, the areas under them, and which of these can be told from chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metrics.statistics.bounded import order_by_name
from metrics.statistics.intervals import Interval, mean_interval
from studies.engine.families import judged_together
from studies.engine.recognised_share import wilson_interval

Array = NDArray[np.float64]
Clusters = Mapping[str, object]
"""The person of each face."""
GROUPS = ("all", "still recognised", "lost", "always recognised")
"""Faces whose likeness is looked at: all; those recognised both when clean and here; those
recognised when clean alone; those recognised at every severity of the condition."""


def table_of(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column of one network, method and condition: faces by severity.

    Faces stand in the order of :func:`metrics.statistics.bounded.order_by_name`, so that data in
    another order give the same tests.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": ["b", "a"], "severity": [0.0, 0.0], "likeness": [1.0, 0.5]})
    >>> bool(table_of(rows, "likeness").equals(table_of(rows[::-1], "likeness")))
    True
    """
    table = rows.pivot(index="id", columns="severity", values=column)
    return table.iloc[order_by_name(table.index)]


def area(table: pd.DataFrame) -> pd.Series:
    """Area under each face's curve, over the severities above 0: 1 for a curve that stays at 1.

    Severity 0 is left out, since a map is like itself whatever comes after. Trapezoids from the
    mildest severity to the worst, over that range; of a single severity, its value. A face without
    a value at one of them has no area.

    Parameters
    ----------
    table
        Faces by severity, with at least one severity above 0.

    Examples
    --------
    >>> area(pd.DataFrame({0.0: [1.0, 1.0], 1.0: [0.5, np.nan], 4.0: [1.0, 0.5]})).tolist()
    [0.75, nan]
    >>> area(pd.DataFrame({0.0: [1.0], 2.0: [0.25]})).tolist()
    [0.25]
    """
    severities = table.columns.to_numpy(dtype=float)
    changed = severities > 0
    severities, values = severities[changed], table.to_numpy(dtype=float)[:, changed]
    if len(severities) == 1:
        return pd.Series(values[:, 0], index=table.index)
    found = np.trapezoid(values, severities, axis=1) / (severities[-1] - severities[0])
    return pd.Series(found, index=table.index)


def gains(rows: pd.DataFrame) -> pd.Series:
    """Area of a face's own likeness less that of other faces', with its part in their means.

    The mean over faces is exactly that of ``likeness − other`` over the faces that have both. A
    face also stands for others, in whose ``other`` it counts, so that these differences hang
    together; with ``lent`` taken off, centred over the faces of each explained emotion that enter
    the mean, each value holds all of a face's influence on it (Hájek's projection of a two-sample
    U-statistic, Ann. Math. Stat. 1968), and values of different persons are independent. Simulated
    (``python -m benchmarks.calibration.other_faces``), 95 % intervals cover in .94 to .96 of
    samples of 60 to 400 faces, and in .86 to .96 where ``lent`` is not taken off; where the maps of
    a third of the faces are blank, in .93 to .98 (of 150 samples each). Each of six conditions by
    itself (Bonferroni, 99.2 %) is covered in .985 to .998 of 400 samples of 42 to 48 persons.

    Parameters
    ----------
    rows
        Those of one network, method and condition.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": ["a", "a"], "severity": [0.0, 1.0], "likeness": [1.0, 0.8],
    ...                      "other": [0.5, 0.3], "lent": [0.1, 0.1], "explained": "fear"})
    >>> gains(rows).round(3).tolist()
    [0.5]
    """
    own, other, lent = (table_of(rows, name) for name in ("likeness", "other", "lent"))
    found = area(own - other)
    part = area(lent.fillna(0.0)).where(found.notna())  # 0: it stands for no face that has a map
    emotions = rows.drop_duplicates("id").set_index("id")["explained"].loc[found.index]
    return found - (part - part.groupby(emotions).transform("mean"))


def areas(rows: pd.DataFrame, clusters: Clusters) -> pd.DataFrame:
    """One row a model, condition and method: areas with intervals, beside their floors.

    The gain over other faces has intervals and p-values that hold together over all conditions and
    methods of a model (:func:`~studies.engine.families.judged_together`); all other intervals are
    for one number each.

    Parameters
    ----------
    rows
        All rows of a run.
    clusters
        The person of each face.

    Returns
    -------
    DataFrame
        ``recognised``, ``likeness``, ``other face``, ``gain`` and ``centre`` are areas, and so are
        ``untrained`` and ``untrained gain``, means over untrained networks; ``reason`` says why a
        gain has no interval.

    Examples
    --------
    >>> faces = [f"face {k}" for k in range(6)]
    >>> rows = pd.DataFrame([
    ...     {"model": "net", "network": "net", "trained": True, "condition": "blur", "id": face,
    ...      "method": "gradcam", "severity": s, "label": "", "recognised": s == 0,
    ...      "likeness": 1 - s / 4, "other": 0.5, "lent": 0.0, "centre": 0.2, "explained": "fear"}
    ...     for face in faces for s in (0.0, 1.0)])
    >>> found = areas(rows, {face: face for face in faces})
    >>> found[["recognised", "likeness", "gain"]].to_numpy().tolist()
    [[0.0, 0.75, 0.25]]
    """
    out = []
    for model, theirs in rows.groupby("model", sort=False):
        trained = theirs[theirs["trained"]]
        table: dict[tuple[str, str], pd.Series] = {}
        found: list[dict[str, Any]] = []
        for (condition, method), own in trained.groupby(["condition", "method"], sort=False):
            floor = theirs[
                ~theirs["trained"]
                & (theirs["condition"] == condition)
                & (theirs["method"] == method)
            ]
            key = (str(condition), str(method))
            table[key] = gains(own)
            found.append(
                {"model": model, "condition": condition, "method": method}
                | _sides(own, floor, clusters)
            )
        judged = pd.DataFrame(table)
        judged = judged.iloc[order_by_name(judged.index)]
        family = judged_together(judged, _of(judged.index, clusters))
        for row, (interval, p) in zip(found, family, strict=True):
            missing = float(judged[row["condition"], row["method"]].isna().mean())
            about = {"p": p, "undefined": missing, "units": interval.n}
            out.append(row | _interval("gain", interval) | about | {"reason": interval.reason})
    made = pd.DataFrame(out)
    first = ["model", "condition", "method", "recognised", "likeness", "other face", "gain"]
    first = [name + end for name in first for end in ("", " low", " high") if name + end in made]
    first += ["p", "untrained gain", "undefined", "units"]
    return made[[*first, *(name for name in made if name not in first)]]


def _sides(own: pd.DataFrame, floor: pd.DataFrame, clusters: Clusters) -> dict[str, Any]:
    """Areas of recognition and of likeness, and their floors."""
    row: dict[str, Any] = {}
    shown = {"recognised": "recognised", "likeness": "likeness", "other": "other face"}
    for column, name in (shown | {"centre": "centre"}).items():
        values = area(table_of(own, column).astype(float))
        limits = (0.0, 1.0) if column == "recognised" else (-1.0, 1.0)
        row |= _interval(name, _mean(values, clusters, limits), joint=column == "other")
    nets = [net for _, net in floor.groupby("network", sort=False)]
    for name, take in (("untrained", _likeness), ("untrained gain", gains)):
        means = [float(take(net).mean()) for net in nets]
        row[name] = float(np.mean(means)) if means else float("nan")
    return row


def _likeness(rows: pd.DataFrame) -> pd.Series:
    return area(table_of(rows, "likeness"))


def curves(rows: pd.DataFrame, clusters: Clusters) -> pd.DataFrame:
    """One row a model, condition, method, severity and group of faces: share and likeness.

    ``share`` is the group's of all faces, with Wilson's interval over persons; ``likeness`` has an
    interval of each mean by itself, none at severity 0, where it is 1 by construction.

    Parameters
    ----------
    rows
        All rows of a run.
    clusters
        The person of each face.

    Examples
    --------
    >>> faces = [f"face {k}" for k in range(6)]
    >>> rows = pd.DataFrame([
    ...     {"model": "net", "network": "net", "trained": True, "condition": "blur", "id": face,
    ...      "method": "gradcam", "severity": s, "label": "", "recognised": s == 0,
    ...      "likeness": 1 - s, "other": 0.5, "centre": 0.2}
    ...     for face in faces for s in (0.0, 1.0)])
    >>> found = curves(rows, {face: face for face in faces}).set_index(["group", "severity"])
    >>> found["share"].to_dict()["lost", 1.0], found["share"].to_dict()["still recognised", 1.0]
    (1.0, 0.0)
    """
    out = []
    keys = ["model", "condition", "method"]
    trained = rows[rows["trained"]]
    for names, own in trained.groupby(keys, sort=False):
        right = table_of(own, "recognised").astype(bool)
        shown = {name: table_of(own, name) for name in ("likeness", "other", "centre")}
        scored = [name for name in map(str, own) if name.endswith(" over centre")]
        shown |= {name: table_of(own, name) for name in scored}
        labels = dict(zip(own["severity"], own["label"], strict=True))
        floor = rows[~rows["trained"]]
        for name, wanted in zip(keys, names, strict=True):
            floor = floor[floor[name] == wanted]
        bare = floor.groupby("severity")["likeness"].mean()
        people = _of(right.index, clusters)
        clean, always = right[0.0].to_numpy(), right.all(axis=1).to_numpy()
        for severity in right.columns:
            here = right[severity].to_numpy()
            members = dict(
                zip(
                    GROUPS,
                    (np.ones(len(here), dtype=bool), clean & here, clean & ~here, always),
                    strict=True,
                )
            )
            for group, chosen in members.items():
                row: dict[str, Any] = dict(zip(keys, names, strict=True))
                row |= {"severity": severity, "label": labels[severity], "group": group}
                row["faces"] = int(chosen.sum())
                low, high, _ = wilson_interval(chosen, people)
                row |= {"share": chosen.mean(), "share low": low, "share high": high}
                for column, table in shown.items():
                    values = table[severity][chosen]
                    row |= _value(column, values, clusters, fixed=severity == right.columns[0])
                missing = shown["likeness"][severity][chosen].isna()
                row["undefined"] = float(missing.mean()) if len(missing) else float("nan")
                if group == "all":
                    low, high, _ = wilson_interval(here, people)
                    row |= {"recognised": here.mean(), "recognised low": low}
                    row |= {"recognised high": high, "untrained": bare.get(severity, np.nan)}
                out.append(row)
    return pd.DataFrame(out)


def _value(name: str, values: pd.Series, clusters: Clusters, *, fixed: bool) -> dict[str, float]:
    """A mean, and its interval where faces are independent and the mean not given beforehand."""
    limits = None if name.endswith(" over centre") else (-1.0, 1.0)
    if name in ("other", "centre"):  # floors: other faces' means share faces
        return {name: float(values.mean()) if values.notna().any() else float("nan")}
    found = _mean(values, clusters, limits)
    row = _interval(name, found)
    if name == "likeness" and fixed:
        row |= {f"{name} low": float("nan"), f"{name} high": float("nan")}
    return row


def _mean(values: pd.Series, clusters: Clusters, bounds: tuple[float, float] | None) -> Interval:
    return mean_interval(values.to_numpy(), clusters=_of(values.index, clusters), bounds=bounds)


def _of(ids: Sequence[str] | pd.Index, clusters: Clusters) -> list[object]:
    return [clusters[str(face)] for face in ids]


def _interval(name: str, found: Interval, *, joint: bool = False) -> dict[str, float]:
    """An estimate and its bounds by name; without bounds where faces are not independent."""
    if joint:
        return {name: found.estimate}
    return {name: found.estimate, f"{name} low": found.low, f"{name} high": found.high}
