"""Whether the quality of an explanation tells of an error what the confidence does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_xai.checks import check_count
from fer_xai.draws.streams import stream
from fer_xai.errors import InputError
from metrics.selective_prediction.columns import (
    confidence_columns,
    group_columns,
    quality_columns,
)
from metrics.selective_prediction.logistic import logistic
from metrics.selective_prediction.risk_coverage import answered, risk_coverage
from metrics.selective_prediction.score_test import score_p
from metrics.statistics.clusters import Array, by_appearance, cluster_codes

LEAST_ERRORS = 80
"""Fewest errors, and fewest right answers, that are told apart: with about 45 the test erred in .06
on average of designs, and in up to .08."""
FOLDS = 5
"""Parts of the faces, each of which is foretold by the others."""
FLIPS = 9999
"""Sign flips of the test: no p falls below 1 / (1 + this)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BeyondConfidence:
    """What explanations tell of errors beyond the confidence.

    Attributes
    ----------
    likelihood_ratio
        Twice the gain in log-likelihood by the K qualities; how well errors of these faces are
        described, not a test.
    p_value
        P of the qualities telling nothing of errors, given the confidence.
    slopes
        ``(K,)`` change of the log-odds of an error for one standard deviation of each quality's
        normal scores.
    area, area_with
        Area under the risk–coverage curve by the confidence, and by confidence and qualities; both
        out of fold.
    foretold, foretold_with
        ``(N,)`` log-odds of an error by both, out of fold; NaN for faces left out.
    faces, units, errors
        Number of faces that are used, of persons (or faces), and of errors.
    undefined, undefined_errors
        Number of faces that are left out since a quality is undefined, and of errors among them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> confidence = rng.uniform(0.4, 1.0, 400)
    >>> right = rng.random(400) < confidence
    >>> beyond_confidence(right, confidence, rng.normal(size=400))
    BeyondConfidence(400 faces, 112 errors, likelihood ratio 0.162 of 1 quality, p 0.68, ...)
    """

    likelihood_ratio: float
    p_value: float
    slopes: Array
    area: float
    area_with: float
    foretold: Array
    foretold_with: Array
    faces: int
    units: int
    errors: int
    undefined: int
    undefined_errors: int

    @property
    def gain(self) -> float:
        """Area under the risk–coverage curve that the qualities save; below 0 they cost some."""
        return self.area - self.area_with

    def __repr__(self) -> str:
        k = len(self.slopes)
        return (
            f"BeyondConfidence({self.faces} faces, {self.errors} errors, likelihood ratio "
            f"{self.likelihood_ratio:.3g} of {k} {'quality' if k == 1 else 'qualities'}, p "
            f"{self.p_value:.2g}, gain in area {self.gain:+.2g})"
        )


def beyond_confidence(
    right: ArrayLike,
    confidence: ArrayLike,
    quality: ArrayLike,
    *,
    clusters: Sequence[object] | None = None,
    groups: Sequence[object] | None = None,
    explained: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    repeats: int = FLIPS,
    seed: int = 0,
) -> BeyondConfidence:
    """Does a bad explanation tell of an error that the confidence does not tell of?

    Two logistic regressions of errors are nested: one on the confidence, and one on the confidence
    and the qualities. The confidence enters as a restricted cubic spline of its log-odds (Harrell,
    "Regression modeling strategies", 2nd ed. 2015, sec. 2.4.5): most qualities are functions of the
    network's probabilities, so that a bend that the confidence's term leaves out would be found by
    them. Qualities enter as normal scores of their ranks (van der Waerden), so that no unit of
    theirs matters, and no face with an extreme one decides: with skewed qualities as they are the
    test erred in up to .086 of simulations.

    The p-value is that of a score test, which fits the confidence alone: the residual errors of
    each person are multiplied by the qualities that the confidence does not account for, and the
    signs of persons' sums are flipped (the score bootstrap of Kline & Santos, Journal of
    Econometric Methods 2012; Boos, "On generalized score tests", The American Statistician 1992).
    Persons with several faces count as one unit, and no distribution is taken for granted, as χ²
    would be for the likelihood ratio. `docs/statistics.md` has the sizes that were simulated.

    The area under the risk–coverage curve is that of log-odds foretold out of fold: persons are
    dealt into five parts, and each is foretold by regressions on the other four. No interval of
    the gain is given.

    Parameters
    ----------
    right
        ``(N,)`` whether the named emotion is the true one.
    confidence
        ``(N,)`` probability of the named emotion, in [0, 1].
    quality
        ``(N,)``, or ``(N, K)`` for K qualities at once, of explanations of the *named* emotion. An
        explanation of the true one knows the label: its quality tells of errors because it was
        told.
    clusters
        N labels, such as the person of each face; each face is its own by default.
    groups
        N labels of what else is known without the explanation, such as the named emotion: each has
        a rate of errors of its own in both regressions, those with fewer than ten errors or right
        answers having one together. By default nothing else is known.
    explained, predicted
        ``(N,)`` emotions that are explained, and that are named, to make sure that they are the
        same.
    repeats
        Number of sign flips.
    seed
        Seed of the flips and of the parts.

    Returns
    -------
    BeyondConfidence
        With ``.p_value``, ``.likelihood_ratio`` and ``.gain``. Faces of which a quality is NaN are
        left out of both regressions and counted, with the errors among them.

    Raises
    ------
    InputError
        If shapes do not fit, other emotions than the named ones are explained, there are fewer
        than 80 errors or right answers, a confidence or a quality does not vary, or qualities tell
        errors apart for certain.

    Examples
    --------
    >>> from scipy import special
    >>> rng = np.random.default_rng(1)
    >>> confidence, quality = rng.uniform(0.4, 1.0, 400), rng.normal(size=400)
    >>> right = rng.random(400) < special.expit(special.logit(confidence) + quality)
    >>> found = beyond_confidence(right, confidence, quality)
    >>> found.p_value, found.gain > 0.02, found.slopes.round(1)
    (0.0001, True, array([-1.4]))
    """
    check_count("the number of sign flips", repeats, low=99)
    _check_explained(explained, predicted)
    sure, answers = answered(confidence, right)
    table = _table(quality, len(sure))
    if not ((sure >= 0) & (sure <= 1)).all():
        raise InputError("Expected confidences that are probabilities in [0, 1], got others.")
    used = np.asarray(np.isfinite(table).all(axis=1))
    wrong = 1 - answers[used]
    _check_enough(wrong, int((~used).sum()))
    codes = by_appearance(cluster_codes(clusters, len(sure))[used])
    base, added = confidence_columns(sure[used]), quality_columns(table[used])
    base = np.hstack([base, group_columns(_labels(groups, used), wrong)])
    null, full = logistic(base, wrong), logistic(np.hstack([base, added]), wrong)
    odds = np.full((2, len(sure)), np.nan)
    parts = _parts(codes, seed)
    for row, columns in zip(odds, (base, np.hstack([base, added])), strict=True):
        row[used] = _out_of_fold(columns, wrong, parts)
    areas = [risk_coverage(-row[used], answers[used]).area for row in odds]
    return BeyondConfidence(
        likelihood_ratio=2 * (full.log_likelihood - null.log_likelihood),
        p_value=score_p(base, added, wrong, null, codes, repeats=repeats, seed=seed),
        slopes=full.weights[base.shape[1] :],
        area=areas[0],
        area_with=areas[1],
        foretold=odds[0],
        foretold_with=odds[1],
        faces=int(used.sum()),
        units=int(codes.max()) + 1,
        errors=int(wrong.sum()),
        undefined=int((~used).sum()),
        undefined_errors=int((1 - answers[~used]).sum()),
    )


def _table(quality: ArrayLike, n: int) -> Array:
    table = np.asarray(quality, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != n or not table.shape[1]:
        raise InputError(
            f"Expected qualities (N,) or (N, K) of {n} faces, got shape {np.shape(quality)}."
        )
    return table


def _labels(groups: Sequence[object] | None, used: NDArray[np.bool_]) -> NDArray[np.int64]:
    if groups is None:
        return np.zeros(int(used.sum()), dtype=np.int64)
    if len(groups) != len(used):
        raise InputError(f"Expected {len(used)} groups, one a face, got {len(groups)}.")
    names = np.array([str(label) for label in groups])
    return np.unique(names, return_inverse=True)[1][used].astype(np.int64)


def _check_explained(explained: ArrayLike | None, predicted: ArrayLike | None) -> None:
    if (explained is None) != (predicted is None):
        raise InputError("Expected explained and predicted emotions together, got one of them.")
    if explained is None or predicted is None:
        return
    one, other = np.asarray(explained), np.asarray(predicted)
    if one.shape != other.shape or (one != other).any():
        raise InputError(
            "Expected explanations of the emotions that the network names: those of the true "
            'emotions know the label, and foretell errors by it; explain with targets="predicted".'
        )


def _check_enough(wrong: Array, undefined: int) -> None:
    errors = int(wrong.sum())
    if min(errors, len(wrong) - errors) < LEAST_ERRORS:
        apart = f" ({undefined} more have an undefined quality)" if undefined else ""
        raise InputError(
            f"Expected {LEAST_ERRORS} or more errors, and as many right answers, got {errors} "
            f"errors of {len(wrong)} faces{apart}: hand in more faces."
        )


def _parts(codes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Part ``(N,)`` of each face; a person's faces share one."""
    order = stream(seed, "beyond confidence", "parts").randperm(int(codes.max()) + 1).numpy()
    return np.asarray(order[codes] % FOLDS)


def _out_of_fold(columns: Array, wrong: Array, parts: NDArray[np.int64]) -> Array:
    """Log-odds ``(N,)`` of an error, each by a regression on the other parts."""
    found = np.empty(len(wrong))
    for part in range(FOLDS):
        own = parts == part
        found[own] = columns[own] @ logistic(columns[~own], wrong[~own]).weights
    return found
