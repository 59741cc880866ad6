"""RAF-DB's attributes, points and compound emotions; RAF-CE and RAF-AU with their action units."""

import numpy as np
import pytest

from fer_xai.data import load_dataset
from fer_xai.data.raf_files import points
from fer_xai.errors import InputError
from tests.data.tree_makers import rafau, rafce, rafdb, rafdb_compound


def test_race_gender_and_age_are_words(tmp_path):
    rafdb(tmp_path)
    faces = load_dataset(f"rafdb:{tmp_path}", split="train")
    assert faces.table["gender"].tolist() == ["female", "female"]  # 1, then race 2, then age 3
    assert faces.table["race"].tolist() == ["Asian", "Asian"]
    assert faces.table["age"].tolist() == ["40-69", "40-69"]


def test_without_annotations_there_are_no_such_columns(tmp_path):
    rafdb(tmp_path)
    (tmp_path / "Annotation").rename(tmp_path / "elsewhere")
    assert "race" not in load_dataset(f"rafdb:{tmp_path}", split="train").table.columns


def test_a_face_without_annotation_is_unknown_and_counted(tmp_path):
    rafdb(tmp_path)
    (tmp_path / "Annotation/manual/train_00001_manu_attri.txt").unlink()
    with pytest.warns(UserWarning, match="1 of 2 faces have no file of race, gender and age"):
        faces = load_dataset(f"rafdb:{tmp_path}", split="train")
    assert faces.table["age"].tolist() == ["", "40-69"]


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ("1 2", "'1 2'"),
        ("1 2 5", "'1 2 5'"),
        ("3 0 0", "'3 0 0'"),
        ("1 x 0", "'1 x 0'"),
        ("", "'10 numbers'"),
    ],
)
def test_other_codes_of_attributes_are_refused(tmp_path, codes, told):
    rafdb(tmp_path)
    path = tmp_path / "Annotation/manual/train_00001_manu_attri.txt"
    path.write_text("1 2\n" * 5 + "\n".join(codes.split()))
    with pytest.raises(InputError, match=rf"Expected five points .*age .0–4. in .*, got {told}"):
        load_dataset(f"rafdb:{tmp_path}", split="train")


def test_points_are_those_of_the_original_images(tmp_path):
    rafdb(tmp_path)
    manual = points(tmp_path, ["train_00001", "train_99999"])
    assert manual[0].tolist() == [[i + 0.5, i + 10.25] for i in range(5)]
    assert np.isnan(manual[1]).all()
    assert points(tmp_path, ["test_0001"], kind="auto")[0, 36].tolist() == [36, 37]
    (tmp_path / "Annotation/auto/test_0001_auto_attri.txt").write_text("1 2\n3 4\n")
    with pytest.raises(InputError, match="Expected 37 points `x y` in .*, got 4 numbers"):
        points(tmp_path, ["test_0001"], kind="auto")


@pytest.mark.parametrize(("name", "make"), [("rafdb_compound", rafdb_compound), ("rafce", rafce)])
def test_pairs_need_a_map(tmp_path, name, make):
    make(tmp_path)
    with pytest.raises(
        InputError, match="Expected an emotion map, since pairs of emotions .*--map"
    ):
        load_dataset(f"{name}:{tmp_path}")
    with pytest.raises(InputError, match="Expected labels of .* in the emotion map, but 'x' never"):
        load_dataset(f"{name}:{tmp_path}", emotion_map={"x": "fear"})


@pytest.mark.parametrize("second", ["surprise", "fear"])
def test_a_pair_by_its_code_and_in_words_is_named_twice(tmp_path, second):
    rafdb_compound(tmp_path)
    both = {"4": "surprise", "Sadly angry": second, "2": "anger"}
    with pytest.raises(InputError, match="each label once .* got 4 and 'sadly angry', which are"):
        load_dataset(f"rafdb_compound:{tmp_path}", emotion_map=both)


def test_the_compound_sets_have_codes_of_their_own(tmp_path):
    rafdb_compound(tmp_path)
    faces = load_dataset(f"rafdb_compound:{tmp_path}", emotion_map={"2": "disgust", "4": "anger"})
    told = dict(zip(faces.table["label"], faces.table["emotion"], strict=True))
    assert told == {"sadly angry": "anger", "happily disgusted": "disgust"}
    path = tmp_path / "compound/EmoLabel/list_patition_label.txt"
    path.write_text("test_0001.jpg 12\n")
    with pytest.raises(InputError, match="Expected codes 1–11 .*12 first in row 1"):
        load_dataset(f"rafdb_compound:{tmp_path}", emotion_map={"2": "disgust"})


def test_rafce_tells_action_units(tmp_path):
    rafce(tmp_path)
    faces = load_dataset(f"rafce:{tmp_path}", emotion_map={"0": "surprise", "13": "sadness"})
    assert faces.table["action_units"].tolist() == ["1+2+12", ""]
    train = load_dataset(f"rafce:{tmp_path}", split="train", emotion_map={"8": "fear"})
    assert train.table["label"].tolist() == ["fearfully disgusted"]
    (tmp_path / "RAFCE_partition.txt").write_text("0001.jpg 1\n")
    with pytest.raises(
        InputError, match="Expected every face of RAFCE_emolabel.txt .* 2 are missing"
    ):
        load_dataset(f"rafce:{tmp_path}", emotion_map={"0": "surprise"})


def test_rafau_has_units_and_no_emotions_of_its_own(tmp_path):
    rafau(tmp_path)
    with pytest.raises(InputError, match="Expected a list of emotions for rafau.*#emotions=FILE"):
        load_dataset(f"rafau:{tmp_path}")
    faces = load_dataset(f"rafau:{tmp_path}#emotions=mine.txt")
    assert faces.table["action_units"].tolist() == ["6+12", "L14+4"]
    (tmp_path / "RAFAU_label.txt").write_text("0001.jpg six\n")
    with pytest.raises(InputError, match=r"Expected `name units` .*row 1, got '0001.jpg six'"):
        load_dataset(f"rafau:{tmp_path}#emotions=mine.txt")
