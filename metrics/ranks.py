"""Do raters order things alike? Agreement of rankings, and which differences in rank are real."""

from __future__ import annotations

from dataclasses import dataclass

import krippendorff
import numpy as np
import scikit_posthocs
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fer_xai.errors import InputError

Array = NDArray[np.float64]


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Agreement of raters beyond chance on an ordinal scale: 1 all alike, 0 as by chance.

    Krippendorff, "Content analysis", 2004, chapter 11, over each rater's ranks. Here the raters are
    metrics and the units explanations. Ranks among other units are other ranks: a unit that some
    rater lacks (NaN) is left out for all, once raters without any rating are.

    Parameters
    ----------
    ratings
        ``(raters, units)``: larger is better.

    Returns
    -------
    float
        NaN with fewer than two raters or units left, or where none tells any units apart.

    Raises
    ------
    InputError
        If ratings are not ``(raters, units)``.
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"Expected ratings (raters, units), got {table.shape}.")
    table = table[np.isfinite(table).any(axis=1)]
    table = table[:, np.isfinite(table).all(axis=0)]
    ranks = stats.rankdata(table, axis=1)
    if len(ranks) < 2 or len(np.unique(ranks)) < 2:
        return float("nan")
    return float(krippendorff.alpha(reliability_data=ranks, level_of_measurement="ordinal"))


@dataclass(frozen=True, kw_only=True, eq=False)
class RankTest:
    """Mean ranks over faces, and which of them differ.

    Attributes
    ----------
    ranks
        ``(K,)`` mean rank of each explanation over faces, 1 the best.
    p_value
        Friedman's test that all are alike.
    pairs
        ``(K, K)`` p-values of Nemenyi's test, corrected for all pairs.
    n
        Faces (or clusters) that have a score of every explanation.
    """

    ranks: Array
    p_value: float
    pairs: Array
    n: int


def friedman_nemenyi(scores: ArrayLike) -> RankTest:
    """Friedman's test with Nemenyi's for pairs (Demšar, JMLR 2006, sec. 3.2.2).

    Parameters
    ----------
    scores
        ``(faces, K)``, larger is better; rows with NaN are left out.

    Returns
    -------
    RankTest
        NaN p-values with fewer than two complete faces or three explanations.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"Expected scores (faces, explanations), got {table.shape}.")
    table = table[np.isfinite(table).all(axis=1)]
    n, k = table.shape
    ranks = stats.rankdata(-table, axis=1) if n else np.full((1, k), np.nan)
    if n < 2 or k < 3 or not ranks.std(axis=1).any():
        return RankTest(ranks=ranks.mean(axis=0), p_value=np.nan, pairs=np.full((k, k), np.nan),
                        n=n)  # fmt: skip
    test = stats.friedmanchisquare(*table.T)
    pairs = scikit_posthocs.posthoc_nemenyi_friedman(table)
    return RankTest(
        ranks=ranks.mean(axis=0), p_value=float(test.pvalue), pairs=pairs.to_numpy(), n=n
    )
