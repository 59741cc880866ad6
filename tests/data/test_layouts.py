"""Every data set in its true layout, on small trees: read as meant, whatever the copy's quirks."""

import pytest
from PIL import Image

from fer_xai.data import DATASETS, load_dataset
from fer_xai.data.cards import card_of
from fer_xai.data.listing import SUFFIXES
from fer_xai.data.registry import Problems
from fer_xai.data.spec import DatasetSpec, index_dataset
from fer_xai.errors import InputError
from fer_xai.types import COLUMNS
from tests.data.tree_makers import image
from tests.data.trees import TREES

LISTED = {key: tree for key, tree in TREES.items() if tree.files}
WITH_TEXTS = {key: tree for key, tree in TREES.items() if tree.texts}


def read(tree, root):
    return load_dataset(tree.spec(root), split=tree.split)


def labels(faces):
    return dict(zip(faces.ids, faces.table["emotion"], strict=True))


def test_each_data_set_has_a_tree_and_a_card():
    own = [name for name, loader in DATASETS.loaded().items() if "fer_xai" in loader.__module__]
    assert {tree.name for tree in TREES.values()} == set(own) - {
        "synthetic",
        "gimefive",
        "aggregate",
    }
    for name in set(own) - {"synthetic"}:
        card = card_of(name)
        assert card.title
        assert card.licence
        assert card.source
        assert set(card.counts) <= {*card.splits, "whole set"}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_a_tree_is_read_as_meant(tmp_path, tree):
    tree.make(tmp_path)
    problems = Problems(skip=False)
    spec = DatasetSpec.parse(tree.spec(tmp_path))
    faces = index_dataset(spec, split=tree.split, problems=problems)
    assert labels(faces) == tree.faces
    assert dict(problems.left_out) == tree.left_out
    assert faces.ids == list(tree.faces)  # in the data set's order
    assert set(faces.table["split"]) == {tree.split}
    assert list(faces.table.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert read(tree, tmp_path).pixels(8).shape == (len(faces), 3, 8, 8)
    whole = read(tree, tmp_path)
    assert whole.subset([0]).table.columns.equals(whole.table.columns)  # attributes stay


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_what_systems_leave_in_folders_does_not_matter(tmp_path, tree):
    tree.make(tmp_path)
    for folder in [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]:
        for name in ("._1.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "._1_emotion.txt"):
            (folder / name).write_bytes(b"\0\1clutter")
    (tmp_path / "__MACOSX").mkdir()
    image(tmp_path / "__MACOSX" / "1.jpg")
    assert labels(read(tree, tmp_path)) == tree.faces


@pytest.mark.parametrize("tree", WITH_TEXTS.values(), ids=WITH_TEXTS)
def test_line_ends_marks_and_blank_lines_do_not_matter(tmp_path, tree):
    tree.make(tmp_path)
    for name in tree.texts:
        content = (tmp_path / name).read_text(encoding="utf-8")
        changed = "\n" + content.replace("\n", " \r\n") + "\n\n"
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + changed.encode())
    assert labels(read(tree, tmp_path)) == tree.faces


@pytest.mark.parametrize("tree", LISTED.values(), ids=LISTED)
def test_endings_in_capitals_are_found(tmp_path, tree):
    tree.make(tmp_path)
    for path in list(tmp_path.rglob("*")):
        if path.suffix in SUFFIXES:
            path.rename(path.with_suffix(path.suffix.upper()))
    faces = read(tree, tmp_path)
    assert list(faces.table["emotion"]) == list(tree.faces.values())
    assert faces.pixels(4).shape[0] == len(tree.faces)


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_png_inside_and_one_channel_are_read(tmp_path, tree):
    tree.make(tmp_path)
    paths = [path for path in tmp_path.rglob("*") if path.suffix.lower() in SUFFIXES]
    for path in paths:
        with Image.open(path) as opened:
            size = opened.size
        image(path, kind="PNG", mode="L", size=size)
    assert read(tree, tmp_path).pixels(8).shape == (len(tree.faces), 3, 8, 8)


@pytest.mark.parametrize("tree", LISTED.values(), ids=LISTED)
def test_a_half_copied_set_is_refused_and_counted(tmp_path, tree):
    tree.make(tmp_path)
    lost = read(tree, tmp_path).table["path"][0]
    (tmp_path / lost).unlink()
    count = sum(path == lost for path in read_all(tree, tmp_path))
    sentence = (
        rf"Expected an image at .*, found none, and so for {count} of {len(tree.faces)} faces"
    )
    with pytest.raises(InputError, match=sentence):
        read(tree, tmp_path)
    if count < len(tree.faces):
        faces = load_dataset(tree.spec(tmp_path), split=tree.split, skip_bad=True)
        assert len(faces) == len(tree.faces) - count
        assert len(faces.skipped) >= count


def read_all(tree, root):
    spec = DatasetSpec.parse(tree.spec(root))
    problems = Problems(skip=False)
    return list(index_dataset(spec, split=tree.split, problems=problems).table["path"])


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_a_wrong_root_is_one_sentence_that_says_what_was_expected(tmp_path, tree):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").mkdir()
    spec = f"{tree.name}:{tmp_path / 'other'}" + (f"#{tree.options}" if tree.options else "")
    with pytest.raises(InputError, match=r"^Expected .*other.*(found|got|holds) ") as error:
        load_dataset(spec, split=tree.split)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_another_split_and_an_empty_selection_are_refused(tmp_path, tree):
    tree.make(tmp_path)
    absent = next(e for e in ("sadness", "neutral", "disgust") if e not in tree.faces.values())
    with pytest.raises(InputError, match="Expected faces in split .*, found none"):
        load_dataset(tree.spec(tmp_path), split=tree.split, emotions=[absent])
    if tree.name not in ("csv", "folder", "huggingface"):
        with pytest.raises(InputError, match="Expected split .*got 'dev'"):
            load_dataset(tree.spec(tmp_path), split="dev")


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_an_unknown_option_is_refused(tmp_path, tree):
    tree.make(tmp_path)
    spec = tree.spec(tmp_path)
    with pytest.raises(InputError, match=r"^Expected (an option|no options|an emotion|labels)"):
        load_dataset(f"{spec}{',' if tree.options else '#'}fliter=yes", split=tree.split)
