"""``python -m fer_xai.data check``: counts beside the published ones, and what is missing."""

import pytest

from fer_xai.data.__main__ import main
from fer_xai.data.cards import card_of
from fer_xai.data.checking.headers import read_headers
from fer_xai.data.checking.survey import survey
from fer_xai.data.spec import DatasetSpec
from fer_xai.emotions import NATIVE_ORDERS
from tests.data.tree_makers import image, text
from tests.data.trees import TREES


def check(capsys, *words):
    status = main(["check", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


def small(root, *, test=(4, 5)):
    """A RAF-DB of two test faces."""
    rows = [f"test_{i:04d}.jpg {code}" for i, code in enumerate(test, 1)]
    text(root / "EmoLabel/list_patition_label.txt", *rows)
    for row in rows:
        image(root / f"Image/aligned/{row.split('.')[0]}_aligned.jpg", size=(100, 100))


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_every_data_set_can_be_checked(tmp_path, capsys, tree):
    tree.make(tmp_path)
    status, out, err = check(capsys, tree.spec(tmp_path))
    assert err == ""
    assert out.splitlines()[-1] in ("Nothing is missing.", "Something is missing.")
    assert status == (out.splitlines()[-1] == "Something is missing.")
    seen = survey(DatasetSpec.parse(tree.spec(tmp_path)))
    assert status == (not seen.complete)
    for reason, count in tree.left_out.items():
        assert f"{reason} {count}" in out


def test_counts_stand_beside_the_published_ones(tmp_path, capsys):
    small(tmp_path)
    status, out, _ = check(capsys, f"rafdb:{tmp_path}", "--split", "test")
    rows = [line.split() for line in out.splitlines()]
    assert ["test", "happiness", "1", "1185"] in rows
    assert ["test", "neutral", "0", "680"] in rows
    assert ["test", "all", "2", "3068"] in rows
    assert "missing: 3068 faces (all) are published of test, 2 are there" in out
    assert "2 images of 100×100, JPEG RGB" in out
    assert status == 1


def test_a_whole_copy_is_whole(tmp_path, capsys, monkeypatch):
    card = card_of("jaffe")
    monkeypatch.setitem(card.counts, "whole set", {"anger": 1, "happiness": 1, "surprise": 1})
    TREES["jaffe"].make(tmp_path)
    status, out, _ = check(capsys, f"jaffe:{tmp_path}")
    assert status == 0
    assert "2 persons" in out
    assert "3 images of 256×256, TIFF L" in out
    assert out.endswith("Nothing is missing.\n")


def test_what_is_missing_is_named_and_counted(tmp_path, capsys):
    small(tmp_path, test=(4, 5, 1))
    (tmp_path / "Image/aligned/test_0002_aligned.jpg").unlink()
    (tmp_path / "Image/aligned/test_0003_aligned.jpg").write_bytes(b"")  # half-copied
    path = tmp_path / "EmoLabel/list_patition_label.txt"
    path.write_text(path.read_text() + "test_0004.jpg\n")
    status, out, _ = check(capsys, f"rafdb:{tmp_path}", "--split", "test")
    assert status == 1
    assert "missing: 1 of 3 images of test are listed, but not there, first" in out
    assert "missing: Expected `name code` with a name train_… or test_…" in out
    assert "missing: " + str(tmp_path / "Image/aligned/test_0003_aligned.jpg") in out


def test_a_split_that_is_published_and_not_there_is_missing(tmp_path, capsys):
    TREES["sfew"].make(tmp_path)
    (tmp_path / "Train").rename(tmp_path / "Trian")
    status, out, _ = check(capsys, f"sfew:{tmp_path}")
    assert status == 1
    assert "missing: split train: Expected the folder Train of SFEW under" in out


def test_one_count_for_sets_without_splits_and_one_a_split_elsewhere(tmp_path):
    for name in ("folder", "csv"):
        TREES[name].make(tmp_path / name)
    parts = survey(DatasetSpec.parse(TREES["folder"].spec(tmp_path / "folder"))).parts
    assert [part.name for part in parts] == ["train", "test"]
    parts = survey(DatasetSpec.parse(TREES["csv"].spec(tmp_path / "csv"))).parts
    assert [part.name for part in parts] == ["whole set"]


def test_maps_emotions_and_sources(tmp_path, capsys):
    image(tmp_path / "0" / "1.jpg")
    image(tmp_path / "1" / "2.jpg")
    status, out, _ = check(capsys, f"folder:{tmp_path}", "--map", "0=anger,1=none")
    assert status == 0
    assert "left out 1: folder 1 1" in out
    status, out, _ = check(
        capsys, f"folder:{tmp_path}", "--map", "0=anger,1=fear", "--emotions", "fear"
    )
    assert ["whole", "set", "all", "1"] in [line.split() for line in out.splitlines()]
    text(tmp_path / "test_labels.csv", "PrivateTest_1_fear.jpg,5", "test_0001_aligned_fear.jpg,5")
    for name in ("PrivateTest_1_fear", "test_0001_aligned_fear"):
        image(tmp_path / f"test/{name}.jpg")
    _, out, _ = check(capsys, f"gimefive:{tmp_path}", "--source", "rafdb", "--emotions", "ferplus")
    assert ["test", "rafdb", "fear", "1", "74"] in [line.split() for line in out.splitlines()]
    assert "fer2013" not in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rafdbb:x"], "Unknown dataset 'rafdbb': did you mean rafdb"),
        (["rafdb:nowhere"], "Expected the data set rafdb in a folder or file, but nowhere does"),
        (["rafdb"], "Expected the data set rafdb in a folder or file, but no place does"),
        (["folder:{}", "--map", "0"], "Expected LABEL=EMOTION,… in a map of emotions, got '0'"),
        (["rafdb:{}"], "Expected EmoLabel/list_patition_label.txt under "),
        (["folder:{}", "--headers", "-1"], "Expected --headers as a whole number of 0 or more"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path, capsys, words, sentence):
    status, out, err = check(capsys, *(word.format(tmp_path) for word in words))
    assert status == 2
    assert out == ""
    assert err.startswith(f"fer_xai.data: {sentence}")
    assert err.count("\n") == 1


def test_other_commands_are_refused_and_help_is_given(capsys):
    assert main(["chekc"]) == 2
    assert "Unknown command 'chekc': did you mean check?" in capsys.readouterr().err
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "check      count a copy beside what is published" in capsys.readouterr().out


def test_headers_tell_formats_sizes_and_disguises(tmp_path):
    image(tmp_path / "1.jpg", kind="PNG")
    image(tmp_path / "2.jpg", mode="L", size=(30, 9))
    (tmp_path / "3.jpg").write_text("<html>404</html>")
    found = read_headers([str(tmp_path / f"{name}.jpg") for name in (1, 2, 3)])
    assert found.sentences()[0].startswith("2 images of 2 sizes, most often ")
    assert found.sentences()[1] == "1 .jpg file is PNG inside"
    assert found.unreadable == [str(tmp_path / "3.jpg")]


def test_published_counts_add_up():
    """The sums are printed in the papers, apart from the counts of emotions."""
    totals = {
        "rafdb": {"train": 12271, "test": 3068},
        "fer2013": {"train": 28709, "valid": 3589, "test": 3589},
        "affectnet": {"train": 287651, "valid": 4000},
        "sfew": {"train": 891, "valid": 431},
        **{name: {"whole set": n} for name, n in (("ckplus", 327), ("ck48", 981), ("jaffe", 213))},
        **{name: {"whole set": n} for name, n in (("kdef", 4900), ("expw", 91793), ("tfeid", 268))},
    }
    for name, splits in totals.items():
        for split, total in splits.items():
            assert card_of(name).total(split) == total
    compound = card_of("rafdb_compound").counts
    assert sum(compound["whole set"].values()) == 3954 == 3162 + 792
    bench = card_of("gimefive")
    assert sum(bench.sources["rafdb"]["train"].values()) == 9747
    assert sum(bench.sources["fer2013"]["train"].values()) == 23742
    assert set(bench.sources["rafdb"]["test"]) == set(NATIVE_ORDERS["gimefive"])
    assert bench.counts["train"]["listed"] == 23742 + 21045 + 9747 + 309 + 229
