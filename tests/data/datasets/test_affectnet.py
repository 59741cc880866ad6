import numpy as np
import pytest

from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from tests.data.tree_makers import HEADER, LANDMARKS, affectnet, affectnet_pack, image, text


def row(name, code, *, box="2,3,10,12", mood="0,0"):
    return f"{name},{box},{LANDMARKS},{code},{mood}"


def test_boxes_are_cut_out_and_moods_are_told(tmp_path):
    affectnet(tmp_path)
    faces = load_dataset(f"affectnet:{tmp_path}", split="valid")
    assert faces.read(0).shape == (12, 10, 3)
    assert faces.table["valence"].tolist() == [0.8, -0.2]
    assert faces.table["arousal"].tolist() == [0.1, 0.2]
    whole = load_dataset(f"affectnet:{tmp_path}#crop=none", split="valid")
    assert whole.read(0).shape == (40, 30, 3)


def test_a_header_may_be_in_either_list_and_in_another_order(tmp_path):
    affectnet(tmp_path)
    names = HEADER.split(",")
    cells = dict(zip(names, row("1/a.jpg", 3).split(","), strict=True))
    text(tmp_path / "training.csv", ",".join(names[::-1]), ",".join(cells[n] for n in names[::-1]))
    assert load_dataset(f"affectnet:{tmp_path}", split="train").emotions == ("surprise",)
    text(tmp_path / "training.csv", HEADER.replace("arousal", "calm"), row("1/a.jpg", 3))
    with pytest.raises(InputError, match="Expected columns .* but arousal is missing"):
        load_dataset(f"affectnet:{tmp_path}", split="train")


def test_the_test_set_is_not_public(tmp_path):
    affectnet(tmp_path)
    with pytest.raises(InputError, match="whose test set is not public.*affectnet:ROOT#test=valid"):
        load_dataset(f"affectnet:{tmp_path}")
    faces = load_dataset(f"affectnet:{tmp_path}#test=valid")
    assert set(faces.table["split"]) == {"test"}
    assert len(faces) == 2


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (row("1/a.jpg", 11), "Expected codes 0–10 of AffectNet .*row 2, got 11: is it another"),
        (row("1/a.jpg", -1), "Expected codes 0–10 of AffectNet .*row 2, got -1"),
        (row("1/a.jpg", "happy"), "Expected codes 0–10 .*got no number"),
        (row("../a.jpg", 1), "Expected the name of a file in .*row 2, got a path that leaves"),
        (row("/etc/a.jpg", 1), "got a path that leaves its folder"),
        (row("1/b.jpg", 1), "Expected each image once, got '1/b.jpg' in row 1 and again in"),
        (row("1/a.jpg", 1, box="2,3,0,12"), "Expected a box of four numbers in .*row 2"),
        ("1/a.jpg,1", "Expected 9 cells .*row 2, got 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path, line, sentence):
    affectnet(tmp_path)
    text(tmp_path / "validation.csv", row("1/b.jpg", 1), line)
    with pytest.raises(InputError, match=sentence):
        load_dataset(f"affectnet:{tmp_path}", split="valid")


def test_a_box_outside_its_photograph_is_named_when_it_is_read(tmp_path):
    affectnet(tmp_path)
    text(tmp_path / "validation.csv", row("1/b.jpg", 1, box="30,0,9,9"), row("1/f.jpg", 1))
    faces = load_dataset(f"affectnet:{tmp_path}", split="valid")
    with pytest.raises(
        InputError, match="Expected the box of a face inside .* of 30×40 pixels, got"
    ):
        faces.read(0)
    kept = load_dataset(f"affectnet:{tmp_path}", split="valid", skip_bad=True)
    assert kept.ids == ["1/f.jpg"]


def test_the_pack_is_read_in_the_order_of_numbers(tmp_path):
    affectnet_pack(tmp_path)
    faces = load_dataset(f"affectnet:{tmp_path}#valence=yes", split="train")
    assert faces.ids == ["0.jpg", "2.jpg", "10.jpg"]
    assert faces.table["valence"].tolist() == [-0.5] * 3
    assert faces.table["arousal"].tolist() == [0.25] * 3


def test_numbers_of_every_type_are_read(tmp_path):
    affectnet_pack(tmp_path)
    for value in (np.array("6"), np.int64(6), np.array([6]), np.uint8(6), "6"):
        np.save(tmp_path / "train_set/annotations/0_exp.npy", value)
        assert load_dataset(f"affectnet:{tmp_path}", split="train").table["emotion"][0] == "anger"


def test_what_is_no_number_and_what_is_missing_is_named(tmp_path):
    affectnet_pack(tmp_path)
    notes = tmp_path / "train_set/annotations"
    image(tmp_path / "train_set/images/3.jpg")
    with pytest.raises(InputError, match="Expected 3_exp.npy for 3.jpg in .*, found none"):
        load_dataset(f"affectnet:{tmp_path}", split="train")
    np.save(notes / "3_exp.npy", np.array("1"))
    np.save(notes / "4_exp.npy", np.array("1"))
    with pytest.raises(InputError, match="found none for 1, for instance 4_exp.npy"):
        load_dataset(f"affectnet:{tmp_path}", split="train")
    (notes / "4_exp.npy").unlink()
    for content in (b"", b"\x93NUMPY\1\0", b"text", (notes / "3_exp.npy").read_bytes()[:-1]):
        (notes / "0_exp.npy").write_bytes(content)
        with pytest.raises(InputError, match=r"Expected (an npy file of )?one number .*0_exp.npy"):
            load_dataset(f"affectnet:{tmp_path}", split="train")
    np.save(notes / "0_exp.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="Expected an npy file of one number"):
        load_dataset(f"affectnet:{tmp_path}", split="train")
