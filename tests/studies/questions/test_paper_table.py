"""The paper's table on built-in faces with tiny nets."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import studies.questions.paper_table.study as module
from fer_xai.errors import InputError
from fer_xai.names import csv_text
from studies.questions.paper_table import tables
from studies.questions.paper_table.published import KEPT, PUBLISHED, TITLES
from studies.questions.paper_table.study import PaperTable
from studies.run import main
from tests.studies.tiny_trainings import OPTIONS, tiny_nets
from training.grid import trainings
from training.recipes import Overrides
from training.run import TrainingRun
from training.variants import Column, TrainingOptions, Variant


@pytest.fixture(scope="module", autouse=True)
def tiny_gimefive():
    with tiny_nets({"gimefive": True, "resnet18": False}):
        yield


def table(folder: Path, **options) -> PaperTable:
    chosen = {"models": ("gimefive", "resnet18")} | options
    trained = dataclasses.replace(OPTIONS, runs=folder / "runs", records=folder / "records")
    return PaperTable(options=chosen.pop("options", trained), out=folder / "results", **chosen)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    return folder, table(folder).run()


def test_a_table_leaves_rows_tables_figures_and_a_report(finished):
    _, run = finished
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert len(manifest["trainings"]) == 4
    rows = pd.read_parquet(run / "predictions.parquet")
    assert len(rows) == 4 * 160
    for name in ("accuracy", "pairs", "recall", "optimism", "trainings"):
        assert (run / "tables" / f"{name}.csv").exists()
    for name in ("accuracy", "curves", "confusion"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 5000
    page = (run / "report.html").read_text()
    assert tables.NOT_RUN in page
    assert (run / "answer.txt").read_text().startswith("Accuracy on the test faces of synthetic")


def test_cells_that_were_not_trained_say_so_and_are_empty(finished):
    _, run = finished
    found = pd.read_csv(run / "tables" / "accuracy.csv").set_index("model")
    empty = found.loc[TITLES["vgg"]]
    assert empty["seeds"] == tables.NOT_RUN
    assert np.isnan(empty["ours"])
    assert list(found.index) == [csv_text(title) for title in TITLES.values()]  # no formulae
    assert found.loc[TITLES["gimefive"], "seeds"] == "2"


def test_figures_are_means_over_seeds_with_students_interval(finished):
    _, run = finished
    rows = pd.read_parquet(run / "predictions.parquet")
    here = rows[rows["model"] == "gimefive"]
    by_seed = 100 * (here["true"] == here["predicted"]).groupby(here["seed"]).mean()
    found = pd.read_csv(run / "tables" / "accuracy.csv").set_index("model").loc[TITLES["gimefive"]]
    assert found["ours"] == pytest.approx(by_seed.mean(), abs=0.01)
    reach = stats.t.ppf(0.975, 1) * by_seed.std() / np.sqrt(2)
    assert found["ours high"] - found["ours"] == pytest.approx(reach, abs=0.1)


def test_pairs_are_paired_by_seed_and_by_face(finished):
    _, run = finished
    rows = pd.read_parquet(run / "predictions.parquet")
    right = (rows["true"] == rows["predicted"]).astype(float)
    means = 100 * right.groupby([rows["model"], rows["seed"]], observed=True).mean()
    difference = means["resnet18"] - means["gimefive"]
    found = pd.read_csv(run / "tables" / "pairs.csv").iloc[0]
    assert found["model"] == "ResNet18"
    assert found["points, over seeds"] == pytest.approx(difference.mean())
    assert found["p"] == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)
    faces = right.groupby([rows["model"], rows["id"]], observed=True).mean()
    per_face = 100 * (faces["resnet18"] - faces["gimefive"])
    cluster = rows.drop_duplicates("id").set_index("id")["cluster"]
    sums = (per_face - per_face.mean()).groupby(cluster.loc[per_face.index].to_numpy()).sum() / 160
    reach = stats.t.ppf(0.975, len(sums) - 1) * np.sqrt(len(sums)) * sums.std()
    assert found["points, over faces high"] - found["points, over faces"] == pytest.approx(reach)


def test_the_papers_way_of_counting_is_the_best_epoch_on_test(finished):
    folder, run = finished
    found = pd.read_csv(run / "tables" / "optimism.csv")
    (run_folder,) = (folder / "runs").glob("gimefive-synthetic-accurate-*-refit-seed1")
    log = pd.read_csv(run_folder / "log.csv")
    row = found[(found["model"] == TITLES["gimefive"]) & (found["seed"] == 1)].iloc[0]
    assert row["best epoch on test"] == pytest.approx(100 * log["test_accuracy"].max())
    assert row["optimism"] == pytest.approx(row["best epoch on test"] - row["kept"])


def test_a_finished_table_trains_nothing_again(finished, monkeypatch):
    folder, run = finished
    monkeypatch.setattr("training.grid.train", lambda _: pytest.fail("trained again"))
    before = {path.name: path.read_bytes() for path in (run / "tables").iterdir()}
    assert table(folder).run() == run
    assert {path.name: path.read_bytes() for path in (run / "tables").iterdir()} == before


def test_a_record_outlives_its_run_and_never_gives_way_to_other_weights(finished, tmp_path):
    folder, run = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    again = table(tmp_path).run()
    for path in (run / "tables").glob("*.csv"):
        assert (again / "tables" / path.name).read_bytes() == path.read_bytes()
    assert not (tmp_path / "runs").exists()
    shutil.copytree(folder / "runs", tmp_path / "runs")
    record = next((tmp_path / "records").glob("gimefive-*-seed1"))
    (record / "endpoint-of-its-own.npz").touch()
    card = json.loads((record / "card.json").read_text())
    (record / "card.json").write_text(json.dumps(card | {"date": "scored again"}))
    table(tmp_path).run()
    assert (record / "endpoint-of-its-own.npz").exists()
    (record / "card.json").write_text(json.dumps(card | {"weights_sha256": "of others"}))
    with pytest.raises(InputError, match="to be the record of the weights in .*--records"):
        table(tmp_path).run()
    assert (record / "endpoint-of-its-own.npz").exists()


def test_a_record_of_the_same_name_from_another_layout_is_not_taken(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    for file in (tmp_path / "records").glob("gimefive-*/card.json"):
        card = json.loads(file.read_text())
        card["run"]["data"] = "rafdb"
        file.write_text(json.dumps(card))
    options = dataclasses.replace(
        OPTIONS, runs=tmp_path / "runs", records=tmp_path / "records", train=False
    )
    run = table(tmp_path, options=options).run()
    found = pd.read_csv(run / "tables" / "accuracy.csv").set_index("model")
    assert found.loc["GiMeFive (+DO +BN)", "seeds"] == tables.NOT_RUN
    assert found.loc["ResNet18", "seeds"] == "2"


def repainted(split):
    """Faces of a split with the same names and labels, but other pixels."""
    faces = TrainingRun.faces

    def found(run, asked):
        kept = faces(run, asked)
        if asked != split:
            return kept

        def reader(index):
            return 255 - kept.reader(index)

        return dataclasses.replace(kept, reader=reader, _pixels={}, _sizes={})

    return found


@pytest.mark.parametrize("place", ["runs", "records"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_kept_trainings_answer_for_their_own_faces_alone(
    finished, tmp_path, monkeypatch, split, place
):
    folder, _ = finished
    shutil.copytree(folder / place, tmp_path / place)
    monkeypatch.setattr("training.grid.train", lambda _: pytest.fail("trained"))
    monkeypatch.setattr(TrainingRun, "faces", repainted(split))
    what = {"train": "learned from other training", "test": "was tested on other test"}[split]
    with pytest.raises(InputError, match=f"of the faces under synthetic, but it {what} faces: "):
        table(tmp_path).run()
    assert not (tmp_path / "results").exists()


def older(records):
    """Records as they were before cards had digests of the test faces."""
    for file in records.glob("*/card.json"):
        card = json.loads(file.read_text())
        for key in ("test_faces_sha256", "valid_faces_sha256", "training_split_sha256"):
            card.pop(key)
        file.write_text(json.dumps(card))


def test_an_older_record_is_compared_by_what_it_has_and_says_so(finished, tmp_path, monkeypatch):
    folder, run = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    older(tmp_path / "records")
    again = table(tmp_path).run()
    assert "its record keeps no digest of the test faces" in (again / "report.html").read_text()
    for path in (run / "tables").glob("*.csv"):
        assert (again / "tables" / path.name).read_bytes() == path.read_bytes()
    faces = TrainingRun.faces
    for split, change in (
        ("train", repainted("train")),
        ("test", lambda r, s: faces(r, s).subset(np.arange(80)) if s == "test" else faces(r, s)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(TrainingRun, "faces", change)
            with pytest.raises(InputError, match=f"other {split}"):
                table(tmp_path).run()


def test_a_root_that_is_not_there_is_refused_whatever_is_kept(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    for data in ("gimefive:/nowhere/at/all@rafdb", "folder:/nowhere"):
        with pytest.raises(InputError, match="nowhere.* does not exist"):
            table(tmp_path, data=(data,)).run()
    with pytest.raises(InputError, match="the root of rafdb, as gimefive:ROOT@rafdb, .*-only"):
        table(tmp_path, data=("gimefive@rafdb",)).run()


def test_records_alone_are_tabulated_where_that_is_asked_for_and_the_report_says_so(
    finished, tmp_path, monkeypatch
):
    folder, run = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    monkeypatch.setattr("training.grid.train", lambda _: pytest.fail("trained"))
    monkeypatch.setattr(TrainingRun, "faces", lambda *_: pytest.fail("looked at faces"))
    again = table(tmp_path, records_only=True).run()
    for path in (run / "tables").glob("*.csv"):
        assert (again / "tables" / path.name).read_bytes() == path.read_bytes()
    assert "records alone, no faces were looked at" in (again / "report.html").read_text()
    manifest = json.loads((again / "manifest.json").read_text())
    assert {"records alone, no faces were looked at"} == {
        facts["faces compared"] for facts in manifest["trainings"].values()
    }
    with pytest.raises(InputError, match="--data without a root beside --records-only.*gimefive:/"):
        table(tmp_path, records_only=True, data=("gimefive:/x@rafdb",)).run()
    with pytest.raises(InputError, match="or --records-only, which trains nothing, got both"):
        table(tmp_path, records_only=True, dry_run=True).run()


def test_nothing_is_trained_where_the_record_of_another_training_has_its_name(
    finished, tmp_path, monkeypatch
):
    folder, _ = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    file = next((tmp_path / "records").glob("gimefive-*-seed1/card.json"))
    file.write_text(file.read_text().replace('"data": "synthetic"', '"data": "rafdb"'))
    monkeypatch.setattr("training.grid.train", lambda _: pytest.fail("trained"))
    with pytest.raises(InputError, match="to be free for the record of a training with these"):
        table(tmp_path).run()


def test_a_table_of_other_faces_is_not_written_over(finished, tmp_path):
    folder, run = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    shutil.copytree(run, tmp_path / "results" / "paper_table" / run.name)
    table(tmp_path).run()
    file = tmp_path / "results" / "paper_table" / run.name / "manifest.json"
    manifest = json.loads(file.read_text())
    next(iter(manifest["trainings"].values()))["test_faces_sha256"] = "of others"
    file.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="to hold a table of the same faces, but its .*--out"):
        table(tmp_path).run()


def test_figures_are_computed_from_logits_and_not_from_rounded_cards(finished, tmp_path):
    folder, run = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    for file in (tmp_path / "records").glob("*/card.json"):
        card = json.loads(file.read_text())
        for part in ("test", "test_flip_averaged"):
            card[part] |= {"accuracy": 0.1234, "macro_recall": 0.1, "macro_f1": 0.1}
        file.write_text(json.dumps(card))
    again = table(tmp_path).run()
    for path in (run / "tables").glob("*.csv"):
        assert (again / "tables" / path.name).read_bytes() == path.read_bytes()
    rows = pd.read_parquet(run / "predictions.parquet")
    right = (rows["true"] == rows["predicted"]).groupby([rows["model"], rows["seed"]]).mean()
    found = pd.read_csv(run / "tables" / "trainings.csv").set_index(["model", "seed"])["accuracy"]
    for key, value in found.items():
        assert value == pytest.approx(right[key], abs=1e-12)


@pytest.mark.parametrize("name", ["card.json", "test_logits.npz", "log.csv"])
def test_a_damaged_record_names_the_file_and_the_remedy(finished, tmp_path, name):
    folder, _ = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    next((tmp_path / "records").glob(f"gimefive-*-seed1/{name}")).write_bytes(b"")
    with pytest.raises(InputError, match=f"{name} to be whole, but it cannot be read .*: delete "):
        table(tmp_path, records_only=True).run()


def test_trainings_that_were_not_made_alike_are_told_of(finished, tmp_path):
    folder, run = finished
    assert "were made alike" not in (run / "report.html").read_text()
    shutil.copytree(folder / "records", tmp_path / "records")
    file = next((tmp_path / "records").glob("gimefive-*-seed1/card.json"))
    card = json.loads(file.read_text())
    file.write_text(json.dumps(card | {"commit": "another1"}))
    log = file.with_name("log.csv")
    log.write_text("epoch\n")
    mixed = table(tmp_path).run()
    page = (mixed / "report.html").read_text()
    assert "Not all trainings of a row were made alike (gimefive on synthetic: 1 at" in page
    assert "where the log was kept" in page
    found = pd.read_csv(mixed / "tables" / "accuracy.csv").set_index("model")
    assert np.isnan(found.loc["GiMeFive (+DO +BN)", "ours, best epoch on test"])
    assert found.loc["ResNet18", "ours, best epoch on test"] > 0
    assert "(3 trainings)" in (mixed / "answer.txt").read_text()


def test_trainings_on_other_faces_are_not_averaged(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    file = next((tmp_path / "records").glob("gimefive-*-seed1/card.json"))
    card = json.loads(file.read_text())
    file.write_text(json.dumps(card | {"train_faces_sha256": "of others"}))
    with pytest.raises(InputError, match="to learn from the same faces"):
        table(tmp_path, records_only=True).run()


def test_tables_of_other_data_have_folders_of_their_own(finished, tmp_path):
    folder, run = finished
    shutil.copytree(folder / "runs", tmp_path / "runs")
    shutil.copytree(folder / "records", tmp_path / "records")
    both = table(tmp_path, models=("gimefive",), data=("synthetic", "synthetic:lab")).run()
    assert both.name != run.name


def test_rows_trained_by_other_commands_are_shown(finished):
    folder, run = finished
    assert table(folder, models=("gimefive",)).run() == run
    found = pd.read_csv(run / "tables" / "accuracy.csv").set_index("model")
    assert found.loc["ResNet18", "seeds"] == "2"


def test_runs_of_other_settings_are_not_mixed_in(finished):
    folder, _ = finished
    other = dataclasses.replace(
        OPTIONS,
        runs=folder / "runs",
        records=folder / "records",
        overrides=Overrides(epochs=3, dropout_from=0),
        train=False,
    )
    with pytest.raises(InputError, match="Expected finished trainings under"):
        table(folder, options=other).run()
    card = next((folder / "runs").glob("gimefive-*-seed1")) / "card.json"
    kept = card.read_text()
    card.write_text(kept.replace('"label_smoothing": 0.1', '"label_smoothing": 0.2'))
    with pytest.raises(InputError, match="but its card differs in recipe"):
        table(folder).run()
    card.write_text(kept)


def test_a_stranger_in_a_folder_that_was_not_asked_for_is_passed_over(finished, capsys):
    folder, run = finished
    card = next((folder / "runs").glob("resnet18-*-seed1")) / "card.json"
    kept = card.read_text()
    card.write_text(kept.replace('"label_smoothing": 0.1', '"label_smoothing": 0.2'))
    assert table(folder, models=("gimefive",)).run() == run
    found = pd.read_csv(run / "tables" / "accuracy.csv").set_index("model")
    assert found.loc["ResNet18", "seeds"] == "1"
    assert "left out: Expected" in capsys.readouterr().err
    card.write_text(kept)
    table(folder).run()


def test_runs_of_fewer_faces_are_no_runs_of_the_table(finished):
    folder, _ = finished
    column = Column.parse("synthetic")
    options = dataclasses.replace(OPTIONS, runs=folder / "runs", records=folder / "records")
    (cell,) = trainings(
        dataclasses.replace(options, seeds=(0,)), [Variant(name="x", model="gimefive")], [column]
    )
    assert cell.done
    whole = dataclasses.replace(cell.run, limit=None, out=cell.folder)
    with pytest.raises(InputError, match="differs in limit"):
        _ = dataclasses.replace(cell, run=whole).done


def test_weights_to_begin_with_are_named_by_model(tmp_path):
    with pytest.raises(InputError, match="Expected --pretrained MODEL=WEIGHTS for one of"):
        table(tmp_path, pretrained=("vgg=imagenet",)).run()


def test_the_papers_recipe_holds_faces_out_for_its_early_stop():
    options = TrainingOptions(recipe="paper")
    assert options.held_out() == 0.1
    assert options.run(Variant(name="x", model="vgg"), Column.parse("synthetic"), 0).valid_fraction
    with pytest.raises(InputError, match="Expected validation faces for a recipe that stops early"):
        trainings(dataclasses.replace(options, valid_fraction=0), [], [])


def test_nothing_trained_is_no_table(tmp_path):
    options = dataclasses.replace(
        OPTIONS, runs=tmp_path / "runs", records=tmp_path / "records", train=False
    )
    with pytest.raises(InputError, match="Expected finished trainings under"):
        table(tmp_path, options=options).run()
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_how_long_and_trains_nothing(tmp_path, capsys):
    table(tmp_path, dry_run=True).run()
    assert "refit-seed0: about" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_options_come_from_the_command_line(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(module.PaperTable, "run", lambda self: seen.append(self))  # noqa: PLW0108
    words = "paper_table --models vgg --data gimefive:/x@rafdb --seeds 4 --epochs 7 --no-train"
    assert main(words.split()) == 0
    study = seen[0]
    assert study.models == ("vgg",)
    assert study.options.seeds == (4,)
    assert not study.options.train
    assert study.options.settings()["recipe"]["epochs"] == 7


def test_columns_are_read_with_and_without_a_source(tmp_path):
    assert Column.parse("synthetic") == Column(name="synthetic", data="synthetic", source=None)
    assert Column.parse("gimefive@rafdb") == Column(name="rafdb", data="gimefive", source="rafdb")
    at = Column.parse("folder:/data/me@home/x")
    assert (at.name, at.data, at.source) == ("folder:x", "folder:/data/me@home/x", None)
    (tmp_path / "me@home").mkdir()
    assert Column.parse(f"folder:{tmp_path}/me@home").source is None


def test_wrong_options_are_refused(tmp_path):
    with pytest.raises(InputError, match="Expected datasets of different names"):
        table(tmp_path, data=("folder:/one/faces", "folder:/two/faces")).run()
    with pytest.raises(InputError, match="Expected seeds, each once"):
        table(tmp_path, options=dataclasses.replace(OPTIONS, seeds=(1, 1))).run()
    with pytest.raises(InputError, match="Expected a seed of 0 or more, got -1"):
        table(tmp_path, options=dataclasses.replace(OPTIONS, seeds=(0, -1)), dry_run=True).run()


def test_published_rows_are_models_of_the_table():
    assert set(PUBLISHED) <= set(TITLES)
    assert all(model in PUBLISHED and data in PUBLISHED[model] for model, data in KEPT)
