"""Runs that were killed or moved go on where they were."""

import json

import pandas as pd
import pytest
import torch

from fer_xai.errors import InputError
from tests.training.run_training import killed_run, training_run
from training.callbacks import OutOfTimeError, within
from training.grid import Training
from training.missing import train_missing
from training.run import train
from training.variants import Column, TrainingOptions, Variant


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


def test_a_run_that_is_out_of_time_stops_after_its_epoch_and_goes_on(tmp_path):
    train(training_run(tmp_path / "unbroken", epochs=3))
    run = training_run(tmp_path / "stopped", epochs=3)
    with within(1e-9), pytest.raises(OutOfTimeError):
        train(run)
    assert not (tmp_path / "stopped" / "card.json").exists()
    assert torch.load(tmp_path / "stopped" / "last.ckpt", weights_only=True)["epoch"] == 0
    train(run)
    logs = [pd.read_csv(tmp_path / name / "log.csv") for name in ("unbroken", "stopped")]
    pd.testing.assert_series_equal(logs[0]["train_loss"], logs[1]["train_loss"])


def test_the_last_epoch_is_the_end_whatever_the_time(tmp_path):
    with within(1e-9):
        train(training_run(tmp_path, epochs=1))
    assert (tmp_path / "card.json").exists()


def test_trainings_are_made_as_long_as_there_is_time(tmp_path, capsys):
    runs = [training_run(tmp_path / name, epochs=1) for name in ("one", "two")]
    cells = [
        Training(
            variant=Variant(name=name, model="tiny"),
            column=Column.parse("synthetic"),
            seed=0,
            run=run,
            record=tmp_path / "records" / name,
        )
        for name, run in zip(("one", "two"), runs, strict=True)
    ]
    train_missing(cells, hours=1e-9)
    assert [(tmp_path / name / "card.json").exists() for name in ("one", "two")] == [True, False]
    assert "stopped after 1e-09 hours (--hours): two left; the same" in capsys.readouterr().err
    with pytest.raises(InputError, match="Expected --hours above 0, got 0"):
        TrainingOptions(hours=0).check_folders()
