"""Risk and coverage: how many errors are left when a classifier answers on its surest faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fer_xai.errors import InputError
from metrics.statistics.clusters import Array


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RiskCoverage:
    """Selective risk by coverage, and the areas under it.

    Attributes
    ----------
    coverage
        ``(N,)`` share of faces that are answered: 1/N, 2/N, …, 1.
    risk
        ``(N,)`` share of errors among them.
    best
        ``(N,)`` the same if every error came last.
    undefined
        Number of faces that were left out since they have no confidence.

    Examples
    --------
    >>> found = risk_coverage([0.9, 0.8, 0.7, 0.6], [True, False, True, True])
    >>> found
    RiskCoverage(4 faces, error rate 0.25, area 0.27, excess 0.21)
    """

    coverage: Array
    risk: Array
    best: Array
    undefined: int

    def __repr__(self) -> str:
        return (
            f"RiskCoverage({len(self.risk)} faces, error rate {self.error_rate:.3g}, area "
            f"{self.area:.2g}, excess {self.excess:.2g})"
        )

    @property
    def error_rate(self) -> float:
        """Share of errors among all faces, which is also the area of a random order."""
        return float(self.risk[-1])

    @property
    def area(self) -> float:
        """Area under the curve (AURC), the mean risk over all coverages; lower is better."""
        return float(self.risk.mean())

    @property
    def excess(self) -> float:
        """Area above that of the best order of the same errors (E-AURC); 0 is perfect."""
        return float((self.risk - self.best).mean())


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """How many errors are left when a classifier answers only on the faces it is surest of?

    The risk at coverage k/N is the share of errors among the k faces of highest confidence, and the
    area under the curve its mean over k (Geifman & El-Yaniv, "Selective classification for deep
    neural networks", NeurIPS 2017); lower is better. The excess area is what lies above the order
    that puts every error last (Geifman, Uziel & El-Yaniv, "Bias-reduced uncertainty estimation for
    deep neural classifiers", ICLR 2019), taken exactly and not by the logarithmic approximation.
    Faces of equal confidence have the risk that is expected over all their orders, so that the
    order of the rows decides nothing: a confidence that is the same for all has the error rate
    everywhere.

    Parameters
    ----------
    confidence
        ``(N,)`` any score that is higher for surer faces; NaN is left out and counted.
    right
        ``(N,)`` whether the named emotion is the true one.

    Returns
    -------
    RiskCoverage
        The curve, ``.area`` and ``.excess``.

    Raises
    ------
    InputError
        If there is not one answer a face, an answer is neither true nor false, or no face has a
        confidence.

    Examples
    --------
    >>> found = risk_coverage([0.9, 0.8, 0.7, 0.6], [True, True, True, False])
    >>> found.risk, found.excess
    (array([0.  , 0.  , 0.  , 0.25]), 0.0)
    >>> risk_coverage([0.5, 0.5], [True, False]).risk  # expected over both orders
    array([0.5, 0.5])
    """
    scores, answers = answered(confidence, right)
    known = ~np.isnan(scores)
    if not known.any():
        raise InputError(f"Expected a confidence for some face, got NaN for all {len(known)}.")
    wrong = 1 - answers[known]
    n = len(wrong)
    order = np.argsort(-scores[known], kind="stable")
    kept = np.arange(1, n + 1)
    errors = np.cumsum(_expected_in_order(-scores[known][order], wrong[order]))
    best = np.maximum(kept - (n - wrong.sum()), 0.0)
    return RiskCoverage(
        coverage=kept / n,
        risk=errors / kept,
        best=best / kept,
        undefined=int((~known).sum()),
    )


def _expected_in_order(ordered: Array, wrong: Array) -> Array:
    """Errors by place, with the mean of its ties at each place."""
    group = np.cumsum(np.r_[True, np.diff(ordered) != 0]) - 1 if len(ordered) else ordered
    codes = group.astype(np.int64)
    return (np.bincount(codes, weights=wrong) / np.bincount(codes))[codes]


def answered(scores: ArrayLike, right: ArrayLike) -> tuple[Array, Array]:
    """Scores and answers ``(N,)`` as floats, 1 where an answer is right.

    Raises
    ------
    InputError
        If their shapes differ, or an answer is neither true nor false.

    Examples
    --------
    >>> answered([0.5, 0.2], [True, False])
    (array([0.5, 0.2]), array([1., 0.]))
    """
    values = np.asarray(scores, dtype=np.float64)
    answers = np.asarray(right, dtype=np.float64)
    if values.ndim != 1 or values.shape != answers.shape:
        raise InputError(
            "Expected one confidence and one answer a face, (N,) each, got shapes "
            f"{values.shape} and {answers.shape}."
        )
    if not np.isin(answers, (0, 1)).all():
        raise InputError("Expected answers that are right (True) or wrong (False), got others.")
    return values, answers
