"""Reliability: do raters order things alike, and which differences in rank are real?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import krippendorff
import numpy as np
import scikit_posthocs
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fer_xai.errors import InputError
from metrics.statistics.clusters import cluster_codes
from metrics.statistics.inputs import check_scores

Array = NDArray[np.float64]


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Agreement of raters beyond chance on an ordinal scale: 1 all alike, 0 as by chance.

    Krippendorff, "Content analysis", 2004, chapter 11, over each rater's ranks. Here the raters are
    metrics and the units explanations. Ranks depend on which units are ranked: raters without any
    rating are left out, and then each unit that a rater lacks (NaN) is left out for all.

    Parameters
    ----------
    ratings
        ``(raters, units)``: larger is better.

    Returns
    -------
    float
        1 for equal orders, 0 for chance; NaN with fewer than two raters or units left, or if no
        rater distinguishes any units.

    Raises
    ------
    InputError
        If ratings are not ``(raters, units)``, or one is infinite.

    Examples
    --------
    >>> krippendorff_alpha([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    1.0
    """
    check_scores(ratings, name="ratings")
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
        p-value of Friedman's test that all are equal.
    pairs
        ``(K, K)`` p-values of Nemenyi's test, corrected for all pairs.
    n
        Number of faces (or clusters) that have a score of every explanation.

    Examples
    --------
    >>> found = friedman_nemenyi([[0.9, 0.5, 0.1], [0.8, 0.4, 0.2], [0.7, 0.5, 0.3]])
    >>> round(found.p_value, 3), found.n
    (0.05, 3)
    >>> found.pairs[0].round(3).tolist()  # of the first explanation against each
    [1.0, 0.438, 0.038]
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

    Raises
    ------
    InputError
        If scores are not ``(faces, explanations)``, or one is infinite.

    Examples
    --------
    >>> friedman_nemenyi([[0.9, 0.5, 0.1], [0.8, 0.4, 0.2], [0.7, 0.5, 0.3]]).ranks
    array([1., 2., 3.])
    """
    check_scores(scores)
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"Expected scores (faces, explanations), got {table.shape}.")
    table = table[np.isfinite(table).all(axis=1)]
    n, k = table.shape
    ranks = stats.rankdata(-table, axis=1) if n else np.full((1, k), np.nan)
    if n < 2 or k < 3 or not ranks.std(axis=1).any():
        return RankTest(
            ranks=ranks.mean(axis=0), p_value=np.nan, pairs=np.full((k, k), np.nan), n=n
        )
    test = stats.friedmanchisquare(*table.T)
    pairs = scikit_posthocs.posthoc_nemenyi_friedman(table)
    return RankTest(
        ranks=ranks.mean(axis=0), p_value=float(test.pvalue), pairs=pairs.to_numpy(), n=n
    )


def icc_a1(ratings: ArrayLike, *, clusters: Sequence[object] | None = None) -> float:
    """ICC(A,1): absolute agreement of single raters, two-way random effects.

    McGraw & Wong, "Forming inferences about some intraclass correlation coefficients",
    Psychological Methods 1996, case 2A. Here regions are the subjects and faces the raters: the
    question is whether one face's profile can stand for another's, level included, so agreement
    (A) rather than consistency (C), and a single rater (1) rather than a mean.

    With v the mean variance of a rater's n ratings, c the mean covariance of two raters and d half
    the mean squared difference of their means, it is c / (v + d − (v − c) / n). Raters of one
    cluster agree for a reason of their own: c and d are then means over pairs of two clusters.

    Parameters
    ----------
    ratings
        ``(subjects, raters)``; a rater with a NaN is left out.
    clusters
        Label of each rater, such as the person; each is its own by default, and where its label is
        empty, None or NaN.

    Returns
    -------
    float
        1 for equal ratings; NaN with fewer than two subjects or clusters of raters, or without any
        variation.

    Raises
    ------
    InputError
        If a rating is infinite, or there is not one cluster label for each rater.

    Examples
    --------
    >>> icc_a1([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    1.0
    """
    table, apart = _complete(ratings, clusters)
    n, k = table.shape
    if n < 2 or not apart.any():
        return float("nan")
    if apart.sum() < k * (k - 1):
        covariance, means = np.cov(table, rowvar=False), table.mean(axis=0)
        own, shared = covariance.diagonal().mean(), covariance[apart].mean()
        away = ((means[:, None] - means) ** 2)[apart].mean() / 2
        whole = own + away - (own - shared) / n
        return float(shared / whole) if whole > 1e-12 else float("nan")
    grand = table.mean()
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    between_rows = k * ((rows - grand) ** 2).sum() / (n - 1)
    between_columns = n * ((columns - grand) ** 2).sum() / (k - 1)
    rest = table - rows[:, None] - columns[None] + grand
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    total = between_rows + (k - 1) * error + k * (between_columns - error) / n
    return float((between_rows - error) / total) if total > 1e-12 else float("nan")


def kendalls_w(ratings: ArrayLike, *, clusters: Sequence[object] | None = None) -> float:
    """Kendall's W of raters' rankings of subjects, corrected for ties (Kendall & Smith 1939).

    With v the mean variance of a rater's ranks and c the mean covariance of two of m raters, it is
    (v + (m − 1) c) / (m v). Raters of one cluster agree for a reason of their own: c is then the
    mean over pairs of two clusters.

    Parameters
    ----------
    ratings
        ``(subjects, raters)``; a rater with a NaN is left out.
    clusters
        Label of each rater, such as the person; each is its own by default, and where its label is
        empty, None or NaN.

    Returns
    -------
    float
        1 for equal orders; NaN with fewer than two subjects or clusters of raters, or if no rater
        distinguishes any two subjects.

    Raises
    ------
    InputError
        If a rating is infinite, or there is not one cluster label for each rater.

    Examples
    --------
    >>> kendalls_w([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    1.0
    """
    table, apart = _complete(ratings, clusters)
    n, m = table.shape
    if n < 2 or not apart.any():
        return float("nan")
    ranks = stats.rankdata(table, axis=0)
    if apart.sum() < m * (m - 1):
        covariance = np.cov(ranks, rowvar=False)
        own, shared = covariance.diagonal().mean(), covariance[apart].mean()
        return float((own + (m - 1) * shared) / (m * own)) if own > 0 else float("nan")
    sums = ranks.sum(axis=1)
    ties = 0.0
    for column in ranks.T:
        counts = np.unique(column, return_counts=True)[1].astype(np.float64)
        ties += float((counts**3 - counts).sum())
    spread = 12 * float(((sums - sums.mean()) ** 2).sum())
    most = m**2 * (n**3 - n) - m * ties
    return float(spread / most) if most > 0 else float("nan")


def _complete(
    ratings: ArrayLike, clusters: Sequence[object] | None
) -> tuple[Array, NDArray[np.bool_]]:
    """Ratings of the raters without a NaN, and ``(raters, raters)``: pairs of two clusters."""
    check_scores(ratings, name="ratings")
    table = np.asarray(ratings, dtype=np.float64)
    units = cluster_codes(clusters, table.shape[1])
    known = np.isfinite(table).all(axis=0)
    return table[:, known], units[known][:, None] != units[known]


def mean_spearman(w: float, raters: int) -> float:
    """Mean pairwise Spearman correlation that a Kendall's W of m raters corresponds to.

    Examples
    --------
    >>> mean_spearman(0.5, 2)
    0.0
    """
    return (raters * w - 1) / (raters - 1) if raters > 1 else float("nan")
