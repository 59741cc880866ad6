"""What the specifications of a multiverse say together: shares, and what each choice moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from metrics.statistics.intervals import Interval
from studies.multiverse.factors import Factor, Level, Multiverse, Specification
from studies.reporting.formatting import counted, signed, signed_bounds

ABOUT_THE_SHARE = (
    "All combinations share the same faces, so the share's interval is about the sampling of "
    "combinations alone; the faces' part is in the interval of each combination. Combinations "
    "without an estimate count among those in which the claim does not hold."
)
"""What the interval of a share covers, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often a claim holds among sampled combinations.

    Attributes
    ----------
    holds, of
        Number of combinations where it does, and of all.
    low, high
        Wilson's 95 % interval of the share, for combinations drawn at random.

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
    specification: Specification, found: Interval, *, model: str, spread: float = 1.0, faces: int
) -> dict[str, Any]:
    """A specification's row: its levels, its estimate, and whether the claim holds.

    Parameters
    ----------
    specification
        The choices.
    found
        The estimate with its interval over faces or persons.
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
    >>> row = row_of(one, found, model="tiny", spread=4, faces=9)
    >>> row["fill"], row["effect"], row["holds"]
    ('black', 0.5, True)
    """
    usable = spread if np.isfinite(spread) and spread > 0 else float("nan")
    return {
        "model": model,
        "specification": specification.key,
        "changed": specification.changed,
        "sampled": specification.sampled,
        **specification.levels,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "effect": found.estimate / usable,
        "effect low": found.low / usable,
        "effect high": found.high / usable,
        "faces": faces,
        "units": found.n,
        "holds": bool(found.low > 0),
        "reversed": bool(found.high < 0),
    }


def by_level(rows: pd.DataFrame, factors: Sequence[Factor]) -> pd.DataFrame:
    """Each level of each factor: where the claim holds, and what the level moves.

    ``alone`` is the change of the effect where this choice alone differs from the default;
    ``among sampled`` the mean effect of the sampled combinations with the level, less that of
    those with the factor's default.

    Parameters
    ----------
    rows
        Rows of one model (:func:`row_of`).
    factors
        The factors, whose first levels are the defaults.

    Examples
    --------
    >>> fill = Factor(name="fill", levels=("linear", "black"), reason="Both are used.")
    >>> rows = pd.DataFrame({"changed": ["default", "fill"], "sampled": True,
    ...                      "holds": [True, False], "fill": ["linear", "black"],
    ...                      "effect": [0.5, -0.25]})
    >>> table = by_level(rows, [fill])
    >>> table[["level", "sampled", "holds in", "alone", "among sampled"]].to_numpy().tolist()
    [['linear', 1, 1, 0.0, 0.0], ['black', 1, 0, -0.75, -0.75]]
    """
    default = float(rows.loc[rows["changed"] == "default", "effect"].iloc[0])
    sampled = rows[rows["sampled"]]
    found = []
    for factor in factors:
        base = sampled.loc[sampled[factor.name] == factor.default, "effect"].mean()
        for level in factor.levels:
            here = sampled[sampled[factor.name] == level]
            answers = share(here["holds"])
            found.append(
                {
                    "factor": factor.name,
                    "level": str(level),
                    "default": level == factor.default,
                    "sampled": len(here),
                    "holds in": answers.holds,
                    "share": answers.value,
                    "share low": answers.low,
                    "share high": answers.high,
                    "alone": _alone(rows, factor, level) - default,
                    "among sampled": float(here["effect"].mean() - base),
                }
            )
    return pd.DataFrame(found)


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
    ...                      "estimate": [0.02, -0.1], "low": [0.01, -0.2], "high": [0.03, -0.05]})
    >>> rows["holds"], rows["reversed"] = rows["low"] > 0, rows["high"] < 0
    >>> print(headline(rows, made, model="tiny"))
    tiny: "Grad-CAM gains." holds in 0 of 1 sampled combinations: 0 % [0, 79]. With the declared
    choices it holds (+0.020 [+0.010, +0.030]); the opposite is found in 1 combination.
    """
    default = rows[rows["changed"] == "default"].iloc[0]
    sampled = rows[rows["sampled"]]
    opposite = int(sampled["reversed"].sum())
    unknown = int(sampled["estimate"].isna().sum())
    rest = f"; {counted(unknown, 'combination')} of them without an estimate" if unknown else ""
    found = signed(default["estimate"]) + signed_bounds(default["low"], default["high"])
    verdict = "holds" if default["holds"] else "does not hold"
    return (
        f'{model}: "{multiverse.claim}" holds in {share(sampled["holds"])}{rest}. With the '
        f"declared choices it {verdict} ({found}); the opposite is found in "
        f"{counted(opposite, 'combination')}."
    )
