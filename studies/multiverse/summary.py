"""What the specifications of a multiverse say together: shares, and what each choice moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from metrics.statistics.intervals import Interval
from studies.multiverse.factors import Factor, Level, Multiverse, Rule, Specification
from studies.reporting.formatting import signed, signed_bounds

ABOUT_THE_SHARE = (
    "All combinations share the same faces, so the share's interval is about the sampling of "
    "combinations alone; the faces' part is in the test of each combination. Combinations that "
    "were not tested count in the number of all: the claim is not shown there, but it is not "
    "refuted either."
)
"""What the interval of a share covers, in a sentence."""
LEVEL = 0.05
"""p below which a claim holds in a combination."""
HOLDS = "holds"
"""Verdict on a combination in which the claim holds: p below .05, and the interval above 0."""
OPPOSITE = "the opposite"
"""Verdict on a combination in which p is below .05, and the interval lies below 0."""
NOT_TOLD = "not told apart"
"""Verdict on a combination that was tested, and shows neither."""
NOT_TESTED = "not tested"
"""Verdict on a combination without a p: see its reason."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often a claim holds among sampled combinations.

    Attributes
    ----------
    holds, of
        Number of combinations where it does, and of all.
    low, high
        Wilson's 95 % interval of the share. It is made for combinations drawn independently; those
        of a plan are balanced in their levels, with which a share varies no more than that, but for
        a factor n / (n − 1) of the variance (Owen, "Monte Carlo variance of scrambled net
        quadrature", SIAM Journal on Numerical Analysis 1997, for Latin hypercubes).

    Examples
    --------
    >>> str(share([True, True, False, True]))
    '3 of 4 sampled combinations: 75 % [30, 95]'
    """

    holds: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share; NaN of no combinations."""
        return self.holds / self.of if self.of else float("nan")

    def __str__(self) -> str:
        if not self.of:
            return "0 of 0 sampled combinations"
        bounds = f"[{100 * self.low:.0f}, {100 * self.high:.0f}]"
        return f"{self.holds} of {self.of} sampled combinations: {100 * self.value:.0f} % {bounds}"


def share(holds: Iterable[bool]) -> Share:
    """The share of combinations in which a claim holds, with Wilson's interval.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.

    Parameters
    ----------
    holds
        Whether it holds, for each combination.

    Examples
    --------
    >>> found = share([True] * 8 + [False] * 2)
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (0.8, 0.49, 0.943)
    """
    answers = [bool(one) for one in holds]
    if not answers:
        return Share(holds=0, of=0, low=float("nan"), high=float("nan"))
    found = stats.binomtest(sum(answers), len(answers)).proportion_ci(method="wilson")
    return Share(holds=sum(answers), of=len(answers), low=float(found.low), high=float(found.high))


def row_of(
    specification: Specification,
    found: Interval,
    *,
    p_value: float,
    model: str,
    spread: float = 1.0,
    faces: int,
) -> dict[str, Any]:
    """A specification's row: its levels, its estimate, and whether the claim holds.

    Parameters
    ----------
    specification
        The choices.
    found
        The estimate with its interval over faces or persons.
    p_value
        Two-sided p of the estimate being zero; NaN where it is not tested.
    model
        The model's name.
    spread
        What ``effect`` divides the estimate by, so that specifications in different units stand on
        one axis.
    faces
        Number of faces behind the estimate.

    Examples
    --------
    >>> one = Specification(levels={"fill": "black"}, changed="fill")
    >>> found = Interval(estimate=2, low=1, high=3, standard_error=0.5, n=9, scheme="")
    >>> row = row_of(one, found, p_value=0.01, model="tiny", spread=4, faces=9)
    >>> row["fill"], row["effect"], row["verdict"], row["holds"]
    ('black', 0.5, 'holds', True)
    """
    usable = spread if np.isfinite(spread) and spread > 0 else float("nan")
    verdict = _verdict(found, p_value)
    return {
        "model": model,
        "specification": specification.key,
        "changed": specification.changed,
        "sampled": specification.sampled,
        **specification.levels,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "p": float(p_value),
        "effect": found.estimate / usable,
        "effect low": found.low / usable,
        "effect high": found.high / usable,
        "faces": faces,
        "units": found.n,
        "verdict": verdict,
        "holds": verdict == HOLDS,
        "judged by": found.scheme if verdict != NOT_TESTED else "",
        "reason": found.reason if verdict == NOT_TESTED else "",
    }


def _verdict(found: Interval, p_value: float) -> str:
    if not np.isfinite(p_value):
        return NOT_TESTED
    if p_value < LEVEL and found.low > 0:
        return HOLDS
    return OPPOSITE if p_value < LEVEL and found.high < 0 else NOT_TOLD


def by_level(
    rows: pd.DataFrame, factors: Sequence[Factor], *, rules: Sequence[Rule] = ()
) -> pd.DataFrame:
    """Each level of each factor: where the claim holds, and what the level moves.

    The first row is that of all sampled combinations.

    ``alone`` is the change of the effect where this choice alone differs from the default;
    ``among sampled`` the mean effect of the sampled combinations with the level, less that of
    those with the factor's default. Combinations in which a rule leaves a factor without effect
    say nothing of it, and do not count among those of its levels.

    Parameters
    ----------
    rows
        Rows of one model (:func:`row_of`).
    factors
        The factors, whose first levels are the defaults.
    rules
        Combinations in which a factor has no effect.

    Examples
    --------
    >>> fill = Factor(name="fill", levels=("linear", "black"), reason="Both are used.")
    >>> rows = pd.DataFrame({"changed": ["default", "fill"], "sampled": True,
    ...                      "holds": [True, False], "verdict": ["holds", "not tested"],
    ...                      "fill": ["linear", "black"], "effect": [0.5, -0.25]})
    >>> table = by_level(rows, [fill])
    >>> table[["level", "sampled", "holds in", "alone", "among sampled"]][1:].to_numpy().tolist()
    [['linear', 1, 1, 0.0, 0.0], ['black', 1, 0, -0.75, -0.75]]
    >>> table["sampled"].tolist(), table["opposite in"].tolist(), table["not tested"].tolist()
    ([2, 1, 1], [0, 0, 0], [1, 0, 1])
    """
    default = float(rows.loc[rows["changed"] == "default", "effect"].iloc[0])
    nothing = {"level": "any", "default": False, "alone": np.nan, "among sampled": np.nan}
    found = [{"factor": "all"} | nothing | _counts(rows[rows["sampled"]])]
    for factor in factors:
        sampled = rows[rows["sampled"]]
        for rule in rules:
            if rule.without_effect == factor.name:
                sampled = sampled[~sampled[rule.when[0]].isin(rule.when[1])]
        base = sampled.loc[sampled[factor.name] == factor.default, "effect"].mean()
        for level in factor.levels:
            here = sampled[sampled[factor.name] == level]
            found.append(
                {"factor": factor.name, "level": str(level), "default": level == factor.default}
                | _counts(here)
                | {
                    "alone": _alone(rows, factor, level) - default,
                    "among sampled": float(here["effect"].mean() - base),
                }
            )
    order = ["factor", "level", "default", *_counts(rows), "alone", "among sampled"]
    return pd.DataFrame(found)[order]


def _counts(rows: pd.DataFrame) -> dict[str, Any]:
    """How many combinations there are, where the claim holds and the opposite, and the share."""
    answers = share(rows["holds"])
    return {
        "sampled": len(rows),
        "holds in": answers.holds,
        "opposite in": int((rows["verdict"] == OPPOSITE).sum()),
        "not tested": int((rows["verdict"] == NOT_TESTED).sum()),
        "share": answers.value,
        "share low": answers.low,
        "share high": answers.high,
    }


def _alone(rows: pd.DataFrame, factor: Factor, level: Level) -> float:
    """The effect with one factor at a level and all others at their default."""
    kind = "default" if level == factor.default else factor.name
    here = rows[(rows["changed"] == kind) & (rows[factor.name] == level)]
    return float(here["effect"].iloc[0]) if len(here) else float("nan")


def headline(rows: pd.DataFrame, multiverse: Multiverse, *, model: str) -> str:
    """The answer for one model, in two sentences.

    Examples
    --------
    >>> made = Multiverse(claim="Grad-CAM gains.", estimate="gain", factors=())
    >>> rows = pd.DataFrame({"changed": ["default", ""], "sampled": [False, True],
    ...                      "estimate": [0.02, -0.1], "low": [0.01, -0.2], "high": [0.03, -0.05],
    ...                      "verdict": ["holds", "the opposite"], "holds": [True, False]})
    >>> print(headline(rows, made, model="tiny"))
    tiny: "Grad-CAM gains." holds in 0 of 1 sampled combinations: 0 % [0, 79]; the opposite holds
    in 1. With the declared choices it holds (+0.020 [+0.010, +0.030]).
    """
    default = rows[rows["changed"] == "default"].iloc[0]
    sampled = rows[rows["sampled"]]
    counts = {name: int((sampled["verdict"] == name).sum()) for name in _IN_WORDS}
    others = [f"{_IN_WORDS[name]} in {n}" for name, n in counts.items() if n]
    verdict = _OF_DEFAULT[str(default["verdict"])]
    found = signed(default["estimate"]) + signed_bounds(default["low"], default["high"])
    said = "; ".join([str(share(sampled["holds"])), *([", ".join(others)] if others else [])])
    return (
        f'{model}: "{multiverse.claim}" holds in {said}. With the declared choices {verdict} '
        f"({found})."
    )


_IN_WORDS = {
    OPPOSITE: "the opposite holds",
    NOT_TOLD: "neither is shown",
    NOT_TESTED: "it was not tested",
}
_OF_DEFAULT = {
    HOLDS: "it holds",
    OPPOSITE: "the opposite holds",
    NOT_TOLD: "it does not hold",
    NOT_TESTED: "it was not tested",
}
