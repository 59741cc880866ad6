"""Intervals of means over two crossed samples: every face with every random network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fer_xai.checks import check_number
from fer_xai.errors import InputError
from metrics.statistics.clusters import Array, cluster_codes, pick
from metrics.statistics.inputs import check_level, check_scores
from metrics.statistics.intervals import Interval, cut, uncut_interval


def crossed_interval(
    values: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """Mean over rows and columns that are both samples, with its interval.

    The reach over rows is that of :func:`~metrics.statistics.intervals.mean_interval`. The variance
    over columns is that of the column means, less what the scatter of single cells adds to it,
    which the rows have counted already (variance components of the two-way layout without
    replication, Searle, Casella & McCulloch, "Variance components", 1992, §4.6); its reach is
    Student's. The two are joined as independent parts, by the square root of the sum of their
    squares (MOVER, Zou & Donner, Statistics in Medicine 27, 2008, eq. 8).

    Parameters
    ----------
    values
        ``(N, R)``: N rows such as faces, R columns such as random networks; NaN is left out.
    clusters
        N labels, such as the person of each face; each row is its own by default, and where its
        label is empty, None or NaN.
    level
        Coverage.
    bounds
        Smallest and largest possible value, at which the interval is cut off, and for rows that are
        all equal (see :func:`~metrics.statistics.intervals.mean_interval`).

    Returns
    -------
    Interval
        The mean of the rows' means; ``n`` counts rows or clusters. Bounds are NaN, with the reason,
        with fewer than five rows or two columns.

    Raises
    ------
    InputError
        If the values are no table of numbers, one is infinite or out of bounds, the level is not
        between 0 and 1, or there is not one cluster label a row.

    Examples
    --------
    >>> table = [[0.1, 0.3], [0.2, 0.4], [0.3, 0.5], [0.2, 0.4], [0.3, 0.5]]
    >>> found = crossed_interval(table)
    >>> round(found.estimate, 3), found.low < 0 < 0.3 < found.high  # columns differ by .2
    (0.32, True)
    """
    table = _checked(values, level, bounds)
    rows, reach = _parts(table, clusters, level, bounds)
    if rows.reason:
        return rows
    if not np.isfinite(reach):
        reason = f"{_known_columns(table)} of the columns has a value: an interval takes 2."
        return replace(rows, low=np.nan, high=np.nan, scheme="none", reason=reason)
    low = rows.estimate - float(np.hypot(rows.estimate - rows.low, reach))
    high = rows.estimate + float(np.hypot(rows.high - rows.estimate, reach))
    found = replace(
        rows, low=low, high=high, scheme=f"{rows.scheme} and random networks", joint=True
    )
    return cut(found, bounds)


def rows_needed(
    values: ArrayLike,
    bound: float,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> float:
    """Number of rows (or clusters) at which the interval of this mean would leave a bound out.

    Parameters
    ----------
    values, clusters, level, bounds
        As for :func:`crossed_interval`.
    bound
        Value that the interval should not hold.

    Returns
    -------
    float
        Infinite where the columns' part alone reaches the bound; NaN where there is no interval.

    Examples
    --------
    >>> rows_needed([[0.1, 0.1], [0.5, 0.5], [0.2, 0.2], [0.4, 0.4], [0.3, 0.3]], 0.4)
    20.0
    """
    check_number("bound", bound, -np.inf)
    rows, reach = _parts(_checked(values, level, bounds), clusters, level, bounds)
    towards = rows.high if bound > rows.estimate else rows.low
    if not np.isfinite(towards + reach):
        return float("nan")
    room = (bound - rows.estimate) ** 2 - reach**2
    return float(np.ceil(rows.n * (towards - rows.estimate) ** 2 / room)) if room > 0 else np.inf


def _checked(values: ArrayLike, level: float, bounds: tuple[float, float] | None) -> Array:
    check_level(level)
    check_scores(values, bounds=bounds)
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"Expected a table of rows and columns (N, R), got shape {table.shape}.")
    return table


def _known_columns(table: Array) -> int:
    return int(np.isfinite(table).any(axis=0).sum())


def _means(table: Array, axis: int) -> Array:
    """Means along an axis, NaN where nothing is known."""
    known = np.isfinite(table)
    count = known.sum(axis=axis)
    total = np.where(known, table, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _parts(
    table: Array,
    clusters: Sequence[object] | None,
    level: float,
    bounds: tuple[float, float] | None,
) -> tuple[Interval, float]:
    """The interval over rows, and the reach of the columns' own variance."""
    rows = uncut_interval(_means(table, 1), clusters=clusters, level=level, bounds=bounds)
    used: NDArray[np.bool_] = np.asarray(np.isfinite(table).any(axis=1))
    some = table[used][:, np.isfinite(table).any(axis=0)]
    n, r = some.shape
    if r < 2 or rows.n < 2:
        return rows, np.nan
    columns = _means(some, 0)
    rest = some - _means(some, 1)[:, None] - (columns - columns.mean())
    codes = cluster_codes(None if clusters is None else pick(clusters, used), n)
    sums = np.zeros((int(codes.max()) + 1, r))
    np.add.at(sums, codes, np.where(np.isfinite(rest), rest, 0.0))
    units = len(sums)
    cells = float((sums**2).sum()) / (n**2 * r) * units / (units - 1) * r / (r - 1)
    variance = max(float(columns.var(ddof=1)) - cells, 0.0) / r
    return rows, float(stats.t.ppf(0.5 + level / 2, r - 1)) * float(np.sqrt(variance))
