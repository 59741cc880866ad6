"""Standard error of a mean over faces or unequal clusters, its freedom and its skewness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_xai.errors import InputError
from metrics.statistics.clusters import Array, cluster_codes
from metrics.statistics.inputs import check_scores

SMALL_SAMPLE = 6.0
"""Factor 1 + 6/n on the sample skewness, which is too small in small samples; by simulation."""


@dataclass(frozen=True, kw_only=True)
class MeanParts:
    """What is known of a mean.

    Attributes
    ----------
    mean
        Mean over faces; NaN without any.
    standard_error
        Standard error over units; NaN with fewer than two.
    freedom
        Degrees of freedom of the standard error.
    skewness
        Third standardised moment of the mean, for :func:`~metrics.statistics.skewness.unskewed`.
    n
        Number of units (faces or clusters).
    influence
        ``(n,)`` deviation that each unit adds to the mean; they sum to zero.
    clustered
        Whether any unit has more than one face.

    Examples
    --------
    >>> found = mean_parts([1.0, 2.0, 3.0, 4.0])
    >>> found.mean, round(found.standard_error, 3), found.freedom, found.skewness
    (2.5, 0.645, 3.0, 0.0)
    """

    mean: float
    standard_error: float
    freedom: float
    skewness: float
    n: int
    influence: Array
    clustered: bool


def mean_parts(values: ArrayLike, clusters: Sequence[object] | None = None) -> MeanParts:
    """Mean over faces with the standard error of its clusters.

    A cluster's sum of deviations is divided by √(1 − its share of the faces): CR2, the bias-reduced
    cluster-robust variance (Bell & McCaffrey, "Bias reduction in standard errors for linear
    regression with multi-stage samples", Survey Methodology 2002), for a mean. The freedom is
    Satterthwaite's, with faces of one cluster correlated as they are in the sample (one-way
    analysis of variance; Imbens & Kolesár, "Robust standard errors in small samples", Review of
    Economics and Statistics 2016). With one face in each cluster both are those of Student's t.

    Parameters
    ----------
    values
        ``(N,)`` scores; NaN is left out.
    clusters
        N labels; each face is its own by default, and where its label is empty, None or NaN.

    Raises
    ------
    InputError
        If scores are no numbers, one is infinite, or there is not one cluster label for each face.

    Examples
    --------
    >>> found = mean_parts([1.0, 1.0, 2.0, 2.0, 3.0, 3.0], ["a", "a", "b", "b", "c", "c"])
    >>> found.n, round(found.standard_error, 3), found.freedom
    (3, 0.577, 2.0)
    """
    check_scores(values)
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise InputError(f"Expected one score a face (N,), got shape {scores.shape}.")
    return coded_parts(scores, cluster_codes(clusters, len(scores)))


def coded_parts(scores: Array, codes: NDArray[np.int64]) -> MeanParts:
    """:func:`mean_parts` of clusters that are whole numbers already, for many columns of faces.

    Parameters
    ----------
    scores
        ``(N,)``; NaN is left out.
    codes
        ``(N,)``, by :func:`~metrics.statistics.clusters.cluster_codes`.

    Examples
    --------
    >>> coded_parts(np.array([1.0, 2.0, 4.0, np.nan]), np.array([0, 0, 1, 2])).n
    2
    """
    used = np.isfinite(scores)
    x = scores[used]
    if not len(x):
        nan = float("nan")
        return MeanParts(
            mean=nan,
            standard_error=nan,
            freedom=nan,
            skewness=nan,
            n=0,
            influence=x,
            clustered=False,
        )
    mean = float(x.mean())
    deviations = x - mean
    codes = np.unique(codes[used], return_inverse=True)[1]
    sizes = np.bincount(codes)
    sums = np.bincount(codes, weights=deviations) / len(x)
    n, clustered = len(sizes), bool(sizes.max() > 1)
    square, error, freedom, skewness = float((sums**2).sum()), float("nan"), float("nan"), 0.0
    if n > 1:
        share = sizes / len(x)
        error = float(np.sqrt((sums**2 / (1 - share)).sum()))
        rho = within_correlation(deviations, codes) if clustered else 0.0
        freedom = satterthwaite(sizes, rho) if clustered else float(n - 1)
    if square > 0:
        skewness = float((sums**3).sum() / square**1.5) * (1 if clustered else 1 + SMALL_SAMPLE / n)
    if np.ptp(x) == 0:  # rounding of the mean apart
        error, skewness = error * 0, 0.0
    return MeanParts(
        mean=mean,
        standard_error=error,
        freedom=freedom,
        skewness=skewness,
        n=n,
        influence=sums,
        clustered=clustered,
    )


def within_correlation(deviations: Array, codes: NDArray[np.int64]) -> float:
    """Correlation of two faces of one cluster, by a one-way analysis of variance, in [0, 1].

    Parameters
    ----------
    deviations
        ``(N,)`` scores less their mean.
    codes
        ``(N,)`` clusters as whole numbers from 0.

    Examples
    --------
    >>> within_correlation(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0, 0, 1, 1]))
    1.0
    """
    sizes = np.bincount(codes)
    n, faces = len(sizes), len(deviations)
    between = float((np.bincount(codes, weights=deviations) ** 2 / sizes).sum())
    within = max(float((deviations**2).sum()) - between, 0.0) / max(faces - n, 1)
    between /= n - 1
    usual = (faces - (sizes**2).sum() / faces) / (n - 1)  # faces in a cluster, as it counts here
    total = between + (usual - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 0.0


def satterthwaite(sizes: NDArray[np.int64], rho: float) -> float:
    """Degrees of freedom of the CR2 variance of a mean (Bell & McCaffrey 2002).

    The variance is a quadratic form of the scores; its freedom is tr(M)² / tr(M²) with M the
    covariance of the adjusted cluster sums, here written out for a mean, in linear time.

    Parameters
    ----------
    sizes
        ``(G,)`` faces of each cluster.
    rho
        Correlation of two faces of one cluster.

    Examples
    --------
    >>> satterthwaite(np.array([1, 1, 1, 1]), 0.0), satterthwaite(np.array([5, 5, 5]), 0.5)
    (3.0, 2.0)
    """
    share = sizes / sizes.sum()
    a = 1 / (1 - share)
    v = sizes * (1 - rho) + rho * sizes**2.0
    total = v.sum()
    own = -2 * share * v + total * share**2
    trace = (a * (v + own)).sum()
    hh, hv, vv = (a * share**2).sum(), (a * share * v).sum(), (a * v**2).sum()
    across = 2 * hh * vv + 2 * hv**2 - 4 * total * hv * hh + total**2 * hh**2
    square = (a**2 * (v**2 + 2 * v * own)).sum() + across
    return float(np.round(trace**2 / square, 9))
