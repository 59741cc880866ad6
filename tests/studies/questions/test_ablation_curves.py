"""Curves of training in the ablation: from the logs of trainings, over seeds, and nothing else."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from studies.questions.ablation import plots
from studies.questions.ablation.curve_report import smoothed_floor, training_curves
from studies.questions.ablation.curves import (
    by_epoch,
    dropout_epochs,
    epoch_rows,
    in_percent,
    last_epochs,
    without_log,
)
from studies.questions.ablation.study import VARIANTS, Ablation
from tests.studies.tiny_trainings import OPTIONS, tiny_nets
from training.recipes import Recipe
from training.trainee import Trainee

RECORDS = Path(__file__).parents[3] / "results" / "trainings"
NAMES = ("gimefive", "no BatchNorm", "no dropout", "ResNet18")
CONFIG = {"recipe": dataclasses.asdict(Recipe()) | {"epochs": 4}, "valid_fraction": 0.0}


def cell(variant, seed, log, epochs=None):
    card = {"epochs": len(log) if epochs is None else epochs}
    name = SimpleNamespace(name=variant)
    return SimpleNamespace(variant=name, seed=seed, card=card, log=lambda: log)


def log(loss, train=0.5, test=0.4):
    made = {"epoch": range(len(loss)), "train_loss": loss}
    return pd.DataFrame(made | {"train_accuracy": train, "test_accuracy": test})


def of_records():
    """Trainings of the committed records, as far as curves look at them."""
    found = []
    for name in NAMES:
        for folder in sorted(RECORDS.glob(f"{VARIANTS[name].model}-rafdb-accurate-refit-seed*")):
            card = json.loads((folder / "card.json").read_text())
            kept = cell(name, card["run"]["seed"], pd.read_csv(folder / "log.csv"), card["epochs"])
            found.append(kept)
    return found


def test_means_and_ranges_are_those_of_the_logs():
    """The slow way: each training's log is read, epoch by epoch."""
    rows = epoch_rows(of_records(), other="test")
    table = by_epoch(rows, "dropout", in_percent("test")).set_index("epoch")
    assert list(table.index) == list(range(1, 61))
    for word, model, seeds in (("with", "", (1, 2, 3, 4)), ("without", "-nodropout", (0, 1, 2))):
        logs = [
            pd.read_csv(RECORDS / f"gimefive{model}-rafdb-accurate-refit-seed{seed}" / "log.csv")
            for seed in seeds
        ]
        assert (table[f"trainings {word} dropout"] == len(seeds)).all()
        for epoch in (1, 31, 60):
            train, test = (
                np.array([100 * one[f"{part}_accuracy"][epoch - 1] for one in logs])
                for part in ("train", "test")
            )
            found = table.loc[epoch]
            assert found[f"training accuracy {word} dropout"] == pytest.approx(train.mean())
            assert found[f"test accuracy {word} dropout"] == pytest.approx(test.mean())
            assert found[f"gap {word} dropout"] == pytest.approx((train - test).mean())
            assert found[f"gap {word} dropout min"] == pytest.approx((train - test).min())
            assert found[f"gap {word} dropout max"] == pytest.approx((train - test).max())
    last = last_epochs(rows, other="test").set_index("variant")
    ends = [table.loc[60, f"gap {word} dropout"] for word in ("with", "without")]
    assert last.loc[["gimefive", "no dropout"], "gap"].tolist() == pytest.approx(ends)


def test_until_dropout_sets_in_the_network_with_it_is_the_one_without_it():
    """To the last digit, where seed and machine are the same: seed 2 of the records."""
    rows = epoch_rows(of_records(), other="test").set_index(["variant", "seed", "epoch"])
    rows = rows.sort_index()
    one, other = (rows.loc[(name, 2)] for name in ("gimefive", "no dropout"))
    card = json.loads((RECORDS / "gimefive-rafdb-accurate-refit-seed2" / "card.json").read_text())
    first = dropout_epochs(card["run"]["recipe"]).start
    assert first == 31
    pd.testing.assert_frame_equal(one.loc[: first - 1], other.loc[: first - 1])
    assert (one.loc[first:, "training loss"] > other.loc[first:, "training loss"]).all()


def test_the_last_epoch_has_the_accuracy_of_the_exported_weights():
    """Halving, and bfloat16 while training, change a few faces of 2,388 at most."""
    rows = epoch_rows(of_records(), other="test")
    for (name, seed), here in rows.groupby(["variant", "seed"]):
        folder = RECORDS / f"{VARIANTS[name].model}-rafdb-accurate-refit-seed{seed}"
        exported = json.loads((folder / "card.json").read_text())["test"]["accuracy"]
        assert here["test accuracy"].iloc[-1] == pytest.approx(100 * exported, abs=0.3)


def test_a_training_without_a_whole_log_is_in_no_curve_and_is_named():
    whole, empty = log([1.5, 1.0]), pd.DataFrame({"epoch": []})
    halfway = log([2.0])
    unknown = log([2.0, np.nan])
    done = [
        cell("gimefive", 0, empty, 2),
        cell("gimefive", 1, whole),
        cell("gimefive", 2, halfway, 2),
        cell("gimefive", 3, unknown),
        cell("no BatchNorm", 0, whole),
    ]
    rows = epoch_rows(done, other="test")
    assert without_log(done, rows) == [f"gimefive (seed {seed})" for seed in (0, 2, 3)]
    assert by_epoch(rows, "BatchNorm", ["training loss"])["training loss with BatchNorm"].tolist()
    found = training_curves(done, CONFIG)
    assert [picture.name for picture in found.pictures] == ["loss_by_epoch"]
    assert (
        "gimefive (seed 0), gimefive (seed 2), gimefive (seed 3): they are in no"
        in (found.caveats[0])
    )
    assert "1 with (seed 1) and 1 without (seed 0)" in found.pictures[0].caption
    assert found.caveats[1] == (
        "The gap of accuracies with and without dropout is not drawn: no training of no dropout "
        "has a log with training accuracy, test accuracy of every epoch."
    )


def test_without_any_log_nothing_is_drawn_and_the_reason_is_said():
    empty = pd.DataFrame({"epoch": []})
    found = training_curves([cell(name, 0, empty, 60) for name in NAMES], CONFIG)
    assert (found.tables, found.pictures) == ([], [])
    assert len(found.caveats) == 3
    assert (
        "The loss with and without BatchNorm is not drawn: no training of gimefive and no"
        in (found.caveats[1])
    )


@pytest.mark.parametrize("lost", ["train_accuracy", "test_accuracy"])
def test_a_gap_takes_both_accuracies_and_a_loss_takes_none(lost):
    """Mixup leaves no training accuracy; test faces that are scored at the end have no curve."""
    kept = log([1.5, 1.0]).drop(columns=lost)
    found = training_curves([cell(name, 0, kept) for name in NAMES], CONFIG)
    assert [picture.name for picture in found.pictures] == ["loss_by_epoch"]
    last = next(table.frame for table in found.tables if table.name == "last_epoch")
    assert last["gap"].isna().all()
    assert (last["training loss"] == 1.0).all()


def test_held_out_faces_take_the_place_of_test_faces():
    kept = log([1.5, 1.0], train=0.7, test=0.1).assign(valid_accuracy=0.6)
    done = [cell(name, 0, kept) for name in NAMES]
    found = training_curves(done, CONFIG | {"valid_fraction": 0.1})
    gap = next(table.frame for table in found.tables if table.name == "gap_by_epoch")
    assert gap["gap with dropout"].tolist() == pytest.approx([10, 10])
    assert "test" not in found.pictures[1].caption
    assert "validation accuracy 60.0 (60.0 to 60.0) % with" in found.pictures[1].caption


def test_trainings_of_different_lengths_are_averaged_as_far_as_they_got():
    done = [cell("gimefive", 0, log([3.0, 2.0])), cell("gimefive", 1, log([1.0]))]
    rows = epoch_rows([*done, cell("no BatchNorm", 0, log([1.0, 1.0]))], other="test")
    table = by_epoch(rows, "BatchNorm", ["training loss"])
    assert table["trainings with BatchNorm"].tolist() == [2, 1]
    assert table["training loss with BatchNorm"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("start", "end", "epochs"),
    [(0.5, 1.0, 60), (0.0, 1.0, 4), (0.3, 0.6, 7), (1.0, 1.0, 5), (0.5, 0.5, 4)],
)
def test_dropout_acts_when_the_training_loop_lets_it(start, end, epochs, monkeypatch):
    from tests.helpers import tiny_model

    recipe = Recipe(epochs=epochs, dropout_from=start, dropout_until=end)
    trainee = Trainee(tiny_model(), recipe, seed=0)
    module = torch.nn.Dropout(0.4)
    trainee.dropouts = [(module, "p", 0.4)]
    on = []
    for epoch in range(epochs):
        monkeypatch.setattr(Trainee, "current_epoch", epoch)
        trainee.on_train_epoch_start()
        on += [epoch + 1] * (module.p > 0)
    assert list(dropout_epochs(dataclasses.asdict(recipe))) == on


@pytest.mark.parametrize(("start", "shades"), [(0.5, 1), (0.0, 0), (1.0, 0)])
def test_epochs_are_shaded_where_dropout_acts_in_some(start, shades):
    rows = epoch_rows([cell(name, 0, log([1.5, 1.2, 1.1, 1.0])) for name in NAMES], other="test")
    dropout = dropout_epochs({"epochs": 4, "dropout_from": start, "dropout_until": 1.0})
    table = by_epoch(rows, "BatchNorm", ["training loss"])
    (axis,) = plots.loss(table, "BatchNorm", dropout=dropout).axes
    assert len(axis.patches) == shades
    assert [line.get_label() for line in axis.lines] == ["with BatchNorm", "without BatchNorm"]
    assert axis.lines[1].get_ydata().tolist() == [1.5, 1.2, 1.1, 1.0]


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.3])
def test_no_loss_of_smoothed_labels_falls_below_the_floor(smoothing):
    """Gradient descent on the logits themselves ends there."""
    logits = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-10)

    def loss():
        optimizer.zero_grad()
        found = F.cross_entropy(logits, torch.tensor([2]), label_smoothing=smoothing)
        found.backward()
        return found

    optimizer.step(loss)
    floor = smoothed_floor({"label_smoothing": smoothing, "mixup": 0.0})
    assert float(loss().detach()) == pytest.approx(floor, abs=1e-6)
    assert smoothed_floor({"label_smoothing": smoothing, "mixup": 0.2}) == 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curves")
    with tiny_nets(dict.fromkeys(("gimefive", "gimefive-nobn", "gimefive-nodropout"), True)):
        yield folder, study(folder).run()


def study(folder):
    options = dataclasses.replace(
        OPTIONS, seeds=(0,), runs=folder / "runs", records=folder / "records"
    )
    return Ablation(
        options=options,
        variants=("gimefive", "no BatchNorm", "no dropout"),
        untrained=2,
        out=folder / "results",
        progress=False,
    )


def test_the_report_has_both_figures_and_their_numbers(finished):
    folder, run = finished
    for name in ("loss_by_epoch", "gap_by_epoch"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 5000
        assert len(pd.read_csv(run / "tables" / f"{name}.csv")) == 2
    (file,) = (folder / "records").glob("gimefive-nobn-*/log.csv")
    table = pd.read_csv(run / "tables" / "loss_by_epoch.csv")
    logged = pd.read_csv(file)["train_loss"]
    assert np.allclose(table["training loss without BatchNorm"], logged)
    assert "What cannot be shown: the gap on equal terms" in (run / "report.html").read_text()


def test_the_study_goes_on_without_the_logs(finished, tmp_path):
    """One record has no log at all, one an empty one: tables of the networks stay as they are."""
    folder, run = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    shutil.copytree(run, tmp_path / "results" / run.parent.name / run.name)
    next((tmp_path / "records").glob("gimefive-nobn-*/log.csv")).unlink()
    next((tmp_path / "records").glob("gimefive-nodropout-*/log.csv")).write_text("epoch\n")
    again = study(tmp_path).run()
    for name in ("variants", "differences", "trainings"):
        file = f"tables/{name}.csv"
        assert (again / file).read_bytes() == (run / file).read_bytes()
    page = (again / "report.html").read_text()
    assert "no BatchNorm (seed 0), no dropout (seed 0): they are in no curve by epoch" in page
    assert "The loss with and without BatchNorm is not drawn" in page
    assert 'alt="gap_by_epoch"' not in page
