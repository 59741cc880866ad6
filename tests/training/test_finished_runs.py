"""What a finished run leaves: weights, logits, a log and a card."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from fer_xai.models import load_model
from fer_xai.models.checkpoints import read_state
from tests.training.run_training import killed_run, training_run
from training.card import LICENCES, model_card
from training.evaluate import Evaluation
from training.recipes import RECIPES
from training.run import train

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


def test_mixup_and_average_resume_as_an_unbroken_run(blended, tmp_path):
    killed_run(tmp_path, 5, **BLENDED)
    train(training_run(tmp_path, **BLENDED))
    one, two = (pd.read_csv(folder / "log.csv") for folder in (blended, tmp_path))
    pd.testing.assert_frame_equal(*(log.drop(columns="seconds") for log in (one, two)), rtol=1e-5)
    a, b = (read_state(folder / "weights.safetensors")[0] for folder in (blended, tmp_path))
    assert all(torch.allclose(a[key], b[key], atol=1e-3) for key in a)


def test_the_exported_weights_are_the_average(blended):
    last = torch.load(blended / "last.ckpt", map_location="cpu", weights_only=True)
    key = "model.net.conv1.weight"
    assert not torch.equal(last["state_dict"][key], last["current_model_state"][key])
    best = torch.load(blended / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    exported = read_state(blended / "weights.safetensors")[0]["conv1.weight"]
    assert torch.equal(exported, best[key].half().float())


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


def test_a_run_that_has_ended_is_left_as_it_is(refit):
    before = {path: path.stat().st_mtime_ns for path in refit.rglob("*")}
    train(training_run(refit, valid_fraction=0, test="every-epoch", epochs=3))
    assert {path: path.stat().st_mtime_ns for path in refit.rglob("*")} == before


def test_a_run_begins_with_weights_of_another_one(refit, tmp_path):
    run = training_run(tmp_path, pretrained=str(refit / "weights.safetensors"))
    state = read_state(refit / "weights.safetensors")[0]
    assert torch.equal(run.fresh_model().net.conv1.weight, state["conv1.weight"])
    with pytest.raises(InputError, match="the checkpoint does not fit"):
        training_run(
            tmp_path, model="cct", pretrained=str(refit / "weights.safetensors")
        ).fresh_model()


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
