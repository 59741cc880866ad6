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

from fer_xai.errors import InputError
from fer_xai.models import load_model
from tests.helpers import tiny_model
from tests.training.run_training import training_run
from training.augmenting import NUMBERS
from training.recipes import ACCURATE, PAPER, Overrides, Recipe
from training.run import TrainingRun, train
from training.trainee import Trainee, cosine

UNFLIPPED = torch.ones(8, len(NUMBERS))


def test_overrides_are_named_as_the_recipes_settings():
    names = [[field.name for field in dataclasses.fields(kind)] for kind in (Recipe, Overrides)]
    assert names[0] == names[1]
    assert Overrides().applied_to(PAPER) == PAPER
    changed = Overrides(epochs=3, mixup=0.2).applied_to(ACCURATE)
    assert changed == dataclasses.replace(ACCURATE, epochs=3, mixup=0.2)


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


def test_a_cosine_rises_then_falls_to_nothing():
    shares = [cosine(step, steps=200) for step in range(200)]
    assert max(shares) == shares[10] == 1
    assert shares[:10] == sorted(shares[:10])
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[-1] < 1e-3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_can_be_clipped(tmp_path, precision):
    train(training_run(tmp_path, clip=1.0, precision=precision, epochs=1))
    assert (tmp_path / "card.json").exists()


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
