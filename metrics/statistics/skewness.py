"""Student's t of a skewed sample, made symmetric by a transformation that can be undone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics.statistics.clusters import Array


def unskewed(t: ArrayLike, skewness: ArrayLike) -> Array:
    """Hall's cubic transformation of a studentised mean, close to Student's t whatever the skew.

    With c the skewness of the mean (sample skewness / √n): t + c t²/3 + c² t³/27 + c/6, which grows
    with t everywhere (Hall, "On the removal of skewness by transformation", Journal of the Royal
    Statistical Society B 1992).

    Parameters
    ----------
    t
        Studentised means.
    skewness
        Skewness of each mean.

    Examples
    --------
    >>> unskewed([-2.0, 2.0], 0.0).tolist(), unskewed([-2.0, 2.0], 0.3).round(2).tolist()
    ([-2.0, 2.0], [-1.58, 2.48])
    """
    t, c = np.asarray(t, dtype=np.float64), np.asarray(skewness, dtype=np.float64)
    return np.asarray(t + c * t**2 / 3 + c**2 * t**3 / 27 + c / 6)


def skewed(quantile: ArrayLike, skewness: ArrayLike) -> Array:
    """The studentised mean whose transformation is this quantile: :func:`unskewed` undone.

    Parameters
    ----------
    quantile
        Quantiles of Student's t.
    skewness
        Skewness of each mean.

    Examples
    --------
    >>> skewed(unskewed([-2.0, 2.0], 0.3), 0.3).round(6).tolist()
    [-2.0, 2.0]
    """
    q, c = np.asarray(quantile, dtype=np.float64), np.asarray(skewness, dtype=np.float64)
    third = np.where(np.abs(c) < 1e-9, 1.0, c) / 3
    return np.where(np.abs(c) < 1e-9, q, (np.cbrt(1 + 3 * third * (q - c / 6)) - 1) / third)
