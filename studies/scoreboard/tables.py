"""Tables of a scoreboard, from its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fer_xai.attributions import CONTROLS
from metrics.core.registry import MetricSpec
from metrics.statistics.bounded import order_by_name
from metrics.statistics.effect_sizes import cohens_d
from metrics.statistics.families import mean_family
from metrics.statistics.intervals import Interval, cut, mean_interval
from metrics.statistics.mean_tests import equivalence
from metrics.statistics.power import units_to_tell
from metrics.statistics.reliability import (
    RankTest,
    friedman_nemenyi,
    kendalls_w,
    krippendorff_alpha,
)
from metrics.statistics.significance import holm
from studies.scoreboard.judged import ALONE, BY, judged_by
from studies.scoreboard.scores import FLOOR

Specs = Mapping[str, MetricSpec]
UNDEFINED_MAPS = "undefined maps"
"""Column of tables that is there where any map is undefined, beside undefined scores."""
P = "p (max-T)"
"""Column of p-values of gains, corrected over the family: the methods of a model and metric."""
LEVEL = 0.95
"""Coverage of intervals; one less the error of tests."""
FIXED = "The score is the same on every face by construction."
"""Reason for which the mean of such a score has no interval."""
NEEDED = "units to tell"
"""Column of how many units would tell a gain of this size, where these do not."""


def sign(spec: MetricSpec) -> int:
    """+1 where higher is better or neither is, −1 where lower is.

    Examples
    --------
    >>> from metrics import METRICS
    >>> sign(METRICS["deletion"]), sign(METRICS["insertion"])
    (-1, 1)
    """
    return -1 if spec.higher_is_better is False else 1


def compared_with_floor(spec: MetricSpec) -> bool:
    """Whether a method's gain over the floor control is informative for a metric.

    The floor control does not use the network. Its score is therefore fixed by construction on
    metrics that ask how a map follows the network or the face (``mprt`` 1, ``sensitivity_max`` 0),
    and on metrics of the map alone.

    Examples
    --------
    >>> from metrics import METRICS
    >>> compared_with_floor(METRICS["deletion"]), compared_with_floor(METRICS["sensitivity_max"])
    (True, False)
    """
    return spec.family in ("faithfulness", "alignment")


def method_table(
    rows: pd.DataFrame,
    clusters: pd.Series,
    specs: Specs,
    *,
    floor: str = FLOOR,
    margin: float | None = None,
    fixed: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """One row a model, metric and method: its mean, and its gain over a control.

    Gains are given for metrics that can be compared with the control
    (:func:`compared_with_floor`), paired by face and signed so that above zero is better; the unit
    is the cluster. They are means, and judged as means: the methods of a model and metric are a
    family, with simultaneous 95 % intervals and step-down p-values of one resampling
    (:func:`~metrics.statistics.families.mean_family`). The intervals of other controls' gains hold
    one at a time. Which gains are judged by betting is said in a column. Rows may be in any order:
    units are taken in that of a hash of the faces' ids.

    Parameters
    ----------
    rows
        ``id``, ``model``, ``method``, ``metric``, ``value``, and ``blank`` and ``undefined`` (of
        the map) where they are known.
    clusters
        Cluster of each face, indexed by id.
    specs
        Metrics by name.
    floor
        The control.
    margin
        Gain below which a method counts as no different, declared beforehand: adds a column that
        says which are shown to be (two one-sided tests, Holm over the family).
    fixed
        Controls and metrics, of which the score is the same on every face by construction: there is
        no error of such a mean to show. (Scores that happen to be equal have an exact interval.)

    Examples
    --------
    >>> from metrics import METRICS
    >>> values = {"lime": [0.5, 0.6, 0.7], "centre": [0.4, 0.5, 0.6]}
    >>> rows = pd.DataFrame(
    ...     {"id": face, "model": "tiny", "method": method, "metric": "insertion", "value": value}
    ...     for method, faces in values.items()
    ...     for face, value in zip("abc", faces)
    ... )
    >>> people = pd.Series([1, 2, 3], index=list("abc"))
    >>> table = method_table(rows, people, {"insertion": METRICS["insertion"]})
    >>> table[["method", "mean", "over centre"]].round(3).to_dict("list")
    {'method': ['lime', 'centre'], 'mean': [0.6, 0.5], 'over centre': [0.1, nan]}
    """
    out = []
    for (model, metric), part in rows.groupby(["model", "metric"], sort=False, observed=True):
        wide = part.pivot_table(
            index="id", columns="method", values="value", sort=False, dropna=False
        )
        wide = wide.iloc[order_by_name(wide.index)]  # so that rows in another order say the same
        groups = clusters.loc[list(wide.index)]
        turn = sign(specs[str(metric)])
        base = wide.get(floor) if compared_with_floor(specs[str(metric)]) else None
        shares = {
            name: part[column].astype(float).groupby(part["method"], observed=True).mean()
            for column, name in (("blank", "blank"), ("undefined", UNDEFINED_MAPS))
            if column in part and (column == "blank" or bool(rows[column].any()))
        }
        gains = pd.DataFrame()
        if base is not None:
            over = (turn * wide.sub(base, axis=0)).drop(columns=floor)
            gains = _gains(over, groups, specs[str(metric)], floor=floor, margin=margin)
        here = []
        for method in wide.columns:
            mean = mean_interval(
                wide[method], clusters=list(groups), bounds=specs[str(metric)].bounds
            )
            if (str(method), str(metric)) in fixed:
                mean = replace(mean, low=np.nan, high=np.nan, scheme="none", reason=FIXED)
            row = {
                "model": model,
                "metric": metric,
                "better": {True: "higher", False: "lower", None: ""}[
                    specs[str(metric)].higher_is_better
                ],
                "method": method,
                "control": method in CONTROLS,
                **bounds("mean", mean),
                "undefined": float(wide[method].isna().mean()),
                **{name: float(share[method]) for name, share in shares.items()},
            }
            here.append(row)
        table = pd.DataFrame(here).join(gains, on="method")
        if BY in table:
            table[BY] = table[BY].fillna("")  # the control itself
        if "no different" in table:
            table["no different"] = table["no different"].eq(True)  # the control itself: no
        order = turn * table["mean"]
        out.append(
            table.assign(order=order).sort_values(["control", "order"], ascending=[True, False])
        )
    found = pd.concat(out, ignore_index=True)
    return found.drop(columns="order")


def _gains(
    over: pd.DataFrame, groups: pd.Series, spec: MetricSpec, *, floor: str, margin: float | None
) -> pd.DataFrame:
    """Gains of methods, judged as a family, and of other controls, one at a time, by method."""
    labels = list(groups)
    names = [str(method) for method in over.columns if method not in CONTROLS]
    reach = spec.bounds[1] - spec.bounds[0]
    within = (-reach, reach) if np.isfinite(reach) else None
    family = mean_family(over[names].to_numpy(dtype=np.float64), clusters=labels, bounds=within)
    judged = dict(zip(names, zip(family.intervals, family.p_values, strict=True), strict=True))
    level = family.level_each if np.isfinite(family.level_each) else LEVEL
    rows = {}
    for method in over.columns:
        gain = over[method]
        alone = cut(mean_interval(gain, clusters=labels), within)
        found, p = judged.get(method, (alone, np.nan))
        units = gain.groupby(groups.to_numpy()).mean().dropna()
        rows[method] = {
            **bounds(f"over {floor}", found),
            BY: judged_by(found) if method in judged else ALONE,
            "units": float(len(units)),
            "units better": float((units > 0).mean()) if len(units) else np.nan,
            "d_z": cohens_d(units),
            P: float(p),
            NEEDED: units_to_tell(found, level=level) if p >= 1 - LEVEL else np.nan,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    if margin is not None:
        tests = [
            equivalence(over[name], margin=margin, clusters=labels, bounds=within) for name in names
        ]
        values = np.nan_to_num([test.p_value for test in tests], nan=1.0)  # untested: they count
        shown = pd.Series(holm(values) < 1 - LEVEL, index=names)
        table["no different"] = shown
    return table


def bounds(name: str, found: Interval) -> dict[str, float]:
    """An interval as columns: its estimate by name, and ``low`` and ``high`` after it.

    Examples
    --------
    >>> bounds("mean", mean_interval([1.0, 2.0, 3.0]))["mean"]
    2.0
    """
    return {name: found.estimate, f"{name} low": found.low, f"{name} high": found.high}


def oriented_means(rows: pd.DataFrame, specs: Specs, methods: Sequence[str]) -> pd.DataFrame:
    """Mean of each metric (row) and method (column), turned so that larger is better.

    Examples
    --------
    >>> from metrics import METRICS
    >>> rows = pd.DataFrame({"metric": "deletion", "method": ["lime", "rise"], "value": [0.3, 0.2]})
    >>> found = oriented_means(rows, {"deletion": METRICS["deletion"]}, ["lime", "rise"])
    >>> found.to_dict("list")
    {'lime': [-0.3], 'rise': [-0.2]}
    """
    part = rows[rows["method"].isin(methods)]
    means = part.groupby(["metric", "method"], sort=False, observed=True)["value"].mean().unstack()
    judged = [m for m in means.index if specs[str(m)].higher_is_better is not None]
    signs = pd.Series({m: sign(specs[str(m)]) for m in judged})
    return means.loc[judged, [m for m in methods if m in means]].mul(signs, axis=0)


def metric_agreement(means: pd.DataFrame) -> pd.DataFrame:
    """Spearman ``(metrics, metrics)`` of how two metrics order the methods.

    Examples
    --------
    >>> means = pd.DataFrame([[-0.3, -0.2, -0.1], [0.5, 0.6, 0.7]], index=["deletion", "insertion"])
    >>> metric_agreement(means).loc["deletion", "insertion"].item()
    1.0
    """
    return means.T.corr(method="spearman")


def disagreement_table(
    rows: pd.DataFrame, clusters: pd.Series, specs: Specs, methods: Sequence[str]
) -> pd.DataFrame:
    """One row a model and family of metrics: do its metrics order the methods alike?

    Krippendorff's α over metrics of their order of the methods that all of them score, and within
    each metric Kendall's W over the units that have a score of every method, of which the family's
    least and largest are shown (and the fewest units). A metric that is redundant with others of
    them is left out.

    Examples
    --------
    >>> from metrics import METRICS
    >>> rows = pd.DataFrame(
    ...     {"id": face, "model": "tiny", "method": method, "metric": metric, "value": value}
    ...     for metric, turn in (("deletion", -1), ("insertion", 1))
    ...     for method, value in (("lime", 0.5 * turn), ("rise", 0.6 * turn), ("lrp", 0.7 * turn))
    ...     for face in "ab"
    ... )
    >>> specs = {name: METRICS[name] for name in ("deletion", "insertion")}
    >>> people = pd.Series([1, 2], index=list("ab"))
    >>> found = disagreement_table(rows, people, specs, ["lime", "rise", "lrp"])
    >>> found[["family", "Krippendorff α", "Kendall W, least"]].to_dict("list")
    {'family': ['faithfulness'], 'Krippendorff α': [1.0], 'Kendall W, least': [1.0]}
    """
    out = []
    for model, part in rows.groupby("model", sort=False, observed=True):
        means = oriented_means(part, specs, methods)
        families = pd.Series({m: specs[str(m)].family for m in means.index})
        for family in dict.fromkeys(families):
            named = list(families[families == family].index)
            some = means.loc[[m for m in named if not set(specs[m].redundant_with) & set(named)]]
            scores = [_units(part, clusters, specs, str(m), methods) for m in some.index]
            concord = [kendalls_w(units.T) for units in scores]
            out.append(
                {
                    "model": model,
                    "family": family,
                    "metrics": len(some),
                    "methods": some.shape[1],
                    "Krippendorff α": krippendorff_alpha(some.to_numpy()),
                    "Kendall W, least": np.nanmin(concord)
                    if np.isfinite(concord).any()
                    else np.nan,
                    "Kendall W, largest": (
                        np.nanmax(concord) if np.isfinite(concord).any() else np.nan
                    ),
                    "units": float(min(len(units.dropna()) for units in scores)),
                }
            )
    return pd.DataFrame(out)


def rank_test(
    rows: pd.DataFrame, clusters: pd.Series, specs: Specs, metric: str, methods: Sequence[str]
) -> RankTest:
    """Friedman and Nemenyi over clusters of faces, of one model and metric.

    Examples
    --------
    >>> from metrics import METRICS
    >>> rows = pd.DataFrame(
    ...     {"id": face, "method": method, "metric": "insertion", "value": value}
    ...     for method, value in (("lime", 0.5), ("rise", 0.6), ("lrp", 0.7))
    ...     for face in "ab"
    ... )
    >>> people, specs = pd.Series([1, 2], index=list("ab")), {"insertion": METRICS["insertion"]}
    >>> rank_test(rows, people, specs, "insertion", ["lime", "rise", "lrp"]).ranks
    array([3., 2., 1.])
    """
    return friedman_nemenyi(_units(rows, clusters, specs, metric, methods).to_numpy())


def _units(
    rows: pd.DataFrame, clusters: pd.Series, specs: Specs, metric: str, methods: Sequence[str]
) -> pd.DataFrame:
    """Scores of clusters (rows) and methods that the metric has scored (columns), turned so that
    larger is better.
    """
    part = rows[(rows["metric"] == metric) & rows["method"].isin(methods)]
    wide = part.pivot_table(index="id", columns="method", values="value", sort=False, dropna=False)
    wide = wide[[m for m in methods if m in wide]] * sign(specs[metric])
    return wide.groupby(clusters.loc[list(wide.index)].to_numpy()).mean()
