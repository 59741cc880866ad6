import numpy as np
import pytest
import torch

from fer_xai.landmarks import AREAS, REGIONS, face_areas, face_regions
from tests.landmarks.faces import FACE, centroid, iou, mirrored, placed

MASKS = dict(zip(AREAS, face_areas(FACE, size=64)[0], strict=True))


def test_shapes_and_what_is_off_the_face():
    masks = face_areas(np.repeat(FACE / 2, 3, axis=0), size=32)
    assert masks.shape == (3, len(AREAS), 32, 32)
    assert masks.dtype == torch.bool
    assert masks.flatten(2).any(dim=2).all()
    assert not (masks[:, :-1] & masks[:, -1:]).any()


def test_a_batch_is_one_by_one():
    faces = np.concatenate([placed(a, 0.8, (a / 9, 0)) for a in range(-30, 40, 10)] * 10) / 2
    assert (face_areas(faces, size=32)[41] == face_areas(faces[41:42], size=32)[0]).all()


@pytest.mark.parametrize(("area", "region"), [("mouth", "mouth"), ("off_face", "off_face")])
def test_what_the_eight_regions_have_too_is_the_same(area, region):
    faces = np.concatenate([placed(a, 0.8) for a in (-20, 0, 13)])
    areas, regions = face_areas(faces, size=64), face_regions(faces, size=64)
    pairs = areas[:, AREAS.index(area)] != regions[:, REGIONS.index(region)]
    assert pairs.float().mean() < 1e-3


@pytest.mark.parametrize(
    ("area", "points"),
    [
        ("inner_brows", (20, 21, 22, 23)),
        ("outer_brows", (17, 18, 19, 24, 25, 26)),
        ("glabella", (21, 22)),
        ("eyes", (37, 38, 40, 41, 43, 44, 46, 47)),
        ("upper_lids", (37, 38, 43, 44)),
        ("lower_lids", (40, 41, 46, 47)),
        ("nose_root", (27,)),
        ("nose", (28, 29, 30, 33)),
        ("mouth", range(48, 60)),
        ("mouth_corners", (48, 54)),
        ("upper_lip", (50, 51, 52)),
        ("lower_lip", (56, 57, 58)),
    ],
)
def test_landmarks_lie_in_their_areas(area, points):
    for point in points:
        x, y = FACE[0, point].round().astype(int)
        assert MASKS[area][y, x], point


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ("forehead", "inner_brows"),
        ("outer_forehead", "outer_brows"),
        ("inner_brows", "upper_lids"),
        ("upper_lids", "lower_lids"),
        ("lower_lids", "upper_cheeks"),
        ("glabella", "nose_root"),
        ("nose_root", "nose_sides"),
        ("nose_sides", "upper_lip"),
        ("upper_cheeks", "lower_cheeks"),
        ("nasolabial", "mouth_corners"),
        ("upper_lip", "lower_lip"),
        ("mouth_corners", "below_corners"),
        ("lower_lip", "chin"),
    ],
)
def test_areas_lie_above_each_other(upper, lower):
    assert centroid(MASKS[upper])[1] < centroid(MASKS[lower])[1] - 1


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("inner_brows", "outer_brows"),
        ("inner_forehead", "outer_forehead"),
        ("eyes", "crows_feet"),
        ("nose_sides", "cheeks"),
        ("mouth_corners", "lower_cheeks"),
    ],
)
def test_areas_lie_beside_each_other(inner, outer):
    left = {name: centroid(MASKS[name][:, :32])[0] for name in (inner, outer)}
    assert left[outer] < left[inner] - 1


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("inner_forehead", "forehead"),
        ("outer_forehead", "forehead"),
        ("upper_lids", "eyes"),
        ("lower_lids", "eyes"),
    ],
)
def test_parts_lie_in_the_whole(part, whole):
    assert not (MASKS[part] & ~MASKS[whole]).any()


def test_areas_grow_turn_and_are_mirrored_with_the_face():
    large = face_areas((FACE + 0.5) * 4 - 0.5, size=256)[0]
    shares = torch.stack([mask.float().mean() for mask in MASKS.values()])
    assert torch.allclose(shares, large.float().mean(dim=(1, 2)), atol=0.006)
    tilted = placed(7, 0.9, (2, -1))
    ours, other = face_areas(tilted, size=64)[0], face_areas(mirrored(tilted), size=64)[0]
    assert (ours != other.flip(-1)).float().mean() < 1e-3
    quarter = face_areas(placed(90, 0.8), size=64)[0]  # x, y to −y, x: the image turned clockwise
    upright = face_areas(placed(0, 0.8), size=64)[0]
    assert (quarter != upright.rot90(-1, dims=(-2, -1))).float().mean() < 1e-3
    for mask, turned in zip(upright, face_areas(placed(20, 0.8), size=64)[0], strict=True):
        assert abs(int(mask.sum()) - int(turned.sum())) <= 12 + 0.02 * mask.sum()


def test_areas_take_part_in_the_expression():
    smile = FACE.copy()
    smile[0, 48] += (-4, -3)
    smile[0, 54] += (4, -3)
    found = face_areas(smile, size=64)[0]
    moved = centroid(found[AREAS.index("mouth_corners")][:, :32])
    assert moved - centroid(MASKS["mouth_corners"][:, :32]) == pytest.approx([-4, -3], abs=0.4)
    same = found[AREAS.index("eyes")] == MASKS["eyes"]
    assert same.all()


def test_unknown_points_give_no_area():
    points = np.concatenate([FACE, FACE])
    points[1, 5] = np.nan
    masks = face_areas(points / 2, size=32)
    assert masks[0].any()
    assert not masks[1].any()


def test_areas_of_extreme_faces_are_finite_and_on_the_face():
    rng = np.random.default_rng(0)
    noisy = (FACE + rng.normal(0, 3, (40, 68, 2))).astype(np.float32)
    masks = face_areas(0.75 * noisy, size=48)
    assert not (masks[:, :-1] & masks[:, -1:]).any()
    typical = np.median([iou(mask, MASKS["mouth"]) for mask in face_areas(noisy, size=64)[:, 17]])
    assert typical > 0.5
