"""What an audit asks of methods: the worst means that are allowed, and the gate's verdicts.

A mean over some faces says how all faces would score only to within its interval. So it is the
bound on the worse side that is compared with a threshold, unless the estimate is asked for. Where a
mean has no interval (fewer than five faces), it reaches only what the metric's worst value reaches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

import numpy as np
import pandas as pd

from fer_xai.errors import InputError
from metrics.core.registry import MetricSpec
from studies.reporting.page import Table

On = Literal["bound", "estimate"]
"""What is held against a threshold: the worse bound of a mean's 95 % interval, or the mean."""
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
    bound
        The worse bound of the mean's 95 % interval: the lower one where higher is better, the upper
        one where lower is; NaN where there are too few faces for an interval.
    on
        Which of the two is held against the limit.
    higher
        Whether higher is better.
    undefined
        Share of faces without a score; NaN where none was asked.
    reached
        Whether what is judged is no worse than the limit, over half of the faces or more.
    judged
        Whether it was judged at all: thresholds of a model that recognises no more than the prior
        are not, and are not reached either.

    Examples
    --------
    >>> print(
    ...     Threshold(
    ...         method="lime", metric="deletion", value=0.28, bound=0.35, limit=0.3, higher=False,
    ...         undefined=0.0, reached=False,
    ...     )
    ... )
    lime: deletion 0.280, upper bound 0.350, expected at most 0.3
    """

    method: str
    metric: str
    value: float
    bound: float
    limit: float
    higher: bool
    undefined: float
    reached: bool
    judged: bool = True
    on: On = "bound"

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
        if self.on == "estimate":
            return f"{found} {self.value:.3f}, expected {self.expected}"
        if np.isnan(self.bound):
            return (
                f"{found} {self.value:.3f} has no interval, expected {self.expected}: take more "
                "faces, or judge the estimate (--on estimate)"
            )
        side = "lower" if self.higher else "upper"
        return f"{found} {self.value:.3f}, {side} bound {self.bound:.3f}, expected {self.expected}"


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
    *,
    on: On = "bound",
) -> tuple[Threshold, ...]:
    """Thresholds with their means; undefined means and refused methods reach none.

    A bound beyond the values that the metric can take is moved to the last one that it can.

    Examples
    --------
    >>> from metrics import METRICS
    >>> row = {"method": "lime", "metric": "deletion", "undefined": 0.0}
    >>> table = pd.DataFrame([{**row, "mean": 0.4, "mean low": 0.2, "mean high": 0.6}])
    >>> limits, specs = {("lime", "deletion"): 0.5}, {"deletion": METRICS["deletion"]}
    >>> [judged_means(table, limits, specs, on=what)[0].reached for what in ("bound", "estimate")]
    [False, True]
    """
    columns = ["mean", "mean low", "mean high", "undefined"]
    rows = table.set_index(["method", "metric"])[columns].to_dict("index")
    out = []
    for (method, metric), limit in limits.items():
        row = rows.get((method, metric), {})
        value, undefined = float(row.get("mean", np.nan)), float(row.get("undefined", np.nan))
        higher = bool(specs[metric].higher_is_better)
        bound = float(row.get("mean low" if higher else "mean high", np.nan))
        if np.isnan(bound) and np.isfinite(value):  # no interval: can the worst value pass?
            worst = specs[metric].bounds[0 if higher else 1]
            bound = worst if (worst >= limit if higher else worst <= limit) else np.nan
        bound = float(np.clip(bound, *specs[metric].bounds))
        judged = bound if on == "bound" else value
        reached = undefined <= MOST_UNDEFINED and (judged >= limit if higher else judged <= limit)
        out.append(
            Threshold(
                method=method,
                metric=metric,
                value=value,
                bound=bound,
                limit=limit,
                higher=higher,
                undefined=undefined,
                reached=reached,
                on=on,
            )
        )
    return tuple(out)


def gate_verdicts(table: pd.DataFrame) -> tuple[Threshold, ...]:
    """The gate's verdicts over methods; they are always by the interval.

    Examples
    --------
    >>> row = {"method": "lime", "likeness": 0.1, "margin": 0.5, "gate": "passes"}
    >>> row["likeness high"] = 0.2
    >>> gate_verdicts(pd.DataFrame([{**row, "control": False}]))[0].reached
    True
    """
    return tuple(
        Threshold(
            method=row["method"],
            metric=GATE,
            value=row["likeness"],
            bound=row["likeness high"],
            limit=row["margin"],
            higher=False,
            undefined=np.nan,
            reached=row["gate"] == "passes",
        )
        for _, row in table[~table["control"]].iterrows()
    )


def check_on(on: str) -> None:
    """Refuse what is neither the bound nor the estimate.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> check_on("mean")
    Traceback (most recent call last):
    fer_xai.errors.InputError: Expected on as bound or estimate, got 'mean'.
    """
    if on not in get_args(On):
        raise InputError(f"Expected on as {' or '.join(get_args(On))}, got {on!r}.")


def threshold_table(asked: Sequence[Threshold]) -> Table:
    """Table of the thresholds, with its caption.

    Examples
    --------
    >>> row = {"method": "lime", "likeness": 0.1, "margin": 0.5, "gate": "passes"}
    >>> row["likeness high"] = 0.2
    >>> asked = gate_verdicts(pd.DataFrame([{**row, "control": False}]))
    >>> threshold_table(asked).frame[["method", "expected", "reached"]].to_numpy().tolist()
    [['lime', 'at most 0.5', True]]
    """
    rows = [
        vars(one)
        | {"expected": one.expected, "reached": one.reached if one.judged else "not judged"}
        for one in asked
    ]
    return Table(
        name="thresholds",
        frame=pd.DataFrame(rows)[
            ["method", "metric", "value", "bound", "on", "expected", "undefined", "reached"]
        ],
        caption="What was asked of the means. Bound: the worse end of the mean's 95 % interval, "
        "the lower one where higher is better and the upper one where lower is; on: whether the "
        "bound or the estimate is held against what was expected. Undefined: share of faces "
        "without a score, those with a blank or undefined map among them; a mean over less than "
        "half of the faces reaches no threshold.",
        leading=True,
    )
