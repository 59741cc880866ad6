from itertools import combinations

import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.landmarks import AREAS, EDITIONS, UNIT_AREAS, UNITS, au_maps, face_areas, soften
from fer_xai.landmarks.belharbi import PUBLISHED
from fer_xai.landmarks.pyfeat import spline_weights
from tests.landmarks.faces import FACE, centroid, iou, mirrored, placed

EDITION_NAMES = list(EDITIONS)
FOLLOWING = [name for name in EDITIONS if name != "belharbi"]
"""Editions that scale and turn with the face."""
ON_FACE = {name: au_maps(FACE, size=64, edition=name) for name in EDITIONS}


@pytest.mark.parametrize("edition", EDITION_NAMES)
def test_every_unit_of_an_edition_has_a_map(edition):
    maps = ON_FACE[edition]
    assert tuple(maps) == EDITIONS[edition].units
    assert set(maps) <= set(UNITS)
    for unit, mask in maps.items():
        assert mask.shape == (1, 64, 64)
        assert mask.dtype == torch.bool
        assert mask.any(), unit


def test_ours_are_unions_of_areas():
    areas = face_areas(FACE, size=64)
    for unit, mask in ON_FACE["fer_xai"].items():
        expected = areas[:, [AREAS.index(name) for name in UNIT_AREAS[unit]]].any(dim=1)
        assert (mask == expected).all()


BROWS, EYES, NOSE, MOUTH, CHIN = (
    FACE[0, points, 1].mean()
    for points in (slice(17, 27), slice(36, 48), slice(29, 36), slice(48, 60), slice(7, 10))
)
BETWEEN = {  # rows between which the middle of each unit's map must lie
    "AU1": (0, EYES - 2),
    "AU2": (0, EYES - 2),
    "AU4": (BROWS - 6, EYES + 3),
    "AU5": (BROWS, EYES + 1),
    "AU6": (EYES, MOUTH),
    "AU7": (BROWS + 3, EYES + 4),
    "AU9": (EYES, MOUTH - 3),
    "AU10": (EYES + 6, MOUTH),
    "AU11": (EYES, MOUTH),
    "AU12": (NOSE, MOUTH + 2),
    "AU13": (NOSE, MOUTH),
    "AU14": (MOUTH - 4, CHIN),
    "AU15": (MOUTH - 4, CHIN),
    "AU16": (MOUTH, CHIN),
    "AU17": (MOUTH, CHIN),
    "AU20": (MOUTH - 4, CHIN),
    "AU23": (MOUTH - 3, MOUTH + 3),
    "AU24": (MOUTH - 5, MOUTH + 3),
    "AU25": (MOUTH - 3, MOUTH + 3),
    "AU26": (MOUTH - 3, CHIN),
    "AU27": (MOUTH - 3, CHIN),
    "AU38": (NOSE - 3, MOUTH - 3),
    "AU43": (BROWS + 3, EYES + 4),
}


@pytest.mark.parametrize(
    ("edition", "unit"), [(name, unit) for name in EDITIONS for unit in EDITIONS[name].units]
)
def test_each_unit_lies_where_it_must(edition, unit):
    x, y = centroid(ON_FACE[edition][unit][0])
    low, high = BETWEEN[unit]
    assert low < y < high
    symmetric = (edition, unit) not in {("belharbi", unit) for unit in ("AU5", "AU17", "AU20")}
    assert x == pytest.approx(31.5, abs=1 if symmetric else 6)


@pytest.mark.parametrize("edition", EDITION_NAMES)
def test_outer_and_inner_units_are_in_this_order(edition):
    left = {
        unit: centroid(mask[0, :, :32])[0]
        for unit, mask in ON_FACE[edition].items()
        if mask[0, :, :32].any()
    }
    assert left["AU2"] < left["AU1"] - 3
    assert left["AU6"] < left["AU9"] - 2
    if edition != "belharbi":
        assert left["AU12"] < left["AU17"] - 2


@pytest.mark.parametrize("edition", FOLLOWING)
def test_maps_grow_turn_and_are_mirrored_with_the_face(edition):
    large = au_maps((FACE + 0.5) * 4 - 0.5, size=256, edition=edition)
    tilted = placed(7, 0.9, (2, -1))
    ours = au_maps(tilted, size=64, edition=edition)
    other = au_maps(mirrored(tilted), size=64, edition=edition)
    upright = au_maps(placed(0, 0.8), size=64, edition=edition)
    quarter = au_maps(placed(90, 0.8), size=64, edition=edition)
    for unit, mask in ON_FACE[edition].items():
        share = float(mask.float().mean())
        assert float(large[unit].float().mean()) == pytest.approx(share, abs=0.006), unit
        assert (ours[unit] != other[unit].flip(-1)).float().mean() < 2e-3, unit
        turned = upright[unit].rot90(-1, dims=(-2, -1))
        assert (quarter[unit] != turned).float().mean() < 2e-3, unit


@pytest.mark.parametrize("edition", FOLLOWING)
def test_maps_of_a_symmetric_face_are_symmetric(edition):
    for unit, mask in au_maps((FACE + 0.5) * 4 - 0.5, size=256, edition=edition).items():
        assert iou(mask, mask.flip(-1)) > 0.97, unit


def test_belharbi_as_published_does_not_follow_the_face_and_the_scaled_one_does():
    small = placed(0, 0.5)
    shares = {
        name: float(
            au_maps(small, size=64, edition=name)["AU12"].sum() / ON_FACE[name]["AU12"].sum()
        )
        for name in ("belharbi", "belharbi_scaled")
    }
    assert shares["belharbi"] == pytest.approx(1, abs=0.1)
    assert shares["belharbi_scaled"] == pytest.approx(0.25, abs=0.05)


def test_belharbi_as_published_is_what_opencv_draws():
    cv2 = pytest.importorskip("cv2")
    points = (FACE + 0.5) * 4 - 0.5
    maps = au_maps(points, size=256, edition="belharbi")
    at = [(int(x), int(y)) for x, y in points[0]]
    eye = ((at[36][0] + at[39][0]) // 2, (at[38][1] + at[41][1]) // 2)
    other = ((at[42][0] + at[45][0]) // 2, (at[44][1] + at[47][1]) // 2)
    wide, high = (at[39][0] - at[36][0]) // 2, (at[41][1] - at[38][1]) // 2
    chin = tuple((a + b) // 2 for a, b in zip(at[59], at[8], strict=True))
    half = tuple((b - a) // 2 for a, b in zip(at[59], at[8], strict=True))
    nose = [(at[31][0], at[29][1]), (at[35][0], at[29][1])]
    drawn = {
        "AU1": [(at[20], (32, 26)), (at[23], (32, 26))],
        "AU5": [(eye, (wide, high)), (other, (wide, high))],
        "AU6": [((at[k][0], at[k][1] + 43), (26, 26)) for k in (41, 46)],
        "AU9": [(centre, (20, 20)) for centre in nose],
        "AU12": [(at[48], (20, 20)), (at[54], (20, 20))],
        "AU17": [(chin, half)],
        "AU25": [(at[51], (25, 10)), (at[57], (25, 10))],
    }
    for unit, ellipses in drawn.items():
        canvas = np.zeros((256, 256), np.uint8)
        for centre, radii in ellipses:
            cv2.ellipse(canvas, centre, radii, 0, 0, 360, 1, cv2.FILLED)
        assert iou(maps[unit][0], torch.from_numpy(canvas).bool()) > 0.95, unit


def test_softening_is_that_of_their_code():
    cv2 = pytest.importorskip("cv2")
    mask = ON_FACE["belharbi"]["AU1"][0].repeat_interleave(4, 0).repeat_interleave(4, 1)
    cells = cv2.blur(cv2.resize(mask.float().numpy(), (28, 28)), (3, 3))
    expected = cv2.resize(cells, (256, 256))
    assert soften(mask[None])[0].numpy() == pytest.approx(expected, abs=1e-4)
    assert soften(torch.ones(2, 3, 48, 48)).shape == (2, 3, 48, 48)
    assert soften(torch.ones(1, 48, 48)) == pytest.approx(1)


def test_regions_of_pyfeat_do_not_overlap_and_leave_eyes_and_mouth_open():
    maps = torch.stack(list(ON_FACE["pyfeat"].values()))[:, 0].int()
    assert int(maps.sum(dim=0).max()) == 1
    open_mouth = FACE.copy()
    open_mouth[0, 55:60, 1] += 6
    open_mouth[0, 65:68, 1] += 6
    open_mouth[0, 4:13, 1] += 3
    maps = torch.stack(list(au_maps(open_mouth, size=64, edition="pyfeat").values()))[:, 0]
    for points in (range(36, 42), range(42, 48), range(60, 68)):
        x, y = open_mouth[0, list(points)].mean(axis=0).round().astype(int)
        assert not maps[:, y, x].any()


def test_splines_keep_affine_maps_and_landmarks():
    rng = np.random.default_rng(0)
    rest, vertices = rng.random((12, 2)) * 5, rng.random((30, 2)) * 7 - 1
    turn, shift = np.array([[0.7, -1.2], [0.4, 2.0]]), np.array([3.0, -1.0])
    weights = spline_weights(rest, vertices)
    assert weights @ (rest @ turn.T + shift) == pytest.approx(vertices @ turn.T + shift)
    moved = rng.random((12, 2))
    assert spline_weights(rest, rest, stiffness=0) @ moved == pytest.approx(moved)


@pytest.mark.parametrize(("one", "two"), list(combinations(FOLLOWING, 2)))
def test_editions_agree_more_on_a_unit_than_on_others(one, two):
    """Mean overlap of the same unit in two editions against that of different units."""
    same, different = [], []
    for a, mask in ON_FACE[one].items():
        for b, other in ON_FACE[two].items():
            (same if a == b else different).append(iou(mask, other))
    assert np.mean(same) > 2 * np.mean(different)


@pytest.mark.parametrize("edition", EDITION_NAMES)
def test_unknown_faces_have_empty_maps_and_a_batch_is_one_by_one(edition):
    faces = np.concatenate([placed(a, 0.8) for a in range(-30, 40, 10)] * 10)
    faces[3, 60] = np.nan
    maps = au_maps(faces, size=64, edition=edition)
    alone = au_maps(faces[41:42], size=64, edition=edition)
    for unit, mask in maps.items():
        assert not mask[3].any()
        assert (mask[41] == alone[unit][0]).all()
    assert au_maps(faces[:0], size=64, edition=edition)["AU1"].shape == (0, 64, 64)


def test_some_units_are_those_of_all():
    maps = au_maps(FACE, size=64, units=["AU12", "AU1"])
    assert list(maps) == ["AU12", "AU1"]
    assert all((mask == ON_FACE["fer_xai"][unit]).all() for unit, mask in maps.items())


def test_wrong_names_get_a_sentence():
    with pytest.raises(InputError, match="Expected an edition of action units .fer_xai, belharbi"):
        au_maps(FACE, size=64, edition="facs")
    with pytest.raises(InputError, match="edition fer_xai has a map of .* got AU99, 12"):
        au_maps(FACE, size=64, units=["AU1", "AU99", 12])
    assert list(PUBLISHED) == list(UNIT_AREAS)
