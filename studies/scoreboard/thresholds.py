"""Thresholds of an audit: the worst means that are allowed, and the gate's verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from fer_xai.errors import InputError
from metrics.core.registry import MetricSpec
from studies.reporting.page import Table

GATE = "randomisation gate"
MOST_UNDEFINED = 0.5
"""Share of faces without a score beyond which a mean reaches no threshold."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A threshold of a method's mean score, and whether it was reached.

    Attributes
    ----------
    method, metric
        What was scored.
    value, limit
        Its mean, and the worst that is allowed.
    higher
        Whether higher is better.
    undefined
        Share of faces without a score; NaN where none was asked.
    reached
        Whether the mean is no worse than the limit, over half of the faces or more.
    judged
        Whether it was judged at all: thresholds of a model that recognises no more than the prior
        are not, and are not reached either.

    Examples
    --------
    >>> print(
    ...     Threshold(
    ...         method="lime", metric="deletion", value=0.4, limit=0.3, higher=False,
    ...         undefined=0.0, reached=False,
    ...     )
    ... )
    lime: deletion 0.400, expected at most 0.3
    """

    method: str
    metric: str
    value: float
    limit: float
    higher: bool
    undefined: float
    reached: bool
    judged: bool = True

    @property
    def expected(self) -> str:
        """The limit in words."""
        return f"at {'least' if self.higher else 'most'} {self.limit:g}"

    def __str__(self) -> str:
        found = f"{self.method}: {self.metric}"
        if not self.judged:
            return f"{found} is not judged, expected {self.expected}"
        if np.isnan(self.value):
            return f"{found} has no score, expected {self.expected}"
        if self.undefined > MOST_UNDEFINED:
            return (
                f"{found} is undefined for {self.undefined:.0%} of faces, expected a mean of "
                f"{self.expected} over half of them or more"
            )
        return f"{found} {self.value:.3f}, expected {self.expected}"


def worst_allowed(
    thresholds: Mapping[str, float], specs: Mapping[str, MetricSpec], methods: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Worst means that are allowed, by method and metric.

    A threshold for one method overrides the threshold of that metric for all methods.

    Raises
    ------
    InputError
        For something that is not scored, or that no direction is better of, or no number.

    Examples
    --------
    >>> from metrics import METRICS
    >>> specs = {"deletion": METRICS["deletion"]}
    >>> worst_allowed({"deletion": 0.3, "lime:deletion": 0.4}, specs, ["lime", "rise"])
    {('lime', 'deletion'): 0.4, ('rise', 'deletion'): 0.3}
    """
    found: dict[tuple[str, str], float] = {}
    for name in sorted(thresholds, key=lambda name: ":" in name):
        method, _, metric = name.rpartition(":")
        if metric not in specs or (method and method not in methods):
            raise InputError(
                f"Expected thresholds of {', '.join(specs)}, each for all methods or as "
                f"METHOD:METRIC, got {name!r}: score it, or leave its threshold out."
            )
        if specs[metric].higher_is_better is None:
            raise InputError(
                f"Expected a threshold of a metric with a better end, but {metric} describes maps "
                "without judging them."
            )
        limit: object = thresholds[name]
        if not isinstance(limit, Real) or not np.isfinite(float(limit)):
            raise InputError(f"Expected a number as threshold of {name}, got {limit!r}.")
        for one in [method] if method else methods:
            found[one, metric] = float(limit)
    return found


def judged_means(
    table: pd.DataFrame,
    limits: Mapping[tuple[str, str], float],
    specs: Mapping[str, MetricSpec],
) -> tuple[Threshold, ...]:
    """Thresholds with their means; undefined means and refused methods reach none.

    Examples
    --------
    >>> from metrics import METRICS
    >>> row = {"method": "lime", "metric": "deletion", "mean": 0.4, "undefined": 0.0}
    >>> specs = {"deletion": METRICS["deletion"]}
    >>> found = judged_means(pd.DataFrame([row]), {("lime", "deletion"): 0.5}, specs)
    >>> found[0].reached, found[0].expected
    (True, 'at most 0.5')
    """
    rows = table.set_index(["method", "metric"])[["mean", "undefined"]].to_dict("index")
    out = []
    for (method, metric), limit in limits.items():
        row = rows.get((method, metric), {})
        value, undefined = float(row.get("mean", np.nan)), float(row.get("undefined", np.nan))
        higher = bool(specs[metric].higher_is_better)
        reached = undefined <= MOST_UNDEFINED and (value >= limit if higher else value <= limit)
        out.append(
            Threshold(
                method=method,
                metric=metric,
                value=value,
                limit=limit,
                higher=higher,
                undefined=undefined,
                reached=reached,
            )
        )
    return tuple(out)


def gate_verdicts(table: pd.DataFrame) -> tuple[Threshold, ...]:
    """The gate's verdicts over methods.

    Examples
    --------
    >>> row = {"method": "lime", "similarity": 0.1, "threshold": 0.3, "gate": "passes"}
    >>> gate_verdicts(pd.DataFrame([{**row, "control": False}]))[0].reached
    True
    """
    return tuple(
        Threshold(
            method=row["method"],
            metric=GATE,
            value=row["similarity"],
            limit=row["threshold"],
            higher=False,
            undefined=np.nan,
            reached=row["gate"] == "passes",
        )
        for _, row in table[~table["control"]].iterrows()
    )


def threshold_table(asked: Sequence[Threshold]) -> Table:
    """Table of the thresholds, with its caption.

    Examples
    --------
    >>> row = {"method": "lime", "similarity": 0.1, "threshold": 0.3, "gate": "passes"}
    >>> asked = gate_verdicts(pd.DataFrame([{**row, "control": False}]))
    >>> threshold_table(asked).frame[["method", "expected", "reached"]].to_numpy().tolist()
    [['lime', 'at most 0.3', True]]
    """
    rows = [
        vars(one)
        | {"expected": one.expected, "reached": one.reached if one.judged else "not judged"}
        for one in asked
    ]
    return Table(
        name="thresholds",
        frame=pd.DataFrame(rows)[["method", "metric", "value", "expected", "undefined", "reached"]],
        caption="What was asked of the means. Undefined: share of faces without a score, those "
        "with a blank or undefined map among them; a mean over less than half of the faces "
        "reaches no threshold.",
        leading=True,
    )
