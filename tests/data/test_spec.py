"""Options and maps of emotions in one word after the data's place."""

import pytest

from fer_xai.data import load_dataset
from fer_xai.data.emotion_map import EmotionMap, read_map
from fer_xai.data.spec import DatasetSpec, split_source
from fer_xai.errors import InputError
from studies.engine.specs import DataSpec
from tests.data.tree_makers import image
from tests.data.trees import TREES


@pytest.mark.parametrize(
    ("text", "root", "options"),
    [
        ("folder:/a/b", "/a/b", {}),
        ("folder:/a/b#0=anger", "/a/b", {"0": "anger"}),
        ("folder:/a#1/b#0=anger, 1 = fear", "/a#1/b", {"0": "anger", "1": "fear"}),
        ("folder:/a#b", "/a#b", {}),
        ("folder:/a#x,y=z", "/a#x,y=z", {}),  # no options, so part of the path
        ("ckplus:C:/CK+#frames=3", "C:/CK+", {"frames": "3"}),
        ("synthetic", "", {}),
    ],
)
def test_options_follow_the_last_mark(text, root, options):
    spec = DatasetSpec.parse(text)
    assert (spec.root, dict(spec.options)) == (root, options)


def test_a_folder_that_is_called_so_is_a_folder(tmp_path):
    image(tmp_path / "faces#a=b" / "happy" / "1.jpg")
    assert len(load_dataset(f"folder:{tmp_path}/faces#a=b")) == 1


def test_folders_get_their_emotions_by_a_map(tmp_path):
    for name in ("0/1", "Freude/2", "rest/3", "fear/4"):
        image(tmp_path / f"{name}.jpg")
    with pytest.raises(
        InputError, match=r"got '0': rename or move it, or name its emotion .*--map 0"
    ):
        load_dataset(f"folder:{tmp_path}")
    faces = load_dataset(f"folder:{tmp_path}#0=anger,freude=happy,rest=none")
    assert dict(zip(faces.ids, faces.table["emotion"], strict=True)) == {
        "0/1.jpg": "anger",
        "Freude/2.jpg": "happiness",
        "fear/4.jpg": "fear",
    }
    again = load_dataset(
        f"folder:{tmp_path}", emotion_map={"0": "anger", "Freude": "joy", "rest": "none"}
    )
    assert again.ids == faces.ids


def test_labels_that_never_occur_are_told_or_refused(tmp_path):
    for name in ("0/1", "1/2"):
        image(tmp_path / f"{name}.jpg")
    spec = f"folder:{tmp_path}#0=anger,1=fear"
    with pytest.warns(UserWarning, match="the labels '7' of the emotion map never occur"):
        assert len(load_dataset(f"{spec},7=sad")) == 2
    image(tmp_path / "happy" / "3.jpg")
    with pytest.raises(
        InputError, match="Expected each label once in the emotion map, got 0 twice"
    ):
        load_dataset(spec, emotion_map={"0": "fear"})
    with pytest.raises(
        InputError, match="Expected no emotion map for rafdb, whose labels are known"
    ):
        load_dataset(f"rafdb:{tmp_path}", emotion_map={"0": "fear"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "Expected LABEL=EMOTION,… in a map of emotions, got '0'"),
        ("0=anger,", "Expected LABEL=EMOTION,… in a map of emotions, got ''"),
        ("0=anger,0=fear", "Expected each label once in a map of emotions, got 0 twice"),
    ],
)
def test_a_bad_map_is_one_sentence(text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_map(text)


def test_values_of_a_map_are_emotions():
    with pytest.raises(
        InputError, match="Expected an emotion, or none, for the label 0 .* 'agner'"
    ):
        EmotionMap.parse({"0": "agner"})


def test_studies_name_options_with_the_data(tmp_path):
    TREES["ckplus"].make(tmp_path)
    spec = DataSpec.parse(f"ckplus:{tmp_path}#frames=2@ckplus")
    assert spec.source == "ckplus"
    assert spec.root == str(tmp_path)
    assert spec.identity == "ckplus#frames=2"  # wherever it lies, but with its options
    assert len(spec.load(emotions=("disgust", "surprise"))) == 4
    assert DataSpec.parse(f"ckplus:{tmp_path}").identity == "ckplus"


def test_a_source_follows_an_at_sign_wherever_data_are_named(tmp_path):
    assert split_source(f"gimefive:{tmp_path}@rafdb") == (f"gimefive:{tmp_path}", "rafdb")
    odd = tmp_path / "me@home"
    odd.mkdir()
    assert split_source(f"folder:{odd}") == (f"folder:{odd}", None)
    with pytest.raises(InputError, match="one source of faces, got rafdb in .* and source=fer2013"):
        load_dataset(f"gimefive:{tmp_path}@rafdb", source="fer2013")
    with pytest.raises(InputError, match="Unknown source 'rafbd'"):
        load_dataset("synthetic@rafbd", limit=2)


def test_a_star_stands_for_all_other_labels(tmp_path):
    for label in ("lachend", "anger", "other"):
        image(tmp_path / label / "a.png")
    found = load_dataset(f"folder:{tmp_path}#lachend=happiness,*=none")
    assert found.table["emotion"].tolist() == ["happiness"]
