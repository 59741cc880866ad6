"""Does the model recognise more than the most frequent emotion would?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fer_xai.wiring.finding import Finding
from fer_xai.wiring.pair_rates import Ints


def recognition(
    hits: NDArray[np.bool_], labels: Ints, persons: Ints, scores: Mapping[str, Any]
) -> Finding:
    """Share recognised, with its interval, beside the most frequent emotion.

    Parameters
    ----------
    hits
        ``(N,)``: faces that are recognised.
    labels
        ``(N,)``: true outputs.
    persons
        ``(N,)``: number of each face's person; the interval counts persons.
    scores
        As :func:`fer_xai.recognition.exact_scores` gives them.

    Examples
    --------
    >>> hits, labels = np.array([True] * 90 + [False] * 10), np.arange(100) % 2
    >>> scores = {"emotions": ["anger", "fear"], "macro_recall": 0.9, "calibration_error": 0.1}
    >>> recognition(hits, labels, np.arange(100), scores).verdict
    'pass'

    Notes
    -----
    Wilson's interval (1927) where each person has one face, else of the number of persons, which is
    the widest that clusters can make it.
    """
    units = len(np.unique(persons))
    share = float(hits.mean())
    low, high = _wilson(share, units)
    prior = float(np.bincount(labels).max()) / len(labels)
    floor = max(prior, 1 / len(scores["emotions"]))
    recall = float(scores["macro_recall"])
    sentence = (
        f"{share:.1%} of {len(hits):,} faces are recognised [{low:.1%}, {high:.1%}]; the most "
        f"frequent emotion has {prior:.1%}. Macro recall {recall:.3f}, calibration error "
        f"{float(scores['calibration_error']):.3f}."
    )
    numbers = {
        "recognised": share,
        "low": low,
        "high": high,
        "prior": prior,
        "macro recall": recall,
        "calibration error": float(scores["calibration_error"]),
        "faces": float(len(hits)),
    }
    if low > floor:
        return Finding(check="recognition", verdict="pass", sentence=sentence, numbers=numbers)
    if high < floor or units >= 60:
        sentence += " That is no more than chance: what is explained is hardly worth explaining."
        return Finding(check="recognition", verdict="fail", sentence=sentence, numbers=numbers)
    return Finding(check="recognition", verdict="undecided", sentence=sentence, numbers=numbers)


def _wilson(share: float, n: int) -> tuple[float, float]:
    z = float(stats.norm.ppf(0.975))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))) * z / (1 + z**2 / n)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
