"""The paper's table on built-in faces with tiny nets."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_xai.errors import InputError
from fer_xai.names import csv_text
from studies.questions.paper_table import tables
from studies.questions.paper_table.published import KEPT, PUBLISHED, TITLES
from tests.studies.questions.paper_table.small_tables import table


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


def test_figures_are_means_over_seeds_without_an_interval_below_five(finished):
    _, run = finished
    rows = pd.read_parquet(run / "predictions.parquet")
    here = rows[rows["model"] == "gimefive"]
    by_seed = 100 * (here["true"] == here["predicted"]).groupby(here["seed"]).mean()
    found = pd.read_csv(run / "tables" / "accuracy.csv").set_index("model").loc[TITLES["gimefive"]]
    assert found["ours"] == pytest.approx(by_seed.mean(), abs=0.01)
    assert np.isnan(found[["ours low", "ours high"]].astype(float)).all()


def test_pairs_are_paired_by_seed_and_by_face(finished):
    _, run = finished
    rows = pd.read_parquet(run / "predictions.parquet")
    right = (rows["true"] == rows["predicted"]).astype(float)
    means = 100 * right.groupby([rows["model"], rows["seed"]], observed=True).mean()
    difference = means["resnet18"] - means["gimefive"]
    found = pd.read_csv(run / "tables" / "pairs.csv").iloc[0]
    assert found["model"] == "ResNet18"
    assert found["points, over seeds"] == pytest.approx(difference.mean())
    assert np.isnan(found["p"])  # of two trainings
    faces = right.groupby([rows["model"], rows["id"]], observed=True).mean()
    per_face = 100 * (faces["resnet18"] - faces["gimefive"])
    cluster = rows.drop_duplicates("id").set_index("id")["cluster"]
    sums = (per_face - per_face.mean()).groupby(cluster.loc[per_face.index].to_numpy()).sum() / 160
    reach = stats.t.ppf(0.975, len(sums) - 1) * np.sqrt(len(sums)) * sums.std()
    wide = (found["points, over faces high"] - found["points, over faces low"]) / 2
    assert wide == pytest.approx(reach, rel=0.05)


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
    monkeypatch.setattr("training.missing.train", lambda _: pytest.fail("trained again"))
    before = {path.name: path.read_bytes() for path in (run / "tables").iterdir()}
    assert table(folder).run() == run
    assert {path.name: path.read_bytes() for path in (run / "tables").iterdir()} == before


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


def test_published_rows_are_models_of_the_table():
    assert set(PUBLISHED) <= set(TITLES)
    assert all(model in PUBLISHED and data in PUBLISHED[model] for model, data in KEPT)
