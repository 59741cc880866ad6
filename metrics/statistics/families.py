"""Families of means: simultaneous intervals and step-down p-values from one resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_xai.checks import check_count
from fer_xai.errors import InputError
from metrics.statistics.bounded import betting_interval, betting_p
from metrics.statistics.clustered import MeanParts, coded_parts
from metrics.statistics.clusters import Array, by_appearance, cluster_codes
from metrics.statistics.inputs import check_level, check_scores
from metrics.statistics.intervals import LEAST_UNITS, Interval, cut, interval_of
from metrics.statistics.mean_tests import untested
from metrics.statistics.resampling import flipped_p, resampled_p

REPEATS = 9999
"""Sign flips and resamples: no corrected p falls below 1 / (1 + this)."""
LEAST_FAMILY = 60
"""Fewest equal units, or unequal ones that are worth as many, of a family of several columns."""
LEAST_VARIED_FAMILY = 64
"""Fewest units that differ from the value of most units, where values are few, of such a family."""
MOST_OF_ONE = 0.75
"""Largest share of a column's sum of squares that one unit has where the column is resampled."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Means of K columns that are judged together.

    Attributes
    ----------
    intervals
        One for each column; all of them cover their means together with the level asked for. The
        bounds are NaN, with the reason, where a column cannot be tested.
    p_values
        ``(K,)`` step-down adjusted, two-sided; NaN where a column cannot be tested.
    smallest_p
        Smallest p that the resampling can give.
    level_each
        Coverage of each interval by itself.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = mean_family(rng.normal([0.0, 1.0], 1.0, size=(60, 2)))
    >>> found.p_values < 0.05, 0.95 < found.level_each < 0.98
    (array([False,  True]), True)
    """

    intervals: tuple[Interval, ...]
    p_values: Array
    smallest_p: float
    level_each: float


def mean_family(
    differences: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Family:
    """Which means of several paired differences, such as gains of methods, are not zero?

    One resampling serves tests and intervals: units (faces, or whole clusters) are resampled alike
    in all columns, which keeps how columns hang together, each column is studentised anew, and the
    smallest p over the columns is kept (Romano & Wolf, "Stepwise multiple testing as formalized
    data snooping", Econometrica 2005; step-down as in Westfall & Young 1993). The p that it is held
    against is that of :func:`~metrics.statistics.mean_tests.mean_test`, with its correction for
    skewness, so that a family of one agrees with it.

    Several columns are resampled in two ways, and a claim has to stand in both: by flipped signs,
    which are exact where units are symmetric and tell nothing of skewness, and by the bootstrap of
    the corrected t (:func:`~metrics.statistics.resampling.resampled_p`), which keeps the skewness
    and the tails of the columns. Sign flips alone made some claim in .10 to .31 of studies of 42
    columns of 60 units without any effect (exponential .09, lognormal .25, long tails on both sides
    .28 without a limit on skewness; with the one below .09 to .24), since the correction errs in
    the far tail, where many columns are judged. By both it is at most .06 in families of 2 to 42
    columns from 60 units on (``python -m benchmarks.calibration``; docs/statistics.md has the
    cells), and for symmetric gains the level of a column is the same as by sign flips.

    A family of several columns takes 60 units, and a column is tested by t up to a sample skewness
    of max(2, .15 √n). Columns that are more skewed than that are resampled all the same: they tell
    how long the tails of the others may be. Gains in right or wrong answers, which are mostly 0,
    take 64 units that differ from it: with 64 of 400 some claim is made in .04 (± .01) of studies
    of 11 columns, and with 40 of 400, which are not tested, it would be in .06.

    Parameters
    ----------
    differences
        ``(N, K)``; NaN is left out, in each column by itself.
    clusters
        N labels, such as the person of each face; each face is its own by default.
    level
        Probability that all intervals hold; one less the familywise error.
    bounds
        Smallest and largest value that a difference can have: intervals are cut off there, and
        columns that are too short or too skewed for a t statistic are tested by betting.
    repeats
        Number of sign flips, and of resamples.
    seed
        Seed of both, which are those of the places of units: see
        :func:`~metrics.statistics.bounded.order_by_name`.

    Returns
    -------
    Family
        Columns that cannot be tested have no p and no bounds, and are counted in the correction
        all the same: which ones they are depends on the data.

    Raises
    ------
    InputError
        If there is no table of numbers, a difference is infinite or out of bounds, there is not one
        cluster label a row, the level is not between 0 and 1, or repeats are too few to reject at
        all.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> gains = rng.exponential(size=(100, 3)) - [1.0, 1.0, 0.5]
    >>> found = mean_family(gains)
    >>> [interval.low > 0 for interval in found.intervals], found.smallest_p
    ([False, False, True], 0.0001)
    """
    check_level(level)
    check_scores(differences, name="differences", bounds=bounds)
    check_count("the number of repeats", repeats)
    table = np.asarray(differences, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"Expected a table (faces, columns), got shape {table.shape}.")
    least = int(np.ceil(2 / (1 - level)))
    if repeats < least:
        raise InputError(
            f"Expected at least {least} repeats: fewer can hardly give a p below "
            f"{1 - level:.3g}, got {repeats}."
        )
    codes = by_appearance(cluster_codes(clusters, len(table)))
    parts = [coded_parts(column, codes) for column in table.T]
    several = len(parts) > 1
    reasons = [untested_in_family(part) if several else untested(part) for part in parts]
    bets = [
        bool(reason) and bounds is not None and part.n >= LEAST_UNITS
        for part, reason in zip(parts, reasons, strict=True)
    ]
    spread = [part.standard_error > 0 for part in parts]
    members = np.flatnonzero([*map(any, zip(bets, spread, strict=True))])
    p_values, each = np.full(len(parts), np.nan), float("nan")
    by = "max-T by sign flips"
    if len(members):
        usable = np.array([_resampled(parts[k]) for k in members])
        nulls = _nulls(table[:, members], codes, usable, repeats=repeats, seed=seed)
        each = _level_each(nulls, level, repeats, len(parts))
        by += " and bootstrap" if len(nulls) > 1 else ""
        own = np.full(len(parts), np.nan)
        for k, (part, reason) in enumerate(zip(parts, reasons, strict=True)):
            if not reason:
                own[k] = interval_of(part).p_value
            elif bets[k] and bounds is not None:
                column = table[:, k]
                own[k] = betting_p(column, bounds=bounds, clusters=codes.tolist(), level=each)
        known = np.nan_to_num(own[members], nan=np.inf)
        p_values[members] = np.maximum.reduce([_step_down(known, null) for null in nulls])
        p_values[np.isnan(own)] = np.nan
    intervals = []
    for k, (part, reason) in enumerate(zip(parts, reasons, strict=True)):
        own_column = (table[:, k], codes.tolist())
        within = bounds if bets[k] else None
        found = _interval(part, reason, each, own_column, within, by=by)
        intervals.append(cut(replace(found, joint=several or within is not None), bounds))
    return Family(
        intervals=tuple(intervals),
        p_values=p_values,
        smallest_p=1 / (1 + repeats),
        level_each=each,
    )


def _level_each(nulls: Sequence[Array], level: float, repeats: int, k: int) -> float:
    """Coverage of each interval: as far as resamples tell, or Bonferroni's where all are equal."""
    each = 1 - min(_single_level(null.min(axis=1), 1 - level) for null in nulls)
    return min(each, 1 - 1 / (1 + repeats)) if each > 0 else 1 - (1 - level) / k


def untested_in_family(part: MeanParts, *, least: int = LEAST_FAMILY, skewed: bool = False) -> str:
    """Why the mean of a column among several is not tested by a t statistic; empty if it is.

    Examples
    --------
    >>> from metrics.statistics.clustered import mean_parts
    >>> untested_in_family(mean_parts([0.0] * 50 + [1.0, -1.0] * 5))
    '10 of 60 units differ from the commonest of 3 values, too few for a test of a mean: ...'
    """
    return untested(part, least=least, least_varied=LEAST_VARIED_FAMILY, skewed=skewed)


def _interval(
    parts: MeanParts,
    reason: str,
    level: float,
    column: tuple[Array, list[int]],
    bounds: tuple[float, float] | None,
    *,
    by: str,
) -> Interval:
    if not reason:
        found = interval_of(parts, level=level)
        scheme, low, high = f"{found.scheme}, {by}", found.low, found.high
    elif bounds is not None:
        low, high = betting_interval(column[0], bounds=bounds, clusters=column[1], level=level)
        scheme, reason = f"betting on a bounded mean, {by}", ""
    else:
        scheme, low, high = "none", float("nan"), float("nan")
    return Interval(
        estimate=parts.mean,
        low=low,
        high=high,
        standard_error=parts.standard_error,
        n=parts.n,
        scheme=scheme,
        freedom=parts.freedom,
        skewness=parts.skewness,
        reason=reason,
    )


def _resampled(part: MeanParts) -> bool:
    """Whether the bootstrap of a column is that of the family's null; skewed columns' is."""
    squares = part.influence**2
    one = squares.max(initial=0.0) > MOST_OF_ONE * squares.sum()
    return not one and not untested_in_family(part, skewed=True)


def _nulls(
    table: Array, codes: NDArray[np.int64], usable: NDArray[np.bool_], *, repeats: int, seed: int
) -> list[Array]:
    """P of each column ``(repeats, K)`` without any effect: by sign flips and by the bootstrap.

    Skewed columns that are not tested themselves take part in both, since they tell how long the
    tails of the tested ones may be. Columns of few units, of few that differ, or of one that
    outweighs the others have sign flips in both: their resamples can be almost without spread, and
    would spoil the tests of the other columns.
    """
    flipped = flipped_p(table, codes, repeats=repeats, seed=seed)
    if table.shape[1] < 2 or not usable.any():
        return [flipped]
    resampled = flipped.copy()
    resampled[:, usable] = resampled_p(table[:, usable], codes, repeats=repeats, seed=seed)
    return [flipped, resampled]


def _step_down(own: Array, null: Array) -> Array:
    """Adjusted p-values: each column among those that are not more significant than itself."""
    order = np.argsort(own, kind="stable")
    least = np.minimum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]  # over the later ones
    hits = (least <= own[order] * (1 + 1e-12)).sum(axis=0)
    out = np.empty(len(own))
    out[order] = np.maximum.accumulate((1 + hits) / (1 + len(null)))
    return out


def _single_level(least: Array, error: float) -> float:
    """The p of a single column that the smallest of all falls below with this probability."""
    rank = int(np.floor(error * (len(least) + 1)))
    return float(np.sort(least)[max(rank - 1, 0)])
