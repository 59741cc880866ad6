"""Action units of the built-in faces, and how emotions use them.

Prototypes follow EMFACS as listed by Friesen & Ekman (1983): happiness 6+12, sadness 1+4+15,
surprise 1+2+5+26, fear 1+2+4+5+7+20+26, anger 4+5+7+23, disgust 9+15+16; weaker companions
(e.g. 25 with a smile, 10 and 17 in disgust and anger) come with a probability below one, as the
prototypes of the codebook in Belharbi et al. (FG 2024) do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from fer_xai.emotions import SIX

AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 16, 17, 20, 23, 25, 26)
"""Action units that the renderer knows, in the order of every AU array."""

AU_PARTS: dict[int, tuple[str, ...]] = {
    1: ("brows", "forehead"),
    2: ("brows", "forehead"),
    4: ("brows", "forehead"),
    5: ("eyes",),
    6: ("eyes", "cheeks"),
    7: ("eyes",),
    9: ("nose", "brows", "eyes", "cheeks"),
    10: ("mouth", "cheeks"),
    12: ("mouth", "cheeks"),
    15: ("mouth",),
    16: ("mouth",),
    17: ("mouth", "chin_jaw"),
    20: ("mouth",),
    23: ("mouth",),
    25: ("mouth",),
    26: ("mouth", "chin_jaw"),
}
"""Facial parts in which each action unit shows."""

PROTOTYPES: dict[str, dict[int, float]] = {
    "happiness": {6: 0.85, 12: 0.97, 25: 0.65, 26: 0.15},
    "surprise": {1: 0.92, 2: 0.92, 5: 0.85, 25: 0.6, 26: 0.92},
    "sadness": {1: 0.85, 4: 0.7, 15: 0.92, 17: 0.45, 7: 0.12},
    "anger": {4: 0.95, 5: 0.4, 7: 0.75, 10: 0.12, 17: 0.25, 23: 0.85},
    "disgust": {4: 0.3, 9: 0.88, 10: 0.65, 15: 0.4, 16: 0.6, 17: 0.2, 7: 0.3, 25: 0.2},
    "fear": {1: 0.85, 2: 0.7, 4: 0.75, 5: 0.85, 7: 0.25, 20: 0.9, 25: 0.6, 26: 0.3},
    "neutral": {},
}
"""Probability that each action unit takes part in an emotion's display."""

STRAY = 0.04
"""Probability of an action unit outside the prototype: speech, squinting, a lopsided mouth."""

STRENGTHS: tuple[float, ...] = (0.45, 0.6, 0.75, 0.9, 1.0)
"""Levels of a display's overall intensity, equally likely."""

_PRESENT = (6.0, 1.8)  # Beta of an active unit's intensity, relative to the strength
_ABSENT = (1.0, 25.0)  # Beta of the tonus of a resting unit


def presence(emotion: str) -> NDArray[np.float64]:
    """``(len(AUS),)`` probability of each unit being active in a display of the emotion.

    Examples
    --------
    >>> dict(zip(AUS, presence("happiness").tolist()))[12]  # the lips' corners go up
    0.97
    """
    prototype = PROTOTYPES[emotion]
    return np.array([prototype.get(unit, STRAY) for unit in AUS])


def sample_intensities(
    emotions: NDArray[np.int64], uniforms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Intensities ``(N, len(AUS))`` in [0, 1] drawn from the display model.

    Parameters
    ----------
    emotions
        ``(N,)`` canonical index (happiness … neutral).
    uniforms
        ``(N, 1 + 2·len(AUS))`` in (0, 1): strength, presence and intensity of each unit.

    Returns
    -------
    ndarray
        ``(N, len(AUS))`` in [0, 1].

    Examples
    --------
    >>> uniforms = np.full((1, 1 + 2 * len(AUS)), 0.5)  # happiness: units 6, 12 and 25 are active
    >>> intensities = sample_intensities(np.array([0]), uniforms)[0]
    >>> [unit for unit, value in zip(AUS, intensities) if value > 0.1]
    [6, 12, 25]
    """
    from scipy.special import betaincinv

    names = list(PROTOTYPES)
    table = np.stack([presence(name) for name in names])  # (E, A)
    strength = np.array(STRENGTHS)[(uniforms[:, 0] * len(STRENGTHS)).astype(int)][:, None]
    units = len(AUS)
    active = uniforms[:, 1 : 1 + units] < table[emotions]
    quantile = uniforms[:, 1 + units : 1 + 2 * units]
    present = strength * betaincinv(*_PRESENT, quantile)
    return np.where(active, present, betaincinv(*_ABSENT, quantile))


def log_likelihood(intensities: NDArray[np.float64], emotion: str) -> NDArray[np.float64]:
    """Log density ``(N,)`` of AU intensities under one emotion, strength summed out.

    Examples
    --------
    >>> smile = np.array([[0.6 if unit in (6, 12, 25) else 0.02 for unit in AUS]])
    >>> likely = {name: log_likelihood(smile, name).item() for name in SIX}
    >>> max(likely, key=likely.get)
    'happiness'
    """
    x = np.clip(intensities, 1e-9, 1 - 1e-9)
    p = presence(emotion)
    resting = _log_beta(x, *_ABSENT)
    levels = []
    for strength in STRENGTHS:
        with np.errstate(divide="ignore"):
            inside = np.where(x < strength, x / strength, np.nan)
            active = np.nan_to_num(
                _log_beta(inside, *_PRESENT) - np.log(strength), nan=-np.inf, posinf=np.inf
            )
        levels.append(np.logaddexp(np.log(p) + active, np.log1p(-p) + resting).sum(axis=1))
    total: NDArray[np.float64] = np.logaddexp.reduce(np.stack(levels), axis=0)
    return np.asarray(total - np.log(len(STRENGTHS)))


def _log_beta(x: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    density: NDArray[np.float64] = (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - betaln(a, b)
    return density


def bayes_accuracy(n: int = 20_000, *, seed: int = 0) -> tuple[float, dict[str, float]]:
    """Accuracy and recall of the ideal observer who sees the AU intensities themselves.

    No classifier of the images can do better in expectation: it is the ceiling that the overlap of
    the displays leaves.

    Parameters
    ----------
    n
        Number of faces that are drawn.
    seed
        Seed of the random generator.

    Returns
    -------
    accuracy, recall
        Shares in [0, 1]: over all faces, and for each emotion by its name.

    Examples
    --------
    >>> accuracy, recall = bayes_accuracy(600)
    >>> 0.9 < accuracy < 1, sorted(recall) == sorted(SIX)
    (True, True)
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(SIX)
    x = sample_intensities(labels, rng.random((n, 1 + 2 * len(AUS))))
    best = np.stack([log_likelihood(x, name) for name in SIX]).argmax(axis=0)
    recall = {name: float((best[labels == i] == i).mean()) for i, name in enumerate(SIX)}
    return float((best == labels).mean()), recall
