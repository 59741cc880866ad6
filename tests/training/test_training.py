"""Training on built-in faces with a tiny net: a few seconds on one core."""

import dataclasses
import json

import pandas as pd
import pytest
import torch

from fer_xai.data.datasets.synthetic import synthetic_faces
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.models import load_model
from fer_xai.models.checkpoints import read_state
from tests.helpers import tiny_model
from tests.training.run_training import killed_run, training_run
from training.card import model_card
from training.evaluate import Evaluation
from training.faces import permuted_labels
from training.recipes import ACCURATE, PAPER
from training.run import TrainingRun, train
from training.samples import EpochSampler, Samples
from training.scoring import logits_of, scores
from training.trainee import Trainee, initialise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train(training_run(out))
    return out


def test_a_run_leaves_weights_that_load_a_card_and_a_log(folder):
    state, settings = read_state(folder / "weights.safetensors")
    assert settings["model"] == "tiny"
    assert tuple(settings["emotions"]) == tiny_model().emotions
    model = load_model("tiny", weights=folder / "weights.safetensors")
    assert all(torch.equal(value, state[key]) for key, value in model.net.state_dict().items())
    card = json.loads((folder / "card.json").read_text())
    assert card["train_faces"] + card["valid_faces"] == 160
    assert set(card["test"]["recall"]) == set(model.emotions)
    text = (folder / "card.md").read_text()
    assert f"## Test: {card['test']['accuracy']:.1%} of 160 faces" in text
    log = pd.read_csv(folder / "log.csv")
    assert log["epoch"].tolist() == [0, 1, 2, 3]
    assert log["train_loss"].iloc[-1] < log["train_loss"].iloc[0]


def test_norms_and_dropout_are_in_training_mode(folder):
    state = read_state(folder / "weights.safetensors")[0]
    assert int(state["bn1.num_batches_tracked"]) > 0
    assert state["bn1.running_mean"].any()
    net = load_model("gimefive")
    assert Trainee(net, ACCURATE, seed=0).model.net.dropout1.training


def test_the_card_quotes_the_exported_weights_at_the_best_validation_epoch(folder):
    found = Evaluation(
        model="tiny", weights=str(folder / "weights.safetensors"), limit=160, device="cpu"
    ).run()
    card = json.loads((folder / "card.json").read_text())
    assert found["accuracy"] == card["test"]["accuracy"]
    assert 0.8 < found["bayes_accuracy"] < 1
    log = pd.read_csv(folder / "log.csv")
    assert card["validation"]["accuracy"] == pytest.approx(log["valid_accuracy"].max(), abs=0.07)


@pytest.mark.parametrize("step", [1, 5])
def test_a_run_killed_and_resumed_has_the_losses_of_an_unbroken_one(step, folder, tmp_path):
    killed_run(tmp_path, step)
    assert not (tmp_path / "weights.safetensors").exists()
    train(training_run(tmp_path))
    one, two = (pd.read_csv(f / "log.csv") for f in (folder, tmp_path))
    pd.testing.assert_frame_equal(*(log.drop(columns="seconds") for log in (one, two)), rtol=1e-5)
    a, b = (read_state(f / "weights.safetensors")[0] for f in (folder, tmp_path))
    assert all(torch.allclose(a[key], b[key], atol=1e-3) for key in a)


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(folder):
    sentence = "to hold a run of the same settings and faces"
    for other in ({"seed": 1}, {"limit": 150}, {"learning_rate": 1e-4}):
        with pytest.raises(InputError, match=sentence):
            train(training_run(folder, **other))


def test_runs_of_different_data_and_recipes_have_folders_of_their_own():
    runs = [
        TrainingRun(),
        TrainingRun(recipe="paper"),
        TrainingRun(data="gimefive:x"),
        TrainingRun(data="gimefive:x", source="rafdb"),
        TrainingRun(data="synthetic:lab"),
        TrainingRun(data="folder:/data/a"),
        TrainingRun(data="folder:/data/b"),
    ]
    assert len({run.folder() for run in runs}) == 7
    assert len({str(run.identity()) for run in runs}) == 7
    assert TrainingRun(data="gimefive:x").identity() == TrainingRun(data="gimefive:y").identity()


def test_permuted_labels_keep_the_faces_and_the_emotions_shares():
    faces = synthetic_faces(24)
    nonsense = permuted_labels(faces, seed=0)
    assert torch.equal(nonsense.pixels(64), faces.pixels(64))
    assert torch.equal(nonsense.labels.sort().values, faces.labels.sort().values)
    assert not torch.equal(nonsense.labels, faces.labels)
    assert torch.equal(nonsense.labels, permuted_labels(faces, seed=0).labels)
    usual, permuted = TrainingRun(), TrainingRun(permute_labels=True)
    assert usual.folder() != permuted.folder()
    assert usual.identity() != permuted.identity()


def test_a_face_and_its_random_numbers_depend_on_seed_epoch_and_index_alone():
    faces, model = synthetic_faces(6), tiny_model()
    samples = Samples(faces, model, seed=3)
    pixels, columns, numbers = samples[(2, 4)]
    assert torch.equal(pixels[0], faces.pixels(64)[4])
    assert columns == model.columns(faces.labels)[4]
    _ = samples[(0, 1)]
    assert torch.equal(samples.__getitems__([(2, 1), (2, 4)])[2][1:], numbers)
    assert not torch.equal(samples[(3, 4)][2], numbers)
    assert not torch.equal(Samples(faces, model, seed=4)[(2, 4)][2], numbers)


def test_processes_share_the_faces_of_an_epoch():
    alone = EpochSampler(11, training=False, seed=1)
    parts = [EpochSampler(11, training=False, seed=1, rank=r, processes=2) for r in (0, 1)]
    for sampler in (alone, *parts):
        sampler.set_epoch(2)
    assert sorted(alone) == sorted([*parts[0], *parts[1]])
    assert [len(part) for part in parts] == [6, 5]
    equal = [EpochSampler(11, training=True, seed=1, rank=r, processes=2) for r in (0, 1)]
    assert [len(list(part)) for part in equal] == [len(part) for part in equal] == [5, 5]
    alone = EpochSampler(11, training=True, seed=1)
    order = list(alone)
    assert sorted(order) == [(0, index) for index in range(11)]
    alone.set_epoch(3)
    assert [index for _, index in alone] != [index for _, index in order]


def test_he_initialisation_keeps_the_signals_scale():
    model = load_model("gimefive-nobn")
    initialise(model.net, seed=0)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        strong = model(images).std()
        weak = load_model("gimefive-nobn")(images).std()
    assert strong > 5 * weak
    assert not model.net.conv1.bias.any()


def test_vectors_are_not_decayed_and_the_paper_recipe_is_the_papers():
    assert (PAPER.optimizer, PAPER.batch_size, PAPER.epochs, PAPER.patience) == ("sgd", 16, 80, 15)
    optimizer = Trainee(tiny_model(), PAPER, seed=0).configure_optimizers()
    assert optimizer.defaults["momentum"] == 0.9
    assert optimizer.defaults["weight_decay"] == 1e-4
    assert ACCURATE.optimizer == "adamw"


def test_dropout_sets_in_late_if_told_to(monkeypatch):
    recipe = dataclasses.replace(ACCURATE, dropout_from=0.5, epochs=4)
    trainee = Trainee(load_model("gimefive"), recipe, seed=0)
    dropouts = (trainee.model.net.dropout1, trainee.model.net.dropout2)
    seen = []
    for epoch in range(4):
        monkeypatch.setattr(Trainee, "current_epoch", epoch)
        trainee.on_train_epoch_start()
        seen.append(tuple(module.p for module in dropouts))
    assert seen == [(0, 0), (0, 0), (0.2, 0.5), (0.2, 0.5)]


def test_fewer_faces_than_a_batch_are_refused(tmp_path):
    with pytest.raises(InputError, match="Expected at least 64 training faces, one batch, got 54"):
        train(training_run(tmp_path, limit=60))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_epoch(tmp_path, monkeypatch):
    cross_entropy = torch.nn.functional.cross_entropy
    calls = iter(range(100))

    def broken(*args, **options):
        loss = cross_entropy(*args, **options)
        return loss * float("nan") if next(calls) >= 4 else loss

    run = training_run(tmp_path, epochs=4, valid_fraction=0)  # two steps an epoch
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.functional, "cross_entropy", broken)
        with pytest.raises(InputError, match="Expected a finite loss, got nan at step 4"):
            train(run)
    kept = torch.load(tmp_path / "last.ckpt", map_location="cpu", weights_only=True)
    assert kept["global_step"] == 4
    assert all(torch.isfinite(value).all() for value in kept["state_dict"].values())
    assert not (tmp_path / "weights.safetensors").exists()
    train(run)
    assert pd.read_csv(tmp_path / "log.csv")["epoch"].tolist() == [0, 1, 2, 3]


def test_scores_are_those_of_scikit_learns_definitions(faces):
    model = tiny_model()
    predictor = Predictor(model, device="cpu")
    found = scores(predictor, faces)
    predicted, truth = model.predict(faces.images), faces.labels
    assert found["accuracy"] == pytest.approx(float((predicted == truth).float().mean()), abs=1e-4)
    recall, f1 = [], []
    for label in range(6):
        hits = float(((predicted == label) & (truth == label)).sum())
        recall.append(hits / float((truth == label).sum()))
        f1.append(2 * hits / float((truth == label).sum() + (predicted == label).sum()))
    assert list(found["recall"].values()) == pytest.approx(recall, abs=1e-4)
    assert found["macro_recall"] == pytest.approx(sum(recall) / 6, abs=1e-4)
    assert found["macro_f1"] == pytest.approx(sum(f1) / 6, abs=1e-4)
    assert torch.tensor(found["confusion"]).sum(dim=1).tolist() == [6] * 6
    confidence, right = predictor.logits(faces).softmax(dim=1).max(dim=1)[0], predicted == truth
    bins = (confidence * 15).floor().long()
    gaps = [
        abs(float(confidence[bins == k].mean() - right[bins == k].float().mean()))
        * float((bins == k).float().mean())
        for k in bins.unique()
    ]
    assert found["calibration_error"] == pytest.approx(sum(gaps), abs=1e-3)


def test_flip_averaging_sees_a_face_and_its_mirror_image_alike(faces):
    predictor = Predictor(tiny_model(), device="cpu", batch_size=16)
    flipped = torch.stack([image.flip(-1) for image in faces.images])
    expected = (predictor.logits(faces.images) + predictor.logits(flipped)) / 2
    assert torch.allclose(logits_of(predictor, faces, flip=True), expected, atol=1e-5)
    assert scores(predictor, faces, flip=True)["flip_averaged"]


def test_scores_of_no_faces_are_refused(faces):
    with pytest.raises(InputError, match="Expected labelled faces to score a model on, got none"):
        scores(Predictor(tiny_model(), device="cpu"), faces.subset([]))


def test_a_card_without_a_test_split_has_no_test_section(folder):
    card = json.loads((folder / "card.json").read_text())
    del card["test"]
    assert "## Test" not in model_card(card)
