"""Means of several columns that are judged together, with fewer units than one resampling takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from metrics.statistics.families import mean_family
from metrics.statistics.intervals import Interval

LEVEL = 0.95
"""Probability with which all intervals of a family hold."""


def judged_together(
    columns: pd.DataFrame,
    labels: Sequence[object],
    *,
    bounds: tuple[float, float] | None = None,
) -> list[tuple[Interval, float]]:
    """Interval and p of the mean of each column, which hold for all columns together.

    One max-T resampling (:func:`~metrics.statistics.families.mean_family`) where every column has
    the 60 units that it takes; else each column by itself at a level that is raised for their
    number (Bonferroni), which takes 24 units, and below betting on a bounded mean.

    Parameters
    ----------
    columns
        Values by face (rows), a column for each of what is judged.
    labels
        Cluster of each face.
    bounds
        Smallest and largest value; without them a column that is too short for a t statistic has
        no interval and no p.

    Returns
    -------
    list
        In the order of the columns.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame(rng.normal([0.0, 0.2], 0.1, size=(30, 2)), columns=["a", "b"])
    >>> found = judged_together(table, range(30), bounds=(-1, 1))
    >>> [(one.low > 0, p < 0.05) for one, p in found]
    [(False, False), (True, True)]
    """
    values = columns.to_numpy(dtype=np.float64)
    family = mean_family(values, clusters=labels, bounds=bounds)
    found = list(zip(family.intervals, family.p_values.tolist(), strict=True))
    by_max_t = all("max-T" in one.scheme and "betting" not in one.scheme for one, _ in found)
    k = len(found)
    if k > 1 and not by_max_t:
        alone = [
            mean_family(values[:, [j]], clusters=labels, bounds=bounds, level=1 - (1 - LEVEL) / k)
            for j in range(k)
        ]
        found = [(one.intervals[0], min(1.0, k * float(one.p_values[0]))) for one in alone]
    return found
