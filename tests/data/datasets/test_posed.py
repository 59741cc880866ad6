"""Photographs of known persons: CK+, CK+48, JAFFE, KDEF and TFEID."""

import pytest

from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from tests.data.tree_makers import ck48, ckplus, image, jaffe, kdef, text, tfeid
from tests.data.trees import TREES


def test_ckplus_takes_the_peak_and_knows_persons(tmp_path):
    ckplus(tmp_path)
    faces = load_dataset(f"ckplus:{tmp_path}")
    assert faces.persons == ["S005", "S010", "S010"]
    assert faces.table["group"].tolist() == ["S005_001", "S010_002", "S010_004"]
    assert faces.table["frame"].tolist() == ["00000011", "00000006", "00000005"]


def test_ckplus_takes_more_frames_and_neutral_first_ones_where_asked(tmp_path):
    ckplus(tmp_path)
    faces = load_dataset(f"ckplus:{tmp_path}#frames=3,neutral=first")
    own = faces.table[faces.table["group"] == "S005_001"]
    assert own["frame"].tolist() == ["00000001", "00000009", "00000010", "00000011"]
    assert own["emotion"].tolist() == ["neutral", "disgust", "disgust", "disgust"]
    assert len(faces) == 12
    for options in ("frames=0", "frames=x", "neutral=last"):
        with pytest.raises(InputError, match="Expected"):
            load_dataset(f"ckplus:{tmp_path}#{options}")


@pytest.mark.parametrize("content", ["9.0", "3.5", "happy", "", "nan"])
def test_ckplus_refuses_other_codes(tmp_path, content):
    ckplus(tmp_path)
    (tmp_path / "Emotion/S005/001/S005_001_00000011_emotion.txt").write_text(content)
    with pytest.raises(InputError, match=rf"Expected one code 0–7 of CK. in .*, got '{content}'"):
        load_dataset(f"ckplus:{tmp_path}")


def test_ckplus_refuses_a_label_of_another_sequence(tmp_path):
    ckplus(tmp_path)
    text(tmp_path / "Emotion/S011/001/S010_002_00000004_emotion.txt", "1")
    with pytest.raises(InputError, match="Expected one label file S011_001_…_emotion.txt in"):
        load_dataset(f"ckplus:{tmp_path}")


def test_ckplus_says_which_folder_is_missing(tmp_path):
    ckplus(tmp_path)
    (tmp_path / "Emotion").rename(tmp_path / "Labels")
    with pytest.raises(
        InputError, match="Expected the folder Emotion of CK. under .*holds Labels, co"
    ):
        load_dataset(f"ckplus:{tmp_path}")


def test_ck48_knows_persons_and_refuses_other_names(tmp_path):
    ck48(tmp_path)
    assert load_dataset(f"ck48:{tmp_path}").persons == ["S010", "S138", "S010"]
    image(tmp_path / "anger/1.png")
    with pytest.raises(InputError, match="got 'anger/1.png' and 0 more: persons are unknown"):
        load_dataset(f"ck48:{tmp_path}")


def test_persons_and_attributes_of_the_others(tmp_path):
    for make in (jaffe, kdef, tfeid):
        make(tmp_path / make.__name__)
    assert load_dataset(f"jaffe:{tmp_path / 'jaffe'}").persons == ["KA", "KA", "YM"]
    assert load_dataset(f"tfeid:{tmp_path / 'tfeid'}").persons == ["F01", "F02", "F04", "M03"]
    faces = load_dataset(f"kdef:{tmp_path / 'kdef'}")
    assert faces.persons == ["F01", "F01", "M35", "F01"]  # one person sat in both sessions
    assert faces.table["view"].tolist() == ["FL", "S", "HR", "S"]
    assert faces.table["gender"].tolist() == ["female", "female", "male", "female"]
    straight = load_dataset(f"kdef:{tmp_path / 'kdef'}#views=S")
    assert straight.ids == ["AF01/AF01AFS.JPG", "BF01/BF01ANS.JPG"]
    with pytest.raises(InputError, match="Expected views of kdef among S, HL, .*got 'front'"):
        load_dataset(f"kdef:{tmp_path / 'kdef'}#views=front")


def test_a_few_names_with_a_slip_are_left_out_and_told(tmp_path):
    for number in range(1, 31):
        image(tmp_path / f"AF{number:02d}HAS.JPG")
    image(tmp_path / "AF31V.JPG")
    with pytest.warns(UserWarning, match="1 of 31 files are left out, .* 'AF31V.JPG'"):
        assert len(load_dataset(f"kdef:{tmp_path}")) == 30
    image(tmp_path / "AF32V.JPG")
    with pytest.raises(InputError, match="but 2 of 32 names are of another pattern"):
        load_dataset(f"kdef:{tmp_path}")


def test_an_image_that_comes_twice_is_refused(tmp_path):
    jaffe(tmp_path)
    image(tmp_path / "copy/KA.AN1.39.tiff")
    with pytest.raises(InputError, match="Expected each image once .*copy/KA.AN1.39.tiff"):
        load_dataset(f"jaffe:{tmp_path}")


@pytest.mark.parametrize("name", ["ckplus", "ck48", "jaffe", "kdef", "tfeid"])
def test_persons_never_straddle_splits_that_are_drawn(tmp_path, name):
    TREES[name].make(tmp_path)
    train, test = (
        load_dataset(f"{name}:{tmp_path}#test_share=.4", split=split) for split in ("train", "test")
    )
    assert not set(train.persons) & set(test.persons)
    assert sorted(train.ids + test.ids) == sorted(TREES[name].faces)
    assert set(train.table["split"]) == {"train"}


def test_all_faces_in_each_split_is_told(tmp_path):
    jaffe(tmp_path)
    with pytest.warns(UserWarning, match="no splits of its own, so train and test hold the same"):
        load_dataset(f"jaffe:{tmp_path}", split="train")
    for share in ("0", "1", "half"):
        with pytest.raises(InputError, match=f"Expected test_share between 0 and 1 .*'{share}'"):
            load_dataset(f"jaffe:{tmp_path}#test_share={share}")
    with pytest.raises(InputError, match="got 'valid': cut it from train"):
        load_dataset(f"jaffe:{tmp_path}#test_share=.5", split="valid")
