"""Tests of the study across data sets that trains its networks."""

import pandas as pd
import pytest

from fer_xai.data import load_dataset
from fer_xai.emotions import SIX
from fer_xai.errors import InputError
from studies.questions.cross_dataset.study import BUILT_IN, QUICK_FACES, CrossDataset
from studies.questions.cross_dataset.trained import editions
from tests.data.tree_makers import image
from tests.studies.tiny_trainings import tiny_nets
from training.pooled import Pool, pooled, pooled_run
from training.recipes import Overrides
from training.variants import Column, TrainingOptions, Variant

STYLES = ("synthetic:studio", "synthetic:lab", "synthetic:web48")


def options(place, **changes):
    given = {"seeds": (0, 1), "limit": 48, "precision": "fp32", "device": "cpu"}
    return TrainingOptions(
        **(given | changes),
        overrides=Overrides(epochs=1, batch_size=24, dropout_from=0),
        runs=place / "runs",
        records=place / "records",
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two trainings on each of three styles, and two on all but each."""
    place = tmp_path_factory.mktemp("trained")
    study = CrossDataset(train_on=STYLES, options=options(place), out=place / "out", progress=False)
    with tiny_nets({"gimefive": True}):
        yield study, study.run()


def test_each_set_and_all_but_each_are_rows_and_each_set_is_a_column(made):
    _, folder = made
    matrix = pd.read_csv(folder / "tables" / "matrix.csv")
    rows = [f"gimefive on {name}" for name in STYLES]
    rows += [f"gimefive on all but {name}" for name in STYLES]
    assert list(matrix["trained on"]) == rows
    assert list(matrix.columns[1:]) == list(STYLES)
    marks = matrix.set_index("trained on").map(lambda text: text.rpartition(") ")[2])
    assert [marks.loc[rows[k], name] for k, name in enumerate(STYLES)] == ["(in)"] * 3
    for k, name in enumerate(STYLES):
        others = [other for other in STYLES if other != name]
        assert list(marks.loc[rows[3 + k], others]) == ["(part)"] * 2
        assert marks.loc[rows[3 + k], name] not in ("(in)", "(part)")
    assert len(pd.read_csv(folder / "tables" / "accuracy.csv")) == 2 * 6 * 3


def test_few_trainings_have_a_range_and_no_interval(made):
    gaps = pd.read_csv(made[1] / "tables" / "gaps.csv")
    assert set(gaps["trainings"]) == {2}
    own = gaps[~gaps["trained on"].str.contains("all but")]
    assert len(own) == 6
    assert own["gap low"].isna().all()
    assert (own["gap min"] <= own["gap"]).all()
    left = gaps[gaps["trained on"].str.contains("all but")]
    assert left["gap"].isna().all()
    assert left["less than trained there"].notna().all()
    assert (left["against"] == "gimefive on " + left["tested on"]).all()


def test_a_finished_run_trains_nothing_again(made, monkeypatch):
    study, folder = made
    monkeypatch.setattr("training.missing.train", lambda run: pytest.fail(f"trained {run.name()}"))
    assert study.run() == folder


def test_a_pool_with_a_limit_has_as_many_faces_as_one_set(tmp_path):
    columns = [Column.parse(name) for name in STYLES]
    pool = Pool.without(columns[0], columns)
    variant = Variant(name="gimefive", model="gimefive")
    run = pooled_run(options(tmp_path), variant, pool, 0)
    train, test = run.faces("train"), run.faces("test")
    assert (len(train), len(test)) == (48, 48)
    assert {name.partition("/")[0] for name in train.ids} == set(STYLES[1:])
    assert test.name == "synthetic-studio"
    other = pooled_run(options(tmp_path), variant, Pool.without(columns[1], columns), 0)
    assert run.name() != other.name()


def test_pooled_faces_have_the_pixels_of_their_sets_in_any_order():
    parts = [load_dataset(name, limit=4) for name in STYLES[:2]]
    found = pooled(parts, STYLES[:2]).subset([5, 0, 7, 1])
    each = [parts[1].read(1), parts[0].read(0), parts[1].read(3), parts[0].read(1)]
    assert all((found.read(k) == each[k]).all() for k in range(4))
    assert (found.pixels(64)[2].permute(1, 2, 0).numpy() == each[2]).all()
    assert found.table["subject"].str.startswith(("synthetic:studio/", "synthetic:lab/")).all()


def test_an_aggregate_is_trained_on_in_both_editions():
    assert [column.data for column in editions(["aggregate:/data/pool"])] == [
        "aggregate:/data/pool",
        "aggregate:/data/pool/as_published.csv",
    ]


def test_a_set_without_splits_of_its_own_is_refused_before_anything_is_trained(tmp_path):
    place = tmp_path / "faces"
    for k, emotion in enumerate(SIX * 2):
        image(place / emotion / f"{k}.png")
    study = CrossDataset(
        train_on=(f"folder:{place}",), options=options(tmp_path), out=tmp_path / "out"
    )
    with pytest.raises(InputError, match="apart from those trained on, but 12 files of folder:f"):
        study.run()
    assert not (tmp_path / "runs").exists()


def test_without_options_the_built_in_styles_are_trained_on_quickly():
    study = CrossDataset()
    config = study.config()
    assert config["train_on"] == config["data"] == list(BUILT_IN)
    assert (config["limit"], config["seeds"], config["size"]) == (QUICK_FACES, [0], 32)
    assert config["recipe"]["epochs"] < 20
    longer = CrossDataset(options=TrainingOptions(seeds=(0,), overrides=Overrides(epochs=30)))
    assert longer.config()["recipe"]["epochs"] == 30


def test_two_sets_of_one_name_are_one_sentence(tmp_path):
    study = CrossDataset(
        train_on=("rafdb:/a", "rafdb:/b"), options=options(tmp_path), out=tmp_path / "out"
    )
    with pytest.raises(InputError, match="different data sets, got rafdb:/a and rafdb:/b, which"):
        study.run()
