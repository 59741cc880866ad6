"""The study finds what was planted, and says so; nothing of it shows a face unless asked."""

import numpy as np
import pandas as pd
import pytest

from fer_xai.data.duplicates.near import NearPairs
from fer_xai.errors import InputError
from studies.questions.label_audit.agreement import cohens_kappa, entropy_table
from studies.questions.label_audit.study import LabelAudit
from studies.questions.label_audit.thresholds import Apart, chosen_threshold, sets_of
from studies.run import main
from tests.planted_copies import planted_benchmark


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return planted_benchmark(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studies.questions.label_audit.study.BUILT_IN", 12)
        study = LabelAudit(
            sets=(data,), apart=("gimefive@rafdb,gimefive@fer2013",), out=out, progress=False,
            device="cpu", sheets=3, false_matches=0.05,
        )  # fmt: off
        return study.run()


def table(folder, name):
    return pd.read_csv(folder / "tables" / f"{name}.csv")


def test_planted_copies_are_counted(folder):
    found = table(folder, "duplicates").set_index(["copies", "where"])
    leaked = "test faces with a training copy"
    every = found.xs("all", level="where")
    # 900 and 912 are files of training faces; 901 has the pixels; six more are edits
    assert every[leaked].tolist() == [2, 3, 8]
    assert every["conflicting groups"].tolist() == [1, 1, 1]
    across = found.xs("across sets", level="where")
    assert across["groups"].tolist() == [0, 0, 1]
    assert found.loc[("near-copies", "gimefive@rafdb"), leaked] == 1
    assert every["training faces with a test copy"].tolist() == [3, 3, 8]


def test_conflicts_agreement_and_thresholds_are_told(folder):
    conflict = table(folder, "conflicts").iloc[0]
    assert conflict[["one label", "other label", "groups"]].tolist() == ["anger", "fear", 1]
    agree = table(folder, "agreement")
    both = agree[agree["copies"] == "identical pixels"].set_index(["labelled in", "and in"])
    places = ("gimefive@fer2013 train", "gimefive@fer2013 test")
    assert both["photographs"].to_dict()[places] == 2
    assert both["agree"].to_dict()[places] == 50
    told = table(folder, "thresholds")
    assert (told["pairs"].diff().dropna() <= 0).all()
    false = table(folder, "false_matches")
    assert false["against"].tolist() == ["built-in faces", "built-in faces", "gimefive@fer2013"]
    assert dict(zip(false["faces of"], false["faces"], strict=True)) == {
        "gimefive@fer2013": 45,
        "gimefive@rafdb": 37,
    }
    answer = (folder / "answer.txt").read_text()
    assert "not to be relied on" not in answer  # one face of 37 matches, which is below .05
    assert "Of 32 test faces 2 are files identical to a training face, 3 have identical" in answer
    assert "with near-copies 8 are copies of training faces" in answer


def test_rows_and_sheets(folder):
    pairs = pd.read_parquet(folder / "pairs.parquet")
    assert pairs["mirrored"].sum() == 1
    assert pairs["identical files"].sum() == 4  # of three files each pair counts
    faces = pd.read_parquet(folder / "faces.parquet")
    assert "path" not in faces
    assert faces["leaked, near-copies"].sum() == 8
    assert [path.name for path in (folder / "sheets").iterdir()] == ["near_copies_0.png"]
    assert not (folder / "figures").exists()


def test_a_stricter_threshold_where_sets_that_share_nothing_match():
    def apart(correlation):
        n = len(correlation)
        near = NearPairs(
            pairs=np.stack([np.arange(n)] * 2, axis=1),
            correlation=np.array(correlation),
            detail=np.ones(n),
            mirrored=np.zeros(n, bool),
        )
        return Apart(one="a", two="b", faces=100, others=9, near=near)

    assert chosen_threshold([apart([])], most=0) == 0.95
    assert chosen_threshold([apart([0.955, 0.965])], most=0) == 0.97
    assert chosen_threshold([apart([0.955, 0.965])], most=0.01) == 0.96
    assert chosen_threshold([apart([0.999])], most=0) is None


def test_kappa_and_entropy():
    assert np.isnan(cohens_kappa([("a", "a"), ("a", "a")]))
    assert cohens_kappa([("a", "a"), ("b", "b")]) == 1
    faces = pd.DataFrame({"set": "f", "emotion": ["fear", "fear"], "votes_fear": [10, 0],
                          "votes_no_face": [0, 0]})  # fmt: off
    found = entropy_table(faces)
    assert found[["faces", "entropy of votes, bits"]].values.tolist() == [[1, 0.0]]
    assert entropy_table(faces[["set", "emotion"]]).empty


def test_sets_with_disjoint_emotions_are_audited(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, emotion in (("one", "fear"), ("two", "happy")):
        place = tmp_path / name / emotion
        place.mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(place / "own.png")
    study = LabelAudit(
        sets=(f"folder:{tmp_path}/one@one", f"folder:{tmp_path}/two@two"), splits=("test",),
        out=tmp_path / "out", progress=False, device="cpu",
    )  # fmt: off
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studies.questions.label_audit.study.BUILT_IN", 3)
        found = table(study.run(), "duplicates").set_index(["copies", "where"])
    assert found.loc[("identical pixels", "across sets"), "conflicting groups"] == 3


def test_sets_apart_are_named():
    for text in ("a", "a,a", "a,c", "a,b,c"):
        with pytest.raises(InputError, match="Expected --apart as two of the sets a, b"):
            sets_of((text,), {"a": 1, "b": 1})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--data", "synthetic", "synthetic"],
            "data sets of different names, each once, got synthetic twice",
        ),
        (["--apart", "a,b"], "Expected --apart as two of the sets synthetic"),
        (["--models", "gimefive"], "a card.json beside the weights"),
        (["--predictions", "none.npz"], "found none at none.npz"),
        (["--judge-splits", "valid"], "Expected --judge-splits among the splits train, test"),
        (["--false-matches", "2"], "--false-matches"),
        (["--sheets", "-1"], "Expected --sheets from 0"),
        (["--data", "gimefive:nowhere"], "nowhere does not exist"),
    ],
)
def test_mistakes_get_one_sentence_and_leave_nothing(
    words, sentence, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["label_audit", "--most", "3", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
