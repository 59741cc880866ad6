"""Records and runs that a table is made from: each answers for its own faces, and none is mixed in."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from fer_xai.errors import InputError
from studies.questions.paper_table import tables
from tests.studies.questions.paper_table.small_tables import older, repainted, table
from tests.studies.tiny_trainings import OPTIONS
from training.grid import trainings
from training.recipes import Overrides
from training.run import TrainingRun
from training.variants import Column, Variant


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


@pytest.mark.parametrize("place", ["runs", "records"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_kept_trainings_answer_for_their_own_faces_alone(
    finished, tmp_path, monkeypatch, split, place
):
    folder, _ = finished
    shutil.copytree(folder / place, tmp_path / place)
    monkeypatch.setattr("training.missing.train", lambda _: pytest.fail("trained"))
    monkeypatch.setattr(TrainingRun, "faces", repainted(split))
    what = {"train": "learned from other training", "test": "was tested on other test"}[split]
    with pytest.raises(InputError, match=f"of the faces under synthetic, but it {what} faces: "):
        table(tmp_path).run()
    assert not (tmp_path / "results").exists()


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
    monkeypatch.setattr("training.missing.train", lambda _: pytest.fail("trained"))
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
    monkeypatch.setattr("training.missing.train", lambda _: pytest.fail("trained"))
    with pytest.raises(InputError, match="to be free for the record of a training with these"):
        table(tmp_path).run()


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
