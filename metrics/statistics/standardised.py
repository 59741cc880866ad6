"""Means of groups, standardised to common strata, and their gaps: groups may differ in mixture.

A group with more happy faces is easier, whoever is on them. Direct standardisation (Fleiss, Levin &
Paik, "Statistical Methods for Rates and Proportions", 2003, ch. 19) takes the mean of a score in
each stratum (emotion) by itself, and weights the strata alike in all groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_xai.errors import InputError
from metrics.statistics.clustered import within_correlation
from metrics.statistics.clusters import Array, cluster_codes
from metrics.statistics.inputs import check_scores

Codes = NDArray[np.int64]
LEAST_CELL = 2
"""Fewest units that a side has in each stratum in which it is compared."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """A standardised mean with its clustered standard error.

    Attributes
    ----------
    mean
        Weighted mean of the strata's means.
    variance
        CR2 variance of it over clusters (Bell & McCaffrey 2002), NaN where a stratum has one
        cluster.
    freedom
        Satterthwaite's degrees of freedom of the variance.
    cubes
        Sum of the clusters' cubed parts in the mean, for its skewness.
    per_unit
        Variance of the mean, over that of a single score, if scores of all strata varied alike:
        one over the effective number of faces.
    n
        Number of clusters.
    strata
        Number of strata.
    clustered
        Whether any cluster has more than one face.

    Examples
    --------
    >>> side = standardised_side([1.0, 3.0, 5.0, 7.0], [0, 0, 1, 1], np.arange(4), [0.5, 0.5])
    >>> side.mean, round(side.variance, 3), side.per_unit, side.n
    (4.0, 0.5, 0.25, 4)
    """

    mean: float
    variance: float
    freedom: float
    cubes: float
    per_unit: float
    n: int
    strata: int
    clustered: bool


def standardised_side(
    values: ArrayLike, strata: ArrayLike, clusters: Codes, weights: ArrayLike
) -> Side:
    """Weighted mean of the means of strata, with the standard error of its clusters.

    It is a contrast of a regression on dummies of the strata, so that CR2 and its freedom are those
    of Bell & McCaffrey ("Bias reduction in standard errors for linear regression with multi-stage
    samples", Survey Methodology 2002), here written out in linear time. As in
    :func:`~metrics.statistics.clustered.mean_parts`, faces of one cluster are taken to be
    correlated as they are in the sample (Imbens & Kolesár 2016).

    Parameters
    ----------
    values
        ``(N,)`` finite scores.
    strata
        ``(N,)`` codes from 0 to K − 1, each of them with a face.
    clusters
        ``(N,)`` codes of persons, or of faces.
    weights
        ``(K,)``, which add up to 1.

    Examples
    --------
    >>> standardised_side([0.0, 1.0], [0, 0], np.array([0, 1]), [1.0]).freedom
    1.0
    """
    check_scores(values)
    y, cell = np.asarray(values, dtype=np.float64), np.asarray(strata, dtype=np.int64)
    weight = np.asarray(weights, dtype=np.float64)
    person = np.unique(clusters, return_inverse=True)[1]
    n, k = int(person.max()) + 1, len(weight)
    count = np.bincount(cell, minlength=k)
    means = np.bincount(cell, weights=y, minlength=k) / count
    left = y - means[cell]
    each = weight / count  # what a face of a stratum adds
    flat = person * k + cell
    own = np.bincount(flat, minlength=n * k).reshape(n, k).astype(np.float64)  # faces, (n, K)
    sums = np.bincount(flat, weights=left, minlength=n * k).reshape(n, k)
    share = own / count
    with np.errstate(divide="ignore"):
        adjust = np.where(share < 1, 1 / np.sqrt(1 - share), np.nan)
    parts = (each * adjust * sums).sum(axis=1)
    clustered = bool(np.bincount(person).max() > 1)
    rho = 0.0
    if clustered:
        rho = within_correlation(left, person) if np.any(left != 0) and n > 1 else 1.0
    per_unit = float(((1 - rho) * (each**2 * own).sum(axis=1) + rho * (own @ each) ** 2).sum())
    return Side(
        mean=float(weight @ means),
        variance=float((parts**2).sum()),
        freedom=_freedom(own, each, adjust, count, rho),
        cubes=float((((each * sums).sum(axis=1)) ** 3).sum()),
        per_unit=per_unit,
        n=n,
        strata=k,
        clustered=clustered,
    )


def _freedom(own: Array, each: Array, adjust: Array, count: Codes, rho: float) -> float:
    """Satterthwaite's tr(M)² / tr(M²), M = (1 − ρ) M₁ + ρ Q Qᵀ as a diagonal and a low rank.

    M₁ is the covariance of the adjusted sums of clusters if faces are independent, and row g of Q
    what the faces of each cluster add to the sum of cluster g.
    """
    k = own.shape[1]
    diagonal = (each**2 * adjust**2 * own).sum(axis=1)
    first = each / np.sqrt(count) * adjust * own
    delta = (each * adjust * own).sum(axis=1)
    second = each / count * adjust * own
    basis = np.concatenate([first, delta[:, None] * own, second], axis=1)  # (n, 3 K)
    none, eye = np.zeros((k, k)), np.eye(k)
    middle = np.block(
        [
            [-(1 - rho) * eye, none, none],
            [none, none, -rho * eye],
            [none, -rho * eye, rho * own.T @ own],
        ]
    )
    whole = (1 - rho) * diagonal + rho * delta**2
    inner = middle @ (basis.T @ basis)
    trace = whole.sum() + np.trace(inner)
    square = (
        (whole**2).sum()
        + 2 * np.trace(middle @ (basis.T @ (whole[:, None] * basis)))
        + np.trace(inner @ inner)
    )
    return float(np.round(trace**2 / square, 9)) if square > 0 else float("nan")


def common_strata(
    member: NDArray[np.bool_], strata: Codes, clusters: Codes, *, least: int = LEAST_CELL
) -> Codes:
    """Strata in which a group and the others can be compared: both have ``least`` clusters there.

    Parameters
    ----------
    member
        Bool ``(N,)``: the group.
    strata, clusters
        ``(N,)`` codes.
    least
        Fewest clusters a side.

    Examples
    --------
    >>> member = np.array([True, True, True, False, False, False])
    >>> common_strata(member, np.array([0, 0, 1, 0, 0, 1]), np.arange(6))
    array([0])
    """
    found = []
    for stratum in np.unique(strata):
        own = strata == stratum
        if all(len(np.unique(clusters[own & side])) >= least for side in (member, ~member)):
            found.append(stratum)
    return np.array(found, dtype=np.int64)


def sides_of(
    values: ArrayLike,
    member: NDArray[np.bool_],
    strata: Codes,
    clusters: Sequence[object],
    *,
    weights: ArrayLike | None = None,
) -> tuple[Side, Side]:
    """A group and all others, standardised to the strata that both have.

    Parameters
    ----------
    values
        ``(N,)`` scores; NaN is left out.
    member
        Bool ``(N,)``: the group.
    strata
        ``(N,)`` codes, such as emotions.
    clusters
        N labels.
    weights
        Weight of each stratum by code; all alike by default. They are scaled to add up to 1 over
        the strata that both sides have.

    Raises
    ------
    InputError
        If a score is infinite, or both sides have no stratum in common (:func:`common_strata`).

    Examples
    --------
    >>> member = np.arange(8) < 4
    >>> scores, strata = [1.0, 0, 1, 1, 1, 0, 0, 0], np.array([0, 0, 1, 1] * 2)
    >>> [side.mean for side in sides_of(scores, member, strata, range(8))]
    [0.75, 0.25]
    """
    check_scores(values)
    y = np.asarray(values, dtype=np.float64)
    known = np.isfinite(y)
    codes = cluster_codes(clusters, len(y))
    y, member, strata, codes = y[known], member[known], strata[known], codes[known]
    common = common_strata(member, strata, codes)
    if not len(common):
        raise InputError(
            f"Expected a stratum in which both sides have {LEAST_CELL} persons or more, found none."
        )
    weight = np.ones(len(common)) if weights is None else np.asarray(weights)[common]
    weight = weight / weight.sum()
    used = np.isin(strata, common)
    place = np.searchsorted(common, strata)
    group, rest = (
        standardised_side(y[used & own], place[used & own], codes[used & own], weight)
        for own in (member, ~member)
    )
    return group, rest
