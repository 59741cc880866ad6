"""Multiverse runs end to end, on a few built-in faces with a tiny net and few combinations."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from fer_xai.errors import InputError
from studies.engine import store
from studies.questions import faithfulness as module
from studies.questions.faithfulness import Faithfulness
from studies.questions.gradcam_consistency import study as consistency
from studies.scoreboard.removals import REMOVALS, Removals
from tests.studies import run_study

FACES = 30


@pytest.fixture(autouse=True, scope="module")
def _few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "REMOVALS", dataclasses.replace(REMOVALS, sampled=4))
        few = dataclasses.replace(consistency.CONSISTENCY, sampled=4)
        patch.setattr(consistency, "CONSISTENCY", few)
        yield


def removals(out, weights, **options):
    settings = {"multiverse": True, "multiverse_faces": 4, "batch_size": 8} | options
    return Faithfulness(
        models=(f"tiny={weights}",), device="cpu", progress=False, out=out, **settings
    )


def excesses(out, weights, **options):
    settings = {"multiverse": True, "multiverse_faces": FACES, "limit": None, "moved": 128}
    return run_study.study(out, weights, **(settings | options))


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    return removals(tmp_path_factory.mktemp("removals"), weights).run()


@pytest.fixture(scope="module")
def other(tmp_path_factory, weights):
    return excesses(tmp_path_factory.mktemp("excesses"), weights).run()


def rows(folder):
    return pd.read_parquet(folder / "specifications.parquet")


def test_the_declared_choices_are_those_of_the_ordinary_study(run, tmp_path, weights):
    plain = removals(
        tmp_path,
        weights,
        multiverse=False,
        multiverse_faces=200,
        limit=4,
        methods=("gradcam",),
        metrics=("road",),
    ).run()
    table = pd.read_csv(plain / "tables" / "methods.csv").set_index("method")
    default = rows(run).iloc[0]
    assert default["changed"] == "default"
    for ours, theirs in (("estimate", "over centre"), ("effect", "d_z"), ("units", "units")):
        assert default[ours] == pytest.approx(table.loc["gradcam", theirs], abs=1e-4)
    scores = pd.read_parquet(plain / "scores.parquet")
    wide = scores.pivot_table(index="id", columns="method", values="value", observed=True)
    shard = pd.read_parquet(run / "shards" / "tiny" / f"{default['specification']}.parquet")
    for name in ("gradcam", "centre"):
        ours = shard.set_index("id")[name]
        assert np.allclose(ours, wide.loc[ours.index, name], atol=1e-5)


def test_the_declared_excess_is_the_primary_endpoint(other, tmp_path, weights):
    plain = excesses(tmp_path, weights, multiverse=False, limit=FACES, moved=0)
    plain = dataclasses.replace(plain, multiverse_faces=200, methods=("gradcam_signed",))
    with run_study.sparing():
        plain = plain.run()
    table = pd.read_csv(plain / "tables" / "primary.csv")
    theirs = table[table["primary"]].iloc[0]
    ours = rows(other).iloc[0]
    for name, column in (
        ("estimate", "excess"),
        ("low", "low"),
        ("high", "high"),
        ("AUC trained", "AUC trained"),
        ("AUC untrained", "AUC untrained"),
        ("targets", "targets"),
        ("units", "units"),
    ):
        assert ours[name] == pytest.approx(theirs[column], abs=1e-5), name
    unregistered = table[table["faces compared"].str.contains("unregistered")].iloc[0]
    alone = rows(other)
    alone = alone[(alone["changed"] == "registration") & (alone["registration"] == "none")].iloc[0]
    assert alone["estimate"] == pytest.approx(unregistered["excess"], abs=1e-5)
    sets = pd.read_parquet(plain / "sets.parquet")
    sets = sets[(sets["metric"] == "separability") & (sets["emotion"] == "all")]
    sets = sets[sets["subset"] == "all"]
    here = sets[(sets["method"] == "gradcam_signed") & sets["target"].str.startswith("fixed")]
    aucs = here.set_index(["trained", "network", "target"])["value"].unstack("target")
    means = aucs.dropna(axis=1).mean(axis=1)
    excess = means[True].iloc[0] - means[False].mean() if len(means) else np.nan
    alone = rows(other)[rows(other)["sign"].eq("signed") & rows(other)["changed"].eq("sign")]
    assert alone["estimate"].iloc[0] == pytest.approx(excess, abs=1e-5)
    common = table[table["faces compared"].str.contains("every network")].iloc[0]
    alone = rows(other)[rows(other)["changed"] == "compared"].iloc[0]
    assert alone["estimate"] == pytest.approx(common["excess"], abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", ["run", "other"])
def test_a_run_leaves_all_that_its_reader_needs(name, request):
    folder = request.getfixturevalue(name)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "-multiverse-" in folder.name
    assert manifest["status"] == "complete"
    declared = manifest["config"]["multiverse"]
    assert declared["sampled"] == 4
    assert {one["name"] for one in declared["factors"]} <= set(rows(folder).columns)
    assert manifest["multiverse"]["tiny"]["keys"] == rows(folder)["specification"].tolist()
    assert (folder / "figures" / "curve-tiny.png").read_bytes()[:4] == b"\x89PNG"
    answer = (folder / "answer.txt").read_text()
    assert "of 4 sampled combinations" in answer
    assert "share the same faces" in answer
    for table in ("levels", "choices", "specifications"):
        assert len(pd.read_csv(folder / "tables" / f"{table}.csv")) > 8
    found = rows(folder)
    assert found["holds"].equals((found["p"] < 0.05) & (found["low"] > 0))
    assert ((found["verdict"] == "not tested") == found["p"].isna()).all()
    assert manifest["config"]["endpoint"]["quantity"].startswith("share of the plausible choices")


@pytest.mark.parametrize("name", ["run", "other"])
def test_shards_of_other_models_faces_or_code_are_refused(name, request, weights):
    folder = request.getfixturevalue(name)
    again = (removals if name == "run" else excesses)(folder.parents[1], weights)
    record = folder / "shards" / "tiny" / "made_of.json"
    before = record.read_text()
    changed = json.loads(before)
    for key in [key for key in changed if key != "batch_size"]:
        record.write_text(json.dumps(changed | {key: "other"}))
        with pytest.raises(InputError, match=f"they differ in {key}"):
            again.run()
    record.write_text(before)
    assert again.run() == folder


def test_fills_are_named_beside(run):
    fills = pd.read_csv(run / "tables" / "fills.csv")
    assert set(fills["fill"]) == set(REMOVALS.factor("fill").levels)
    assert fills["answer survives"].between(0, 1).all()
    assert (fills["distance"] > 0).all()


def test_a_run_that_was_stopped_goes_on(run, weights, monkeypatch):
    before, made = rows(run), []
    shards = sorted((run / "shards" / "tiny").glob("*.parquet"))
    gone = next(path for path in shards if path.stem == before["specification"].iloc[3])
    gone.unlink()
    original = Removals.scores

    def scores(self, one):
        made.append(one.key)
        return original(self, one)

    monkeypatch.setattr(Removals, "scores", scores)
    again = removals(run.parents[1], weights).run()
    assert again == run
    assert made == [gone.stem]
    assert rows(run).equals(before)


def test_maps_of_the_consistency_run_are_kept(other, weights, monkeypatch):
    before = rows(other)
    (other / "shards" / "tiny" / f"{before['specification'].iloc[-1]}.parquet").unlink()
    assert len(list((other / "maps").rglob("*.npz"))) == 5 * 2 * 2  # networks, layers, outputs
    monkeypatch.setattr("studies.questions.gradcam_consistency.multiverse_maps.signed_cells", None)
    assert excesses(other.parents[1], weights).run() == other
    assert rows(other).equals(before)


def test_rows_do_not_depend_on_the_batch_size(run, tmp_path, weights):
    numbers = ["estimate", "low", "high", "effect"]
    again = rows(removals(tmp_path, weights, batch_size=3).run())
    assert again["specification"].equals(rows(run)["specification"])
    assert np.allclose(again[numbers], rows(run)[numbers], atol=1e-5, equal_nan=True)


def test_ordinary_runs_are_named_as_before(weights, tmp_path):
    plain = removals(tmp_path, weights, multiverse=False)
    assert not {"multiverse", "multiverse_faces"} & plain.config().keys()
    assert plain.config() == dataclasses.replace(plain, multiverse_faces=50).config()
    many = removals(tmp_path, weights)
    assert store.digest(many.config()) != store.digest(
        dataclasses.replace(many, multiverse_faces=9).config()
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limit": 12}, r"--limit to be left out .* leave out --limit \(take --multiverse-faces"),
        ({"metrics": ("gini",)}, "--metrics to be left out of a multiverse run"),
        ({"multiverse_faces": 0}, "multiverse-faces"),
    ],
)
def test_options_that_the_declared_set_decides_are_refused(options, sentence, tmp_path, weights):
    with pytest.raises(InputError, match=sentence):
        removals(tmp_path, weights, **options).run()
    assert not (tmp_path / "faithfulness").exists()


def test_too_few_faces_leave_nothing_behind(tmp_path, weights):
    with pytest.raises(InputError, match="three faces or more"):
        removals(tmp_path, weights, multiverse_faces=2).run()
    assert not list(tmp_path.rglob("*.*"))


def test_a_plan_is_said_without_running(tmp_path, weights, capsys):
    excesses(tmp_path, weights, dry_run=True).run()
    said = capsys.readouterr().out
    assert "tiny: 19 specifications, 4 of them sampled" in said
    assert "Nothing was run." in said
    assert not (tmp_path / "gradcam_consistency").exists()
