"""The ablation on built-in faces with tiny nets."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fer_xai.attributions import native_maps, upsample
from fer_xai.data import load_dataset
from fer_xai.data.splits import face_groups
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import register
from fer_xai.models import load_model
from fer_xai.models.checkpoints import save_weights
from metrics.consistency.separability import separability
from metrics.core.similarity import normalised_rows
from studies.questions.ablation.report import earlier
from studies.questions.ablation.study import VARIANTS, Ablation
from studies.questions.ablation.tables import Units, difference_table, excess_interval, excess_parts
from studies.scoreboard.consistency import endpoint
from tests.studies.tiny_trainings import OPTIONS, tiny_nets


@pytest.fixture(scope="module", autouse=True)
def tiny_gimefive():
    with tiny_nets({"gimefive": True, "gimefive-nobn": True}):
        yield


def ablation(folder, **options) -> Ablation:
    chosen = {"variants": ("gimefive", "no BatchNorm", "48 pixels"), "untrained": 2} | options
    trained = dataclasses.replace(OPTIONS, runs=folder / "runs", records=folder / "records")
    return Ablation(
        options=chosen.pop("options", trained), out=folder / "results", progress=False, **chosen
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    return folder, ablation(folder).run()


def test_it_leaves_tables_a_figure_and_a_report(finished):
    _, run = finished
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert len(manifest["trainings"]) == 6
    table = pd.read_csv(run / "tables" / "variants.csv")
    assert list(table["variant"]) == ["gimefive", "no BatchNorm", "48 pixels"]
    assert (table["seeds"] == 2).all()
    assert (run / "figures" / "accuracy_and_consistency.png").stat().st_size > 5000
    assert "No difference is tested: that takes five trainings" in (run / "answer.txt").read_text()


def test_fewer_than_five_trainings_have_a_range_and_no_interval(finished):
    _, run = finished
    rows = pd.read_csv(run / "tables" / "trainings.csv").groupby("variant")["excess"]
    table = pd.read_csv(run / "tables" / "variants.csv").set_index("variant")
    assert table[["low", "high", "accuracy low", "accuracy high"]].isna().all(axis=None)
    assert np.allclose(table["excess min"], rows.min()[table.index])
    assert np.allclose(table["excess max"], rows.max()[table.index])
    differences = pd.read_csv(run / "tables" / "differences.csv")
    assert differences[["excess AUC low", "excess AUC high", "p, excess"]].isna().all(axis=None)
    assert "other faces (or persons), other training seeds" in (run / "report.html").read_text()


def test_the_endpoint_is_the_mean_separability_over_fixed_targets():
    faces = load_dataset("synthetic", split="test", limit=48)
    predictor = Predictor(load_model("resnet18", weights="synthetic"), device="cpu", batch_size=16)
    registration = register(faces.landmarks_at(64), size=64, kind="similarity")
    found = endpoint(predictor, faces, registration)
    columns = predictor.model.columns(torch.tensor([EMOTIONS.index(name) for name in SIX]))
    maps = native_maps(predictor, faces.images, columns.expand(len(faces), -1), method="gradcam")
    assert found["grid"].tolist() == list(maps.shape[-2:])
    influences = []
    for position in range(6):
        shown = registration.apply(upsample(maps[:, position : position + 1], size=(64, 64)))
        rows = normalised_rows(shown[:, 0], registration.mask)
        one = separability(rows, faces.labels, clusters=face_groups(faces))
        assert found["auc"][position] == pytest.approx(one.auc, abs=1e-6, nan_ok=True)
        influences.append(one.influence)
    expected = np.nan_to_num(influences).mean(axis=0)  # a blank map has no say on its target
    assert np.allclose(found["influence"], expected, atol=1e-7)


def test_the_endpoint_is_that_of_the_consistency_study(tmp_path):
    from tests.studies.run_study import sparing, study

    weights = tmp_path / "tiny.safetensors"
    save_weights(load_model("tiny").net, weights, settings={"model": "tiny"})
    with sparing():
        run = study(tmp_path / "results", weights, limit=48, methods=("gradcam",), moved=0).run()
    sets = pd.read_parquet(run / "sets.parquet")
    theirs = sets[
        (sets["network"] == "tiny")
        & (sets["method"] == "gradcam")
        & (sets["subset"] == "all")
        & (sets["metric"] == "separability")
        & (sets["emotion"] == "all")
        & sets["target"].str.startswith("fixed")
    ].set_index("target")["value"]
    faces = load_dataset("synthetic", split="test", emotions=SIX, limit=48)
    registration = register(faces.landmarks_at(64), size=64, kind="similarity")
    predictor = Predictor(load_model("tiny", weights=weights), device="cpu", batch_size=8)
    ours = dict(zip(SIX, endpoint(predictor, faces, registration)["auc"], strict=True))
    for name, value in ours.items():
        assert value == pytest.approx(theirs[f"fixed:{name}"], abs=1e-6, nan_ok=True)


def test_the_excess_is_over_the_variants_own_untrained_networks(finished, monkeypatch):
    """The slow way: areas of the emotions that all networks of a variant have, target by target."""
    folder, run = finished
    kept = {}

    def write_report(folder, manifest, done, endpoints, *, units):
        kept.update(endpoints)
        return "kept"

    rows = pd.read_csv(run / "tables" / "trainings.csv")
    answer = (run / "answer.txt").read_bytes()
    monkeypatch.setattr("studies.questions.ablation.study.write_report", write_report)
    ablation(folder).run()
    (run / "answer.txt").write_bytes(answer)
    for variant, here in rows.groupby("variant"):
        areas = {k: one["areas"] for k, one in kept.items() if k.startswith(f"{variant}@")}
        known = np.isfinite(list(areas.values())).all(axis=0)  # pairs of emotions in every network
        means = {
            name: np.mean([one[t][known[t]].mean() for t in range(6) if known[t].any()])
            for name, one in areas.items()
        }
        floor = [means[f"{variant}@untrained{k}"] for k in range(2)]
        assert np.allclose(here["AUC"], [means[f"{variant}@seed{k}"] for k in here["seed"]])
        assert np.allclose(here["AUC untrained"], np.mean(floor))
    assert np.allclose(rows["excess"], rows["AUC"] - rows["AUC untrained"])


def test_resolution_changes_the_grid_of_the_maps(finished):
    _, run = finished
    table = pd.read_csv(run / "tables" / "variants.csv").set_index("variant")
    assert table.loc["48 pixels", "map"] != table.loc["gimefive", "map"]


def test_differences_are_paired_by_seed(finished):
    _, run = finished
    rows = pd.read_csv(run / "tables" / "trainings.csv").pivot_table(
        index="seed", columns="variant", values="accuracy"
    )
    gap = rows["48 pixels"] - rows["gimefive"]
    found = pd.read_csv(run / "tables" / "differences.csv").set_index("variant").loc["48 pixels"]
    assert found["points of accuracy"] == pytest.approx(gap.mean())
    assert len(gap) < 5  # an interval of fewer trainings would say nothing
    assert np.isnan(found[["p, accuracy", "points of accuracy low"]].astype(float)).all()


def parts_of_faces(n=30, seed=0):
    parts = np.random.default_rng(seed).normal(0, 0.004, n)
    units = Units(labels=np.arange(n) % 6, clusters=[f"person {k}" for k in range(n)])
    return parts, units


def test_an_excess_covers_faces_trainings_and_untrained_networks():
    trained = np.array([0.10, 0.14, 0.12, 0.13, 0.11])
    floor = np.array([0.50, 0.52, 0.51, 0.49])
    parts, units = parts_of_faces()
    found = excess_interval(trained, [floor], parts, units)
    variances = [(parts**2).sum(), trained.var(ddof=1) / 5, floor.var(ddof=1) / 4]
    assert found.standard_error == pytest.approx(sum(variances) ** 0.5)
    assert found.estimate == pytest.approx(0.12)
    alone = excess_interval(trained, [floor], 1e-6 * parts, units)  # hardly a face's variance
    v, df = np.array(variances[1:]), np.array([4, 3])
    freedom = v.sum() ** 2 / (v**2 / df).sum()
    assert alone.freedom == pytest.approx(freedom, rel=1e-3)
    reach = stats.t.ppf(0.975, freedom) * v.sum() ** 0.5
    assert (alone.low, alone.high) == pytest.approx((0.12 - reach, 0.12 + reach), rel=1e-3)
    persons = Units(labels=units.labels, clusters=[k // 2 for k in range(30)])
    paired = excess_interval(trained, [floor], np.repeat(parts[::2], 2), persons)
    of_faces = paired.standard_error**2 - sum(variances[1:])
    assert of_faces == pytest.approx(4 * (parts[::2] ** 2).sum())  # parts of a person are added


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_an_excess_of_fewer_than_five_trainings_has_no_interval(n):
    trained, floor = np.array([0.10, 0.14, 0.12, 0.13])[:n], np.array([0.50, 0.52, 0.51, 0.49])
    found = excess_interval(trained, [floor], *parts_of_faces())
    assert found.estimate == pytest.approx(trained.mean())
    assert np.isnan([found.low, found.high, found.p_value]).all()
    assert found.dots == tuple(trained)
    assert found.reason.startswith(f"{n} training")


def test_an_excess_over_two_untrained_networks_has_no_interval():
    trained = np.array([0.10, 0.14, 0.12, 0.13, 0.11])
    found = excess_interval(trained, [np.array([0.5, 0.52])], *parts_of_faces())
    assert np.isnan([found.low, found.p_value]).all()
    assert found.reason == "2 untrained networks: an interval takes 3."


def test_faces_that_two_variants_share_cancel_in_their_difference():
    parts, units = parts_of_faces()
    rng = np.random.default_rng(1)
    made = {}
    for name in ("gimefive", "twin"):
        for k in range(5):
            made[f"{name}@seed{k}"] = {
                "auc": np.array([0.7 + 0.01 * rng.normal()]),
                "influence": parts,
            }
            made[f"{name}@untrained{k}"] = {
                "auc": np.array([0.5 + 1e-3 * rng.normal()]),
                "influence": 0 * parts,
            }
    made["twin@seed0"] = {"auc": np.array([0.72]), "influence": 2 * parts}
    rows = pd.DataFrame(
        {
            "variant": ["gimefive"] * 5 + ["twin"] * 5,
            "seed": [*range(5)] * 2,
            "accuracy": 80.0,
        }
    )
    floors = [
        [made[f"{name}@untrained{k}"]["auc"][0] for k in range(5)] for name in ("twin", "gimefive")
    ]
    over = {
        name: np.array([made[f"{name}@seed{k}"]["auc"][0] for k in range(5)]) - np.mean(floor)
        for name, floor in zip(("twin", "gimefive"), floors, strict=True)
    }
    gap = over["twin"] - over["gimefive"]
    found = difference_table(rows, made, units).iloc[0]
    variance = gap.var(ddof=1) / 5 + sum(np.var(f, ddof=1) / 5 for f in floors)
    variance += ((parts / 5) ** 2).sum()  # one network of five differs by the parts
    assert found["excess AUC"] == pytest.approx(gap.mean())
    expected = excess_interval(
        gap, list(map(np.array, floors)), excess_parts("twin", range(5), made) - parts, units
    )
    assert expected.standard_error == pytest.approx(variance**0.5)
    assert found["excess AUC low"] == pytest.approx(expected.low)
    assert found["p, excess"] == pytest.approx(expected.p_value)


def test_endpoints_of_an_earlier_version_are_named():
    said = earlier({"a@seed0": {}, "a@seed1": {"version": np.array(2)}})
    assert "endpoints of 1 of 2 networks were kept by an earlier" in said[0]
    assert "endpoints of 2 of 2 networks were kept without the areas of pairs" in said[1]


def test_a_finished_run_computes_no_endpoint_again(finished, monkeypatch):
    folder, run = finished
    monkeypatch.setattr(
        "studies.questions.ablation.study.endpoint", lambda *_: pytest.fail("computed again")
    )
    before = {path.name: path.read_bytes() for path in (run / "tables").iterdir()}
    assert ablation(folder).run() == run
    assert {path.name: path.read_bytes() for path in (run / "tables").iterdir()} == before


def test_variants_change_one_thing_each():
    fed = [(v.model, v.size, v.greyscale) for v in (VARIANTS[name] for name in VARIANTS)]
    assert len(set(fed)) == len(fed)
    assert next(iter(VARIANTS)) == "gimefive"


def test_trainings_whose_weights_are_gone_are_still_tabulated(finished, tmp_path):
    folder, run = finished
    shutil.copytree(folder / "records", tmp_path / "records")
    again = ablation(tmp_path).run()
    for name in ("variants", "differences", "trainings"):
        file = f"tables/{name}.csv"
        assert (again / file).read_bytes() == (run / file).read_bytes()
    next((tmp_path / "records").glob("*/endpoint-*.npz")).unlink()
    with pytest.raises(InputError, match="but only its record is here, without them"):
        ablation(tmp_path).run()


def test_wrong_options_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 2 untrained"):
        ablation(tmp_path, untrained=1).run()
    with pytest.raises(InputError, match="Unknown variant 'no batchnorm': did you mean"):
        ablation(tmp_path, variants=("no batchnorm",)).run()
    options = dataclasses.replace(
        OPTIONS, runs=tmp_path / "runs", records=tmp_path / "records", train=False
    )
    with pytest.raises(InputError, match="Expected finished trainings under"):
        ablation(tmp_path, options=options).run()
