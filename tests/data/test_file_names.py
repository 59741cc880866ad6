"""Persons and sequences are read off the names of well-known data sets, if all names agree."""

import pytest

from fer_xai.data import load_dataset
from fer_xai.data.file_names import name_fault, spoken_emotion, taken_from_names
from fer_xai.data.splits import face_groups
from fer_xai.errors import InputError


def _people(root, names, draw):
    for index, (folder, name) in enumerate(names):
        draw(root / folder / name, 10 * index, kind="PNG")
    faces = load_dataset(f"folder:{root}")
    return {
        name.split("/")[1]: (subject, group)
        for name, subject, group in zip(
            faces.ids, faces.table["subject"], faces.table["group"], strict=True
        )
    }, faces


def test_ckplus(tmp_path, draw):
    names = [
        ("happy", "S010_004_00000016.png"),
        ("happy", "S010_004_00000017.png"),
        ("fear", "S010_002_00000014.png"),
        ("fear", "S999_001_00000018.png"),
    ]
    found, faces = _people(tmp_path, names, draw)
    assert found == {
        "S010_004_00000016.png": ("S010", "S010_004"),
        "S010_004_00000017.png": ("S010", "S010_004"),
        "S010_002_00000014.png": ("S010", "S010_002"),
        "S999_001_00000018.png": ("S999", "S999_001"),
    }
    assert len(set(face_groups(faces))) == 2


def test_jaffe(tmp_path, draw):
    names = [
        ("anger", "KA.AN1.39.tiff"),
        ("happiness", "KA.HA1.29.tiff"),
        ("neutral", "NA.NE2.206.tiff"),
    ]
    found, faces = _people(tmp_path, names, draw)
    assert found == {
        "KA.AN1.39.tiff": ("KA", ""),
        "KA.HA1.29.tiff": ("KA", ""),
        "NA.NE2.206.tiff": ("NA", ""),
    }
    assert len(set(face_groups(faces))) == 2  # NA is a person


def test_kdef(tmp_path, draw):
    names = [
        ("afraid", "AF01AFS.JPG"),
        ("afraid", "AF01AFHL.JPG"),
        ("anger", "BF01ANS.JPG"),
        ("surprise", "AM31SUFR.JPG"),
    ]
    found, _ = _people(tmp_path, names, draw)
    assert found == {
        "AF01AFS.JPG": ("F01", "AF01AF"),
        "AF01AFHL.JPG": ("F01", "AF01AF"),
        "BF01ANS.JPG": ("F01", "BF01AN"),
        "AM31SUFR.JPG": ("M31", "AM31SU"),
    }


@pytest.mark.parametrize("stranger", ["me.png", "S010_004_17.png", "S10_004_00000018.png"])
def test_one_other_name_and_nothing_is_read(tmp_path, draw, stranger):
    names = [("happy", "S010_004_00000016.png"), ("happy", stranger)]
    assert set(_people(tmp_path, names, draw)[0].values()) == {("", "")}


@pytest.mark.parametrize(
    ("name", "emotion"), [("AF01HAS.JPG", "happiness"), ("KA.HA1.29.tiff", "happiness")]
)
def test_a_posed_emotion_against_its_folder_is_named(tmp_path, draw, name, emotion):
    draw(tmp_path / "anger" / name, kind="PNG")
    with pytest.raises(InputError, match=f"but 'anger/{name}' speaks of {emotion}: move or rena"):
        load_dataset(f"folder:{tmp_path}")


def test_only_plain_words_speak():
    spoken = ["a_happy.jpg", "HAPPINESS.png", "x-angry-12.png", "1_contempt.bmp"]
    assert [spoken_emotion(name) for name in spoken] == [
        "happiness",
        "happiness",
        "anger",
        "contempt",
    ]
    silent = [
        "Joy_0001.jpg",
        "normal.png",
        "test_0001_aligned.jpg",
        "unhappy.png",
        "sad_x.png",
        "an.png",
        "001.png",
        "happy_and_glorious.png",
        "",
    ]
    assert [spoken_emotion(name) for name in silent] == [None] * len(silent)


def test_no_names_are_of_no_pattern():
    assert taken_from_names([]) is None
    assert name_fault("a/b/c d.png") is None
