"""Tables of the alignment study, from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fer_xai.attributions import CONTROLS
from metrics.core.registry import METRICS
from metrics.statistics.bounded import order_by_name
from metrics.statistics.crossed import crossed_interval
from metrics.statistics.intervals import Interval, cut, mean_interval
from studies.engine.families import judged_together
from studies.questions.landmark_alignment.areas import DECLARED
from studies.questions.landmark_alignment.causes import SHAPLEY
from studies.questions.landmark_alignment.scores import FIXED, SCORES
from studies.scoreboard.scores import FLOOR
from studies.scoreboard.tables import bounds, method_table

LEVEL = 0.95
"""Probability with which all intervals of a family hold."""
SCHEME, COUNT = "scheme", "faces"
"""Columns for figures and sentences alone: how an interval was made, and of how many faces."""
LEAST_NETWORKS = 5
"""Fewest untrained networks that an excess has an interval from: coverage was simulated there."""
CONTRAST, OVER = "contrast", "over untrained"


def over_untrained(excess: pd.DataFrame, clusters: pd.Series, *, family: int = 1) -> Interval:
    """How far a trained network's mean exceeds that of untrained ones, over faces and networks.

    Differences are paired by face and by pair of emotions (each untrained network is compared over
    the pairs that both have maps of, :func:`~.scores.excess`), and faces and untrained networks are
    both samples (:func:`~metrics.statistics.crossed.crossed_interval`). With several methods the
    level of each is raised so that all intervals hold together (Bonferroni): simulated for four
    methods without any correlation, in 1,600 intervals a cell, each covers .983 to .996 in place of
    .9875 with five or ten networks, 24 or 60 faces, or 20 to 45 persons of several faces. With
    three networks it was .962 to .994, so that there is none below five.

    Parameters
    ----------
    excess
        Differences by face (rows) and untrained network (columns), trained less untrained.
    clusters
        Cluster of each face.
    family
        Number of intervals that are to hold together.

    Examples
    --------
    >>> faces = list("abcdef")
    >>> trained = pd.Series([0.3, 0.4, 0.3, 0.5, 0.4, 0.3], index=faces)
    >>> untrained = pd.DataFrame({k: [k / 50, k / 25] * 3 for k in range(5)}, index=faces)
    >>> excess = -untrained.sub(trained, axis=0)
    >>> found = over_untrained(excess, pd.Series(range(6), index=faces))
    >>> round(found.estimate, 3), found.low > 0
    (0.307, True)
    """
    differences = excess.to_numpy(dtype=np.float64)
    labels = list(clusters.loc[list(excess.index)])
    found = crossed_interval(differences, clusters=labels, level=1 - (1 - LEVEL) / max(family, 1))
    networks = int(np.isfinite(differences).any(axis=0).sum())
    if networks >= LEAST_NETWORKS:
        return found
    reason = f"{networks} untrained networks are too few for an interval: it takes 5."
    return replace(found, low=np.nan, high=np.nan, reason=reason, scheme="none")


def in_words(scheme: str, *, family: int) -> str:
    """How an interval of the endpoint was made.

    Parameters
    ----------
    scheme
        That of the interval.
    family
        Number of methods that it holds for together; 0 for an interval by itself.

    Examples
    --------
    >>> in_words("betting on a bounded mean", family=3)
    'simultaneous over 3 methods, by betting on a bounded mean'
    >>> in_words("none", family=0)
    'none'
    """
    if scheme == "none":
        return scheme
    how = (
        "betting on a bounded mean"
        if "betting" in scheme
        else "max-T"
        if "max-T" in scheme
        else "Student's t"
    )
    joint = f"simultaneous over {family} methods" if family > 1 else "by itself"
    return f"{joint}, by {how}"


def endpoint(contrasts: pd.DataFrame, clusters: pd.Series, ceilings: pd.DataFrame) -> pd.DataFrame:
    """One row a model and method: the contrast, and its excess over untrained networks.

    Parameters
    ----------
    contrasts
        Rows of contrasts, with the ``excess`` of the trained network over each untrained one.
    clusters
        Cluster of each face, by id.
    ceilings
        ``model`` and ``contrast``: the largest contrast that Grad-CAM's cells can have, by face.

    Examples
    --------
    >>> row = {"model": "m", "choice": DECLARED, "method": "gradcam", "targets": 6}
    >>> rows = pd.DataFrame(
    ...     [row | {"id": i, "network": "m", "trained": True, "value": 0.1 + 0.001 * i}
    ...      for i in range(24)]
    ...     + [row | {"id": i, "network": f"m@{k}", "trained": False, "value": 0.01 * k,
    ...               "excess": 0.1 + 0.001 * i - 0.01 * k}
    ...        for i in range(24) for k in range(5)]
    ... )
    >>> tops = pd.DataFrame({"model": ["m"], "contrast": [0.5]})
    >>> found = endpoint(rows, pd.Series(range(24)), tops)
    >>> found[["contrast", "over untrained", "ceiling"]].round(4).to_dict("records")
    [{'contrast': 0.1115, 'over untrained': 0.0915, 'ceiling': 0.5}]
    """
    here = contrasts[contrasts["choice"] == DECLARED]
    out = []
    for model, own in here.groupby("model", sort=False, observed=True):
        wide = _wide(own[own["trained"]], "method")
        judged = [name for name in wide if name not in CONTROLS and name != SHAPLEY]
        labels = list(clusters.loc[list(wide.index)])
        family = judged_together(wide[judged], labels, bounds=(-1, 1))
        joint = dict(zip(map(str, judged), family, strict=True))
        top = ceilings.loc[ceilings["model"] == model, "contrast"].mean()
        counts = own[own["trained"]].groupby("method", observed=True)["targets"].mean()
        for method in map(str, wide):
            alone = cut(mean_interval(wide[method], clusters=labels), (-1, 1))
            found, p = joint.get(method, (alone, np.nan))
            beside = own[~own["trained"] & (own["method"] == method)]
            floor = _wide(beside, "network")
            row: dict[str, Any] = {
                "model": model,
                "method": method,
                "control": method in CONTROLS,
                **bounds(CONTRAST, found),
                "p": p,
                SCHEME: in_words(found.scheme, family=len(judged) if method in joint else 0),
            }
            if len(floor.columns):
                excess = over_untrained(
                    _wide(beside, "network", "excess"), clusters, family=len(judged)
                )
                row |= {
                    "untrained": _mean_of(floor),
                    "untrained min": float(floor.mean().min()),
                    "untrained max": float(floor.mean().max()),
                    **bounds(OVER, excess),
                }
            row |= {
                "ceiling": top,
                "faces": int(wide[method].notna().sum()),
                "units": found.n,
                "targets": float(counts.loc[method]),
            }
            out.append(row)
    table = pd.DataFrame(out)
    for column in ("untrained", "untrained min", "untrained max", OVER, f"{OVER} low"):
        table[column] = table.get(column, np.nan)
    return table.sort_values(
        ["model", "control", CONTRAST], ascending=[True, True, False], kind="stable"
    ).reset_index(drop=True)


def sensitivities(contrasts: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """One row a model, method and choice: the contrast and its excess, each interval by itself.

    Examples
    --------
    >>> row = {"model": "m", "choice": "Pearson", "method": "gradcam", "targets": 6}
    >>> rows = pd.DataFrame(
    ...     [row | {"id": i, "network": "m", "trained": True, "value": 0.125} for i in range(6)]
    ...     + [row | {"id": i, "network": f"m@{k}", "trained": False, "value": 0.0,
    ...               "excess": 0.125}
    ...        for i in range(6) for k in range(2)]
    ... )
    >>> sensitivities(rows, pd.Series(range(6)))["over untrained"].tolist()
    [0.125]
    """
    out = []
    kept = contrasts[~contrasts["method"].isin([*CONTROLS, SHAPLEY])]
    most = contrasts["targets"].max()  # that of a control without blanks: all emotions
    for (model, method, choice), own in kept.groupby(
        ["model", "method", "choice"], sort=False, observed=True
    ):
        wide = _wide(own[own["trained"]], "method")[str(method)]
        floor = _wide(own[~own["trained"]], "network").reindex(wide.index)
        excess = _wide(own[~own["trained"]], "network", "excess").reindex(wide.index)
        labels = list(clusters.loc[list(wide.index)])
        out.append(
            {
                "model": model,
                "method": method,
                "choice": choice,
                **bounds(CONTRAST, mean_interval(wide, clusters=labels)),
                COUNT: int(wide.notna().sum()),
                "untrained": _mean_of(floor),
                **bounds(OVER, over_untrained(excess, clusters)),
            }
        )
        whole = own["targets"] == most
        if choice == DECLARED and not whole[own["trained"]].all():
            kept_ids = set(own.loc[own["trained"] & whole, "id"])
            some = wide[wide.index.isin(kept_ids)]
            labels = list(clusters.loc[list(some.index)])
            out.append(
                {
                    "model": model,
                    "method": method,
                    "choice": "faces with maps of all targets",
                    **bounds(CONTRAST, mean_interval(some, clusters=labels)),
                    COUNT: int(some.notna().sum()),
                    "untrained": _mean_of(floor.loc[some.index]),
                    **bounds(OVER, over_untrained(excess.loc[some.index], clusters)),
                }
            )
    return pd.DataFrame(out)


def score_table(
    scores: pd.DataFrame,
    others: pd.DataFrame,
    ceilings: pd.DataFrame,
    clusters: pd.Series,
    *,
    margin: float | None = None,
) -> pd.DataFrame:
    """One row a model, metric and method: its mean beside every floor, and its gain over centre.

    Parameters
    ----------
    scores
        Rows of scores, of trained and untrained networks and controls.
    others
        Rows of scores on the areas of other faces.
    ceilings
        ``model`` and a column for each metric with an exact ceiling, by face.
    clusters
        Cluster of each face, by id.
    margin
        Gain below which a method counts as no different, declared beforehand.

    Examples
    --------
    >>> row = {"id": "a", "model": "m", "metric": "au_cosine", "value": 0.5, "trained": True}
    >>> rows = pd.DataFrame([row | {"method": name} for name in ("gradcam", "centre")])
    >>> tops = pd.DataFrame({"id": ["a"], "model": ["m"], "au_cosine": [0.75]})
    >>> found = score_table(rows, rows[:1], tops, pd.Series([0], index=["a"]))
    >>> found[["method", "mean", "other faces", "ceiling"]].to_dict("records")[0]
    {'method': 'gradcam', 'mean': 0.5, 'other faces': 0.5, 'ceiling': 0.75}
    """
    specs = {name: METRICS[name] for name in SCORES}
    exact = scores["method"] == SHAPLEY
    table = method_table(
        scores[scores["trained"] & ~exact], clusters, specs, margin=margin, fixed=FIXED
    )
    if exact.any():  # of a sample of faces: a family of its own
        some = scores["id"].isin(set(scores.loc[exact, "id"])) & scores["trained"]
        beside = method_table(
            scores[some & scores["method"].isin([SHAPLEY, FLOOR])], clusters, specs, margin=margin
        )
        table = pd.concat([table, beside[beside["method"] == SHAPLEY]], ignore_index=True)
        places = table.assign(metric=table["metric"].map(SCORES.index))
        order = places.sort_values(["model", "metric", "control"], kind="stable").index
        table = table.loc[order].reset_index(drop=True)
    keys = ["model", "metric", "method"]
    floors = (
        scores[~scores["trained"]].groupby(keys, observed=True)["value"].mean().rename("untrained")
    )
    elsewhere = others.groupby(keys, observed=True)["value"].mean().rename("other faces")
    best = ceilings.melt(["id", "model"], var_name="metric").groupby(["model", "metric"])["value"]
    table = table.join(floors, on=keys).join(elsewhere, on=keys)
    table = table.join(best.mean().rename("ceiling"), on=["model", "metric"])
    moved = ["untrained", "other faces", "ceiling"]
    names = [str(name) for name in table if name not in moved]
    place = names.index("undefined")
    return table[[*names[:place], *moved, *names[place:]]]


def lost_table(lost: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """Faces without landmarks by emotion, which take no part.

    Examples
    --------
    >>> lost_table({"anger": (12, 2)}).to_dict("records")
    [{'emotion': 'anger', 'faces': 12, 'without landmarks': 2, 'share': 0.16666666666666666}]
    """
    return pd.DataFrame(
        [
            {
                "emotion": emotion,
                "faces": faces,
                "without landmarks": without,
                "share": without / max(faces, 1),
            }
            for emotion, (faces, without) in lost.items()
        ]
    )


def _mean_of(frame: pd.DataFrame) -> float:
    """Mean of all cells that are known; NaN without any."""
    values = frame.to_numpy(dtype=np.float64)
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _wide(rows: pd.DataFrame, columns: str, values: str = "value") -> pd.DataFrame:
    """Values by face and column, faces in an order that is not that of the data set."""
    wide = rows.pivot_table(
        index="id", columns=columns, values=values, sort=False, dropna=False, observed=True
    )
    return wide.iloc[order_by_name(wide.index)]  # so that rows in another order say the same
