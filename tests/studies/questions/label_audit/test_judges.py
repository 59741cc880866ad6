"""Judges are asked out of sample alone; planted wrong labels are named."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_xai.data import DATASETS, load_dataset
from fer_xai.data.folds import image_digests
from fer_xai.data.spec import loader_options
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models.checkpoints import file_digest
from studies.engine.options import Passes
from studies.engine.specs import DataSpec, ModelSpec
from studies.questions.label_audit.collected import collected
from studies.questions.label_audit.in_sample import (
    card_beside,
    in_sample,
    told_of,
    trained_on,
)
from studies.questions.label_audit.issues import judged_labels, named_together
from studies.questions.label_audit.judges import (
    Judge,
    asked_of,
    digests_of,
    judged_by_model,
    specs,
)


@pytest.fixture(scope="module")
def faces():
    return collected([DataSpec("synthetic")], splits=["train", "test"], limit=12)


def test_a_model_is_not_asked_about_its_training_faces(faces, tmp_path):
    spec = ModelSpec("gimefive", "synthetic")
    found = judged_by_model(spec, faces, Passes(device="cpu", batch_size=12), folder=tmp_path)
    assert found.refused == ("synthetic train",)
    assert (faces.table["split"].iloc[found.rows] == "test").all()
    again = judged_by_model(spec, faces, Passes(device="cpu", batch_size=12), folder=tmp_path)
    assert np.array_equal(again.logits, found.logits)
    assert len(list(tmp_path.iterdir())) == 1  # kept, and not made anew


def test_training_faces_alone_are_refused_by_name(tmp_path):
    faces = collected([DataSpec("synthetic")], splits=["train"], limit=3)
    with pytest.raises(
        InputError, match="only synthetic train, .* by the name of its weights: its"
    ):
        judged_by_model(
            ModelSpec("gimefive", "synthetic"), faces, Passes(device="cpu"), folder=tmp_path
        )


def test_the_benchmark_and_its_sources_share_images():
    table = pd.DataFrame({"set": ["rafdb", "gimefive@fer2013", "kdef"], "split": "train",
                          "source": ["rafdb", "fer2013", "kdef"]})  # fmt: off
    assert in_sample(table, "gimefive").tolist() == [True, True, False]
    assert in_sample(table, "ferplus").tolist() == [False, True, False]
    assert in_sample(table.assign(split="test"), "gimefive").tolist() == [False] * 3


def test_weights_without_a_card_are_refused(tmp_path):
    weights = tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match=r"a card\.json beside the weights"):
        trained_on(ModelSpec("gimefive", str(weights)))
    with pytest.raises(
        InputError, match=r"found none at .*\.safetensors: .* \(fer2013, rafdb, syn"
    ):
        specs([f"gimefive={weights}"])
    with pytest.raises(InputError, match="got none"):
        specs(["gimefive"])
    with pytest.raises(InputError, match="each model once"):
        specs(["gimefive=rafdb", "gimefive=rafdb"])
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"run": {"data": "RAF-DB", "source": None}}))
    assert trained_on(ModelSpec("gimefive", str(weights))) == "rafdb"
    with pytest.raises(InputError, match="Expected the weights of gimefive, found none at"):
        specs([f"gimefive={weights}"])
    card.write_text(json.dumps({"run": {"data": "gimefive#x=1", "source": "RAF-DB"}}))
    assert trained_on(ModelSpec("gimefive", str(weights))) == "gimefive@rafdb"
    card.write_text(json.dumps({"run": "rafdb"}))
    with pytest.raises(InputError, match="under 'run' in"):
        card_beside(weights)


def test_weights_of_one_name_are_told_apart_by_their_folders(tmp_path):
    texts = []
    for place in ("a/one", "a/two", "b/two"):
        (tmp_path / place).mkdir(parents=True)
        weights = tmp_path / place / "weights.safetensors"
        weights.write_bytes(b"")
        weights.with_name("card.json").write_text(json.dumps({"run": {"data": "rafdb"}}))
        texts.append(f"gimefive={weights}")
    assert len(specs(texts[:2])) == 2
    with pytest.raises(InputError, match="which tables call gimefive=two/weights"):
        specs(texts)


def test_valid_faces_are_judged_where_they_were_held_out(tmp_path):
    faces = collected([DataSpec("synthetic")], splits=["train", "valid"], limit=6)
    spec = ModelSpec("gimefive", "synthetic")
    found = judged_by_model(spec, faces, Passes(device="cpu"), folder=tmp_path)
    assert (faces.table["split"].iloc[found.rows] == "valid").all()
    assert len(found.rows) == 6


def test_editions_draw_validation_faces_from_training_faces():
    table = pd.DataFrame({"set": ["aggregate@rafdb", "rafdb", "kdef"], "source": ""})
    valid, test = table.assign(split="valid"), table.assign(split="test")
    assert in_sample(valid, "rafdb").tolist() == [True, False, False]
    assert in_sample(test, "rafdb").tolist() == [False] * 3
    assert in_sample(valid, "aggregate@rafdb").tolist() == [False, True, False]
    assert in_sample(test, "aggregate").tolist() == [False, True, False]
    assert in_sample(table.assign(split="train"), "gimefive@fer2013").tolist() == [False] * 3


def test_a_training_split_is_known_by_its_digest_under_another_name(tmp_path):
    """A data set without splits is tested on what it was trained on, whatever it is called."""
    faces = collected([DataSpec("synthetic")], splits=["test", "valid"], limit=6)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"")
    card = {"run": {"data": "folder:mine"}}
    card["training_split_sha256"] = faces.parts[0].faces.fingerprint(64)
    weights.with_name("card.json").write_text(json.dumps(card))
    spec = ModelSpec("gimefive", str(weights))
    asked, seen = asked_of(spec, faces)
    assert seen.tolist() == [True] * 6 + [False] * 6
    assert asked.tolist() == (~seen).tolist()
    with pytest.raises(InputError, match="only synthetic test, .* by the digests of its training"):
        asked_of(spec, faces, splits=["test"])
    weights.with_name("card.json").write_text(json.dumps({"run": {"data": "ferplus"}}))
    fer = replace(faces, table=faces.table.assign(set="fer2013", split="train"))
    with pytest.raises(InputError, match="only fer2013 train, .* by the data on its card: its"):
        asked_of(spec, fer, splits=["train"])


def test_some_training_faces_are_known_in_a_folder_of_another_name(tmp_path):
    """Digests of each image know a part of the training faces, whatever their names and labels."""
    drawn = load_dataset("synthetic", split="test", limit=12)
    for row in range(12):
        (tmp_path / "mine" / drawn.table["emotion"][row]).mkdir(parents=True, exist_ok=True)
        file = tmp_path / "mine" / drawn.table["emotion"][row] / f"{row}.png"
        Image.fromarray(drawn.read(row)).save(file)
    found = collected([DataSpec.parse(f"folder:{tmp_path / 'mine'}")], splits=["test"])
    faces = found.parts[0].faces
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"")
    weights.with_name("card.json").write_text(json.dumps({"run": {"data": "rafdb"}}))
    spec = ModelSpec("gimefive", str(weights))
    assert asked_of(spec, found)[0].all()
    assert card_beside(weights).known_by.startswith("names of sets: copies under another name")
    before = digests_of([spec])
    chosen = [7, 2, 5]
    trained = np.array([*image_digests(faces.subset(chosen)), "of another image"])
    np.savez(weights.with_name("train_images.npz"), digests=trained)
    asked, seen = asked_of(spec, found)
    assert np.flatnonzero(seen).tolist() == sorted(chosen)
    assert asked.tolist() == (~seen).tolist()
    assert told_of(found.table, seen) == ("folder:mine test (3 of 12)",)
    assert card_beside(weights).known_by.startswith("names of sets and the digest of each image")
    assert digests_of([spec]) != before  # another run
    np.savez(weights.with_name("train_images.npz"), digests=np.array(image_digests(faces)))
    with pytest.raises(
        InputError, match="got only folder:mine test, .* by the digests of its training"
    ):
        asked_of(spec, found)
    np.savez(weights.with_name("train_images.npz"), digests=np.zeros((2, 16), np.uint8))
    with pytest.raises(InputError, match=r"digests of images as texts \(N,\) in .*train_images"):
        asked_of(spec, found)


UNSPLIT = ["ckplus", "ck48", "tfeid", "expw", "jaffe", "kdef", "rafau"]


@pytest.mark.parametrize("name", UNSPLIT)
def test_sets_without_splits_have_any_face_in_any_split(name):
    def seen(trained, **columns):
        row = {"set": name, "split": "test", "source": name} | columns
        return in_sample(pd.DataFrame([row]), trained).item()

    cut, other = "test_share=0.2", "test_share=0.3"
    assert seen(name)
    assert seen(name, options=f"#{cut}")
    assert seen(f"{name}#{cut}")
    assert seen(f"{name}#{cut}", options=f"#{other}")
    assert seen(f"{name}#{cut}", options=f"#neutral=first,{cut}")  # other persons, maybe
    assert seen(f"{name}#test_share=", options="#test_share=")  # which cuts nothing
    assert not seen(f"{name}#{cut}", options=f"#{cut}")
    assert seen(f"{name}#{cut}", options=f"#{cut}", split="train")
    assert not seen("rafdb")


@pytest.mark.parametrize("trained", ["ckplus", "gimefive", "gimefive@ckplus", "ck48", "aggregate"])
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_set_without_splits_is_in_sample_where_it_shares_images(trained, split):
    table = pd.DataFrame({"set": ["ck48"], "split": split, "source": "ck48"})
    assert in_sample(table, trained).all()
    cut = table.assign(set="ckplus", source="ckplus", options="#test_share=0.2")
    assert in_sample(cut, trained).all()
    mixed = pd.DataFrame({"set": ["gimefive@ckplus"], "split": split, "source": "ckplus"})
    unsplit = trained in ("ckplus", "ck48")
    assert in_sample(mixed, trained).all() == (
        unsplit or trained == "aggregate" or split == "train"
    )


def test_the_sets_without_splits_are_those_that_take_a_share():
    assert sorted(UNSPLIT) == sorted(n for n in DATASETS if "test_share" in loader_options(n))


def test_options_of_a_cut_set_are_told_by_cards_and_tables(tmp_path):
    for person in range(5):
        (tmp_path / f"KA.AN1.{person}.tiff").touch()
    weights = tmp_path / "weights.safetensors"
    card = {"run": {"data": "jaffe#test_share=0.5"}}
    weights.with_name("card.json").write_text(json.dumps(card))
    told = trained_on(ModelSpec("gimefive", str(weights)))
    assert told == "jaffe#test_share=0.5"
    for options, some in (("#test_share=0.5", False), ("", True)):
        spec = DataSpec.parse(f"jaffe:{tmp_path}{options}")
        assert in_sample(collected([spec], splits=["test"]).table, told).all() == some


def test_weights_that_were_begun_with_others_are_refused(tmp_path, monkeypatch):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"ImageNet's")
    spec = ModelSpec("resnet18", str(weights))
    run = {"data": "fer2013", "model": "torchvision/resnet18", "pretrained": "1a2b"}
    weights.with_name("card.json").write_text(json.dumps({"run": run}))
    monkeypatch.setattr("training.same_run.imagenet_file", lambda _: weights)
    with pytest.raises(InputError, match="card names others that they were begun with"):
        trained_on(spec)
    run["pretrained"] = file_digest(weights)
    weights.with_name("card.json").write_text(json.dumps({"run": run}))
    assert trained_on(spec) == "fer2013"


def test_planted_wrong_labels_are_named():
    rng = np.random.default_rng(0)
    n = 600
    truth = rng.integers(0, 6, n)
    wrong = np.sort(rng.choice(n, 30, replace=False))
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + 1) % 6
    table = pd.DataFrame({"face": [str(i) for i in range(n)], "set": "s", "split": "test",
                          "emotion": np.array(SIX)[labels]})  # fmt: off
    logits = 4 * np.eye(6)[truth] + rng.normal(size=(n, 6))
    judge = Judge(name="net", trained="", emotions=SIX, rows=np.arange(n), logits=logits,
                  copied=np.zeros(n, bool))  # fmt: off
    summary, rows = judged_labels(judge, table, seed=0)
    named = np.flatnonzero(rows["named"])
    assert len(set(named) & set(wrong)) >= 25
    assert len(set(named) - set(wrong)) <= 15
    row = summary.iloc[0]
    assert row["changed"] == 20
    assert row["changed named low"] <= row["changed named"] <= row["changed named high"]
    assert row["changed named"] > 80 > row["others named, %"]
    again, _ = judged_labels(judge, table, seed=0)
    assert again.equals(summary)


def test_few_faces_and_other_emotions_are_not_judged():
    table = pd.DataFrame({"face": ["a", "b"], "set": ["s", "t"], "split": "test",
                          "emotion": ["neutral", "fear"]})  # fmt: off
    judge = Judge(name="net", trained="", emotions=SIX, rows=np.arange(2), copied=np.zeros(2, bool),
                  logits=np.zeros((2, 6)))  # fmt: off
    summary, rows = judged_labels(judge, table, seed=0)
    assert summary["faces"].tolist() == [0, 0]
    assert summary["not judged because"].str.startswith("fewer than").all()
    assert not len(rows)


def test_labels_that_several_judges_name():
    rows = pd.DataFrame(
        {
            "judge": [*"aaaa", *"bbbb", *"cc"],
            "face": [*"wxyz", *"wxyz", *"wx"],
            "set": "s",
            "split": ["train"] * 10,
            "predicted": ["fear"] * 9 + ["anger"],
            "named": [True, True, False, False, True, True, True, False, True, False],
        }
    )
    found = named_together(rows)
    assert found["faces"].unique().tolist() == [2]  # w and x, which all three have judged
    assert found["labels"].tolist() == [2, 2, 1]
    assert found["taken for one emotion"].tolist() == [1, 1, 1]
    assert named_together(rows[rows["judge"] == "a"]).empty
    assert named_together(pd.DataFrame()).empty
