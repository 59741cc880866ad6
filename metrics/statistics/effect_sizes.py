"""Effect sizes of paired differences, and of an area under the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from metrics.statistics.inputs import check_scores


def cohens_d(differences: ArrayLike) -> float:
    """Standardised mean of paired differences, d_z = mean / SD.

    Parameters
    ----------
    differences
        ``(N,)`` paired differences; NaN is left out.

    Returns
    -------
    float
        NaN with fewer than two differences, or if they do not vary.

    Raises
    ------
    InputError
        If differences are no numbers, or one is infinite.

    Examples
    --------
    >>> cohens_d([1.0, 2.0, 3.0])
    2.0
    """
    check_scores(differences, name="differences")
    values = np.asarray(differences, dtype=np.float64)
    values = values[np.isfinite(values)]
    sd = values.std(ddof=1) if len(values) > 1 else 0.0
    return float(values.mean() / sd) if sd > 0 else float("nan")


def auc_to_d(auc: float) -> float:
    """Standardised difference of means that an AUC corresponds to, √2·Φ⁻¹(AUC).

    Exact for two normal distributions of equal variance (Ruscio, "A probability-based measure of
    effect size", Psychological Methods 2008).

    Raises
    ------
    InputError
        If the area is not between 0 and 1; NaN stays NaN.

    Examples
    --------
    >>> round(auc_to_d(0.76), 2)
    1.0
    """
    check_scores(auc, name="areas", bounds=(0, 1))
    return float(np.sqrt(2) * stats.norm.ppf(auc))
