"""Intervals of scores over faces: the unit is the face (or the person), never the pair.

Pairs of faces share faces: resampling pairs as if they were independent gave a standard deviation
of .002 where .010 was true. Everything here resamples, permutes or perturbs faces.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fer_xai.checks import check_count
from fer_xai.errors import InputError
from metrics.statistics.bounded import betting_interval
from metrics.statistics.clustered import MeanParts, mean_parts
from metrics.statistics.clusters import Array, cluster_codes, cluster_sums, pick
from metrics.statistics.skewness import skewed, unskewed

LEAST_UNITS = 5
"""Fewest units that a mean has an interval from: coverage was simulated from there on."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its uncertainty.

    Attributes
    ----------
    estimate, low, high
        Point estimate and bounds.
    standard_error
        Standard error over faces or clusters.
    n
        Number of units (faces or clusters) behind it.
    scheme
        Method by which the interval was made, for captions.
    freedom
        Degrees of freedom of the standard error.
    skewness
        Skewness of the estimate that the bounds allow for.
    reason
        Why there are no bounds; empty where there are.
    dots
        The scores themselves, where they are few: to be shown in place of an interval.

    Examples
    --------
    >>> found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> found.estimate, round(found.standard_error, 3), round(found.p_value, 3)
    (3.0, 0.707, 0.013)
    >>> found.units_needed(0.5)  # faces for ± 0.5
    39.0
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    n: int
    scheme: str
    freedom: float = float("inf")
    skewness: float = 0.0
    reason: str = ""
    dots: tuple[float, ...] = ()

    @property
    def p_value(self) -> float:
        """Two-sided p of the estimate being zero; below .05 just where 95 % bounds exclude zero.

        It is Student's, by the standard error, after the bounds' correction for skewness. NaN
        where a reason stands for the bounds.
        """
        if self.reason or not self.standard_error > 0:
            return float("nan")
        t = unskewed(self.estimate / self.standard_error, self.skewness)
        return float(2 * stats.t.sf(abs(t), self.freedom))

    def units_needed(self, half_width: float) -> float:
        """Number of units that would give a 95 % interval of this half width; NaN if unknown."""
        if not half_width > 0:
            raise InputError(f"Expected a positive half width, got {half_width}.")
        return float(np.ceil(self.n * (1.96 * self.standard_error / half_width) ** 2))


def influence_interval(
    estimate: float,
    influence: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    extra_variance: float = 0.0,
    extra_n: int = 0,
) -> Interval:
    """Interval of a statistic from each face's influence on it (infinitesimal jackknife).

    With U_i the derivative of the statistic by the weight of face i, its variance over samples of
    faces is Σ (U_i − Ū)² (Efron 1982, "The jackknife, the bootstrap and other resampling plans",
    §6.3); within a cluster (a person, a group of copies) influences are added before they are
    squared.

    Parameters
    ----------
    estimate
        The statistic.
    influence
        ``(N,)``; NaN for faces that do not take part.
    clusters
        N labels; each face is its own by default, and where its label is empty, None or NaN.
    level
        Coverage; t quantile with n − 1 degrees of freedom.
    extra_variance
        Variance of the estimate from another source, such as the untrained networks, which is
        added; the degrees of freedom follow Welch & Satterthwaite.
    extra_n
        Number of units that the extra variance was measured on.

    Returns
    -------
    Interval
        NaN bounds with fewer than two units.

    Raises
    ------
    InputError
        If there is not one cluster label for each face.

    Examples
    --------
    >>> found = influence_interval(2.0, np.array([-1.0, 0.0, 1.0]) / 3)
    >>> round(found.low, 3), round(found.high, 3)
    (-0.484, 4.484)
    """
    values = np.asarray(influence, dtype=np.float64)
    used = np.isfinite(values)
    sums = cluster_sums(values[used], None if clusters is None else pick(clusters, used))
    n = len(sums)
    if n < 2:
        return Interval(
            estimate=estimate,
            low=np.nan,
            high=np.nan,
            standard_error=np.nan,
            n=n,
            scheme="influence",
            reason=f"{n} units; a variance needs two.",
        )
    variance = float(((sums - sums.mean()) ** 2).sum() * n / (n - 1))
    error = float(np.sqrt(variance + extra_variance))
    freedom = float(n - 1)
    if extra_variance > 0:
        parts = variance**2 / (n - 1) + extra_variance**2 / max(extra_n - 1, 1)
        freedom = (variance + extra_variance) ** 2 / parts
    reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    return Interval(
        estimate=float(estimate),
        low=float(estimate) - reach,
        high=float(estimate) + reach,
        standard_error=error,
        n=n,
        freedom=freedom,
        scheme=f"infinitesimal jackknife over {'faces' if clusters is None else 'clusters'}",
    )


def mean_interval(
    values: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """Mean of a score over faces with its interval.

    Student's t with Hall's correction for skewness
    (:func:`~metrics.statistics.skewness.unskewed`), over faces or over unequal clusters
    (:func:`~metrics.statistics.clustered.mean_parts`). Coverage of 95 % intervals in simulations
    (``python -m benchmarks.calibration.means``): .93 to .97 from 24 faces on for normal,
    exponential and lognormal scores and ones with 70 % zeros; .93 to .96 for normal scores from
    five faces on; .93 to .97 for normal and exponential scores of 5 to 40 unequal clusters. Below
    24 faces, or 40 clusters, scores as skewed as a lognormal are covered in .88 to .94, and where
    one cluster has 40 % of the faces, up to .99.

    Parameters
    ----------
    values
        ``(N,)`` scores; NaN is left out.
    clusters
        N labels, such as the person of each face; each face is its own by default, and where its
        label is empty, None or NaN.
    level
        Coverage.
    bounds
        Smallest and largest value that a score can have. Where all scores are equal, their spread
        tells nothing, and the interval is the exact one of a bounded mean
        (:func:`~metrics.statistics.bounded.betting_interval`).

    Returns
    -------
    Interval
        NaN bounds, with the reason, below five units, and where all scores are equal and their
        bounds are not given or not finite.

    Raises
    ------
    InputError
        If there is not one cluster label for each face.

    Examples
    --------
    >>> found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0, float("nan")])
    >>> found.estimate, round(found.low, 3), round(found.high, 3), found.n
    (3.0, 1.037, 4.963, 5)
    >>> mean_interval([1.0] * 24, bounds=(-1, 1)).low  # 24 perfect scores leave room below
    0.637
    >>> mean_interval([1.0, 2.0]).reason
    '2 units are too few for an interval of a mean: it takes 5.'
    """
    found = interval_of(mean_parts(values, clusters), level=level)
    if found.n < LEAST_UNITS or not found.reason or bounds is None or not np.isfinite(bounds).all():
        return found
    low, high = betting_interval(values, bounds=bounds, clusters=clusters, level=level)
    return dataclasses.replace(
        found, low=low, high=high, reason="", scheme="betting on a bounded mean, all scores equal"
    )


def interval_of(parts: MeanParts, *, level: float = 0.95) -> Interval:
    """The interval of a mean whose error, freedom and skewness are known: :func:`mean_interval`.

    Examples
    --------
    >>> interval_of(mean_parts([1.0, 1.0, 1.0, 1.0, 1.0])).reason
    'All 5 units have one score: their spread tells nothing about the error of the mean.'
    """
    reason, low, high = reason_without(parts), float("nan"), float("nan")
    if not reason:
        reach = stats.t.ppf(0.5 + level / 2, parts.freedom)
        ends = skewed([reach, -reach], parts.skewness) * parts.standard_error
        low, high = (parts.mean - ends).tolist()
    units = "clusters (CR2, Satterthwaite)" if parts.clustered else "faces"
    return Interval(
        estimate=parts.mean,
        low=low,
        high=high,
        standard_error=parts.standard_error,
        n=parts.n,
        freedom=parts.freedom,
        skewness=parts.skewness,
        scheme=f"t interval over {units}, corrected for skewness (Hall)",
        reason=reason,
    )


def reason_without(parts: MeanParts) -> str:
    """Why a mean has no interval; empty if it has one.

    Examples
    --------
    >>> reason_without(mean_parts([1.0, 2.0, 3.0, 4.0, 5.0]))
    ''
    """
    if parts.n < LEAST_UNITS:
        units = "1 unit is" if parts.n == 1 else f"{parts.n} units are"
        return f"{units} too few for an interval of a mean: it takes {LEAST_UNITS}."
    if not parts.standard_error > 0:
        return (
            f"All {parts.n} units have one score: their spread tells nothing about the error of "
            "the mean."
        )
    return ""


def bootstrap_interval(
    statistic: Callable[[Array], float],
    n: int,
    *,
    repeats: int = 1000,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap over faces (or clusters) of a statistic of face weights.

    The statistic gets the number of times that each face was drawn, ``(n,)``, instead of a list
    with repeats, so that a statistic over pairs can leave out the pairs of a face with itself that
    resampling creates.

    Parameters
    ----------
    statistic
        Function from multiplicities ``(n,)`` to a number.
    n
        Number of faces.
    repeats
        B, number of resamples; at least 2.
    seed
        Seed of the resamples.
    clusters
        N labels: whole clusters are drawn; a face with an empty label is its own.
    level
        Coverage.

    Returns
    -------
    Interval
        Percentile bounds, with the standard deviation over resamples.

    Raises
    ------
    InputError
        If there are no faces, fewer than two resamples, or labels that do not fit.

    Examples
    --------
    >>> scores = np.array([1.0, 2.0, 3.0])
    >>> found = bootstrap_interval(lambda weights: (weights * scores).sum() / weights.sum(), 3)
    >>> found.estimate, found.low >= 1, found.high <= 3
    (2.0, True, True)
    """
    check_count("the number of faces", n)
    if repeats < 2:
        raise InputError(f"Expected at least 2 bootstrap repeats, got {repeats}.")
    groups = cluster_codes(clusters, n)
    count = int(groups.max()) + 1
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            statistic(
                np.bincount(rng.integers(0, count, count), minlength=count)[groups].astype(
                    np.float64
                )
            )
            for _ in range(repeats)
        ]
    )
    low, high = np.nanquantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(
        estimate=float(statistic(np.ones(n))),
        low=float(low),
        high=float(high),
        standard_error=float(np.nanstd(draws, ddof=1)),
        n=count,
        scheme=f"percentile bootstrap over {'faces' if clusters is None else 'clusters'}, "
        f"B = {repeats}",
    )
