"""Faces of an edition are read as those of its sources are, from links and copies, too."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.data.__main__ import main
from fer_xai.data.crops import whole_files
from fer_xai.errors import InputError
from fer_xai.types import image_files, reading
from fer_xai.types.readers import StoredReader

HOW = ("list", "link", "copy")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Files, rows of a table, and boxes in photographs."""
    root, rng = tmp_path_factory.mktemp("sources"), np.random.default_rng(0)
    for k, emotion in enumerate(("fear", "anger", "sadness")):
        (root / "ck" / emotion).mkdir(parents=True)
        for name in "ab":
            noise = rng.integers(0, 256, (30, 20 + k, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / "ck" / emotion / f"{name}.PNG")
    lines = ["emotion,pixels,Usage"]
    for row in range(12):
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
        lines.append(f"{row % 6},{pixels},{('Training', 'PublicTest', 'PrivateTest')[row % 3]}")
    (root / "fer2013.csv").write_text("\n".join(lines))
    photos = root / "affectnet" / "Manually_Annotated_Images" / "1"
    photos.mkdir(parents=True)
    rows = []
    for k in range(4):
        noise = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photos / f"{k}.png")
        rows.append(f"1/{k}.png,10,5,30,20,1;2,{k + 1},-.5,.5")
    (root / "affectnet" / "training.csv").write_text("\n".join(rows))
    return root


def words(sources, out, *more):
    told = ["--ckplus", f"folder:{sources / 'ck'}", "--fer2013", str(sources / "fer2013.csv")]
    told += ["--affectnet", str(sources / "affectnet"), "--valid-fraction", "0", "--out", str(out)]
    return ["aggregate", *told, *more]


@pytest.fixture(scope="module", params=HOW)
def made(request, sources, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / request.param
    assert main(words(sources, out, "--images", request.param)) == 0
    return out


OWN = {"ckplus": "folder:{}/ck", "fer2013": "fer2013:{}/fer2013.csv", "affectnet": "affectnet:{}/affectnet"}  # fmt: off


@pytest.fixture
def own(sources):
    return {name: load_dataset(place.format(sources), split="train") for name, place in OWN.items()}


def test_rows_pixels_and_identity_are_those_of_the_sources(made, own):
    faces = load_dataset(f"aggregate:{made}", split="train")
    assert isinstance(faces.reader, StoredReader)
    found = faces.reader.digests(faces.rows)
    sizes = faces.reader.sizes(faces.rows)
    for index, name in enumerate(faces.ids):
        source, _, identity = name.partition("/")
        theirs, where = own[source], own[source].ids.index(identity)
        row = theirs.table.iloc[where]
        for column in ("emotion", "subject", "group"):
            assert faces.table[column][index] == row[column]
        assert np.array_equal(faces.read(index), theirs.read(where))
        assert tuple(sizes[index]) == theirs.read(where).shape[:2]
        if isinstance(theirs.reader, StoredReader):
            assert np.array_equal(found[index], theirs.reader.digests(theirs.rows[[where]])[0])
    assert len({row.tobytes() for row in found}) == len(faces)


def test_the_fingerprint_does_not_depend_on_where_images_lie(sources, tmp_path):
    found = set()
    for how in HOW:
        assert main(words(sources, tmp_path / how, "--images", how)) == 0
        faces = load_dataset(f"aggregate:{tmp_path / how}", split="train")
        found |= {faces.fingerprint(32), faces.fingerprint(64)}  # nor on the size
    assert len(found) == 1


def test_a_second_pass_decodes_nothing(made, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("fer_xai.types.pixel_packs.WORTH", 1)
    monkeypatch.setattr("fer_xai.types.pixel_cache.WORTH", 1)
    monkeypatch.setattr(reading, "KEPT", 0)

    def passed():
        faces = load_dataset(f"aggregate:{made}", split="train")
        return torch.cat([batch.pixels for batch in faces.batches(4, size=24)])

    first = passed()
    monkeypatch.setattr(image_files, "read_image", None)
    assert torch.equal(passed(), first)


def test_boxes_and_rows_of_tables_are_no_files_until_they_are_written(made):
    faces = load_dataset(f"aggregate:{made}", split="train")
    whole = [bool(path) for path in whole_files(faces)]
    files = [name.startswith("ckplus") for name in faces.ids]
    assert whole == (files if made.name == "list" else [True] * len(faces))


def test_folders_of_images_are_folders_of_emotions_and_stand_alone(sources, own, tmp_path):
    """Copies need no source any more; links name the files, and both editions share a copy."""
    copied, linked = tmp_path / "copy", tmp_path / "link"
    whole = tmp_path / "sources"
    shutil.copytree(sources, whole)
    for out in (copied, linked):
        assert main(words(whole, out, "--images", out.name)) == 0
    folder = linked / "images" / "clean"
    links = sorted(path for path in folder.glob("*/*/ckplus*"))
    assert links[0].is_symlink()
    assert links[0].resolve() == (whole / "ck" / "anger" / "a.PNG").resolve()
    faces = load_dataset(f"aggregate:{copied}", split="train")
    there = load_dataset(f"folder:{copied / 'images' / 'clean'}", split="train")
    assert sorted(there.table["emotion"]) == sorted(faces.table["emotion"])
    one = Path(faces.table["path"][0])
    assert not one.is_symlink()
    assert one.samefile(copied / "images" / "as_published" / one.relative_to(one.parents[2]))
    before = [faces.read(index) for index in range(len(faces))]
    shutil.rmtree(whole)
    moved = copied.rename(tmp_path / "moved")
    faces = load_dataset(f"aggregate:{moved}", split="train")
    assert all(np.array_equal(faces.read(k), before[k]) for k in range(len(faces)))
    Image.new("L", (8, 8), 9).save(faces.table["path"][0])
    with pytest.raises(InputError, match="as it was when the edition was made"):
        faces.read(0)
    with pytest.raises(InputError, match="Expected an image at .* for 6 of 14 faces"):
        load_dataset(f"aggregate:{linked}", split="train")  # links that lead nowhere


def test_the_same_command_again_replaces_images_and_another_one_does_not(sources, tmp_path, capsys):
    out = tmp_path / "out"
    for _ in range(2):
        assert main(words(sources, out, "--images", "copy")) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("as_published.csv", "clean.csv", "datasheet.md", "images", "manifest.json"),
    ]
    assert "Do not publish images" in (out / "datasheet.md").read_text()
    assert json.loads((out / "manifest.json").read_text())["images"] == "copy"
    assert main(words(sources, out)) == 2
    assert "an aggregate of the same kind of images" in capsys.readouterr().err
    other = tmp_path / "other"
    (other / "images").mkdir(parents=True)
    assert main(words(sources, other, "--images", "link")) == 2
    assert "Expected no folder images in" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["images"]


def test_a_disk_that_fills_up_leaves_nothing(sources, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(words(sources, tmp_path / "out", "--images", "copy")) == 2
    assert "free some room" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_a_file_that_changes_meanwhile_is_not_copied(sources, tmp_path, monkeypatch, capsys):
    from fer_xai.data.aggregate import command

    whole = tmp_path / "sources"
    shutil.copytree(sources, whole)
    before = command.editions

    def changed(*args):
        (whole / "ck" / "fear" / "a.PNG").write_bytes(b"other")
        return before(*args)

    monkeypatch.setattr(command, "editions", changed)
    assert main(words(whole, tmp_path / "out", "--images", "copy")) == 2
    assert "as it was when its data set was read" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_without_symbolic_links_there_are_hard_ones(sources, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(1, "not permitted")

    monkeypatch.setattr(Path, "symlink_to", refused)
    assert main(words(sources, tmp_path / "out", "--images", "link")) == 0
    faces = load_dataset(f"aggregate:{tmp_path / 'out'}", split="train")
    place = faces.table["path"][faces.ids.index("ckplus/fear/a.PNG")]
    assert Path(place).samefile(sources / "ck" / "fear" / "a.PNG")


def entries(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("place", ["mine.txt", "clean/train/fear/mine.png", "mine/deep", "clean"])
def test_files_of_the_users_own_are_not_deleted(sources, tmp_path, capsys, place):
    out = tmp_path / "out"
    assert main(words(sources, out, "--images", "copy")) == 0
    mine = out / "images" / place
    shutil.rmtree(mine, ignore_errors=True)
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    before = entries(out)
    assert main(words(sources, out, "--images", "copy")) == 2
    told = capsys.readouterr().err
    assert "Expected nothing in" in told
    assert f"images/{place.removesuffix('/deep')}" in told
    assert "move what is yours elsewhere" in told
    assert entries(out) == before
    assert mine.read_text() == "mine"


def test_a_link_in_the_place_of_images_is_removed_and_what_it_leads_to_stays(sources, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    assert main(words(sources, out, "--images", "copy")) == 0
    (out / "images").rename(other)
    (other / "mine.txt").write_text("mine")
    (out / "images").symlink_to(other)
    before = entries(other)
    assert main(words(sources, out, "--images", "copy")) == 0
    assert not (out / "images").is_symlink()
    assert entries(other) == before
    assert [path.name for path in out.glob(".*")] == []


def failing(monkeypatch, *, at, error):
    """The rename with this number fails."""
    rename, calls = Path.rename, []

    def counted(self, target):
        calls.append(target)
        if len(calls) in at:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", counted)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "Input/output error")])
@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupt_between_both_renames_leaves_the_images_that_were_there(
    sources, tmp_path, monkeypatch, error, at
):
    out = tmp_path / "out"
    assert main(words(sources, out, "--images", "copy")) == 0
    before, inode = entries(out), (out / "images").stat().st_ino
    with monkeypatch.context() as patched:
        failing(patched, at=[at], error=error)
        try:
            assert main(words(sources, out, "--images", "copy")) != 0
        except KeyboardInterrupt:
            assert isinstance(error, KeyboardInterrupt)
    assert entries(out) == before
    assert (out / "images").stat().st_ino == inode
    assert main(words(sources, out, "--images", "copy")) == 0
    assert entries(out) == before
    assert (out / "images").stat().st_ino != inode


def test_images_that_cannot_be_put_back_are_kept_and_named(sources, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert main(words(sources, out, "--images", "copy")) == 0
    before = entries(out / "images")
    failing(monkeypatch, at=[2, 3], error=OSError(5, "Input/output error"))
    assert main(words(sources, out, "--images", "copy")) == 2
    (kept,) = out.glob(".images.*.old")
    assert entries(kept) == before
    assert f"the images from before are in {kept}, rename" in capsys.readouterr().err
    assert not list(out.glob(".images.*.tmp"))


@pytest.mark.parametrize("name", ["as_published.csv", "clean.csv", "datasheet.md", "manifest.json"])
@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_cannot_be_written_leaves_a_folder_for_the_same_command(
    sources, tmp_path, monkeypatch, name, again
):
    """Images are put in place after the lists, and taken back if the manifest fails."""
    from fer_xai.data.aggregate import command

    out = tmp_path / "out"
    if again:
        assert main(words(sources, out, "--images", "copy")) == 0
    write = command.write_bytes

    def full(path, content):
        if path.name == name:
            raise InputError("Expected room.")
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(command, "write_bytes", full)
        assert main(words(sources, out, "--images", "copy")) == 2
    assert (out / "images").exists() == again
    assert not list(out.glob(".*"))
    if again:
        assert len(load_dataset(f"aggregate:{out}", split="train")) > 0
    assert main(words(sources, out, "--images", "copy")) == 0
    assert (out / "images").exists()
