import json

import numpy as np
import pandas as pd
import pytest

from fer_xai.errors import InputError
from metrics.statistics.families import mean_family
from metrics.statistics.power import units_for_difference
from studies.questions.attribution_agreement import tables
from studies.questions.attribution_agreement.study import AttributionAgreement
from studies.questions.attribution_agreement.tables import another_fill

METHODS = ("gradcam", "saliency", "smoothgrad", "region_ablation", "attention_rollout")


def study(out, weights, **options):
    settings = {"limit": 5, "methods": METHODS} | options
    return AttributionAgreement(
        models=(f"tiny={weights}",), device="cpu", progress=False, out=out, **settings
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    out = tmp_path_factory.mktemp("agreement")
    return study(out, weights).run()


def test_a_run_leaves_rows_tables_figures_and_a_report(run):
    rows = pd.read_parquet(run / "scores.parquet")
    assert set(rows["comparison"]) == {"fills", "shapley", "pixels", "seeds"}
    assert rows["value"].dropna().between(-1, 1).all()
    table = pd.read_csv(run / "tables" / "methods.csv")
    real = table[~table["control"]]
    assert set(real["attribution"]) == set(METHODS) - {"attention_rollout"}
    assert table.loc[table["attribution"] == "smoothgrad", "itself, other seed"].notna().all()
    assert table.loc[table["attribution"] == "gradcam", "itself, other seed"].isna().all()
    assert (run / "figures" / "agreement_tiny.png").stat().st_size > 10_000
    page = (run / "report.html").read_text()
    assert "exact Shapley values of another fill by" in page
    assert "ceiling" not in page
    by = table.set_index("attribution")["judged by"]
    assert set(by[real["attribution"]]) <= {"t, flips and bootstrap", "betting", "not tested"}
    assert (by.isna() | (by == "t, alone"))[table.loc[table["control"], "attribution"]].all()
    assert by.isna().sum() == 1  # the floor itself
    assert "Judged by: " in page
    manifest = json.loads((run / "manifest.json").read_text())
    assert (
        "Expected attention among all tokens"
        in manifest["networks"]["tiny"]["refused"]["attention_rollout"]
    )
    assert manifest["status"] == "complete"


def test_agreement_of_another_fill_is_of_the_fills_that_a_method_is_scored_by():
    pairs = {("black", "mean"): 0.9, ("black", "blur"): 0.1, ("mean", "blur"): 0.5}
    rows = pd.DataFrame(
        [
            {"comparison": "fills", "model": "m", "attribution": one, "with": two, "value": value}
            for (one, two), value in pairs.items()
        ]
    )
    every = ["black", "mean", "blur"]
    assert another_fill(rows, "m", every, ()) == pytest.approx(np.mean(list(pairs.values())))
    assert another_fill(rows, "m", ["black", "blur"], ["mean"]) == pytest.approx(0.7)
    assert another_fill(rows, "m", ["blur"], ["black", "mean"]) == pytest.approx(0.3)
    assert another_fill(rows, "m", every, ["noise"]) == pytest.approx(0.5)
    assert np.isnan(another_fill(rows, "m", [], every))


def test_region_ablation_agrees_with_shapley_more_than_noise_does(run):
    table = pd.read_csv(run / "tables" / "methods.csv").set_index("attribution")
    assert table.loc["region_ablation", "Shapley"] > table.loc["random", "Shapley"]


def test_a_run_is_continued_with_the_same_rows(run, tmp_path, weights):
    before = pd.read_parquet(run / "scores.parquet")
    maps = sorted((run / "maps" / "tiny").glob("*.npz"))
    kept = maps[0].read_bytes()
    for file in maps[::2]:
        file.unlink()
    again = study(run.parents[1], weights).run()
    assert again == run
    assert maps[0].read_bytes() == kept
    pd.testing.assert_frame_equal(pd.read_parquet(run / "scores.parquet"), before)


def test_a_run_that_was_killed_keeps_what_it_knows_of_its_methods(tmp_path, weights, monkeypatch):
    from studies.engine import explained as module

    def killed(*args, **options):
        if options["method"] == "smoothgrad":
            raise KeyboardInterrupt
        return explain(*args, **options)

    explain = module.explain
    monkeypatch.setattr(module, "explain", killed)
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path, weights).run()
    monkeypatch.setattr(module, "explain", explain)
    folder = study(tmp_path, weights).run()
    table = pd.read_csv(folder / "tables" / "methods.csv").set_index("attribution")
    assert table.loc[["gradcam", "saliency", "smoothgrad"], "forward passes"].notna().all()


def test_no_method_is_scored_by_the_fill_that_it_starts_from(tmp_path, weights):
    methods = ("integrated_gradients_blur", "input_x_gradient", "gradient_shap", "gradcam")
    folder = study(tmp_path, weights, methods=methods).run()
    rows = pd.read_parquet(folder / "scores.parquet").query("comparison == 'shapley'")
    fills = rows.groupby("attribution")["with"].unique().map(set)
    assert fills["integrated_gradients_blur"] == {"black", "mean"}
    assert fills["input_x_gradient"] == {"mean", "blur"}
    assert fills["gradcam"] == {"black", "mean", "blur"}
    assert rows.loc[rows["attribution"] == "gradient_shap", "value"].isna().all()


def test_fills_may_depend_on_the_mask_and_on_regions(tmp_path, weights):
    made = study(tmp_path, weights, methods=("gradcam",), fills=("skin", "linear:0.02"))
    made.check()  # refuses nothing
    assert tuple(made.config()["fills"]) == ("skin", "linear:0.02")


def test_gains_are_paired_by_face_and_fill(run):
    from studies.questions.attribution_agreement import tables

    rows = pd.read_parquet(run / "scores.parquet")
    (floor,) = tables.floors(rows).values()
    part = rows[(rows["comparison"] == "shapley")].set_index(["attribution", "id", "with"])["value"]
    expected = {}
    for face in rows["id"].unique():
        gaps = [
            part["region_ablation", face, fill] - part[floor, face, fill]
            for fill in ("black", "blur")
        ]  # it fills with the mean itself
        expected[face] = np.nanmean(gaps)
    found = tables.gains(rows, "tiny", "region_ablation", floor)
    assert found.to_dict() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seed": -1}, "Expected --seed from 0, got -1"),
        ({"fills": ("black",)}, "Expected two fills or more, got black"),
        ({"fills": ("black", "blur", "blur")}, "Expected each fill once, got blur twice"),
        ({"fills": ("black", "blurr")}, "Unknown fill 'blurr'"),
        ({"fills": ("linear", "linear:0.01")}, "Expected each fill once, got linear twice"),
        ({"fills": ("black", "linear:much")}, "Expected a fill like linear:0.01"),
        ({"methods": ("gradcam", "lrp", "gradcam")}, "Expected each method once, got gradcam twic"),
        ({"methods": ("region_shapley",)}, "Expected an attribution that can be held against regi"),
        ({"methods": ("gradient_shap",)}, "Expected an attribution that can be held against regio"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, weights, options, sentence):
    with pytest.raises(InputError, match=sentence):
        study(tmp_path, weights, **options).run()
    assert not list(tmp_path.iterdir())


def test_a_model_that_every_method_refuses_costs_no_coalition(tmp_path, weights):
    methods = ("attention_rollout", "gradient_shap")
    with pytest.raises(InputError, match="Expected an attribution of tiny .* but all refuse: Exp"):
        study(tmp_path, weights, methods=methods).run()
    assert not list(tmp_path.rglob("region_shapley*"))
    with pytest.raises(InputError, match="but all refuse"):
        study(tmp_path / "other", weights, methods=("attention_rollout", "gradient_rollout")).run()
    assert not list((tmp_path / "other").rglob("attribution_agreement/*"))


def test_the_answer_is_sorted_by_what_it_prints(run):
    table = pd.read_csv(run / "tables" / "methods.csv")
    real = table[~table["control"]]
    best = real.loc[real["over chance"].idxmax()]
    said = (run / "answer.txt").read_text()
    assert f"of {len(real)} attributions {best['attribution']} gains most over" in said
    assert f"{best['over chance']:+.2f} [{best['over chance low']:+.2f}" in said
    assert "of the ceiling" not in table
    fills = table.set_index("attribution")["fills"]
    assert fills["region_ablation"] == "black, blur"
    assert fills["gradcam"] == "black, mean, blur"


def test_without_a_gain_the_answer_says_so(run):
    from studies.questions.attribution_agreement import tables

    table = pd.read_csv(run / "tables" / "methods.csv").assign(**{"over chance": np.nan})
    assert tables.answer(table, {}, {}) == (
        "tiny: no attribution can be held against exact Shapley values."
    )


def test_gains_that_are_not_told_apart_come_with_the_units_that_would_tell_them():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(96, 5))
    noise = (noise - noise.mean(0)) / noise.std(0, ddof=1)
    gain = {"lime": 0.3, "gradcam": 0.02, "rise": 0.04, "lrp": 0.0, "saliency": -0.3}
    ids = [f"f{k:02d}" for k in range(96)]
    values = {name: 0.2 * one + gain[name] for name, one in zip(gain, noise.T, strict=True)}
    rows = pd.DataFrame(
        {
            "comparison": comparison,
            "id": face,
            "model": "m",
            "attribution": name,
            "with": fill,
            "value": value,
        }
        for comparison, name, fill, scores in [
            ("fills", "black", "blur", np.full(96, 0.5)),
            *(
                ("shapley", name, fill, scores)
                for name, scores in {"centre": np.zeros(96), **values}.items()
                for fill in ("black", "blur")
            ),
        ]
        for face, value in zip(ids, scores, strict=True)
    )
    people = pd.Series(range(96), index=ids)
    table = tables.methods(rows, people, {"m": {"methods": {}}})
    needed = table.set_index("attribution")["units to tell"]
    family = mean_family(np.stack(list(values.values()), axis=1), bounds=(-2, 2))
    for name in ("gradcam", "rise"):
        assert needed[name] == pytest.approx(
            units_for_difference(0.2, gain[name], level=family.level_each), rel=0.02
        )
    assert needed[["lime", "saliency", "centre"]].isna().all()
    assert (table["units"] == 96).all()
    tops = tables.between_fills(rows, people)
    said = tables.answer(table, tops, tables.floors(rows))
    start = "Not told apart with 96 units: rise, gradcam, lrp; to tell gains as large as these, "
    assert start in said
    assert " for rise and " in said
    assert said.endswith(" for gradcam would be needed.")
