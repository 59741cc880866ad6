import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.landmarks import (
    au_maps,
    check_landmarks,
    emotion_areas,
    face_areas,
    face_regions,
    register,
)
from tests.landmarks.faces import FACE, mirrored, placed

FAR = np.concatenate([FACE, FACE + 500])
REFLECTED = FACE * np.float32([-1, 1]) + np.float32([63, 0])
TRAPS = {
    "5 points": (
        np.ones((2, 5, 2)),
        r"got \(2, 5, 2\): the eyes, the nose and the mouth's corners",
    ),
    "37 points": (np.ones((2, 37, 2)), "RAF-DB's 37 points have other places, and areas of a face"),
    "51 points": (np.ones((2, 51, 2)), r"the jaw \(points 0 to 16\) is missing, and areas of"),
    "98 points": (np.ones((2, 98, 2)), "98 points of WFLW have other places, and areas of a face"),
    "one face": (FACE[0], r"got \(68, 2\): add the axis of faces with landmarks\[None\]"),
    "flat": (FACE.reshape(1, 136), r"got \(1, 136\): reshape them to \(N, 68, 2\)"),
    "turned": (FACE.swapaxes(1, 2), r"got \(1, 2, 68\): put the points before x and y"),
    "three": (np.ones((1, 68, 3)), r"leave the third coordinate out with landmarks\[..., :2\]"),
    "words": ([["a"]], "Expected landmarks as an array or tensor of numbers"),
    "nothing": (None, r"Expected landmarks \(N, 68, 2\), got \(\)"),
    "zeros": (np.zeros((3, 68, 2)), r"got 3 of 3 \(the first is face 0\) whose 68 points are all"),
    "shares": (FACE / 64, "whose points all lie between 0 and 1: multiply shares of the side by"),
    "outside": (FAR, r"images of side 64, got 1 of 2 \(the first is face 1\) wholly outside"),
    "larger": (FACE * 1.5625, "got a face whose points leave it at the right and at the bottom"),
    "reflected": (REFLECTED, r"got a face with it on the right: renumber the points of mirrored"),
    "rows first": (FACE[..., ::-1], "or swap x and y if they are rows before columns"),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("user", [face_regions, face_areas, au_maps, emotion_areas, register])
def test_each_trap_gets_one_sentence_everywhere(trap, user):
    points, sentence = TRAPS[trap]
    with pytest.raises(InputError, match=sentence) as caught:
        user(points, size=64)
    assert str(caught.value).count(". ") == 0


def test_good_landmarks_come_back_as_they_are():
    for angle in (0, 45, 90, 180, 270):  # turned, and not mirrored
        points = placed(angle, 0.7)
        assert (check_landmarks(points, size=64).numpy() == points).all()
    assert (check_landmarks(mirrored(FACE), size=64).numpy() == mirrored(FACE)).all()
    assert check_landmarks(torch.from_numpy(FACE).double(), size=64).dtype == torch.float32
    assert check_landmarks(FACE[:0], size=64).shape == (0, 68, 2)
    assert check_landmarks((FACE - 20).tolist(), size=64).shape == (1, 68, 2)  # partly outside


def test_unknown_faces_are_not_judged():
    points = np.concatenate([FACE, REFLECTED, FACE + 500])
    points[1:, 3] = np.nan, np.inf
    assert check_landmarks(points, size=64).shape == (3, 68, 2)


@pytest.mark.parametrize("factor", [1.4, 1.5625, 2, 2.5, 3.5, 4])
def test_points_of_larger_images_are_refused(factor):
    points = np.concatenate(
        [placed(angle, 1, (shift, 2)) for angle in (-9, 0, 9) for shift in (-3, 3)]
    )
    with pytest.raises(
        InputError, match=r"measured on larger images; .*--landmarks-size|wholly out"
    ):
        check_landmarks(points * factor, size=64)
    assert check_landmarks(points, size=64).shape == (6, 68, 2)


def test_faces_that_a_crop_cuts_are_accepted():
    moved = [placed(shift=shift) for shift in ((20, 0), (-20, 0), (0, 20), (0, -20))]
    # small faces, and crops that are too tight
    moved += [placed(scale=scale) for scale in (0.3, 1.2, 1.5, 2.0, 6.0)]
    for points in moved:
        np.testing.assert_allclose(check_landmarks(points, size=64), points, rtol=1e-6)


def test_one_face_whose_points_are_of_a_larger_image_is_named():
    points = np.concatenate([FACE] * 9 + [FACE * 2])
    with pytest.raises(InputError, match=r"got 1 of 10 \(the first is face 9\) whose points leave"):
        check_landmarks(points, size=64)
