"""What the command of the paper's table can be told, and what it refuses."""

import dataclasses

import pytest

import studies.questions.paper_table.study as module
from fer_xai.errors import InputError
from studies.run import main
from tests.studies.questions.paper_table.small_tables import table
from tests.studies.tiny_trainings import OPTIONS
from training.grid import trainings
from training.variants import Column, TrainingOptions, Variant


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
