"""``python -m fer_xai.detect``: a file of points that ``--landmarks`` reads, counts, comparison."""

import gzip

import numpy as np
import pytest
from PIL import Image

from fer_xai.command import DONE, UNUSABLE
from fer_xai.data import load_dataset
from fer_xai.detect.__main__ import main
from fer_xai.detect.comparison import POINT_GROUPS, comparison_table, point_errors, yaw
from fer_xai.detect.counts import missing_table
from fer_xai.detect.provider import Landmarks
from fer_xai.errors import InputError
from fer_xai.landmarks import canonical_landmarks


@pytest.fixture
def folder(tmp_path):
    """Four images in folders of emotions."""
    for number, emotion in enumerate(("anger", "happiness") * 2):
        place = tmp_path / "mine" / "test" / emotion
        place.mkdir(parents=True, exist_ok=True)
        shade = np.full((40, 40, 3), 30 * number, np.uint8)
        Image.fromarray(shade).save(place / f"{number}.png")
    return tmp_path / "mine"


def test_the_file_is_what_landmarks_are_read_from(folder, tmp_path, capsys):
    out = tmp_path / "runs" / "points.csv.gz"
    assert main([f"folder:{folder}", "--provider", "template", "--out", str(out)]) == DONE
    faces = load_dataset(f"folder:{folder}", split="test", landmarks=out)
    expected = (canonical_landmarks() + 0.5) * 40 / 64 - 0.5
    np.testing.assert_allclose(faces.landmarks, np.tile(expected, (4, 1, 1)), atol=1e-3)
    said = capsys.readouterr().out
    assert "template, approximate: 4 of 4 found" in said
    assert "without landmarks" in said


def test_the_file_is_the_same_each_time(folder, tmp_path):
    contents = []
    for name in ("one.csv.gz", "two.csv.gz"):
        main([f"folder:{folder}", "--provider", "template", "--out", str(tmp_path / name)])
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert gzip.decompress(contents[0]).startswith(b"image,x0,y0,")


def test_faces_without_landmarks_are_counted_and_left_out(folder, tmp_path, capsys):
    faces = load_dataset(f"folder:{folder}", split="test")
    first = tmp_path / "some.npz"
    angry = [
        name
        for name, label in zip(faces.ids, faces.table["emotion"], strict=True)
        if label == "anger"
    ]
    points = np.tile(canonical_landmarks() * 0.6, (1, 1, 1))
    np.savez(first, ids=angry[:1], points=points)
    out = tmp_path / "points.csv"
    sheet = tmp_path / "sheet.png"
    words = [f"folder:{folder}", "--provider", f"npz:{first}", "--out", str(out)]
    assert main([*words, "--sheet", str(sheet), "--compare", "template"]) == DONE
    said = capsys.readouterr().out
    assert len(out.read_text().splitlines()) == 2
    assert [line.split()[-3:] for line in said.splitlines() if "anger" in line][1] == [
        "2",
        "1",
        "50.0%",
    ]
    assert "Mean distance from template, approximate" in said
    with Image.open(sheet) as picture:
        assert picture.size[0] > 128


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--provider", "tmplate"], "did you mean template"),
        (["--provider", "template", "--sheet", "sheet.xyz"], "--sheet as a .png"),
        (["--provider", "synthetic"], "Expected built-in faces"),
        (["--provider", "template", "--detector", "lbp"], "found none"),
        (["--provider", "template", "--compare", "nowhere.csv"], "nothing"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(folder, tmp_path, capsys, words, sentence):
    out = tmp_path / "out" / "points.csv"
    assert main([f"folder:{folder}", "--out", str(out), *words]) == UNUSABLE
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_errors_are_shares_of_the_distance_of_the_eyes_corners():
    truth = np.tile(canonical_landmarks(), (3, 1, 1))
    points = truth.copy()
    points[0, 48:68, 0] += 2  # the mouth alone
    points[2, 5] = np.nan
    errors = point_errors(points, truth)
    unit = float(np.linalg.norm(truth[0, 36] - truth[0, 45]))
    np.testing.assert_allclose(errors[0], [*[0] * 48, *[2 / unit] * 20], atol=1e-6)
    assert np.isnan(errors[2]).all()
    table = comparison_table(points, truth, ["fear", "fear", "anger"]).set_index("part")
    assert table.loc["all", "mean"] == pytest.approx(20 / 68 * 2 / unit / 2)
    assert table.loc["mouth", "mean"] == pytest.approx(2 / unit / 2)
    assert table.loc["jaw", "mean"] == 0
    assert table.loc["anger", ["faces", "only second"]].tolist() == [0, 1]
    assert table.loc["fear", "faces"] == 2
    assert sum(last - first for first, last in POINT_GROUPS.values()) == 68
    with pytest.raises(InputError, match="of the same faces"):
        point_errors(points, truth[:2])


def test_a_face_that_is_turned_has_its_nose_at_an_eye():
    points = np.tile(canonical_landmarks(), (2, 1, 1))
    points[1, 30, 0] = points[1, 45, 0]
    assert yaw(points).tolist() == [0, 1]


def test_missing_faces_are_counted_by_emotion_and_source(faces):
    points = faces.landmarks.copy()
    points[0] = np.nan
    found = Landmarks(points=points, confidence=np.ones(6, np.float32), provider="x", version="1")
    table = missing_table(faces, found)
    assert table["without landmarks"].tolist() == [1, 0, 0, 0, 0, 0, 1]
    assert table["share"].iloc[-1] == pytest.approx(1 / 6)
    assert set(table["source"]) == {"synthetic-wild", "all"}
