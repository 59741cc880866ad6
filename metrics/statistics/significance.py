"""Tests: corrected p-values, the signed-rank test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from metrics.statistics.clusters import Array
from metrics.statistics.inputs import check_scores


def holm(p_values: ArrayLike) -> Array:
    """Holm's step-down adjusted p-values of a declared family (Holm 1979).

    Parameters
    ----------
    p_values
        ``(K,)``; NaN stays NaN, and does not count as a member of the family.

    Returns
    -------
    ndarray
        ``(K,)`` adjusted p-values, in the given order.

    Raises
    ------
    InputError
        If one is no probability.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    check_scores(p_values, name="p-values", bounds=(0, 1))
    p = np.asarray(p_values, dtype=np.float64)
    out = np.full_like(p, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    m = len(order)
    scaled = np.minimum(p[order] * (m - np.arange(m)), 1.0)
    out[order] = np.maximum.accumulate(scaled)
    return out


def wilcoxon_p(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that paired differences are centred on zero.

    Zeros are ranked and dropped from the statistic (Pratt 1959).

    Parameters
    ----------
    differences
        ``(N,)`` paired differences; NaN is left out.

    Returns
    -------
    float
        NaN if fewer than two differences are not zero.

    Raises
    ------
    InputError
        If differences are no numbers, or one is infinite.

    Examples
    --------
    >>> wilcoxon_p([1.0, 2.0, 3.0, 4.0, 5.0])
    0.0625
    """
    check_scores(differences, name="differences")
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    if np.count_nonzero(values) < 2:
        return float("nan")
    return float(stats.wilcoxon(values, zero_method="pratt").pvalue)
