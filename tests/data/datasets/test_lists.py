"""Lists of one's own: CSV files and Hugging Face folders."""

import io
import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.errors import InputError
from fer_xai.types import Faces
from tests.data.tree_makers import huggingface, image, text


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "c"):
        image(tmp_path / f"faces/{name}.jpg")
    return tmp_path


def write(root, *lines):
    text(root / "mine.csv", *lines)
    return f"csv:{root / 'mine.csv'}"


def labels(faces):
    return dict(zip(faces.ids, faces.table["emotion"], strict=True))


MEANT = {"faces/a.jpg": "happiness", "faces/b.jpg": "fear"}


@pytest.mark.parametrize(
    "lines",
    [
        ("path,label", "faces/a.jpg,happy", "faces/b.jpg,Fear"),
        ("id, Emotion ,Image", "1,happy,faces/a.jpg", "2,Fear,faces/b.jpg"),
        ("faces/a.jpg,happy", "faces/b.jpg,Fear"),  # without a header
        ('"file","class"', '"faces/a.jpg","happy"', '"faces/b.jpg","Fear"'),
        ("path,label", r"faces\a.jpg,happy", r".\faces\b.jpg,Fear"),
        ("path,label", "./faces/../faces/a.jpg,happy", "faces//b.jpg,Fear"),
    ],
)
def test_columns_are_found_by_their_usual_names(root, lines):
    faces = load_dataset(write(root, *lines))
    assert list(faces.table["emotion"]) == list(MEANT.values())
    assert faces.pixels(4).shape[0] == 2


def test_columns_are_named_by_options(root):
    spec = write(
        root,
        "where,what,who,age,part",
        "faces/a.jpg,happy,ann,20,train",
        "faces/b.jpg,fear,bob,30,val",
    )
    options = "#path=where,label=what,subject=who,keep=age,splits=part"
    faces = load_dataset(spec + options, split="valid")
    assert labels(faces) == {"faces/b.jpg": "fear"}
    assert faces.persons == ["bob"]
    assert faces.table["age"].tolist() == ["30"]
    with pytest.raises(
        InputError, match="Expected a header with the columns path and label|one col"
    ):
        load_dataset(spec)
    with pytest.raises(
        InputError, match="Expected one column whom in .*got the columns where, what"
    ):
        load_dataset(spec + "#path=where,label=what,subject=whom")


def test_codes_need_an_order_or_a_map(root):
    spec = write(root, "path,label", "faces/a.jpg,3", "faces/b.jpg,2")
    with pytest.raises(
        InputError, match="Expected words for emotions in .*row 2, got the code 3.*--map"
    ):
        load_dataset(spec)
    assert labels(load_dataset(f"{spec}#order=fer2013")) == MEANT
    assert labels(load_dataset(f"{spec}#3=happy,2=fear")) == MEANT
    assert labels(load_dataset(spec, emotion_map={"3": "happy", "2": "fear"})) == MEANT
    assert labels(load_dataset(spec, emotion_map={"3": "happy", "2": "none"})) == {
        "faces/a.jpg": "happiness"
    }
    with pytest.raises(InputError, match=r"row 3, got the code 2"):
        load_dataset(spec, emotion_map={"3": "happy"})
    with pytest.raises(InputError, match="Expected codes 0–5 of the order gimefive .*got 6"):
        load_dataset(write(root, "path,label", "faces/a.jpg,6") + "#order=gimefive")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("../secret.jpg,happy", "got a path that leaves its folder: '../secret.jpg'"),
        ("faces/../../secret.jpg,happy", "got a path that leaves its folder"),
        ("/etc/passwd.jpg,happy", "got a path that leaves its folder"),
        (r"C:\secret.jpg,happy", "got a path that leaves its folder"),
        ("faces/a.jpg,happy", "Expected each image once, got 'faces/a.jpg' in row 2 and again"),
        ("./faces/a.jpg,happy", "Expected each image once, got 'faces/a.jpg' in row 2 and again"),
        ("faces/a.jpg,sad", "as happiness and sadness"),
        ("faces/b.jpg,glad", "Expected a word for an emotion in .*row 3, got 'glad'.*--map glad="),
        ("faces/b.jpg", "Expected 2 cells in .*row 3, got 1"),
        (",happy", "got no file name"),
    ],
)
def test_a_bad_row_is_named(root, line, sentence):
    with pytest.raises(InputError, match=sentence):
        load_dataset(write(root, "path,label", "faces/a.jpg,happy", line))


def test_whole_paths_below_the_folder_and_links_inside_it_will_do(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("disk")
    image(elsewhere / "d.jpg")
    (root / "linked").symlink_to(elsewhere)
    spec = write(root, "path,label", f"{root}/faces/a.jpg,happy", "linked/d.jpg,fear")
    faces = load_dataset(spec)
    assert faces.ids == ["faces/a.jpg", "linked/d.jpg"]
    assert faces.pixels(4).shape[0] == 2


def test_hugging_face_folders_have_splits_and_may_have_none(tmp_path):
    huggingface(tmp_path)
    assert load_dataset(f"huggingface:{tmp_path}", split="train").emotions == ("sadness",)
    with pytest.raises(InputError, match="Expected metadata.csv, .* for split valid under"):
        load_dataset(f"huggingface:{tmp_path}", split="valid")
    flat = tmp_path / "test"
    for split in ("train", "test"):
        assert len(load_dataset(f"huggingface:{flat}", split=split)) == 2


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "Expected a JSON object in .*row 2"),
        ("[1]", "Expected a JSON object in .*row 2"),
        ('{"file_name": "4.jpg"}', "Expected file_name and label in .*row 2, got file_name"),
        ('{"file_name": "../4.jpg", "label": "sad"}', "got a path that leaves its folder"),
        ('{"file_name": "4.jpg", "label": 3}', "Expected words for emotions in .*got the code 3"),
    ],
)
def test_bad_metadata_is_named(tmp_path, line, sentence):
    huggingface(tmp_path)
    first = json.dumps({"file_name": "3.jpg", "label": "sad"})
    text(tmp_path / "train/metadata.jsonl", first, line)
    with pytest.raises(InputError, match=sentence):
        load_dataset(f"huggingface:{tmp_path}", split="train")


def parquet(path, values, told, *, names=(), broken=False):
    images = []
    for value in values:
        buffer = io.BytesIO()
        Image.new("L", (6, 5), value).save(buffer, format="PNG")
        images.append({"bytes": b"torn" if broken else buffer.getvalue(), "path": f"{value}.png"})
    table = pa.table({"image": images, "label": told})
    if names:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        described = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(described)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)


def test_parquet_files_hold_images_and_tell_the_names_of_codes(tmp_path):
    names = ("angry", "happy", "sad")
    parquet(tmp_path / "data/train-00000-of-00002.parquet", [10, 20, 30], [0, 1, 2], names=names)
    parquet(tmp_path / "data/train-00001-of-00002.parquet", [40], [1], names=names)
    parquet(tmp_path / "data/test-00000-of-00001.parquet", [50], [2], names=names)
    faces = load_dataset(f"huggingface:{tmp_path}", split="train")
    assert faces.table["emotion"].tolist() == ["anger", "happiness", "sadness", "happiness"]
    assert [int(faces.read(i)[0, 0, 0]) for i in (3, 0, 2, 1)] == [40, 10, 30, 20]
    again = pickle.loads(pickle.dumps(faces.reader))
    assert np.array_equal(again(2), faces.read(2))
    assert load_dataset(f"huggingface:{tmp_path}").emotions == ("sadness",)
    with pytest.raises(InputError, match="Expected parquet files of split valid under"):
        load_dataset(f"huggingface:{tmp_path}", split="valid")


def test_class_names_that_are_numbers_are_names_and_not_codes(tmp_path):
    """As those of RAF-DB, whose class 1 has the code 0."""
    parquet(tmp_path / "faces.parquet", [10, 20, 30], [0, 1, 2], names="123")
    faces = load_dataset(f"huggingface:{tmp_path}#1=surprise,2=fear,3=disgust")
    assert faces.table["emotion"].tolist() == ["surprise", "fear", "disgust"]
    with pytest.raises(InputError, match="Expected words for emotions in .*row 0, got the code 1"):
        load_dataset(f"huggingface:{tmp_path}#2=fear,3=disgust")  # a code 2 is not asked for
    told = load_dataset(f"huggingface:{tmp_path}#order=fer2013")
    assert told.table["emotion"].tolist() == ["disgust", "fear", "happiness"]
    parquet(tmp_path / "faces.parquet", [10, 20], [0, 2], names="12")
    with pytest.raises(InputError, match="Expected a code from 0 to 1 in .*row 1, got 2"):
        load_dataset(f"huggingface:{tmp_path}#1=surprise,2=fear")  # 2 is the name of code 1
    parquet(tmp_path / "faces.parquet", [10, 20], [0, 1], names=("1", "happy"))
    with pytest.raises(InputError, match="got 1 and 'happy', which are one"):
        load_dataset(f"huggingface:{tmp_path}#1=fear,happy=happiness")


def test_parquet_codes_without_names_need_a_map(tmp_path):
    parquet(tmp_path / "faces.parquet", [10, 20], [0, 1])
    with pytest.raises(InputError, match="Expected words for emotions in .*row 0, got the code 0"):
        load_dataset(f"huggingface:{tmp_path}")
    faces = load_dataset(f"huggingface:{tmp_path}#0=fear,1=none")
    assert faces.emotions == ("fear",)
    with pytest.raises(
        InputError, match="Expected a column image and one of labels .*got image, la"
    ):
        load_dataset(f"huggingface:{tmp_path}#label=what")


def test_damaged_parquet_is_named(tmp_path):
    parquet(tmp_path / "faces.parquet", [10], ["happy"], broken=True)
    faces = load_dataset(f"huggingface:{tmp_path}")
    with pytest.raises(InputError, match="Expected a readable image in .*row group 0, row 0"):
        faces.read(0)
    (tmp_path / "faces.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="Expected a parquet file at"):
        load_dataset(f"huggingface:{tmp_path}")


def test_codes_of_raf_db_are_not_guessed(root):
    spec = write(root, "path,label", "faces/a.jpg,1", "faces/b.jpg,6")  # surprise and anger there
    with pytest.raises(InputError, match="its own codes begin with 1 .*--map 1=surprise,2=fear"):
        load_dataset(f"{spec}#order=rafdb")
    assert load_dataset(f"{spec}#1=surprise,6=anger").emotions == ("surprise", "anger")
    names = {"path": "path", "emotion": "label"}
    with pytest.raises(InputError, match="Expected codes from 0 in .*mine.csv, got none that is 0"):
        Faces.from_csv(root / "mine.csv", names=names, emotions="rafdb")
    write(root, "path,label", "faces/a.jpg,0", "faces/b.jpg,6")
    faces = Faces.from_csv(root / "mine.csv", names=names, emotions="rafdb")
    assert list(faces.table["emotion"]) == ["surprise", "neutral"]


def test_usages_of_fer2013_are_splits(root):
    spec = write(
        root,
        "path,label,Usage",
        "faces/a.jpg,happy,PrivateTest",
        "faces/b.jpg,fear,PublicTest",
        "faces/c.jpg,sad,Training",
    )
    for split, emotion in (("test", "happiness"), ("valid", "fear"), ("train", "sadness")):
        assert load_dataset(spec, split=split).emotions == (emotion,)
