import dataclasses
import gzip

import numpy as np
import pandas as pd
import pytest

from fer_xai.data import load_dataset
from fer_xai.data.landmark_csv import POINTS, read_landmarks
from fer_xai.errors import InputError
from fer_xai.landmarks import canonical_landmarks

NAMES = [f"{i}.png" for i in range(6)]
EMOTIONS = ["happy", "fear"]


def _points(index):
    """Points within 20 pixels, which tell images apart and are not those of a mirrored face."""
    along = np.arange(68, dtype=np.float32)
    points = np.stack([along / 8, along**2 / 512], axis=1)
    return points + np.float32(index / 2)


@pytest.fixture
def root(tmp_path, draw):
    for index, name in enumerate(NAMES):
        draw(tmp_path / "faces" / EMOTIONS[index % 2] / name, 30 * index, size=20 + index)
    return tmp_path / "faces"


@pytest.fixture
def faces(root):
    return load_dataset(f"folder:{root}")


@pytest.fixture
def table():
    """Rows in another order than the faces, and one of an image that is not among them."""
    rows = [["elsewhere.png", *_points(77).ravel()]]
    rows += [[name, *_points(i).ravel()] for i, name in reversed(list(enumerate(NAMES)))]
    return pd.DataFrame(rows, columns=["image", *POINTS])


@pytest.fixture
def write(tmp_path):
    def write(table, name="landmarks.csv"):
        table.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def _expected(faces):
    return np.stack([_points(int(name.split("/")[1][0])) for name in faces.ids])


@pytest.mark.parametrize("name", ["landmarks.csv", "landmarks.csv.gz"])
def test_rows_are_matched_by_file_name(faces, table, write, name):
    points = read_landmarks(write(table, name), faces)
    assert points.dtype == np.float32
    assert np.array_equal(points, _expected(faces))


def test_faces_without_a_row_and_blank_cells_are_nan(faces, table, write):
    table = table[table["image"] != "3.png"].copy()
    table.loc[table["image"] == "4.png", "y10"] = np.nan
    points = read_landmarks(write(table), faces)
    three, four = faces.ids.index("fear/3.png"), faces.ids.index("happy/4.png")
    assert np.isnan(points[three]).all()
    assert np.argwhere(np.isnan(points[four])).tolist() == [[10, 1]]
    rest = [i for i in range(6) if i not in (three, four)]
    assert np.array_equal(points[rest], _expected(faces)[rest])


def test_ids_tell_apart_what_file_names_do_not(tmp_path, draw, table, write):
    for index, word in enumerate(EMOTIONS):
        draw(tmp_path / "faces" / word / "0.png", 30 * index)
    faces = load_dataset("folder", root=tmp_path / "faces")
    with pytest.raises(
        InputError,
        match=(
            r"Expected file names that tell faces apart, but 0.png in .* could be fear/0.png or "
            r"happy/0.png: write these ids into its column image"
        ),
    ):
        read_landmarks(write(table), faces)
    table["image"] = ["x", "happy/0.png", "fear/0.png", "a", "b", "c", "0.png"]
    points = read_landmarks(write(table), faces)
    assert faces.ids == ["fear/0.png", "happy/0.png"]
    assert np.array_equal(points, np.stack([_points(4), _points(5)]))


def test_points_of_a_fixed_size_are_scaled_to_each_image(faces, table, write):
    """Pixel areas scale: the centre of the measured image is the centre of every face."""
    table[POINTS] = 63.5
    points = read_landmarks(write(table), faces, points_size=128)
    sides = np.array([faces.read(i).shape[0] for i in range(6)])
    assert sorted(sides) == list(range(20, 26))
    expected = np.broadcast_to((sides[:, None, None] - 1) / 2, points.shape)
    np.testing.assert_allclose(points, expected, atol=1e-5)
    table[POINTS] = -0.5  # the corner stays the corner
    np.testing.assert_allclose(read_landmarks(write(table), faces, points_size=128), -0.5)


def test_points_measured_at_a_size_come_back_at_that_size(faces, table, write):
    points = read_landmarks(write(table), faces, points_size=64)
    placed = dataclasses.replace(faces, landmarks=points)
    np.testing.assert_allclose(placed.landmarks_at(64), _expected(faces), atol=1e-3)


def test_points_that_nothing_resizes_are_the_very_points(faces, table, write):
    """Rescaling 20 pixels to 20 must not round: what is kept is found by a digest of points."""
    table[POINTS] = np.random.default_rng(0).uniform(0, 20, table[POINTS].shape).round(3)
    plain, scaled = (read_landmarks(write(table), faces, points_size=s) for s in (None, 20))
    same = np.array([faces.read(i).shape[0] == 20 for i in range(len(faces))])
    assert same.any()
    assert plain[same].tobytes() == scaled[same].tobytes()
    assert scaled.dtype == np.float32
    assert not np.array_equal(plain[~same], scaled[~same])


def test_landmarks_stay_with_their_faces(root, table, write):
    path = write(table)
    faces = load_dataset(f"folder:{root}", landmarks=path, emotions=["fear"])
    assert len(faces) == 3
    assert np.array_equal(faces.landmarks, _expected(faces))
    part = faces.subset([2, 0])
    assert np.array_equal(part.landmarks, _expected(part))
    limited = load_dataset(f"folder:{root}", landmarks=path, limit=4, seed=3)
    assert len(limited) == 4
    assert np.array_equal(limited.landmarks, _expected(limited))
    assert np.array_equal(limited.limit(2).landmarks, _expected(limited.limit(2)))


def test_landmarks_stay_with_their_faces_when_others_are_skipped(root, table, write):
    (root / "happy" / "2.png").write_bytes(b"no image")
    (root / "fear" / "1.png").write_bytes(b"")
    faces = load_dataset(f"folder:{root}", landmarks=write(table), skip_bad=True)
    assert faces.ids == ["fear/3.png", "fear/5.png", "happy/0.png", "happy/4.png"]
    assert np.array_equal(faces.landmarks, _expected(faces))
    assert faces.pixels(20)[:, 0, 0, 0].tolist() == [90, 150, 0, 120]
    assert len(faces.skipped) == 2


@pytest.mark.parametrize("word", ["1,5", "left", "--"])
def test_a_broken_number_names_row_and_column(faces, table, write, word):
    table = table.astype(object)
    table.loc[2, "x7"] = word
    table.loc[4, "y1"] = word
    with pytest.raises(
        InputError, match=(f"Expected numbers in .*landmarks.csv, got '{word}' for x7 in row 4")
    ):
        read_landmarks(write(table), faces)


def test_missing_columns_are_named(faces, table, write):
    with pytest.raises(InputError, match=r"Expected columns image,x0,.*, but y67 is missing\."):
        read_landmarks(write(table.drop(columns="y67")), faces)
    with pytest.raises(InputError, match=r"but image, x0, y0, x1 are missing\."):
        read_landmarks(write(table.iloc[:, 4:]), faces)


def test_an_image_twice_is_named(faces, table, write):
    table = pd.concat([table, table.iloc[[2]]], ignore_index=True)
    with pytest.raises(
        InputError, match=r"Expected one row an image in .*, got '4.png' again in ro"
    ):
        read_landmarks(write(table), faces)


def test_a_file_that_knows_none_of_the_faces_is_an_error(faces, table, write):
    table["image"] = "other_" + table["image"]
    with pytest.raises(
        InputError,
        match=(
            "Expected landmarks of faces in .*, but none of its 7 images is among them: images are "
            "matched by file name"
        ),
    ):
        read_landmarks(write(table), faces)


def test_a_file_whose_points_are_all_unknown_says_so(faces, table, write):
    table[POINTS] = np.nan
    with pytest.raises(InputError, match=r"the points of all 6 of its images that are among them"):
        read_landmarks(write(table), faces)


def test_points_of_larger_images_and_mirrored_ones_are_refused_at_the_door(root, table, write):
    face = canonical_landmarks() / 64 * 20
    for wrong, sentence in (
        (face * 1.75, "they leave the image at the right and at the bottom.*--landmarks-size"),
        (face * [-1, 1] + [19, 0], "left and right are swapped"),
    ):
        table[POINTS] = wrong.reshape(-1)
        with pytest.raises(InputError, match=sentence):
            load_dataset(f"folder:{root}", landmarks=write(table))


def test_unreadable_files_are_named(faces, table, tmp_path):
    with pytest.raises(InputError, match="Expected a landmark CSV, found none at .*landmarks.csv"):
        read_landmarks(tmp_path / "landmarks.csv", faces)
    (tmp_path / "landmarks.csv").write_text("")
    whole = gzip.compress(table.to_csv(index=False).encode())
    flipped = bytearray(whole)
    flipped[200:300] = bytes(100)
    for name, data in (
        ("a.csv", b""),
        ("b.csv.gz", b"no gzip"),
        ("c.csv.gz", whole[:300]),
        ("d.csv.gz", bytes(flipped)),
        ("e.csv", b"\xff\xfe\xff"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(
            InputError, match=f"Expected a CSV of landmarks, but .*{name} cannot be"
        ):
            read_landmarks(tmp_path / name, faces)


class TestDamagedRows:
    @pytest.fixture
    def lines(self, table):
        return table.to_csv(index=False).splitlines()

    def _read(self, lines, faces, tmp_path):
        (tmp_path / "landmarks.csv").write_text("\n".join(lines))
        return read_landmarks(tmp_path / "landmarks.csv", faces)

    @pytest.mark.parametrize(
        "word",
        ["inf", "-inf", "Infinity", "1e39", "1e400", "-123456.5", "1_0", "0x10", "١", "12px"],
    )
    def test_what_is_no_coordinate_is_named(self, lines, faces, tmp_path, word):
        cells = lines[3].split(",")
        cells[8] = word
        lines[3] = ",".join(cells)
        with pytest.raises(
            InputError, match=f"got '{word}' for y3 in row 4: coordinates are pixels"
        ):
            self._read(lines, faces, tmp_path)

    @pytest.mark.parametrize("word", ["", " ", "nan", "NaN", "NA", "N/A", "null", "None"])
    def test_what_says_nothing_is_unknown(self, lines, faces, tmp_path, word):
        cells = lines[3].split(",")
        cells[8] = word
        lines[3] = ",".join(cells)
        assert np.isnan(self._read(lines, faces, tmp_path)).sum() == 1

    def test_rows_of_another_length_are_named(self, lines, faces, tmp_path):
        for line, got in (
            ("a.png,1,2", 3),
            (lines[3] + ",7", 138),
            (lines[3].rpartition(",")[0], 136),
        ):
            damaged = [*lines[:3], line, *lines[4:]]
            with pytest.raises(
                InputError,
                match=(f"Expected 137 cells in each row of .*landmarks.csv, got {got} in row 4, '"),
            ) as raised:
                self._read(damaged, faces, tmp_path)
            assert len(str(raised.value)) < 300

    def test_quotes_that_do_not_close_are_named(self, lines, faces, tmp_path):
        lines[3] = '"' + lines[3]
        with pytest.raises(InputError, match="got quotes that do not close in row 4"):
            self._read(lines, faces, tmp_path)

    def test_copies_are_named_with_both_rows(self, lines, faces, tmp_path):
        with pytest.raises(InputError, match="got '4.png' again in row 9, after row 4: delete one"):
            self._read([*lines, lines[3]], faces, tmp_path)

    def test_columns_come_in_any_order_but_once(self, table, faces, tmp_path, write):
        mixed = table[["x7", "image", *[c for c in table.columns if c not in ("x7", "image")]]]
        points = read_landmarks(write(mixed.assign(score=0.5)), faces)
        assert np.array_equal(points, _expected(faces))
        lines = table.to_csv(index=False).replace("x8", "x7").splitlines()
        with pytest.raises(InputError, match="but x8 is missing"):
            self._read(lines, faces, tmp_path)
        lines = [
            f"{line},{'x7' if n == 0 else 1}"
            for n, line in enumerate(table.to_csv(index=False).splitlines())
        ]
        with pytest.raises(InputError, match="Expected one column x7 in .*, got more: delete one"):
            self._read(lines, faces, tmp_path)

    def test_a_row_without_a_name_is_named(self, lines, faces, tmp_path):
        lines[3] = "," + lines[3].partition(",")[2]
        with pytest.raises(InputError, match="Expected the name of an image in .*row 4, got none"):
            self._read(lines, faces, tmp_path)

    @pytest.mark.parametrize("size", [0, -64, 64.5])
    def test_a_size_that_is_none_is_refused(self, table, faces, write, size):
        with pytest.raises(InputError, match="Expected points_size as a whole number of 1 or more"):
            read_landmarks(write(table), faces, points_size=size)
