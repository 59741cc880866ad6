"""Faces from tensors, from datasets of PyTorch and from lists."""

import numpy as np
import pytest
import torch
from PIL import Image

from fer_xai.errors import InputError
from fer_xai.types import Faces


def test_tensors_become_faces_with_their_labels_and_persons():
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    faces = Faces.from_tensors(images, ["happy", "fear", "sad"], subject=["A", "A", "B"])
    assert torch.equal(faces.pixels(8), images)
    assert torch.equal(faces.images, images.float() / 255)
    assert faces.labels.tolist() == [0, 5, 2]
    assert faces.persons == ["A", "A", "B"]
    assert faces[1:].ids == ["tensors-1", "tensors-2"]
    assert faces[[2, 0]].ids == ["tensors-2", "tensors-0"]
    assert faces[np.array([False, True, False])].ids == ["tensors-1"]
    assert len(faces[[]]) == 0
    grey = Faces.from_tensors(torch.full((1, 1, 4, 4), 0.5), torch.tensor([5]), ids=["me"])
    assert grey.pixels(4).unique().tolist() == [128]
    changed = Faces.from_tensors(255 - images, ["happy", "fear", "sad"], subject=["A", "A", "B"])
    assert changed.fingerprint(8) != faces.fingerprint(8)


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (torch.zeros(2, 8, 8), ["fear"] * 2, {}, r"as a tensor \(N, 3, H, W\)"),
        (torch.zeros(2, 3, 8, 8), ["fear"], {}, "Expected 2 labels"),
        (torch.zeros(1, 3, 8, 8), ["joyless"], {}, "joyless"),
        (torch.zeros(1, 3, 8, 8), [99], {}, "Expected labels 0 to 7"),
        (torch.zeros(1, 3, 8, 8), ["fear"], {"subject": []}, "Expected 1 values of subject"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(images, labels, options, message):
    with pytest.raises(InputError, match=message):
        Faces.from_tensors(images, labels, **options)


def test_a_dataset_of_pytorch_becomes_faces():
    class Mine(torch.utils.data.Dataset):
        classes = ("Fear", "Angry")

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return Image.new("L", (6, 6), 10 * index), index % 2

    faces = Faces.from_dataset(Mine())
    assert list(faces.table["emotion"]) == ["fear", "anger", "fear"]
    assert faces.pixels(6)[:, 0, 0, 0].tolist() == [0, 10, 20]
    with pytest.raises(InputError, match="order of the emotions"):
        Faces.from_dataset([(torch.zeros(3, 4, 4), 1)])
    with pytest.raises(InputError, match=r"items \(image, label\)"):
        Faces.from_dataset([torch.zeros(3, 4, 4)])


def test_a_list_becomes_faces_of_its_files(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (5, 5), (7, 7, 7)).save(tmp_path / "in" / "a.png")
    place = tmp_path / "mine.csv"
    place.write_bytes("\ufeffimage, label,subject,age\r\nin\\a.png,1,S1,30\r\n".encode())
    names = {"path": "image", "emotion": "label"}
    faces = Faces.from_csv(place, names=names, emotions="gimefive")
    assert (faces.name, faces.ids, faces.persons) == ("mine", ["in\\a.png"], ["S1"])
    assert faces.table["emotion"].tolist() == ["surprise"]
    assert faces.table["age"].tolist() == ["30"]
    assert faces.pixels(5).unique().tolist() == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,emotion\na.png,fear\n", "Expected a column 'path'"),
        ("path,emotion\n/etc/a.png,fear\n", "row 2, but '/etc/a.png' leads out of it"),
        ("path,emotion\na.png,fear\n../a.png,fear\n", "row 3"),
        ("path,emotion\na.png,nothing\n", "row 2: Expected an emotion .*got 'nothing'"),
        ("path,emotion\na.png,3\n", "row 2: Expected the order of the emotions"),
        ("path,emotion\na.png\n", "Expected 2 cells"),
        (None, "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        Faces.from_csv(tmp_path / "mine.csv")
