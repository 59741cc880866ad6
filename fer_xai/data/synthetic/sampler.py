"""Sampling of built-in faces: person, display of an emotion, pose, light and camera."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fer_xai.data.synthetic.action_units import AUS, sample_intensities
from fer_xai.data.synthetic.params import FaceParams
from fer_xai.data.synthetic.styles import STYLES, Style
from fer_xai.emotions import EMOTIONS, SIX, parse_emotion
from fer_xai.errors import InputError, UnknownNameError, did_you_mean

FACES_PER_SUBJECT = 12
_DRAWS = 128


def sample(
    n: int,
    *,
    style: str = "wild",
    split: str = "train",
    seed: int = 0,
    emotions: Sequence[str] = SIX,
    start: int = 0,
) -> tuple[FaceParams, NDArray[np.int64], NDArray[np.int64]]:
    """Parameters of faces ``start … start + n − 1`` of an endless, seeded sequence.

    Face i depends on (seed, split, style, i) alone: it is the same whatever ``n`` or the order.
    Emotions take turns, so classes are balanced; each person shows ``FACES_PER_SUBJECT`` faces,
    and splits share no person.

    Returns
    -------
    params, labels, subjects
        Labels are canonical emotion indices ``(N,)``; subjects number the persons of the split.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown style or emotion (contempt is not built in), or a negative number.

    Examples
    --------
    >>> params, labels, subjects = sample(13, style="studio")
    >>> labels[:7], int(subjects[-1])
    (array([0, 1, 2, 3, 4, 5, 0]), 1)
    >>> last, _, _ = sample(1, style="studio", start=12)
    >>> bool((last.action_units == params[12:].action_units).all())
    True
    """
    if style not in STYLES:
        close = did_you_mean(style.lower(), STYLES)
        raise UnknownNameError(
            f"Expected a style of built-in faces ({', '.join(STYLES)}), got {style!r}"
            f"{f': {close}' if close else '.'}"
        )
    if n < 0:
        raise InputError(f"Expected a number of faces of at least 0, got {n}.")
    names = [parse_emotion(name) for name in emotions]
    if "contempt" in names or not names:
        raise InputError(
            "Expected emotions among the six basic ones and neutral for built-in faces."
        )
    index = np.arange(start, start + n)
    subjects = index // FACES_PER_SUBJECT
    labels = np.array([EMOTIONS.index(names[i % len(names)]) for i in index], dtype=np.int64)
    stream = zlib.crc32(f"{split}/{style}".encode())
    person = _uniforms([seed, stream, 1], subjects)
    moment = _uniforms([seed, stream, 2], index)
    return _params(person, moment, labels, STYLES[style]), labels, subjects


def _uniforms(key: Sequence[int], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(len(index), 128)`` uniforms in (0, 1), each row from its own stream."""
    unique, inverse = np.unique(index, return_inverse=True)
    rows = [np.random.default_rng([*key, int(i)]).random(_DRAWS) for i in unique]
    table = np.clip(np.array(rows).reshape(-1, _DRAWS), 1e-9, 1 - 1e-9)
    return table[inverse]


class _Draws:
    """Hands out columns of uniforms one after the other."""

    def __init__(self, uniforms: NDArray[np.float64]) -> None:
        self.uniforms, self.next = uniforms, 0

    def take(self, columns: int = 1) -> NDArray[np.float64]:
        part = self.uniforms[:, self.next : self.next + columns]
        self.next += columns
        return part

    def uniform(self, low: float, high: float) -> NDArray[np.float64]:
        return low + (high - low) * self.take()[:, 0]

    def normal(self, sd: float, mean: float = 0.0) -> NDArray[np.float64]:
        return mean + sd * np.clip(ndtri(self.take()[:, 0]), -2.2, 2.2)

    def chance(self, p: float) -> NDArray[np.float64]:
        return (self.take()[:, 0] < p).astype(float)


_SKIN = np.array(
    [
        [0.96, 0.82, 0.73],
        [0.88, 0.70, 0.58],
        [0.76, 0.56, 0.43],
        [0.60, 0.42, 0.31],
        [0.46, 0.31, 0.24],
    ]
)
_HAIR = np.array(
    [
        [0.07, 0.06, 0.06],
        [0.20, 0.13, 0.09],
        [0.36, 0.23, 0.14],
        [0.62, 0.46, 0.27],
        [0.45, 0.20, 0.10],
        [0.62, 0.61, 0.60],
    ]
)
_IRIS = np.array([[0.16, 0.09, 0.05], [0.30, 0.18, 0.09], [0.25, 0.38, 0.50], [0.28, 0.40, 0.26]])


def _params(
    person: NDArray[np.float64],
    moment: NDArray[np.float64],
    labels: NDArray[np.int64],
    style: Style,
) -> FaceParams:
    p, m = _Draws(person), _Draws(moment)
    tone = p.take()[:, 0] * (len(_SKIN) - 1)
    low = np.minimum(tone.astype(int), len(_SKIN) - 2)
    skin = _SKIN[low] + (_SKIN[low + 1] - _SKIN[low]) * (tone - low)[:, None]
    shade = p.take()[:, 0]
    dark = (tone > 2.2) & (shade < 0.93)
    hair = _HAIR[np.where(dark, 0, (shade**1.3 * len(_HAIR)).astype(int))]
    iris = _IRIS[np.where(tone > 2.0, 0, (p.take()[:, 0] * len(_IRIS)).astype(int))]
    lip = skin * np.array([0.86, 0.58, 0.58]) + np.array([0.02, 0.0, 0.01]) * p.take()
    masculine = p.chance(0.5)
    bearded = masculine * p.chance(0.35)
    long = (1 - masculine) * p.chance(0.8)

    units = len(AUS)
    intensity = sample_intensities(labels, m.take(1 + 2 * units))
    lean = np.clip(ndtri(m.take(units)), -2, 2) * style.asymmetry
    both = np.stack([intensity * (1 - lean), intensity * (1 + lean)], axis=2)

    angle = m.uniform(-1, 1) * np.pi * 0.4
    height = m.uniform(0.15, 0.75)
    light = np.stack([np.sin(angle) * style.side_light, -height, np.full_like(angle, 0.95)], axis=1)
    backdrop = m.take(6).reshape(-1, 2, 3)
    mean_tone = backdrop.mean(axis=2, keepdims=True)
    backdrop = mean_tone + (backdrop - mean_tone) * 0.35 * style.colourful
    backdrop = style.backdrop + (backdrop - 0.5) * style.backdrop_range
    return FaceParams(
        action_units=np.clip(both, 0, 1),
        skin=skin,
        hair_colour=hair,
        iris=iris,
        lip=lip,
        jaw=p.uniform(0.0, 1.0) * (1 - 0.4 * masculine),
        chin=p.normal(0.035),
        eye_spacing=p.normal(0.015, 0.425),
        eye_size=p.normal(0.06, 1.08) - 0.06 * masculine,
        eye_tilt=p.normal(0.06, 0.06),
        brow_thickness=p.uniform(0.55, 0.95) + 0.3 * masculine,
        brow_height=p.normal(0.022, 0.01),
        brow_arch=p.uniform(0.02, 0.085),
        nose_length=p.normal(0.03),
        nose_width=p.uniform(0.165, 0.235),
        mouth_width=p.normal(0.022, 0.35),
        lip_fullness=p.uniform(0.65, 1.25) - 0.1 * masculine,
        mouth_height=p.normal(0.02),
        hairline=p.uniform(-1.12, -0.86),
        hair_length=long * p.uniform(0.5, 1.0),
        fringe=p.chance(0.3) * p.uniform(0.2, 1.0),
        beard=bearded * p.uniform(0.25, 0.95),
        moustache=np.maximum(bearded * p.uniform(0.2, 0.9), masculine * p.chance(0.08) * 0.8),
        glasses=p.chance(style.glasses),
        age=p.uniform(0.0, 1.0) ** 2,
        texture=m.uniform(0, 1000),
        yaw=m.normal(style.yaw),
        pitch=m.normal(style.pitch),
        roll=m.normal(style.roll),
        scale=m.normal(0.018, style.scale),
        shift=np.stack([m.normal(0.012), m.normal(0.012)], axis=1),
        light=light / np.linalg.norm(light, axis=1, keepdims=True),
        ambient=m.uniform(*style.ambient),
        background=np.clip(backdrop, 0.02, 0.98),
        clutter=m.uniform(0, 1) * style.clutter,
        grey=np.full(len(labels), float(style.grey)),
        resolution=np.array(style.resolutions)[
            (m.take()[:, 0] * len(style.resolutions)).astype(int)
        ].astype(float),
        blur=m.uniform(*style.blur),
        noise=m.uniform(*style.noise),
        exposure=m.normal(style.exposure, 1.0),
        contrast=m.normal(style.contrast, 1.0),
        warmth=m.normal(0.03, style.warmth),
    )
