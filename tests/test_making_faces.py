"""Faces from tensors, from datasets of PyTorch and from lists."""

import sys
from types import SimpleNamespace
from typing import ClassVar

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
        ("picture,emotion\na.png,fear\n", "Expected a column 'path'"),
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


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


@pytest.mark.parametrize(
    "image",
    [
        GREY,
        GREY[..., None],
        np.repeat(GREY[..., None], 3, axis=2),
        GREY / np.float32(255),
        torch.from_numpy(GREY),
        torch.from_numpy(GREY)[None],
        torch.from_numpy(GREY).expand(3, 6, 8) / 255,
        Image.fromarray(GREY),
        GREY.tolist(),
    ],
)
def test_one_image_in_any_form_is_the_same_face(image):
    other = np.zeros((3, 2), np.uint8)
    for faces in (
        Faces.from_tensors([image, other], [5, 0]),
        Faces.from_dataset([(image, "fear"), (other, "happy")]),
    ):
        assert faces.image_sizes.tolist() == [[6, 8], [3, 2]]
        assert np.array_equal(faces.read(0), np.repeat(GREY[..., None], 3, axis=2))
        assert faces.pixels(4).shape == (2, 3, 4, 4)


def test_arrays_have_their_channels_last():
    faces = Faces.from_tensors(np.zeros((2, 6, 8, 3), np.uint8), np.array([5, 0]))
    assert faces.image_sizes.tolist() == [[6, 8]] * 2
    assert len(Faces.from_tensors(np.zeros((2, 6, 8)), ["fear", "happy"])) == 2


def test_numbers_follow_the_order_that_is_named():
    images = torch.zeros(2, 3, 4, 4)
    assert Faces.from_tensors(images, [2, 3], emotions="fer2013").labels.tolist() == [5, 0]
    assert Faces.from_tensors(images, [0, 1], emotions=["sad", "fear"]).labels.tolist() == [2, 5]
    with pytest.raises(InputError, match=r"Expected labels 0 to 1 \(sadness, fear\), got 2"):
        Faces.from_tensors(images, [0, 2], emotions=["sad", "fear"])


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        ([], [], "Expected one image or more, got none"),
        (torch.zeros(0, 3, 4, 4), [], "Expected one image or more, got none"),
        ("faces/", ["fear"], "or a list of images, got str"),
        (7, ["fear"], "or a list of images, got int"),
        ([GREY, np.zeros((4, 4, 5))], [0, 1], r"got ndarray of shape \(4, 4, 5\) at position 1"),
        ([torch.zeros(4, 4, 3)], [0], r"got Tensor of shape \(4, 4, 3\) at position 0"),
        ([np.zeros((0, 4))], [0], r"got ndarray of shape \(0, 4\) at position 0"),
        ([None], [0], "got NoneType at position 0"),
        ([GREY], 0, "Expected labels as a list of names or numbers, one an image, got '0'"),
        ([GREY], None, "Expected labels as a list of names or numbers, one an image, got 'None'"),
        ([GREY], "fear", "Expected labels as a list of names or numbers"),
        ([GREY], torch.tensor(5), r"one an image, got the shape \(\)"),
        ([GREY], torch.zeros(1, 7), r"one an image, got the shape \(1, 7\)"),
        ([GREY], [0.5], "got '0.5'"),
        ([GREY], [-1], "Expected labels 0 to 7"),
    ],
)
def test_what_is_no_images_or_labels_is_one_sentence(images, labels, sentence):
    with pytest.raises(InputError, match=sentence):
        Faces.from_tensors(images, labels)


def test_floats_up_to_255_are_one_sentence():
    faces = Faces.from_tensors([GREY.astype(np.float32)], ["fear"])
    with pytest.raises(InputError, match=r"floats in \[0, 1\].*float32 from 0 to 47"):
        faces.pixels(4)


def test_a_subset_knows_the_classes_of_the_whole():
    class Whole(torch.utils.data.Dataset):
        classes = ("fear", "anger")

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return GREY, index

    faces = Faces.from_dataset(torch.utils.data.Subset(Whole(), [1]))
    assert faces.emotions == ("anger",)


def test_items_may_be_dicts():
    items = [{"img": GREY, "expression": "fear", "felt": "happy"}]
    assert Faces.from_dataset(items).emotions == ("fear",)
    assert Faces.from_dataset(items, label="felt").emotions == ("happiness",)
    with pytest.raises(
        InputError, match="items with image or img and mood .* keys img, expression"
    ):
        Faces.from_dataset(items, label="mood")
    with pytest.raises(InputError, match="Expected one item or more in dataset"):
        Faces.from_dataset([])


class Hub:
    """Stands for a dataset of Hugging Face."""

    column_names = ("image", "label")
    features: ClassVar = {"label": SimpleNamespace(names=["angry", "happy"])}
    decoded = 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        if index == "label":
            return [1, 0]
        self.decoded += 1
        return {"image": Image.fromarray(GREY), "label": [1, 0][index]}


def test_a_dataset_of_hugging_face_tells_its_labels_without_decoding():
    hub = Hub()
    faces = Faces.from_dataset(hub)
    assert faces.labels.tolist() == [0, 3]
    assert not hub.decoded
    assert faces.read(1).shape == (6, 8, 3)
    with pytest.raises(InputError, match="Expected a column mood of the dataset, got image, label"):
        Faces.from_dataset(hub, label="mood")


def test_a_name_is_looked_up_by_the_package_datasets(monkeypatch):
    asked = []

    def load_dataset(name, split):
        if name != "someone/faces":
            raise ConnectionError("cannot reach the hub\nmore")
        asked.append(split)
        return Hub()

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    faces = Faces.from_huggingface("someone/faces", split="train")
    assert (repr(faces), asked) == ("Faces(faces: 2 faces (happiness 1, anger 1))", ["train"])
    with pytest.raises(
        InputError, match="got ConnectionError: cannot reach the hub. Offline, down"
    ):
        Faces.from_huggingface("someone/else")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="no such folder and the package is not installed: pip"):
        Faces.from_huggingface("someone/faces")


def test_a_folder_of_hugging_face_is_read_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    for split, code in (("train", 0), ("test", 1)):
        (tmp_path / split).mkdir()
        Image.fromarray(GREY).save(tmp_path / split / "1.png")
        (tmp_path / split / "metadata.csv").write_text(f"file_name,felt\n1.png,{code}\n")
    options = {"label": "felt", "emotions": ["fear", "sad", "happy"]}
    faces = Faces.from_huggingface(tmp_path, **options)
    assert (faces.name, faces.emotions) == (tmp_path.name, ("sadness",))
    assert faces.read(0).shape == (6, 8, 3)
    mine = Faces.from_huggingface(str(tmp_path), split="train", name="mine", **options)
    assert repr(mine) == "Faces(mine: 1 face (fear 1))"
    (tmp_path / "test" / "1.png").unlink()
    with pytest.raises(InputError, match=r"Expected an image at .*1\.png, found none"):
        Faces.from_huggingface(tmp_path, **options)
    with pytest.raises(InputError, match="name, such as owner/faces, got .*which does not exist"):
        Faces.from_huggingface(tmp_path / "nowhere")


def test_a_list_is_read_by_its_usual_names_and_by_split(tmp_path):
    for name in "abc":
        Image.fromarray(GREY).save(tmp_path / f"{name}.png")
    place = tmp_path / "mine.csv"
    place.write_text(
        "path,label,split,subject\na.png,0,train,S1\nb.png,1,test,S2\nc.png,1,test,S2\n"
    )
    faces = Faces.from_csv(place, emotions=["fear", "anger"], split="test")
    assert repr(faces) == "Faces(mine: 2 faces (anger 2))"
    assert faces.persons == ["S2", "S2"]
    assert len(Faces.from_csv(place, emotions=["fear", "anger"])) == 3
    with pytest.raises(
        InputError, match="Expected rows of the split valid in .* splits test, train"
    ):
        Faces.from_csv(place, emotions=["fear", "anger"], split="valid")
    with pytest.raises(InputError, match="Expected a column 'fold' in .* choose the split test by"):
        Faces.from_csv(place, emotions=["fear", "anger"], split="test", names={"split": "fold"})
    with pytest.raises(InputError, match="Expected names of the columns id, path, .*, got age"):
        Faces.from_csv(place, names={"age": "years"})
    (tmp_path / "b.png").unlink()
    with pytest.raises(InputError, match=r"found none, and so for 1 of 3 images of .*root="):
        Faces.from_csv(place, emotions=["fear", "anger"])
    place.write_text("path,label\n")
    with pytest.raises(InputError, match="Expected rows of images in .*, got a header alone"):
        Faces.from_csv(place)
