"""Fold trainings: every training face is predicted once, by a network that has not seen it."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from fer_xai.data.folds import image_digests, stratified_folds
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model
from fer_xai.models.checkpoints import file_digest
from tests.training.run_training import training_run
from training import loop
from training import run as module
from training.run import TrainingRun, main, train
from training.trainee import Trainee

FOLDED = {"folds": 3, "epochs": 2, "limit": 96, "batch_size": 16}


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    out = tmp_path_factory.mktemp("folded")
    train(training_run(out, **FOLDED))
    return out


def stored(folder):
    with np.load(folder / "fold_logits.npz") as file:
        return dict(file)


def test_each_face_is_predicted_by_the_network_that_has_not_seen_it(folded):
    arrays, faces = stored(folded), training_run(folded, **FOLDED).faces("train")
    assert arrays["ids"].tolist() == faces.ids
    assert arrays["emotions"].tolist() == list(SIX)
    assert arrays["digests"].tolist() == image_digests(faces)
    assert np.array_equal(arrays["fold"], stratified_folds(faces, 3))
    assert np.array_equal(arrays["labels"], faces.labels.numpy())
    for fold in range(3):
        card = json.loads((folded / f"fold{fold}" / "card.json").read_text())
        own = np.flatnonzero(arrays["fold"] == fold)
        assert card["run"]["fold"] == fold
        assert card["test_faces_sha256"] == faces.subset(own).fingerprint(64)
        assert card["train_faces"] + card["valid_faces"] == len(faces) - len(own)
        assert card["copies_of_training_faces"]["test_faces"] == 0
        assert card["training_split_sha256"] == faces.fingerprint(64)
        with np.load(folded / f"fold{fold}" / "train_images.npz") as file:
            others = np.flatnonzero(arrays["fold"] != fold)
            assert set(file["digests"]) == set(image_digests(faces.subset(others)))
        model = load_model("tiny", weights=folded / f"fold{fold}" / "weights.safetensors")
        logits = Predictor(model, device="cpu").logits(faces.subset(own))
        assert torch.allclose(logits, torch.from_numpy(arrays["logits"][own]), atol=1e-5)
        assert not (folded / f"fold{fold}" / "test_maps.npz").exists()


def test_the_card_tells_accuracy_by_fold_and_that_these_are_not_the_shipped_weights(folded):
    card, arrays = json.loads((folded / "card.json").read_text()), stored(folded)
    columns = load_model("tiny").columns(torch.from_numpy(arrays["labels"])).numpy()
    right = arrays["logits"].argmax(axis=1) == columns
    assert card["out_of_fold"]["accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    for one in card["by_fold"]:
        own = arrays["fold"] == one["fold"]
        assert one["accuracy"] == pytest.approx(right[own].mean(), abs=1e-4)
        assert sum(one["of_emotion"].values()) == one["faces"] == own.sum()
    text = (folded / "card.md").read_text()
    assert "These are neither the shipped weights" in text
    assert "No interval is given" in text
    assert text.count("\n| ") == 4
    fold = (folded / "fold1" / "card.md").read_text()
    assert "The test faces are fold 1 of 3 (from 0) of the training faces" in fold


def test_folds_that_have_ended_are_left_alone_and_the_file_can_be_made_anew(folded, monkeypatch):
    def times():
        return {path: path.stat().st_mtime_ns for path in folded.rglob("*")}

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(loop, "fit", never)
    before, content = times(), (folded / "fold_logits.npz").read_bytes()
    assert train(training_run(folded, **FOLDED)) == folded / "fold_logits.npz"
    assert times() == before
    (folded / "fold_logits.npz").write_bytes(content[:100])
    train(training_run(folded, **FOLDED))
    assert (folded / "fold_logits.npz").read_bytes() == content


def test_other_folds_are_not_told_as_these(folded, monkeypatch):
    with pytest.raises(InputError, match="but it differs in seed, folds_sha256: choose another"):
        train(training_run(folded, seed=1, **FOLDED))
    with pytest.raises(InputError, match="but it differs in folds"):
        train(training_run(folded, **(FOLDED | {"folds": 2})))
    faces = TrainingRun.faces

    def fewer(run, split):
        return faces(run, split)[1:]

    monkeypatch.setattr(TrainingRun, "faces", fewer)
    with pytest.raises(InputError, match="differs in train_faces_sha256, folds_sha256"):
        train(training_run(folded, **FOLDED))


@pytest.mark.parametrize("damage", ["missing", "cut", "others"])
def test_predictions_of_a_fold_that_are_damaged_are_named(folded, tmp_path, damage):
    file, card = folded / "fold1" / "test_logits.npz", folded / "fold1" / "card.json"
    kept, whole = file.read_bytes(), (folded / "fold_logits.npz").read_bytes()
    (folded / "fold_logits.npz").unlink()
    file.unlink()
    if damage == "cut":
        file.write_bytes(kept[:50])
    if damage == "others":
        file.write_bytes((folded / "fold0" / "test_logits.npz").read_bytes())
    with pytest.raises(InputError, match=r"fold1/test_logits\.npz.*: delete .*fold1/card\.json"):
        train(training_run(folded, **FOLDED))
    assert not (folded / "fold_logits.npz").exists()
    file.unlink(missing_ok=True)
    card.unlink()  # as told: the checkpoint is still there
    train(training_run(folded, **FOLDED))
    assert (folded / "fold_logits.npz").read_bytes() == whole


def test_a_training_that_was_stopped_in_a_fold_goes_on_there(folded, tmp_path, monkeypatch):
    training_step, steps = Trainee.training_step, []

    def stopped(self, batch):
        steps.append(self.global_step)
        if len(steps) == 10:  # of three a epoch: in the second epoch of the second fold
            raise RuntimeError("the power went out")
        return training_step(self, batch)

    monkeypatch.setattr(Trainee, "training_step", stopped)
    with pytest.raises(RuntimeError, match="power"):
        train(training_run(tmp_path, **FOLDED))
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold0", "fold1"]
    assert not (tmp_path / "fold1" / "card.json").exists()
    with pytest.raises(InputError, match="fold0 to hold a run of the same settings"):
        train(training_run(tmp_path, **(FOLDED | {"folds": 2})))
    before = (tmp_path / "fold0" / "weights.safetensors").stat().st_mtime_ns

    def counted(self, batch):
        steps.append(self.global_step)
        return training_step(self, batch)

    monkeypatch.setattr(Trainee, "training_step", counted)
    steps.clear()
    train(training_run(tmp_path, **FOLDED))
    assert len(steps) == 3 + 6  # the epoch that was broken off, and the third fold
    assert (tmp_path / "fold0" / "weights.safetensors").stat().st_mtime_ns == before
    one, two = stored(folded), stored(tmp_path)
    assert np.array_equal(one["fold"], two["fold"])
    assert np.allclose(one["logits"], two["logits"], atol=1e-3)


def test_test_faces_are_not_read(tmp_path, monkeypatch):
    asked = []
    faces = TrainingRun.faces

    def noted(run, split):
        asked.append(split)
        return faces(run, split)

    monkeypatch.setattr(TrainingRun, "faces", noted)
    monkeypatch.setattr(module, "_train_on", lambda *_, **__: asked.append("trained"))
    with pytest.raises(InputError, match="Expected predictions of a fold at"):
        train(training_run(tmp_path / "out", **FOLDED))
    assert asked == ["train", *["trained"] * 3]


def test_folds_are_part_of_a_runs_identity_where_they_are_given(tmp_path):
    usual, folded = TrainingRun(), TrainingRun(folds=5)
    assert "folds" not in usual.identity()  # runs of before keep their names
    assert folded.identity()["folds"] == 5
    assert folded.name() == "gimefive-synthetic-accurate-5folds-seed0"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"folds": 1}, "Expected 2 folds or more, got 1"),
        ({"folds": 40}, "Expected at most 16 folds, as many as synthetic has faces of its rarest"),
        ({"folds": 2, "test": "never"}, "the fold that is held out takes the place of the test"),
        ({"folds": 2, "permute_labels": True}, "Expected --folds without --permute-labels"),
        ({"folds": 2, "batch_size": 64}, "Expected at least 64 training faces, one batch, got"),
    ],
)
def test_folds_that_cannot_be_trained_are_refused_and_nothing_is_left(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        train(training_run(tmp_path / "out", **(FOLDED | options)))
    assert not (tmp_path / "out").exists()


def test_folds_share_no_batch_among_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "PROCESSES", 2)
    with pytest.raises(InputError, match="Expected one process for --folds, got 2"):
        train(training_run(tmp_path / "out", **FOLDED))


def test_folds_do_not_begin_with_weights_of_the_same_faces(folded, tmp_path, monkeypatch):
    weights = tmp_path / "w" / "weights.safetensors"
    weights.parent.mkdir()
    weights.write_bytes((folded / "fold0" / "weights.safetensors").read_bytes())
    run = training_run(tmp_path / "out", pretrained=str(weights), **FOLDED)
    with pytest.raises(InputError, match=r"to begin with, found none at .*w/typo\.safetensors"):
        train(dataclasses.replace(run, pretrained=str(weights.with_name("typo.safetensors"))))
    with pytest.raises(InputError, match=r"Expected a card\.json beside .* found none"):
        train(run)
    card = weights.with_name("card.json")
    card.write_text(json.dumps({"run": {"data": "synthetic", "source": None}}))
    with pytest.raises(InputError, match="were trained on synthetic, which has faces of synthetic"):
        train(run)
    benchmark = dataclasses.replace(run, data="rafdb:/data")
    card.write_text(json.dumps({"run": {"data": "gimefive", "source": "fer2013"}}))
    benchmark.check()
    card.write_text(json.dumps({"run": {"data": "gimefive"}}))
    with pytest.raises(InputError, match="trained on gimefive, which has faces of rafdb"):
        benchmark.check()
    dataclasses.replace(run, pretrained="imagenet").check()
    begun = {"data": "fer2013", "model": "torchvision/resnet18", "pretrained": "1a2b"}
    card.write_text(json.dumps({"run": begun}))
    with pytest.raises(InputError, match="names others that they were begun with"):
        benchmark.check()
    monkeypatch.setattr("training.same_run.imagenet_file", lambda _: weights)
    begun["pretrained"] = file_digest(weights)
    card.write_text(json.dumps({"run": begun}))
    benchmark.check()


@pytest.mark.parametrize("key", ["training_split_sha256", "train_faces_sha256"])
def test_folds_do_not_begin_with_weights_of_these_faces_by_another_name(folded, tmp_path, key):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes((folded / "fold0" / "weights.safetensors").read_bytes())
    digest = json.loads((folded / "fold0" / "card.json").read_text())["training_split_sha256"]
    weights.with_name("card.json").write_text(json.dumps({"run": {"data": "x"}, key: digest}))
    run = training_run(tmp_path / "out", pretrained=str(weights), **FOLDED)
    with pytest.raises(InputError, match="has the digest of these training faces"):
        train(run)
    assert not (tmp_path / "out").exists()


def test_predictions_without_settings_are_those_that_are_asked_for(folded, tmp_path):
    for name in ("fold_logits.npz", "card.json"):
        (tmp_path / name).write_bytes((folded / name).read_bytes())
    assert train(training_run(tmp_path, **FOLDED)) == tmp_path / "fold_logits.npz"
    for changes, keys in (
        ({"seed": 1}, "run, folds_sha256"),
        ({"folds": 2}, "run, folds_sha256"),
        ({"epochs": 3}, "run"),
        ({"limit": 90}, "run, train_faces_sha256, folds_sha256"),
    ):
        with pytest.raises(InputError, match=rf"its card\.json differs in {keys}: choose another"):
            train(training_run(tmp_path, **(FOLDED | changes)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.json", "fold_logits.npz"]


def test_the_command_line_knows_folds_and_unknown_sets(capsys, tmp_path):
    out = ["--out", str(tmp_path / "out")]
    assert main(["--data", "rafdbb:/data", "--folds", "5", *out]) == 2
    assert "Unknown dataset 'rafdbb': did you mean rafdb" in capsys.readouterr().err
    assert main(["--folds", "1", *out]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert main(["--help"]) == 0
    assert "--folds" in capsys.readouterr().out
