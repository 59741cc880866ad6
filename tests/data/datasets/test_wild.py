"""Faces from the web and from films: ExpW and SFEW."""

import numpy as np
import pytest
import torch
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.data.duplicates.prints import read_prints
from fer_xai.errors import InputError
from fer_xai.types import file_digests, pixel_cache, reading
from fer_xai.types.pixels import resized
from fer_xai.types.readers import StoredReader
from tests.data.tree_makers import expw, sfew, text


def test_expw_cuts_each_face_out_of_its_photograph(tmp_path):
    expw(tmp_path)
    faces = load_dataset(f"expw:{tmp_path}")
    assert [faces.read(i).shape[:2] for i in range(3)] == [(14, 8), (5, 5), (8, 8)]
    assert faces.table["confidence"].tolist() == [90.5, 20.1, 60]
    assert faces.table["path"][0] == faces.table["path"][1]
    sure = load_dataset(f"expw:{tmp_path}#confidence=60")
    assert sure.ids == ["angry_1.jpg#0", "b.jpg#0"]


def test_expw_keeps_faces_of_one_photograph_in_one_split(tmp_path):
    expw(tmp_path)
    parts = [load_dataset(f"expw:{tmp_path}#test_share=.5", split=s).ids for s in ("train", "test")]
    assert sorted(map(len, parts)) == [1, 2]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("a.jpg 0 2 4 12 16 90.5", "Expected `image face_id top left right .*row 2"),
        ("a.jpg 0 2 4 12 16 sure 3", "Expected `image face_id top left right .*row 2"),
        (
            "a.jpg 0 2 4 4 16 90 3",
            "Expected the name of a file and a box .*a box without an inside",
        ),
        ("../a.jpg 0 2 4 12 16 90 3", "got a path that leaves its folder"),
        ("b.jpg 0 2 4 12 16 90 3", "Expected each face once, got 'b.jpg#0' in row 1 and again"),
        ("a.jpg 0 2 4 12 16 90 7", "Expected codes 0–6 .*7 first in row 2"),
    ],
)
def test_expw_names_a_bad_row(tmp_path, row, sentence):
    expw(tmp_path)
    text(tmp_path / "data/label/label.lst", "b.jpg 0 1 1 9 9 60 6", row)
    with pytest.raises(InputError, match=sentence):
        load_dataset(f"expw:{tmp_path}")


def test_sfew_has_aligned_and_whole_images_and_no_test_labels(tmp_path):
    sfew(tmp_path)
    assert load_dataset(f"sfew:{tmp_path}", split="train").ids == ["Angry/A_000447040_00000001.png"]
    whole = load_dataset(f"sfew:{tmp_path}#images=whole", split="valid")
    assert whole.ids == ["Happy/B_1.png"]
    assert load_dataset(f"sfew:{tmp_path}#test=valid").emotions == ("happiness",)
    with pytest.raises(InputError, match="whose test set has no labels.*sfew:ROOT#test=valid"):
        load_dataset(f"sfew:{tmp_path}")


def test_sfew_will_do_with_its_aligned_folders_alone(tmp_path):
    sfew(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    (tmp_path / "Val/Val_Aligned_Faces_new").rename(alone / "Val_Aligned_Faces_new")
    (tmp_path / "Train/Train_Aligned_Faces").rename(alone / "Train_Aligned_Faces")
    assert load_dataset(f"sfew:{alone}", split="valid").emotions == ("happiness",)
    assert load_dataset(f"sfew:{alone}", split="train").emotions == ("anger",)
    with pytest.raises(InputError, match="Expected the folder Val_Aligned_Faces of SFEW under"):
        load_dataset(f"sfew:{tmp_path}", split="valid")


def _photographs(root):
    expw(root)
    for seed, name in enumerate(("angry_1.jpg", "b.jpg")):
        noise = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "data/image/origin" / name, format="PNG")


def test_boxes_of_one_photograph_are_kept_apart_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_cache, "WORTH", 1)
    monkeypatch.setattr(file_digests, "SETTLED", -1)
    monkeypatch.setattr(reading, "KEPT", 0)
    _photographs(tmp_path)
    faces = load_dataset(f"expw:{tmp_path}")
    assert isinstance(faces.reader, StoredReader)
    wanted = torch.stack([resized(faces.read(i), 8) for i in range(3)])
    assert torch.equal(faces.pixels(8), wanted)
    assert len(list(tmp_path.glob("cache/**/8px/*.pack"))) == 1
    monkeypatch.setattr("fer_xai.types.image_files.read_image", None)
    again = load_dataset(f"expw:{tmp_path}")
    assert torch.equal(again.pixels(8), wanted)
    assert again.image_sizes.tolist() == [[14, 8], [5, 5], [8, 8]]


def test_the_identity_of_a_face_is_that_of_its_photograph_and_its_box(tmp_path):
    _photographs(tmp_path)
    before = load_dataset(f"expw:{tmp_path}").fingerprint(64)
    assert load_dataset(f"expw:{tmp_path}").fingerprint(32) == before
    text(
        tmp_path / "data/label/label.lst",
        *("angry_1.jpg 0 2 4 12 16 90.5 0", "angry_1.jpg 1 0 0 5 6 20.1 3", "b.jpg 0 1 1 9 9 60 6"),
    )
    assert load_dataset(f"expw:{tmp_path}").fingerprint(64) != before


def test_faces_of_one_photograph_are_no_identical_files(tmp_path):
    _photographs(tmp_path)
    prints = read_prints(load_dataset(f"expw:{tmp_path}"))
    assert prints.files == ["", "", ""]
    assert len(set(prints.pixels)) == 3
