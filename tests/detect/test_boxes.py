"""Faces in uncropped photographs, by the cascade that needs no download."""

import numpy as np
import pytest
import torch
from skimage import data

from fer_xai.detect import DETECTORS, faces, locate
from fer_xai.errors import InputError, UnknownNameError


@pytest.fixture(scope="module")
def photograph():
    """A photograph of NASA's with one face, which scikit-image brings along."""
    return data.astronaut()


def test_the_cascade_finds_the_face(photograph):
    boxes = faces(photograph)
    assert boxes.shape == (1, 4)
    left, top, right, bottom = boxes[0]
    assert left < 224 < right  # the tip of her nose
    assert top < 120 < bottom
    assert 50 < right - left < 150


def test_tensors_and_greys_are_images_too(photograph):
    expected = faces(photograph)
    tensor = torch.from_numpy(photograph).permute(2, 0, 1).float() / 255
    np.testing.assert_array_equal(faces(tensor), expected)
    np.testing.assert_array_equal(faces(tensor[None]), expected)
    np.testing.assert_allclose(faces(photograph.mean(axis=2).astype(np.uint8)), expected, atol=15)


def test_points_of_a_photograph_lie_in_its_face(photograph):
    empty = np.full((90, 90, 3), 127, np.uint8)
    found = locate([photograph, empty], "template", detector="lbp")
    assert found.found.tolist() == [True, False]
    assert found.confidence[1] == 0
    left, top, right, bottom = faces(photograph)[0]
    middle = found.points[0].mean(axis=0)
    assert left < middle[0] < right
    assert top < middle[1] < bottom


def test_photographs_without_a_face_have_no_boxes():
    for side in (8, 40, 100):
        assert faces(np.zeros((side, side, 3), np.uint8)).shape == (0, 4)


def test_what_cannot_be_looked_at_is_refused(photograph):
    with pytest.raises(InputError, match="Expected one image"):
        faces(torch.zeros(2, 3, 40, 40))
    with pytest.raises(InputError, match="convert the image to RGB"):
        faces(np.zeros((40, 40, 4), np.uint8))
    with pytest.raises(UnknownNameError, match="face detector 'lpb'"):
        faces(photograph, "lpb")
    with pytest.raises(InputError, match="'lbp' without an option"):
        faces(photograph, "lbp:fast")
    assert list(DETECTORS) == ["lbp", "s3fd"]
