"""Built-in faces under conditions that are rendered: identity at 0, exact landmarks, one sentence."""

import numpy as np
import pytest

from fer_xai.data.datasets.synthetic import degraded_faces, synthetic_faces
from fer_xai.data.synthetic.conditions import RENDERED, degraded_params
from fer_xai.data.synthetic.sampler import sample
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.types import Faces

FACES = synthetic_faces(4, size=32)


@pytest.mark.parametrize("name", RENDERED)
def test_severity_0_is_the_face_itself(name):
    same = degraded_faces(FACES, name, 0.0)
    assert same.ids == FACES.ids
    assert (same.pixels(32) == FACES.pixels(32)).all()
    np.testing.assert_array_equal(same.landmarks, FACES.landmarks)


@pytest.mark.parametrize("name", RENDERED)
def test_a_part_of_the_faces_is_rendered_as_among_all(name):
    severity = RENDERED[name].severities[1]
    whole = degraded_faces(FACES, name, severity, seed=1).pixels(32)
    part = degraded_faces(FACES.subset([2, 1]), name, severity, seed=1).pixels(32)
    assert (part == whole[[2, 1]]).all()
    moved = degraded_faces(FACES, name, severity, seed=1).landmarks != FACES.landmarks
    assert moved.any() == RENDERED[name].moves


def test_angles_and_shares_are_what_they_say():
    params, _, _ = sample(3)
    turned = degraded_params(params, "yaw", 30.0, ids=["a", "b", "c"])
    np.testing.assert_allclose(np.abs(turned.yaw - params.yaw), np.pi / 6)
    half = degraded_params(params, "intensity", 50.0, ids=["a", "b", "c"])
    np.testing.assert_allclose(half.action_units, params.action_units / 2)


def test_what_cannot_be_rendered_gets_one_sentence():
    with pytest.raises(UnknownNameError, match="Expected a condition that is rendered"):
        degraded_faces(FACES, "blur", 1.0)
    with pytest.raises(InputError, match="the severity of yaw"):
        degraded_faces(FACES, "yaw", 90.0)
    real = Faces(table=FACES.table, reader=lambda row: np.zeros((8, 8), np.uint8), name="mine")
    with pytest.raises(InputError, match="Expected built-in faces for the condition yaw"):
        degraded_faces(real, "yaw", 10.0)
