"""What a run can be told to do: each option changes what it says, and nothing else."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from fer_xai.data.splits import stratified_split
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import load_model
from fer_xai.models.checkpoints import read_state
from tests.helpers import tiny_model
from tests.training.run_training import killed_run, training_run
from training import run as module
from training.augmenting import NUMBERS
from training.card import LICENCES, model_card
from training.evaluate import Evaluation
from training.recipes import ACCURATE, PAPER, RECIPES, Overrides, Recipe
from training.run import TrainingRun, train
from training.trainee import Trainee, cosine

UNFLIPPED = torch.ones(8, len(NUMBERS))
BLENDED = {"mixup": 0.4, "ema": 0.9, "logit_adjustment": 0.5, "schedule": "cosine"}


@pytest.fixture(scope="module")
def blended(tmp_path_factory):
    out = tmp_path_factory.mktemp("blended")
    train(training_run(out, **BLENDED))
    return out


@pytest.fixture(scope="module")
def refit(tmp_path_factory):
    out = tmp_path_factory.mktemp("refit")
    train(training_run(out, valid_fraction=0, test="every-epoch", epochs=3))
    return out


def test_overrides_are_named_as_the_recipes_settings():
    names = [[field.name for field in dataclasses.fields(kind)] for kind in (Recipe, Overrides)]
    assert names[0] == names[1]
    assert Overrides().applied_to(PAPER) == PAPER
    changed = Overrides(epochs=3, mixup=0.2).applied_to(ACCURATE)
    assert changed == dataclasses.replace(ACCURATE, epochs=3, mixup=0.2)


def test_mixup_and_average_resume_as_an_unbroken_run(blended, tmp_path):
    killed_run(tmp_path, 5, **BLENDED)
    train(training_run(tmp_path, **BLENDED))
    one, two = (pd.read_csv(folder / "log.csv") for folder in (blended, tmp_path))
    pd.testing.assert_frame_equal(*(log.drop(columns="seconds") for log in (one, two)), rtol=1e-5)
    a, b = (read_state(folder / "weights.safetensors")[0] for folder in (blended, tmp_path))
    assert all(torch.allclose(a[key], b[key], atol=1e-3) for key in a)


def test_a_mixed_loss_is_the_blend_of_two(monkeypatch):
    recipe = dataclasses.replace(ACCURATE, mixup=0.4, label_smoothing=0, augmentation="flip")
    trainee = Trainee(tiny_model(), recipe, seed=0)
    monkeypatch.setattr(Trainee, "log", lambda *_, **__: None)
    pixels = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8)
    columns = torch.arange(8) % 6
    torch.manual_seed(5)
    loss = trainee.training_step((pixels, columns, UNFLIPPED[:8]))
    torch.manual_seed(5)
    share = torch.distributions.Beta(0.4, 0.4).sample()
    partner = torch.randperm(8)
    images = share * pixels / 255 + (1 - share) * pixels[partner] / 255
    trainee.model.load_state_dict(tiny_model().state_dict())
    logits = trainee.model(images)
    hot = share * F.one_hot(columns, 6) + (1 - share) * F.one_hot(columns[partner], 6)
    assert loss.item() == pytest.approx(F.cross_entropy(logits, hot).item(), abs=1e-5)


def test_logits_are_shifted_by_the_log_priors_in_training_alone(monkeypatch):
    recipe = dataclasses.replace(
        ACCURATE, logit_adjustment=2.0, label_smoothing=0, augmentation="flip"
    )
    priors = torch.tensor([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    trainee = Trainee(tiny_model().eval(), recipe, seed=0, priors=priors)
    monkeypatch.setattr(Trainee, "log", lambda *_, **__: None)
    pixels = torch.randint(0, 256, (6, 3, 64, 64), dtype=torch.uint8)
    trainee.model.eval()
    loss = trainee.training_step((pixels, torch.arange(6), UNFLIPPED[:6]))
    logits = trainee.model(pixels / 255)
    expected = F.cross_entropy(logits + 2 * priors.log(), torch.arange(6))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert torch.allclose(trainee(pixels / 255), logits, atol=1e-6)


def test_the_exported_weights_are_the_average(blended):
    last = torch.load(blended / "last.ckpt", map_location="cpu", weights_only=True)
    key = "model.net.conv1.weight"
    assert not torch.equal(last["state_dict"][key], last["current_model_state"][key])
    best = torch.load(blended / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    exported = read_state(blended / "weights.safetensors")[0]["conv1.weight"]
    assert torch.equal(exported, best[key].half().float())


def test_a_cosine_rises_then_falls_to_nothing():
    shares = [cosine(step, steps=200) for step in range(200)]
    assert max(shares) == shares[10] == 1
    assert shares[:10] == sorted(shares[:10])
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[-1] < 1e-3


def test_without_validation_the_last_epoch_is_kept(refit):
    assert not (refit / "best.ckpt").exists()
    assert torch.load(refit / "last.ckpt", map_location="cpu", weights_only=True)["epoch"] == 2
    card = json.loads((refit / "card.json").read_text())
    assert card["kept_epoch"] == card["epochs"] == 3
    assert (card["train_faces"], card["valid_faces"]) == (160, 0)
    assert "validation" not in card
    assert "All training faces were trained on" in (refit / "card.md").read_text()


def test_a_test_curve_is_logged_for_the_papers_way_of_counting(refit, blended):
    log = pd.read_csv(refit / "log.csv")
    card = json.loads((refit / "card.json").read_text())
    assert len(log["test_accuracy"]) == 3
    assert log["test_accuracy"].iloc[-1] == pytest.approx(card["test"]["accuracy"], abs=0.02)
    assert "valid_accuracy" not in log
    assert "test_accuracy" not in pd.read_csv(blended / "log.csv")


def test_test_logits_are_those_of_the_exported_weights(refit):
    with np.load(refit / "test_logits.npz") as file:
        arrays = dict(file)
    assert sorted(arrays) == ["cluster", "copy", "flip_averaged", "ids", "labels", "logits"]
    card = json.loads((refit / "card.json").read_text())
    columns = load_model("tiny").columns(torch.from_numpy(arrays["labels"])).numpy()
    for key, part in (("logits", "test"), ("flip_averaged", "test_flip_averaged")):
        accuracy = (arrays[key].argmax(axis=1) == columns).mean()
        assert accuracy == pytest.approx(card[part]["accuracy"], abs=1e-4)
    for flip, part in ((False, "test"), (True, "test_flip_averaged")):
        found = Evaluation(
            model="tiny",
            weights=str(refit / "weights.safetensors"),
            limit=160,
            device="cpu",
            flip=flip,
        ).run()
        assert found["accuracy"] == card[part]["accuracy"]


def test_what_halving_the_weights_cost_is_told(refit):
    halving = json.loads((refit / "card.json").read_text())["halving"]
    assert abs(halving["accuracy_before"] - halving["accuracy_after"]) <= (
        halving["predictions_changed"] / 160
    )
    assert "Halving the weights' precision changed" in (refit / "card.md").read_text()


def test_the_test_faces_can_be_left_alone_and_scored_later(tmp_path):
    train(training_run(tmp_path, test="never", epochs=1))
    card = json.loads((tmp_path / "card.json").read_text())
    assert "test" not in card
    assert not (tmp_path / "test_logits.npz").exists()
    assert "No test faces were scored." in (tmp_path / "card.md").read_text()
    weights = (tmp_path / "weights.safetensors").read_bytes()
    train(training_run(tmp_path, test="once", epochs=1))
    again = json.loads((tmp_path / "card.json").read_text())
    assert again["test"]["faces"] == 160
    assert (card["test_seen"], again["test_seen"]) == ("never", "once")
    assert again["validation"] == card["validation"]
    assert (tmp_path / "weights.safetensors").read_bytes() == weights


def test_the_last_epoch_is_kept_for_resuming_whatever_validation_says(tmp_path, monkeypatch):
    run = training_run(tmp_path, epochs=3, learning_rate=1e-9)  # nothing gets better
    monkeypatch.setattr("training.run.export", lambda *_, **__: None)
    train(run)
    last, best = (
        torch.load(tmp_path / f"{name}.ckpt", map_location="cpu", weights_only=True)["epoch"]
        for name in ("last", "best")
    )
    assert last == 2
    assert best < 2
    before = (tmp_path / "last.ckpt").read_bytes()
    monkeypatch.undo()
    train(run)  # killed before its weights were exported: nothing is trained again
    assert (tmp_path / "last.ckpt").read_bytes() == before
    assert json.loads((tmp_path / "card.json").read_text())["kept_epoch"] == best + 1


def test_a_run_that_lost_patience_and_was_killed_does_not_train_on(tmp_path, monkeypatch):
    run = training_run(tmp_path, epochs=9, learning_rate=1e-9, patience=1)
    monkeypatch.setattr("training.run.export", lambda *_, **__: None)
    train(run)
    monkeypatch.undo()
    train(run)
    assert len(pd.read_csv(tmp_path / "log.csv")) < 9


@pytest.mark.parametrize("valid_fraction", [0, 0.1])
def test_a_run_can_be_moved(tmp_path, valid_fraction):
    options = {"valid_fraction": valid_fraction, "epochs": 4}
    train(training_run(tmp_path / "unbroken", **options))
    killed_run(tmp_path / "here", 5, **options)
    (tmp_path / "here").rename(tmp_path / "there")
    train(training_run(tmp_path / "there", **options))
    cards = [
        json.loads((tmp_path / name / "card.json").read_text()) for name in ("unbroken", "there")
    ]
    assert cards[0]["kept_epoch"] == cards[1]["kept_epoch"]
    assert cards[0]["test"] == cards[1]["test"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_can_be_clipped(tmp_path, precision):
    train(training_run(tmp_path, clip=1.0, precision=precision, epochs=1))
    assert (tmp_path / "card.json").exists()


def test_test_faces_with_the_pixels_of_training_faces_are_counted(tmp_path, monkeypatch):
    all_faces = TrainingRun.faces

    def leaking(run, split):
        faces = all_faces(run, split)
        other = all_faces(run, "train")
        copied = other.subset(np.arange(40))
        elsewhere = dataclasses.replace(copied, table=copied.table.assign(path="elsewhere"))
        return faces if split == "train" else elsewhere

    monkeypatch.setattr(TrainingRun, "faces", leaking)
    train(training_run(tmp_path, epochs=1))
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["copies_of_training_faces"]["test_faces"] == 40
    text = (tmp_path / "card.md").read_text()
    assert "40 test faces have the very pixels of a training face" in text
    assert card["copies_of_test_faces"] == 40
    assert "40 training faces that are copies or near-copies of test faces were kept out" in text


@pytest.mark.parametrize("test", ["once", "never"])
def test_no_test_face_is_validated_on(tmp_path, monkeypatch, test):
    """Half of the training faces are test faces; a network whose run never scores them, too."""
    all_faces, asked = TrainingRun.faces, {}

    def leaking(run, split):
        faces = all_faces(run, "train")
        copied = faces.subset(np.arange(0, len(faces), 2))
        elsewhere = dataclasses.replace(copied, table=copied.table.assign(path="elsewhere"))
        return faces if split == "train" else elsewhere

    def split(faces, fraction, **options):
        asked["kept"], asked["held_out"] = stratified_split(faces, fraction, **options)
        raise InputError("enough")

    monkeypatch.setattr(TrainingRun, "faces", leaking)
    monkeypatch.setattr(module, "stratified_split", split)
    with pytest.raises(InputError, match="enough"):
        train(training_run(tmp_path, test=test, limit=60))
    tested = set(all_faces(training_run(tmp_path, limit=60), "train").ids[::2])
    assert len(asked["held_out"]) == 6
    assert not tested & set(asked["held_out"].ids)
    assert tested <= set(asked["kept"].ids)


def test_a_transformers_own_dropouts_set_in_late_too():
    trainee = Trainee(load_model("cct"), dataclasses.replace(ACCURATE, dropout_from=1), seed=0)
    attention = [m for m in trainee.modules() if isinstance(m, torch.nn.MultiheadAttention)]
    trainee.on_train_epoch_start()
    assert len(attention) == 7
    assert all(module.dropout == 0 for module in attention)


@pytest.mark.parametrize("name", ["cct", "gimefive-flatten", "vgg"])
def test_a_size_that_a_network_cannot_be_fed_is_refused(name):
    with pytest.raises(InputError, match=f"Expected a size that {name} can be fed"):
        load_model(name, size=48)


def test_a_run_that_has_ended_is_left_as_it_is(refit):
    before = {path: path.stat().st_mtime_ns for path in refit.rglob("*")}
    train(training_run(refit, valid_fraction=0, test="every-epoch", epochs=3))
    assert {path: path.stat().st_mtime_ns for path in refit.rglob("*")} == before


def test_early_stopping_without_validation_faces_is_refused(tmp_path):
    with pytest.raises(InputError, match="Expected validation faces to stop early by"):
        train(training_run(tmp_path, valid_fraction=0, patience=2))


def test_training_faces_without_an_emotion_are_refused(tmp_path, monkeypatch):
    all_faces = TrainingRun.faces

    def without_fear(run, split):
        faces = all_faces(run, split)
        return faces.subset(np.flatnonzero(faces.table["emotion"] != "fear"))

    monkeypatch.setattr(TrainingRun, "faces", without_fear)
    with pytest.raises(InputError, match="has none of fear: a model cannot learn"):
        train(training_run(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_run_begins_with_weights_of_another_one(refit, tmp_path):
    run = training_run(tmp_path, pretrained=str(refit / "weights.safetensors"))
    state = read_state(refit / "weights.safetensors")[0]
    assert torch.equal(run.fresh_model().net.conv1.weight, state["conv1.weight"])
    with pytest.raises(InputError, match="the checkpoint does not fit"):
        training_run(
            tmp_path, model="cct", pretrained=str(refit / "weights.safetensors")
        ).fresh_model()


def test_names_tell_what_is_trained_and_how():
    assert TrainingRun().name() == "gimefive-synthetic-accurate-seed0"
    again = TrainingRun(valid_fraction=0)
    assert again.name() == "gimefive-synthetic-accurate-refit-seed0"
    changed = [
        TrainingRun(overrides=Overrides(epochs=3)).name(),
        TrainingRun(overrides=Overrides(epochs=4)).name(),
        TrainingRun(limit=100).name(),
        TrainingRun(valid_fraction=0.2).name(),
        TrainingRun().name(),
    ]
    assert len(set(changed)) == 5
    named = TrainingRun(size=48, greyscale=False, data="gimefive:x", source="rafdb", seed=2)
    assert named.name() == "gimefive-48px-colour-rafdb-accurate-seed2"


def test_tensorboard_has_the_losses(refit):
    files = list((refit / "tensorboard").rglob("events.out.tfevents.*"))
    assert len(files) == 1
    assert b"train_loss" in files[0].read_bytes()


def test_cards_name_the_licence_and_the_worst_confusions(refit):
    card = json.loads((refit / "card.json").read_text())
    card["run"]["source"] = "rafdb"
    text = model_card(card)
    assert LICENCES["rafdb"] in text
    confusion = np.array(card["test"]["confusion"], dtype=float)
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    np.fill_diagonal(shares, 0)
    true, guess = np.unravel_index(shares.argmax(), shares.shape)
    names = card["test"]["emotions"]
    assert f"- {names[true]} taken for {names[guess]}: {shares.max():.0%}" in text
    assert tuple(names) == SIX
    assert set(RECIPES) == {"accurate", "paper"}


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    options = {"limit": 600, "epochs": 6}
    train(training_run(folders[0], **options))
    script = tmp_path / "two.py"
    automatic = options | {"device": "auto"}
    script.write_text(
        "from tests.training import run_training as r\n"
        f"r.module.train(r.training_run(r.Path({str(folders[1])!r}), **{automatic!r}))\n"
    )
    root = Path(__file__).parents[2]
    launched = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            str(script),
        ],
        check=False,
        capture_output=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        timeout=240,
    )
    assert launched.returncode == 0, launched.stderr.decode()[-2000:]
    cards = [json.loads((folder / "card.json").read_text()) for folder in folders]
    assert [card["processes"] for card in cards] == [1, 2]
    one, two = (card["validation"]["accuracy"] for card in cards)
    assert abs(one - two) < 3 * (0.25 / cards[0]["valid_faces"] * 2) ** 0.5
    logs = [pd.read_csv(folder / "log.csv")["train_loss"] for folder in folders]
    assert np.allclose(logs[0], logs[1], atol=0.15)


def test_a_cpu_that_emulates_bf16_is_told_of(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr("training.loop.fit", lambda *_, **__: pytest.fail("enough"))
    for precision, told in (("bf16", True), ("fp32", False)):
        with pytest.raises(pytest.fail.Exception):
            train(training_run(tmp_path / precision, precision=precision))
        assert ("--precision fp32" in capsys.readouterr().err) is told


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "epochs from 1 or more, got 0"),
        ("batch_size", -4, "batch size from 1 or more"),
        ("learning_rate", float("nan"), "learning rate from .* got nan"),
        ("learning_rate", -1.0, "learning rate"),
        ("weight_decay", -1.0, "weight decay"),
        ("momentum", 2.0, "momentum from 0 to below 1, got 2"),
        ("patience", -1, "patience"),
        ("label_smoothing", 2.0, "label smoothing"),
        ("mixup", -1.0, "mixup"),
        ("logit_adjustment", -1.0, "logit adjustment"),
        ("ema", 1.5, "ema"),
        ("clip", -1.0, "clip"),
        ("dropout_from", 2.0, "dropout from"),
        ("dropout_until", -1.0, "dropout until"),
        ("seed", -1, "Expected a seed of 0 or more, got -1"),
        ("valid_fraction", 2.0, "Expected a share from 0 to below 1 for --valid-fraction, got 2"),
    ],
)
def test_numbers_that_no_run_can_be_made_with_are_refused(tmp_path, name, value, expected):
    with pytest.raises(InputError, match=expected):
        train(training_run(tmp_path / "run", **{name: value}))
    assert not (tmp_path / "run").exists()


def test_a_card_tells_of_a_test_curve_that_an_earlier_session_logged(tmp_path):
    train(training_run(tmp_path, test="every-epoch", epochs=1))
    (tmp_path / "card.json").unlink()
    train(training_run(tmp_path, test="once", epochs=1))
    assert json.loads((tmp_path / "card.json").read_text())["test_seen"] == "every-epoch"
    assert "scored after every epoch" in (tmp_path / "card.md").read_text()


def test_a_card_says_what_validation_kept_clear_of():
    card = {
        "model": "tiny",
        "size": 64,
        "greyscale": False,
        "train_faces": 90,
        "valid_faces": 10,
        "kept_epoch": 2,
        "epochs": 4,
        "minutes": 1.0,
        "date": "2026-01-01",
        "commit": "x",
        "test_seen": "never",
        "versions": {"torch": "2"},
        "machine": {"processor": "cpu", "device": "cpu"},
        "run": {
            "source": None,
            "data": "x",
            "seed": 0,
            "pretrained": None,
            "recipe": dataclasses.asdict(RECIPES["accurate"]),
        },
    }
    texts = [model_card(card | {"copies_of_test_faces": copies}) for copies in (None, 0, 1021)]
    assert "No test faces were at hand to keep copies of them out of validation." in texts[0]
    assert "copies" not in texts[1] + model_card(card)
    assert "1,021 training faces that are copies or near-copies of test faces were kept" in texts[2]
