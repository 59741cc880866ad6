"""Score test of columns that are added to a logistic regression, without a distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_xai.draws.streams import stream
from metrics.selective_prediction.logistic import Logistic
from metrics.statistics.clusters import Array
from metrics.statistics.permuting import permutation_p_value

CHUNK = 2**21
"""Signs that are held at a time."""


def score_p(
    base: Array,
    added: Array,
    wrong: Array,
    null: Logistic,
    codes: NDArray[np.int64],
    *,
    repeats: int,
    seed: int,
) -> float:
    """P of added columns telling nothing, by a score test whose persons' signs are flipped.

    The added columns enter as what is left of them by a weighted regression on the others, so that
    small errors of the fitted probabilities do not matter.

    Parameters
    ----------
    base
        ``(N, L)`` columns that are fitted.
    added
        ``(N, K)`` columns that are tested together.
    wrong
        ``(N,)`` outcomes, 0 or 1.
    null
        The regression on ``base``.
    codes
        ``(N,)`` person of each face, as whole numbers from 0.
    repeats
        Number of sign flips.
    seed
        Seed of the signs, which are those of the places of persons.

    Examples
    --------
    >>> from metrics.selective_prediction.logistic import logistic
    >>> rng = np.random.default_rng(0)
    >>> ones, x = np.ones((60, 1)), rng.normal(size=(60, 1))
    >>> wrong = (x[:, 0] + rng.normal(size=60) > 0).astype(float)
    >>> null = logistic(ones, wrong)
    >>> score_p(ones, x, wrong, null, np.arange(60), repeats=999, seed=0)
    0.001
    """
    weight = null.fitted * (1 - null.fitted)
    projected = np.linalg.lstsq(
        base * np.sqrt(weight)[:, None], added * np.sqrt(weight)[:, None], rcond=None
    )[0]
    scores = (wrong - null.fitted)[:, None] * (added - base @ projected)  # (N, K)
    sums = np.stack([np.bincount(codes, weights=column) for column in scores.T], axis=1)  # (G, K)
    spread = np.linalg.pinv(sums.T @ sums)
    total = sums.sum(axis=0)
    signs = stream(seed, "beyond confidence", "signs")
    flipped: list[Array] = []
    at_once = max(CHUNK // len(sums), 1)
    for start in range(0, repeats, at_once):
        drawn = signs.bernoulli(0.5, min(at_once, repeats - start), len(sums)).numpy()
        moved = (2.0 * drawn - 1) @ sums
        flipped.append(((moved @ spread) * moved).sum(axis=1))
    return permutation_p_value(float(total @ spread @ total), np.concatenate(flipped))
