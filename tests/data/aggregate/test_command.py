"""An aggregate is written whole, loads again, and refuses what it should."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_xai.data import load_dataset
from fer_xai.data.__main__ import main
from fer_xai.data.aggregate.pooled import Source, pooled
from fer_xai.data.duplicates import near_copies
from fer_xai.errors import InputError
from tests.planted_copies import planted_benchmark


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    root = tmp_path_factory.mktemp("bench")
    planted_benchmark(root)
    return root


@pytest.fixture(scope="module")
def made(bench, tmp_path_factory):
    out = tmp_path_factory.mktemp("aggregate") / "edition"
    assert main(["aggregate", "--published", str(bench), "--out", str(out)]) == 0
    return out


def test_as_published_is_the_published_copy(bench, made):
    for split in ("train", "test"):
        ours = load_dataset(f"aggregate:{made / 'as_published.csv'}", split=split)
        theirs = load_dataset(f"gimefive:{bench}", split=split)
        told = dict(zip(theirs.ids, theirs.table["emotion"], strict=True))
        assert {name.removeprefix("gimefive/"): emotion
                for name, emotion in zip(ours.ids, ours.table["emotion"], strict=True)} == told  # fmt: off
        where = theirs.ids.index(ours.ids[3].removeprefix("gimefive/"))
        assert np.array_equal(ours.read(3), theirs.read(where))


def test_clean_has_no_straddling_pair_and_says_why(made):
    train, valid, test = (
        load_dataset(f"aggregate:{made}", split=s) for s in ("train", "valid", "test")
    )
    for one, two in ((train, test), (valid, test), (train, valid)):
        assert near_copies(one, two).tolist() == []
    rows = pd.read_csv(made / "clean.csv", keep_default_na=False).set_index("id")

    def row(number):
        return rows[rows.index.str.contains(f"_{number}_|_{number:05d}_aligned")].iloc[0]

    for number in (900, 901):
        assert (row(number)["status"], row(number)["split"]) == ("removed", "")
        assert row(number)["reason"].startswith("identical to gimefive/Training_0_")
    for number in (902, 903, 904, 905, 906):
        assert (row(number)["status"], row(number)["original_split"]) == ("moved", "test")
        assert row(number)["split"] in ("train", "valid")
    assert row(912)["reason"] == "2 of 3 copies are labelled fear"
    assert sorted(row(number)["status"] for number in (910, 911))[-1] == "removed"
    assert len(test) == 24


def test_the_manifest_and_the_datasheet_say_what_was_done(bench, made):
    told = json.loads((made / "manifest.json").read_text())
    assert told["sets"]["gimefive"] == {"dataset": "gimefive", "root": str(bench)}
    assert told["counts"] == {"as_published.csv": 82, "clean.csv": 78}
    sheet = (made / "datasheet.md").read_text()
    assert "| removed  | identical to another" in sheet
    assert told["sha256"]["clean.csv"] in sheet
    assert sorted(path.name for path in made.iterdir()) == [
        *("as_published.csv", "clean.csv", "datasheet.md", "manifest.json"),
    ]


def test_the_same_command_gives_the_same_bytes(bench, made, tmp_path):
    assert main(["aggregate", "--published", str(bench), "--out", str(tmp_path / "b")]) == 0
    for name in ("as_published.csv", "clean.csv"):
        assert (tmp_path / "b" / name).read_bytes() == (made / name).read_bytes()
    assert main(["aggregate", "--published", str(bench), "--out", str(made)]) == 0  # over itself


def test_other_rules_do_not_write_over_it(bench, made, capsys):
    assert main(["aggregate", "--published", str(bench), "--out", str(made), "--seed", "1"]) == 2
    assert "an aggregate of the same rules" in capsys.readouterr().err


@pytest.fixture
def moved(made, tmp_path):
    shutil.copytree(made, tmp_path / "e")
    return tmp_path / "e"


def test_a_changed_list_is_refused(moved):
    with (moved / "clean.csv").open("a") as stream:
        stream.write("\n")
    with pytest.raises(InputError, match="their digests differ"):
        load_dataset(f"aggregate:{moved}")
    (moved / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest\.json is missing"):
        load_dataset(f"aggregate:{moved}")


def _rewritten(folder, **changes):
    import hashlib

    rows = pd.read_csv(folder / "clean.csv", dtype=str, keep_default_na=False)
    for column, value in changes.items():
        rows[column] = value
    rows.to_csv(folder / "clean.csv", index=False)
    told = json.loads((folder / "manifest.json").read_text())
    told["sha256"]["clean.csv"] = hashlib.sha256((folder / "clean.csv").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(told))


@pytest.mark.parametrize("path", ["../outside.png", "/etc/hosts", ""])
def test_a_path_that_leaves_its_set_is_refused(moved, path):
    _rewritten(moved, path=path)
    with pytest.raises(InputError, match="Expected a path below the folder of gimefive"):
        load_dataset(f"aggregate:{moved}")


def test_an_unknown_set_or_emotion_is_refused(moved):
    _rewritten(moved, set="elsewhere")
    with pytest.raises(InputError, match="Expected the folder of elsewhere"):
        load_dataset(f"aggregate:{moved}")
    _rewritten(moved, emotion="boredom")
    with pytest.raises(InputError, match="names of emotions"):
        load_dataset(f"aggregate:{moved}")


def test_a_changed_image_is_refused_when_it_is_read(tmp_path):
    root = tmp_path / "RAF"
    for number, emotion in enumerate(("fear", "anger")):
        (root / "train" / emotion).mkdir(parents=True)
        Image.new("L", (8, 8), 40 * number).save(root / "train" / emotion / "1.png")
    out = ["--out", str(tmp_path / "e"), "--valid-fraction", "0"]
    assert main(["aggregate", "--ckplus", f"folder:{root}", *out]) == 0
    faces = load_dataset(f"aggregate:{tmp_path / 'e'}", split="train")
    assert faces.table["source"].tolist() == ["ckplus", "ckplus"]
    Image.new("L", (8, 8), 99).save(root / "train" / "fear" / "1.png")
    faces.read(faces.ids.index("ckplus/anger/1.png"))
    with pytest.raises(InputError, match="as it was when the edition was made"):
        faces.read(faces.ids.index("ckplus/fear/1.png"))


def test_rows_of_a_table_load_again(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for row in range(18):
        usage = ("Training", "PublicTest", "PrivateTest")[row % 3]
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
        lines.append(f"{row % 6},{pixels},{usage}")
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    for root in (tmp_path, tmp_path / "fer2013.csv"):
        out = tmp_path / f"e{root.suffix}"
        told = ["--fer2013", str(root), "--out", str(out), "--valid-fraction", "0"]
        assert main(["aggregate", *told]) == 0
        test = load_dataset(f"aggregate:{out}", split="test")
        assert len(test) == 12
        own = load_dataset(f"fer2013:{root}", split="valid")
        name = f"fer2013/{own.ids[2]}"
        assert np.array_equal(test.read(test.ids.index(name)), own.read(2))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "got neither"),
        (["--published", "x", "--rafdb", "y"], "got both"),
        (["--published", "no_such_folder"], "does not exist"),
        (["--rafdb", "."], "Expected EmoLabel"),
        (["--published", "x", "--valid-fraction", "2"], "--valid-fraction"),
    ],
)
def test_mistakes_get_one_sentence_and_leave_nothing(
    words, sentence, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["aggregate", *words, "--out", "made"]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_two_recordings_of_one_person_are_no_copies(tmp_path):
    """Peak frames of CK+ that are as alike as copies keep their two labels."""
    face = load_dataset("synthetic", limit=1).read(0)
    names = ("anger/S050_004_00000021", "fear/S050_001_00000017", "fear/S050_001_00000018")
    for shift, name in enumerate(names):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.clip(face.astype(int) + 3 * shift, 0, 255).astype(np.uint8)).save(path)
    pool = pooled([Source.parse("ckplus", f"folder:{tmp_path}")])
    assert pool.table["group"].tolist() == ["S050_004", "S050_001", "S050_001"]
    assert pool.near.tolist() == [[1, 2]]  # frames of one sequence are
    shutil.copy(tmp_path / f"{names[0]}.png", tmp_path / f"{names[1]}.png")  # one file, two names
    with pytest.warns(UserWarning, match="two emotions"):
        pool = pooled([Source.parse("ckplus", f"folder:{tmp_path}")])
    assert pool.near.tolist() == [[0, 1], [1, 2]]


def test_an_edition_of_boxes_holds_the_faces_and_not_the_photographs(tmp_path):
    images = tmp_path / "affectnet" / "Manually_Annotated_Images" / "1"
    images.mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for k in range(12):
        noise = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / f"{k}.png")
        rows.append(f"1/{k}.png,10,5,30,20,1;2,{k % 7},-.5,.5")
    (tmp_path / "affectnet" / "training.csv").write_text("\n".join(rows))
    words = ["--affectnet", str(tmp_path / "affectnet"), "--out", str(tmp_path / "out")]
    assert main(["aggregate", *words]) == 0
    theirs = load_dataset(f"affectnet:{tmp_path / 'affectnet'}", split="train")
    for edition in ("as_published.csv", "clean.csv"):
        ours = load_dataset(f"aggregate:{tmp_path / 'out' / edition}", split="train")
        for index, name in enumerate(ours.ids):
            own = theirs.ids.index(name.removeprefix("affectnet/"))
            assert np.array_equal(ours.read(index), theirs.read(own))
    (tmp_path / "affectnet" / "training.csv").write_text("\n".join(rows).replace("30,20", "30,19"))
    ours = load_dataset(f"aggregate:{tmp_path / 'out'}", split="train")
    with pytest.raises(InputError, match="as it was when the edition was made"):
        ours.read(0)
