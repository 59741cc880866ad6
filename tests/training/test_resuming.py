"""Runs that were killed or moved go on where they were."""

import json

import pandas as pd
import pytest
import torch

from tests.training.run_training import killed_run, training_run
from training.run import train


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
