"""What a run is made of, and options that would be without effect or by which nothing is learned."""

import dataclasses
import errno
import json

import numpy as np
import pytest
import torch

from fer_xai.errors import InputError
from fer_xai.models import load_model
from fer_xai.models.checkpoints import read_state
from tests.helpers import tiny_model
from tests.training.run_training import training_run
from training import loop
from training.card import recipe_lines
from training.loop import check_launch
from training.recipes import ACCURATE, PAPER, Overrides, Recipe
from training.run import TrainingRun, train
from training.trainee import Trainee

QUICK = {"epochs": 1, "limit": 120, "valid_fraction": 0.2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    train(training_run(out, **QUICK))
    return out


def changed(monkeypatch, split, change):
    """Faces of one split are others from now on."""
    faces = TrainingRun.faces
    monkeypatch.setattr(
        TrainingRun,
        "faces",
        lambda run, asked: change(faces(run, asked)) if asked == split else faces(run, asked),
    )


def repainted(faces):
    """The same names and labels, other pixels."""

    def reader(index):
        return 255 - faces.reader(index)

    return dataclasses.replace(faces, reader=reader, _pixels={}, _sizes={})


@pytest.mark.parametrize(
    "change", [lambda faces: faces.subset(np.arange(0, len(faces), 2)), repainted]
)
def test_a_run_whose_test_faces_changed_is_not_told_again(finished, monkeypatch, change):
    before = (finished / "card.json").read_text()
    changed(monkeypatch, "test", change)
    with pytest.raises(InputError, match="but it differs in test_faces_sha256: choose another"):
        train(training_run(finished, **QUICK))
    assert (finished / "card.json").read_text() == before


def test_the_card_has_the_digests_of_all_faces(finished):
    card = json.loads((finished / "card.json").read_text())
    run = training_run(finished, **QUICK)
    assert card["test_faces_sha256"] == run.faces("test").fingerprint(64)
    assert card["training_split_sha256"] == run.faces("train").fingerprint(64)
    kept = {card[f"{part}_faces_sha256"] for part in ("train", "valid", "test")}
    assert len(kept) == 3
    assert None not in kept


def test_a_run_whose_validation_faces_changed_is_another_run(finished, monkeypatch):
    cut = "training.run.stratified_split"
    from fer_xai.data.splits import stratified_split

    def fewer(faces, *options, **named):
        kept, held = stratified_split(faces, *options, **named)
        return kept, held.subset(np.arange(1, len(held)))

    monkeypatch.setattr(cut, fewer)
    with pytest.raises(InputError, match="but it differs in valid_faces_sha256: choose another"):
        train(training_run(finished, **QUICK))


def test_a_run_of_an_older_version_is_refused_by_a_sentence(finished):
    file = finished / "settings.json"
    kept = file.read_text()
    old = json.loads(kept)
    del old["valid_faces_sha256"], old["test_faces_sha256"]
    file.write_text(json.dumps(old))
    with pytest.raises(InputError, match="holds no valid_faces_sha256, test_faces_sha256, as"):
        train(training_run(finished, **QUICK))
    file.write_text(kept)


def test_test_faces_that_were_never_scored_may_be_scored_later_and_count_then(
    tmp_path, monkeypatch
):
    train(training_run(tmp_path, test="never", **QUICK))
    assert json.loads((tmp_path / "settings.json").read_text())["test_faces_sha256"] is None
    train(training_run(tmp_path, test="once", **QUICK))
    train(training_run(tmp_path, test="never", **QUICK))
    changed(monkeypatch, "test", repainted)
    with pytest.raises(InputError, match="differs in test_faces_sha256"):
        train(training_run(tmp_path, test="once", **QUICK))


@pytest.mark.parametrize("name", ["settings.json", "card.json"])
@pytest.mark.parametrize("content", ["", '{"seed": 0'])
def test_a_damaged_file_of_a_run_is_named_with_the_remedy(finished, name, content):
    kept = (finished / name).read_text()
    (finished / name).write_text(content)
    with pytest.raises(InputError, match=f"Expected .*{name} to be whole, .*: delete "):
        train(training_run(finished, **QUICK))
    (finished / name).write_text(kept)


def test_a_damaged_checkpoint_names_what_to_delete_and_the_run_can_be_made_anew(tmp_path):
    run = training_run(tmp_path, **QUICK)
    train(run)
    weights = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "card.json").unlink()
    last = tmp_path / "last.ckpt"
    for content in (last.read_bytes()[:2000], b"", b"PK"):
        last.write_bytes(content)
        with pytest.raises(InputError, match=r"last.ckpt to be whole.*: delete .*last.ckpt, and"):
            train(run)
    last.unlink()
    train(run)
    assert (tmp_path / "weights.safetensors").read_bytes() == weights


def test_weights_that_exploded_in_the_last_step_are_not_exported(tmp_path, monkeypatch):
    run = training_run(tmp_path, valid_fraction=0, epochs=1, limit=120)

    def explode(trainee):
        trainee.model.net.conv1.weight.data.fill_(float("inf"))

    monkeypatch.setattr(Trainee, "on_train_epoch_end", explode)
    with pytest.raises(InputError, match="Expected finite weights .*NaN or infinity in conv1.weig"):
        train(run)
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"last.ckpt", "sessions", "tensorboard", "settings.json"}


def test_a_full_disk_while_training_is_a_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lightning.Trainer.save_checkpoint", full)
    with pytest.raises(InputError, match="cannot be written .No space left on device.: free some"):
        train(training_run(tmp_path, **QUICK))


def test_a_checkpoint_of_our_training_is_loaded_with_what_it_says_of_its_network(tmp_path):
    train(training_run(tmp_path, size=48, greyscale=True, **QUICK))
    best = torch.load(tmp_path / "best.ckpt", map_location="cpu", weights_only=True)
    model = load_model("tiny", weights=tmp_path / "best.ckpt")
    assert (model.size, model.greyscale) == (48, True)
    assert torch.equal(model.net.conv1.weight, best["state_dict"]["model.net.conv1.weight"])
    del best["fer_xai"]
    torch.save(best, tmp_path / "old.ckpt")
    with pytest.raises(InputError, match="does not say them: load the weights.safetensors"):
        read_state(tmp_path / "old.ckpt")


# -- options --------------------------------------------------------------------------------------


def optimizer_of(recipe, monkeypatch):
    trainee = Trainee(tiny_model(), recipe, seed=0)
    monkeypatch.setattr(
        Trainee, "trainer", property(lambda _: type("T", (), {"estimated_stepping_batches": 20}))
    )
    made = trainee.configure_optimizers()
    return made["optimizer"] if isinstance(made, dict) else made, made


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("momentum", [0.9, 0.5, 0.05])
def test_momentum_is_honoured_under_a_schedule_that_cycles_it(optimizer, momentum, monkeypatch):
    recipe = dataclasses.replace(ACCURATE, optimizer=optimizer, momentum=momentum)
    made, both = optimizer_of(recipe, monkeypatch)
    schedule = both["lr_scheduler"]["scheduler"]
    seen = []
    for _ in range(20):
        group = made.param_groups[0]
        seen.append(group["betas"][0] if optimizer == "adamw" else group["momentum"])
        made.step()
        schedule.step() if len(seen) < 20 else None
    assert max(seen) == pytest.approx(momentum + 0.05)
    assert min(seen) == pytest.approx(momentum - 0.05, abs=2e-3)


def test_the_default_recipes_cycle_momentum_as_torch_does_by_default(monkeypatch):
    _, both = optimizer_of(ACCURATE, monkeypatch)
    group = both["optimizer"].param_groups[0]
    assert (group["base_momentum"], group["max_momentum"]) == (0.85, 0.95)
    plain = optimizer_of(dataclasses.replace(ACCURATE, schedule="cosine"), monkeypatch)[0]
    assert plain.param_groups[0]["betas"] == torch.optim.AdamW([torch.ones(1)]).defaults["betas"]
    assert optimizer_of(PAPER, monkeypatch)[0].defaults["momentum"] == 0.9


def test_the_card_says_what_momentum_there_was():
    def line(recipe):
        return next(x for x in recipe_lines(dataclasses.asdict(recipe)) if x.startswith("- mom"))

    assert line(ACCURATE) == (
        "- momentum: 0.9 (β₁ of AdamW, cycled by the schedule between 0.85 and 0.95)"
    )
    assert line(PAPER) == "- momentum: 0.9 (momentum of SGD)"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ema": 1.0}, "ema from 0 to below 1, got 1"),
        ({"label_smoothing": 1.0}, "label smoothing from 0 to below 1, got 1"),
        ({"dropout_from": 0.9, "dropout_until": 0.1}, "dropout to set in before it ends"),
        ({"momentum": 0.0}, "momentum from 0.05 to below 0.95 under the schedule onecycle"),
        ({"momentum": 0.95}, "momentum from 0.05 to below 0.95 under the schedule onecycle"),
        ({"momentum": 1.0, "schedule": "cosine"}, "momentum from 0 to below 1, got 1"),
        ({"learning_rate": float("inf")}, "learning rate from .* got inf"),
        ({"learning_rate": 1e-10}, "learning rate from 1e-09 or more"),
        ({"learning_rate": 1.0, "weight_decay": 1.0}, "learning rate times weight decay"),
        ({"weight_decay": float("inf")}, "weight decay"),
        ({"mixup": float("inf")}, "mixup"),
        ({"logit_adjustment": float("inf")}, "logit adjustment"),
        ({"clip": 1e-9}, "clip 0, which never clips, or 1e-06 or more"),
    ],
)
def test_values_at_which_nothing_is_learned_are_refused(options, expected):
    with pytest.raises(InputError, match=f"Expected {expected}"):
        Recipe(**options)
    with pytest.raises(InputError, match=f"Expected {expected}"):
        Overrides(**options).applied_to(ACCURATE)


def test_equal_shares_are_no_dropout_and_every_recipe_can_be_trained_with():
    assert Recipe(dropout_from=0.5, dropout_until=0.5).dropout_until == 0.5
    assert Recipe(dropout_from=1.0).dropout_from == 1


def test_options_without_effect_are_refused(tmp_path):
    with pytest.raises(InputError, match="Expected a patience below the 9 epochs, got 9"):
        Overrides(patience=9, epochs=9).applied_to(ACCURATE)
    assert Overrides(epochs=4).applied_to(PAPER).patience == 15
    with pytest.raises(InputError, match="Expected an --ema that forgets the first of 1 steps"):
        train(training_run(tmp_path, ema=0.99, **QUICK))
    with pytest.raises(InputError, match="Expected --initialisation torch for cct"):
        TrainingRun(model="cct", overrides=Overrides(initialisation="he")).check()
    with pytest.raises(InputError, match="Expected a device such as auto"):
        train(training_run(tmp_path, device="toaster"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, None),
        ({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"}, None),
        ({"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "none"}, None),
        ({"WORLD_SIZE": "2", "RANK": "1", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, None),
        (
            {"WORLD_SIZE": "2", "RANK": "1", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"},
            "WORLD_SIZE=2",
        ),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2 is in the environment and neither torchrun nor SLURM"),
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}, "unset WORLD_SIZE RANK LOCAL_RANK"),
        ({"RANK": "1"}, "RANK=1"),
        ({"LOCAL_RANK": "1"}, "LOCAL_RANK=1"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE=two"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE="),
    ],
)
def test_a_launchers_variables_without_a_launcher_are_refused(environment, told):
    if told is None:
        check_launch(environment)
        return
    with pytest.raises(InputError, match=f"Expected a launcher's variables.*{told}"):
        check_launch(environment)


def test_a_run_looks_at_the_environment_before_anything_else(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="WORLD_SIZE=2"):
        train(training_run(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    assert loop.PROCESSES == 1
