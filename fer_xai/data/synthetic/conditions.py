"""Conditions of built-in faces that are rendered, and so exact: pose, light, expression."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fer_xai.checks import check_ids, check_number
from fer_xai.data.synthetic.params import Array, FaceParams
from fer_xai.draws.streams import streams
from fer_xai.errors import UnknownNameError, did_you_mean

Change = Callable[[FaceParams, float, Array], FaceParams]


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A condition of built-in faces, by severity: 0 leaves a face as it is, bit by bit.

    Attributes
    ----------
    name
        The name that it is chosen by.
    unit
        Unit of the severity.
    meaning
        What it is, in a sentence without its full stop.
    most
        Largest severity.
    severities
        The sweep of a study, rising, without 0.
    moves
        Whether places of the face come to lie elsewhere in the image.
    change
        Parameters of N faces, a severity, and a side ``(N,)`` of −1 or 1 for each, to parameters.

    Examples
    --------
    >>> RENDERED["yaw"].unit, RENDERED["yaw"].label(20.0), RENDERED["intensity"].label(25.0)
    ('°', '20°', '75 % left')
    """

    name: str
    unit: str
    meaning: str
    most: float
    severities: tuple[float, ...]
    moves: bool
    change: Change

    def label(self, severity: float) -> str:
        """The severity in words.

        Parameters
        ----------
        severity
            Severity in :attr:`unit`.
        """
        if self.name == "intensity":
            return f"{100 - severity:g} % left"
        return f"{severity:g}°" if self.unit == "°" else f"{severity:g} %"


def _yaw(params: FaceParams, severity: float, side: Array) -> FaceParams:
    return dataclasses.replace(params, yaw=params.yaw + side * np.deg2rad(severity))


def _pitch(params: FaceParams, severity: float, side: Array) -> FaceParams:
    return dataclasses.replace(params, pitch=params.pitch + side * np.deg2rad(severity))


def _lamp(params: FaceParams, severity: float, side: Array) -> FaceParams:
    share = severity / 100
    beside = np.stack([side, np.full_like(side, -0.2), np.full_like(side, 0.15)], axis=1)
    beside /= np.linalg.norm(beside, axis=1, keepdims=True)
    light = (1 - share) * params.light + share * beside
    light /= np.linalg.norm(light, axis=1, keepdims=True)
    return dataclasses.replace(params, light=light, ambient=params.ambient * (1 - 0.7 * share))


def _intensity(params: FaceParams, severity: float, side: Array) -> FaceParams:
    del side
    return dataclasses.replace(params, action_units=params.action_units * (1 - severity / 100))


RENDERED: dict[str, Rendering] = {
    one.name: one
    for one in (
        Rendering(
            name="yaw",
            unit="°",
            meaning="The head turned to the left or to the right, by the face",
            most=60.0,
            severities=(10.0, 20.0, 30.0, 40.0),
            moves=True,
            change=_yaw,
        ),
        Rendering(
            name="pitch",
            unit="°",
            meaning="The head bent up or down, by the face",
            most=45.0,
            severities=(8.0, 16.0, 24.0, 32.0),
            moves=True,
            change=_pitch,
        ),
        Rendering(
            name="lamp",
            unit="% of the way to a lamp beside the face",
            meaning="The light moved to one side, with less of it from elsewhere",
            most=100.0,
            severities=(25.0, 50.0, 75.0, 100.0),
            moves=False,
            change=_lamp,
        ),
        Rendering(
            name="intensity",
            unit="% of the expression lost",
            meaning="All action units weaker, down to the face at rest",
            most=100.0,
            severities=(25.0, 50.0, 75.0, 90.0),
            moves=True,
            change=_intensity,
        ),
    )
}
"""Conditions of built-in faces by name."""


def degraded_params(
    params: FaceParams, condition: str, severity: float, *, ids: Sequence[str], seed: int = 0
) -> FaceParams:
    """Parameters of built-in faces under a condition that is rendered.

    Parameters
    ----------
    params
        Parameters of N faces.
    condition
        Name of :data:`RENDERED`.
    severity
        From 0, which changes nothing, to :attr:`Rendering.most`.
    ids
        N names, which seed the side that a face turns to, or is lit from.
    seed
        Seed of the sides.

    Raises
    ------
    UnknownNameError, InputError
        For an unknown condition, a severity out of range, or another number of names.

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> params, _, _ = sample(1)
    >>> calm = degraded_params(params, "intensity", 100.0, ids=["a face"])
    >>> float(calm.action_units.max())
    0.0
    """
    if condition not in RENDERED:
        close = did_you_mean(condition, list(RENDERED))
        raise UnknownNameError(
            f"Expected a condition that is rendered ({', '.join(RENDERED)}), got {condition!r}"
            f"{f': {close}' if close else '.'}"
        )
    chosen = RENDERED[condition]
    check_number(f"the severity of {condition}", severity, 0, chosen.most, ends=True)
    names = check_ids(ids, len(params))
    if severity == 0 or not len(params):
        return params
    drawn = streams((seed, name, f"condition {condition}") for name in names).bernoulli(0.5)
    return chosen.change(params, severity, drawn.numpy() * 2.0 - 1.0)
