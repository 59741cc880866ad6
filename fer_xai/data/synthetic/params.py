"""What a built-in face is: identity, action units, pose, light and camera, as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_xai.data.synthetic.action_units import AU_PARTS, AUS
from fer_xai.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceParams:
    """Parameters of N faces; every array starts with the face axis.

    Lengths are in units of half the face's width, angles in radians, colours in [0, 1].

    Examples
    --------
    >>> from fer_xai.data.synthetic.sampler import sample
    >>> params, _, _ = sample(2)
    >>> calm = params.neutralised(parts=["mouth"])
    >>> float(calm.action_units[:, AUS.index(12)].max()), len(params[:1])
    (0.0, 1)
    """

    # expression
    action_units: Array
    """(N, 16, 2) intensity in [0, 1] of each unit of ``AUS``, image-left and image-right half."""
    # identity
    skin: Array  # (N, 3)
    hair_colour: Array  # (N, 3)
    iris: Array  # (N, 3)
    lip: Array  # (N, 3)
    jaw: Array  # taper: 0 square, 1 pointed
    chin: Array  # length of the lower face
    eye_spacing: Array
    eye_size: Array
    eye_tilt: Array
    brow_thickness: Array
    brow_height: Array
    brow_arch: Array
    nose_length: Array
    nose_width: Array
    mouth_width: Array
    lip_fullness: Array
    mouth_height: Array
    hairline: Array
    hair_length: Array  # 0 short … 1 over the shoulders
    fringe: Array
    beard: Array  # 0 none … 1 full
    moustache: Array
    glasses: Array  # 0 or 1
    age: Array  # depth of resting folds
    texture: Array  # seed of skin, hair and background noise, in [0, 1000)
    # pose and framing
    yaw: Array
    pitch: Array
    roll: Array
    scale: Array
    shift: Array  # (N, 2) share of the image's side
    # light and background
    light: Array  # (N, 3) direction
    ambient: Array
    background: Array  # (N, 2, 3) two colours of a gradient
    clutter: Array
    # camera
    grey: Array  # 0 or 1
    resolution: Array  # side in pixels that the camera resolves
    blur: Array  # sigma, share of the side
    noise: Array  # standard deviation
    exposure: Array
    contrast: Array
    warmth: Array

    def __len__(self) -> int:
        return len(self.action_units)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> FaceParams:
        """Some of the faces."""
        fields = {f.name: getattr(self, f.name)[index] for f in dataclasses.fields(self)}
        return FaceParams(**fields)

    def neutralised(self, *, aus: Sequence[int] = (), parts: Sequence[str] = ()) -> FaceParams:
        """The same faces with some action units at rest: by number, or all that show in a part.

        Everything else, down to the noise, stays: what changes between the two renderings is
        caused by these units alone.

        Raises
        ------
        InputError
            For a unit or a part that the renderer does not know.
        """
        known_parts = sorted({part for used in AU_PARTS.values() for part in used})
        for unit in aus:
            if unit not in AUS:
                raise InputError(f"Expected action units among {AUS}, got {unit}.")
        for part in parts:
            if part not in known_parts:
                raise InputError(f"Expected parts among {', '.join(known_parts)}, got {part!r}.")
        units = set(aus) | {unit for unit in AUS if set(AU_PARTS[unit]) & set(parts)}
        resting = self.action_units.copy()
        resting[:, [AUS.index(unit) for unit in sorted(units)]] = 0.0
        return dataclasses.replace(self, action_units=resting)
