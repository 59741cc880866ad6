"""Intervals of scores over faces: the unit is the face (or the person), never the pair.

Pairs of faces share faces: resampling pairs as if they were independent gave a standard deviation
of .002 where .010 was true.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from fer_xai.checks import check_number
from metrics.statistics.bounded import betting_interval
from metrics.statistics.clustered import MeanParts, mean_parts
from metrics.statistics.inputs import check_level, check_scores
from metrics.statistics.skewness import skewed, unskewed

LEAST_UNITS = 5
"""Fewest units that a mean has an interval from: coverage was simulated from there on."""
SURE_FACES, SURE_CLUSTERS = 24, 300
"""Units from which on scores as skewed as a lognormal are covered in .93 too."""
LEAST_COVERED = ((12, ".83"), (20, ".89"), (60, ".91"), (SURE_CLUSTERS, ".92"))
"""Least coverage of very skewed scores below so many clusters."""


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
        Method by which the interval was made, for captions; "none" where there is none.
    freedom
        Degrees of freedom of the standard error.
    skewness
        Skewness of the estimate that the bounds allow for.
    reason
        Why there are no bounds; empty where there are.
    dots
        The scores themselves, where they are few: to be shown in place of an interval.
    joint
        Whether the bounds hold for more than this mean over units: with other means at once, for
        new columns too, or by betting. The standard error does not make them, so that there is no
        p-value.
    against
        Value that ``p_value`` tests the estimate against: .5 for an area under a ROC curve.
    logit
        Whether the bounds, and with them the p-value, are made on the logit scale.

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
    joint: bool = False
    against: float = 0.0
    logit: bool = False

    @property
    def p_value(self) -> float:
        """Two-sided p of the estimate being ``against``; below .05 just where 95 % bounds leave
        that value out.

        It is Student's, by the standard error, after the bounds' correction for skewness. NaN
        where a reason stands for the bounds, and where they are joint.
        """
        if self.reason or self.joint or not self.standard_error > 0:
            return float("nan")
        away, error = self.estimate - self.against, self.standard_error
        if self.logit:
            away = float(special.logit(self.estimate) - special.logit(self.against))
            error /= self.estimate * (1 - self.estimate)
        t = unskewed(away / error, self.skewness)
        return float(2 * stats.t.sf(abs(t), self.freedom))

    def units_needed(self, half_width: float) -> float:
        """Number of units that would give a 95 % interval of this half width; NaN if unknown."""
        check_number("half width", half_width, 0)
        return float(np.ceil(self.n * (1.96 * self.standard_error / half_width) ** 2))


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
    (``python -m benchmarks.calibration``): .93 to .97 from 24 faces on for normal,
    exponential and lognormal scores and ones with 70 % zeros; .93 to .96 for normal scores from
    five faces on; .93 to .97 for normal and exponential scores of 5 to 300 unequal clusters. Below
    24 faces, scores as skewed as a lognormal are covered in .88 to .94. Over unequal clusters with
    correlated scores they are in .91 or more from 20 on, .92 from 60 on and .93 from 300 on, and
    below 20 in .89 to .94 (70 % zeros that are tied within 5 or 8 clusters: .83 and .86). Where one
    cluster has 40 % of the faces, normal ones are covered in up to .99.

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
        Smallest and largest value that a score can have, either of them infinite where there is
        none. The interval is cut off there, which loses no mean that can be. Where all scores are
        equal, their spread tells nothing, and the interval is the exact one of a bounded mean
        (:func:`~metrics.statistics.bounded.betting_interval`). Leave bounds out where a score is
        the same on every face by construction: there is no error to show then.

    Returns
    -------
    Interval
        NaN bounds, with the reason, below five units, and where all scores are equal and their
        bounds are not given or not finite.

    Raises
    ------
    InputError
        If scores are no numbers, one is infinite or out of bounds, the level is not between 0 and
        1, or there is not one cluster label for each face.

    Examples
    --------
    >>> found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0, float("nan")])
    >>> found.estimate, round(found.low, 3), round(found.high, 3), found.n
    (3.0, 1.037, 4.963, 5)
    >>> perfect = mean_interval([1.0] * 24, bounds=(-1, 1))
    >>> round(perfect.low, 3), perfect.high  # 24 perfect scores leave room below
    (0.637, 1.0)
    >>> mean_interval([0.0, 0.0, 0.0, 0.0, 1.0, 1.0], bounds=(0, 1)).low
    0.0
    >>> mean_interval([1.0, 2.0]).reason
    '2 units are too few for an interval of a mean: it takes 5.'
    """
    return cut(uncut_interval(values, clusters=clusters, level=level, bounds=bounds), bounds)


def uncut_interval(
    values: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """:func:`mean_interval` before its bounds cut it, for intervals that are joined with others.

    Examples
    --------
    >>> round(uncut_interval([0.0, 0.0, 0.0, 0.0, 1.0, 1.0], bounds=(0, 1)).low, 3)
    -0.044
    """
    check_level(level)
    check_scores(values, bounds=bounds)
    found = interval_of(mean_parts(values, clusters), level=level)
    if found.n < LEAST_UNITS or not found.reason or bounds is None or not np.isfinite(bounds).all():
        return found
    low, high = betting_interval(values, bounds=bounds, clusters=clusters, level=level)
    return dataclasses.replace(
        found, low=low, high=high, reason="", scheme="betting on a bounded mean, all scores equal"
    )


def cut(found: Interval, bounds: tuple[float, float] | None) -> Interval:
    """An interval cut off at the bounds of its mean, if they are known.

    Examples
    --------
    >>> found = mean_interval([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    >>> found.high > 1, cut(found, (0, 1)).high
    (True, 1.0)
    """
    if bounds is None or not np.isfinite(found.estimate):
        return found
    lowest, highest = min(bounds[0], found.estimate), max(bounds[1], found.estimate)  # rounding
    low, high = np.clip([found.low, found.high], lowest, highest).tolist()
    return dataclasses.replace(found, low=low, high=high)


def interval_of(parts: MeanParts, *, level: float = 0.95) -> Interval:
    """The interval of a mean whose error, freedom and skewness are known: :func:`mean_interval`.

    Examples
    --------
    >>> interval_of(mean_parts([1.0, 1.0, 1.0, 1.0, 1.0])).reason
    'All 5 units have one score: their spread tells nothing about the error of the mean.'
    """
    reason, low, high = reason_without(parts), float("nan"), float("nan")
    scheme = "none"
    if not reason:
        reach = stats.t.ppf(0.5 + level / 2, parts.freedom)
        ends = skewed([reach, -reach], parts.skewness) * parts.standard_error
        low, high = (parts.mean - ends).tolist()
        scheme = _scheme(parts)
    return Interval(
        estimate=parts.mean,
        low=low,
        high=high,
        standard_error=parts.standard_error,
        n=parts.n,
        freedom=parts.freedom,
        skewness=parts.skewness,
        scheme=scheme,
        reason=reason,
    )


def _scheme(parts: MeanParts) -> str:
    units = "clusters (CR2, Satterthwaite)" if parts.clustered else "faces"
    sure = SURE_CLUSTERS if parts.clustered else SURE_FACES
    few = ""
    if parts.n < sure:
        below, least = sure, ".88"
        if parts.clustered:
            below, least = next(pair for pair in LEAST_COVERED if parts.n < pair[0])
        few = f"; below {below}, very skewed scores are covered in {least} to .94"
    return f"t interval over {units}, corrected for skewness (Hall){few}"


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
