"""Faces as the tests of built-in ones need them, and masks of what was drawn."""

import dataclasses

import numpy as np
from scipy.ndimage import binary_dilation

from fer_xai.data.synthetic import AUS, PARTS
from fer_xai.data.synthetic.params import FaceParams

FIELDS = [field.name for field in dataclasses.fields(FaceParams)]


def frontal(params):
    """The same faces, head on and without noise."""
    zero = np.zeros(len(params))
    return dataclasses.replace(params, yaw=zero, pitch=zero, roll=zero, noise=zero)


def with_unit(params, unit, intensity):
    """The same faces at rest but for one action unit."""
    units = np.zeros_like(params.action_units)
    units[:, AUS.index(unit)] = intensity
    return dataclasses.replace(params, action_units=units)


def dilated(masks, radius):
    return np.stack([binary_dilation(mask, iterations=radius) for mask in masks])


def parts_mask(rendered, *names):
    return rendered.parts[:, [PARTS.index(name) for name in names]].any(axis=1)


def nearly_equal(one, other):
    """Sums of float32 in another order may round a pixel in ten thousand to the next level."""
    difference = np.abs(one.astype(int) - other)
    return difference.max() <= 1 and (difference > 0).mean() < 1e-4
