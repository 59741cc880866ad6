"""Providers that read files: what they hand on, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_xai.data.images import faces_from_files
from fer_xai.data.landmark_csv import POINTS
from fer_xai.detect import locate
from fer_xai.errors import InputError
from fer_xai.landmarks import canonical_landmarks
from fer_xai.landmarks.in_images import check_placed
from fer_xai.landmarks.template import MIRROR

SIDES = {"a": 64, "b": 128, "c": 64}


@pytest.fixture
def faces(tmp_path):
    """Three faces in files, one of them larger."""
    rows = []
    for name, side in SIDES.items():
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (side, side), "grey").save(path)
        rows.append((f"{name}.png", str(path), "fear", "test", "", "mine", ""))
    return faces_from_files(rows, name="mine")


def points_of(name):
    """Points of a face in pixels of its own image."""
    return (canonical_landmarks() + 0.5) * SIDES[name] / 64 - 0.5


def write_csv(folder, points):
    rows = [
        {"image": f"{name}.png", **dict(zip(POINTS, at.reshape(-1), strict=True))}
        for name, at in points.items()
    ]
    pd.DataFrame(rows).to_csv(folder / "points.csv", index=False)
    return f"csv:{folder / 'points.csv'}"


def write_npz(folder, points):
    np.savez(folder / "points.npz", ids=list(points), points=np.stack(list(points.values())))
    return f"npz:{folder / 'points.npz'}"


def write_pts(folder, points):
    (folder / "pts").mkdir()
    for name, at in points.items():
        lines = "\n".join(f"{x} {y}" for x, y in at + 1)
        text = f"version: 1\nn_points: {len(at)}\n{{\n{lines}\n}}\n"
        (folder / "pts" / f"{name}.pts").write_text(text)
    return f"pts:{folder / 'pts'}"


def write_ckplus(folder, points):
    (folder / "Landmarks" / "S005").mkdir(parents=True)
    for name, at in points.items():
        text = "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in at)
        (folder / "Landmarks" / "S005" / f"{name}_landmarks.txt").write_text(text)
    return f"ckplus:{folder / 'Landmarks'}"


WRITERS = [write_csv, write_npz, write_pts, write_ckplus]


@pytest.fixture(params=WRITERS, ids=lambda write: write.__name__)
def write(request, tmp_path):
    return lambda points: request.param(tmp_path, points)


def test_points_come_back_in_pixels_of_each_face(faces, write):
    found = locate(faces, write({name: points_of(name) for name in "ab"}))
    np.testing.assert_allclose(found.points[0], points_of("a"), atol=1e-4)
    np.testing.assert_allclose(found.points[1], points_of("b"), atol=1e-4)
    assert found.found.tolist() == [True, True, False]
    assert np.isnan(found.confidence).all()


def test_points_of_copies_of_another_size_are_scaled(faces, write):
    found = locate(faces, write({name: canonical_landmarks() for name in "abc"}) + "@64")
    for row, name in enumerate("abc"):
        np.testing.assert_allclose(found.points[row], points_of(name), atol=1e-4)


def test_faces_with_unknown_points_are_not_found(faces, write):
    points = {name: points_of(name) for name in "abc"}
    points["b"][3] = np.nan
    assert locate(faces, write(points)).found.tolist() == [True, False, True]


def test_points_outside_of_the_image_are_refused(faces, write):
    points = {name: points_of(name) for name in "abc"}
    points["c"] = points_of("c") * 4
    sentence = r"inside their images in .*, but 1 of 3 faces lie outside, first c.png"
    with pytest.raises(InputError, match=sentence):
        locate(faces, write(points))


def test_points_of_larger_images_are_refused(faces, write):
    points = {name: points_of(name) * 1.5625 for name in "abc"}
    with pytest.raises(InputError, match=r"at the right and at the bottom, first a.png, whose"):
        locate(faces, write(points))


def test_mirrored_points_are_refused(faces, write):
    points = {name: points_of(name) for name in "abc"}
    points["a"][:, 0] = 63 - points["a"][:, 0]
    with pytest.raises(InputError, match=r"left and right are swapped in 1 of 3 faces, first a"):
        locate(faces, write(points))
    renumbered = points["a"][MIRROR][None]  # as the sentence says
    check_placed(renumbered, np.array([[64, 64]]), ["a.png"], where="points")


@pytest.mark.parametrize("degrees", [-80, 45, 90, 170])
def test_turned_heads_are_not_taken_for_mirrored_ones(faces, tmp_path, degrees):
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = (points_of("a") - 31.5) @ matrix.T + 31.5
    assert locate(faces, write_npz(tmp_path, {"a": turned})).found[0]


def test_faces_that_all_lack_points_are_refused(faces, write):
    with pytest.raises(InputError, match=r"NaN or missing|none of its|is among them"):
        locate(faces, write({name: np.full((68, 2), np.nan) for name in "abc"}))


def test_points_of_other_images_are_refused(faces, write):
    with pytest.raises(InputError, match=r"Expected landmarks of mine in .*, but none of its 2"):
        locate(faces, write({"x": points_of("a"), "y": points_of("a")}))


@pytest.mark.parametrize("writer", WRITERS[1:], ids=lambda write: write.__name__)
@pytest.mark.parametrize("count", [5, 51, 70])
def test_another_number_of_points_is_refused(faces, tmp_path, writer, count):
    points = np.resize(points_of("a"), (count, 2))
    with pytest.raises(InputError, match=rf"Expected 68 points a face in .*, got {count}: .*take"):
        locate(faces, writer(tmp_path, {"a": points}))


def test_a_csv_of_five_points_is_refused(faces, tmp_path):
    row = {"image": "a.png", **dict.fromkeys(POINTS[:10], 1.0)}
    pd.DataFrame([row]).to_csv(tmp_path / "five.csv", index=False)
    with pytest.raises(InputError, match=r"image,x0,y0,…,x67,y67 .*x5, y5, x6, y6 are missing"):
        locate(faces, f"csv:{tmp_path / 'five.csv'}")


@pytest.mark.parametrize("provider", ["rafdb5", "rafdb37", "rafdb5:/data/RAF-DB"])
def test_rafdbs_own_points_are_refused_where_68_are_needed(faces, provider):
    with pytest.raises(InputError, match="Expected 68 points for mine, but RAF-DB brings"):
        locate(faces, provider)


@pytest.mark.parametrize(
    ("provider", "sentence"),
    [
        ("csv", "Expected a path after the provider csv"),
        ("pts:nowhere", "Expected landmarks at nowhere, but there is nothing"),
        ("csv:points.csv@0", "at least 1 pixel"),
        ("synthetic", "Expected built-in faces for the provider synthetic, got mine"),
    ],
)
def test_providers_that_cannot_be_used_say_so(faces, provider, sentence):
    with pytest.raises(InputError, match=sentence):
        locate(faces, provider)


def test_arrays_that_do_not_fit_are_refused(faces, tmp_path):
    path, points = tmp_path / "points.npz", np.stack([points_of("a")] * 2)
    for arrays, sentence in (
        ({"points": points}, "it has no ids"),
        ({"ids": ["a"], "points": points}, "one id for each of 2 faces"),
        ({"ids": ["a", "a"], "points": points}, "each id once"),
        ({"ids": ["a"], "points": np.zeros((1, 68, 3))}, "leave out the depth"),
        ({"ids": ["a"], "points": np.zeros((68, 2))}, "Expected points"),
        ({"ids": ["a"], "points": np.full((1, 68, 2), "x")}, "Expected numbers"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=sentence):
            locate(faces, f"npz:{path}")
    path.write_bytes(b"cut")
    with pytest.raises(InputError, match="write it again with numpy"):
        locate(faces, f"npz:{path}")


def test_files_of_points_that_hold_no_numbers_are_refused(faces, tmp_path):
    (tmp_path / "a.pts").write_text("version: 1\n{\none two\n}\n")
    with pytest.raises(InputError, match=r"lines of x and y in .*a.pts, got 'one two'"):
        locate(faces, f"pts:{tmp_path}")


def test_two_files_of_one_name_are_refused(faces, tmp_path):
    for place in ("one", "two"):
        (tmp_path / "f" / place).mkdir(parents=True)
        (tmp_path / "f" / place / "a.pts").write_text("")
    with pytest.raises(InputError, match="have one name"):
        locate(faces, f"pts:{tmp_path / 'f'}")
