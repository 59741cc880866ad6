"""Scores of many explanations, and the tables that are made of them."""

import dataclasses

import krippendorff
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from fer_xai.attributions import ATTRIBUTIONS
from fer_xai.data import load_dataset
from fer_xai.emotions import SIX
from fer_xai.errors import InputError, UnknownNameError
from fer_xai.inference.predictor import Predictor
from fer_xai.landmarks import register
from metrics.core.registry import METRICS, MetricSpec
from metrics.statistics.effect_sizes import rank_biserial
from metrics.statistics.reliability import friedman_nemenyi, krippendorff_alpha
from metrics.statistics.tests import wilcoxon_p
from studies.engine import targets as targets_module
from studies.reporting.page import png
from studies.scoreboard import tables
from studies.scoreboard.consistency import endpoint
from studies.scoreboard.gate import gate
from studies.scoreboard.report import answer, content
from studies.scoreboard.scores import CHANCE, Scoreboard
from tests.helpers import tiny_model

REMAKE = MetricSpec(
    name="remake",
    family="robustness",
    higher_is_better=True,
    bounds=(0, 1),
    reference="none",
    fn=lambda model, images, maps, targets, explain, ids: (
        (explain(model.predictor.model, images, targets, ids) - maps).abs().amax(dim=(1, 2)) < 1e-5
    ),
    needs=("model", "images", "maps", "targets", "explain", "ids"),
)


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic", emotions=SIX, limit=7)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(tiny_model(), device="cpu", batch_size=16)


@pytest.fixture
def broken(faces, monkeypatch):
    """Ids of two faces whose saliency maps miss a fifth of what they should add up to."""
    kind, names = type(ATTRIBUTIONS["saliency"]), faces.ids[2:4]
    places = ["2", "3"]  # what they are called where nobody says
    make = kind.maps

    def maps(self, predictor, question):
        made = make(self, predictor, question)
        lost = torch.tensor([key in names + places for key in question.keys])[:, None].float()
        whole = made.cells.abs().sum(dim=(2, 3))
        return dataclasses.replace(made, gap=0.2 * whole * lost, whole=whole)

    monkeypatch.setattr(kind, "maps", maps)
    return names


def board(**options) -> Scoreboard:
    chosen = {"methods": ["gradcam", "saliency"], "metrics": ["average_drop", "naopc"]} | options
    return Scoreboard(**chosen)


def scored(board, predictor, faces, **options) -> pd.DataFrame:
    return board.scores(board.explained(predictor, faces), **options)


def test_methods_and_controls_have_a_row_a_face_and_metric(predictor, faces):
    rows = scored(board(), predictor, faces)
    assert len(rows) == 7 * 2 * (2 + len(CHANCE))
    assert set(rows["method"]) == {"gradcam", "saliency", *CHANCE}
    uniform = rows[(rows["method"] == "uniform") & (rows["metric"] == "average_drop")]
    assert np.allclose(uniform["value"], 0, atol=1e-6)


def test_no_method_is_scored_with_the_fill_it_starts_from(predictor, faces):
    """A blurred deletion would hold a map that starts from the blur against itself."""
    chosen = board(
        methods=["integrated_gradients_blur", "gradcam"], metrics=["deletion", "average_drop"]
    )
    shared = [("integrated_gradients_blur", "deletion", "blur")]
    assert chosen.fills_shared == shared
    rows = scored(chosen, predictor, faces)
    pairs = set(zip(rows["method"], rows["metric"], strict=True))
    assert ("integrated_gradients_blur", "average_drop") in pairs
    assert ("integrated_gradients_blur", "deletion") not in pairs
    assert ("gradcam", "deletion") in pairs
    told = {
        t.name: t
        for t in content(
            rows.assign(model="m"),
            pd.Series(faces.ids, index=faces.ids),
            {spec.name: spec for spec in chosen.specs},
            methods=chosen.methods,
            primary="deletion",
            refused={},
            fills_shared=chosen.fills_shared,
        ).tables
    }
    assert told["fills_shared"].frame.to_numpy().tolist() == [list(shared[0])]
    with_them = scored(dataclasses.replace(chosen, own_fills=True), predictor, faces)
    assert len(with_them) == len(rows) + len(faces)


def test_chunks_and_shards_change_nothing(predictor, faces, tmp_path):
    whole = scored(board(), predictor, faces)
    parts = scored(board(chunk=3), predictor, faces, shards=tmp_path)
    key = ["id", "method", "metric"]
    merged = whole.merge(parts, on=key, suffixes=("", "_part"))
    assert len(merged) == len(whole)
    assert np.allclose(merged["value"], merged["value_part"], atol=1e-4, equal_nan=True)
    kept = sorted(tmp_path.glob("*.parquet"))
    assert len(kept) == 3
    kept[1].unlink()  # as if it had been stopped
    again = scored(board(chunk=3), predictor, faces, shards=tmp_path)
    pd.testing.assert_frame_equal(parts, again)


def test_metrics_may_make_a_methods_maps_again(predictor, faces):
    rows = scored(
        board(metrics=[REMAKE], methods=["saliency", "region_ablation"]), predictor, faces
    )
    assert (rows["value"] == 1).all()
    assert {"saliency", "region_ablation", "centre", "random"} <= set(rows["method"])
    assert "average" not in set(rows["method"])  # other faces are needed to make it


def test_the_true_emotion_may_be_explained(predictor, faces):
    rows = scored(board(targets="true"), predictor, faces)
    assert (rows["target"] == rows["emotion"]).all()


def test_a_method_that_refuses_is_told_and_left_out(predictor, faces):
    some = board(methods=["gradcam", "attention_rollout"], metrics=["average_drop"])
    rows = scored(some, predictor, faces)
    assert "attention_rollout" not in set(rows["method"])
    assert "Expected" in some.refused["attention_rollout"]
    with pytest.raises(InputError, match="Expected a method that can explain tiny, but all refuse"):
        scored(board(methods=["attention_rollout"]), predictor, faces)


def test_bad_input_is_one_sentence(predictor, faces):
    bare = dataclasses.replace(faces, landmarks=None)
    with pytest.raises(InputError, match="Expected landmarks for synthetic.* naopc are made of"):
        scored(board(), predictor, bare)
    with pytest.raises(UnknownNameError, match="Unknown attribution 'gradcm': did you mean"):
        board(methods=["gradcm"])
    with pytest.raises(UnknownNameError, match="Unknown control"):
        board(controls=["center"])
    with pytest.raises(InputError, match="Expected at least one attribution"):
        board(methods=[])
    with pytest.raises(InputError, match="Expected targets predicted or true"):
        board(targets="best")
    with pytest.raises(InputError, match="Expected at least one metric"):
        board(metrics=[])


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("method", ["gradcam", "saliency", "gradcam"]),
        ("metric", ["naopc", "deletion", METRICS["naopc"]]),
        ("control", ["centre", "centre"]),
    ],
)
def test_what_is_named_twice_is_refused(what, names):
    with pytest.raises(InputError, match=f"Expected each {what} once, got .* several times"):
        board(**{f"{what}s": names})


def test_blank_maps_are_told_and_counted(predictor, faces, monkeypatch):
    explained = targets_module.explain

    def sometimes(*arguments, ids, **options):
        found = explained(*arguments, ids=ids, **options)
        lost = torch.tensor([face in faces.ids[1:4] for face in ids])
        return dataclasses.replace(found, maps=found.maps.masked_fill(lost[:, None, None], 0))

    monkeypatch.setattr(targets_module, "explain", sometimes)
    rows = scored(board(chunk=4), predictor, faces)
    own = rows[(rows["method"] == "gradcam") & (rows["metric"] == "average_drop")]
    assert own["blank"].tolist() == [False, True, True, True, False, False, False]
    assert own["value"].notna().all()
    made = content(
        rows.assign(model="m"),
        pd.Series(faces.ids, index=faces.ids),
        {name: METRICS[name] for name in ("average_drop", "naopc")},
        methods=["gradcam"],
        primary="naopc",
        refused={},
    )
    table = made.methods.set_index(["metric", "method"])
    assert table.loc["average_drop", "gradcam"]["blank"] == 3 / 7
    assert table.loc["average_drop", "centre"]["blank"] == 0
    assert "Blank: share of faces" in made.tables[0].caption


def test_undefined_maps_are_nan_told_and_counted(predictor, faces, broken):
    """What misses a tenth of its sum is no score, wherever a study takes maps from."""
    rows = scored(board(chunk=4, metrics=["average_drop", "naopc", "mprt"]), predictor, faces)
    lost = [face in broken for face in faces.ids]
    for name in ("average_drop", "naopc", "mprt"):
        own = rows[(rows["method"] == "saliency") & (rows["metric"] == name)]
        assert own["undefined"].tolist() == lost
        assert own["value"].isna().tolist() == lost
        assert not own["blank"].any()
    others = ~rows["method"].isin(["saliency", "other_face_other_emotion"])  # one has no donors
    assert not rows.loc[others, "undefined"].any()
    made = content(
        rows.assign(model="m"),
        pd.Series(faces.ids, index=faces.ids),
        {name: METRICS[name] for name in ("average_drop", "naopc", "mprt")},
        methods=["gradcam", "saliency"],
        primary="naopc",
        refused={},
    )
    table = made.methods.set_index(["metric", "method"])
    assert table.loc["average_drop", "saliency"]["undefined maps"] == 2 / 7
    assert table.loc["average_drop", "saliency"]["undefined"] == 2 / 7
    assert table.loc["average_drop", "gradcam"]["undefined maps"] == 0
    assert "misses more than 10% of what it should add up to" in made.tables[0].caption


def test_the_gate_and_the_endpoint_know_undefined_maps(predictor, faces, broken):
    lost = torch.tensor([face in broken for face in faces.ids])
    chosen = board(methods=["saliency"])
    explained = chosen.explained(predictor, faces)
    maps = explained.maps("saliency", chunk=3)
    assert torch.equal(maps.isnan().flatten(1).all(dim=1), lost)
    assert torch.equal(maps.isnan().flatten(1).any(dim=1), lost)
    table = gate(explained, chosen).set_index("method")
    assert table.loc["saliency", "undefined"] == 2 / 7
    assert table.loc["centre", "undefined"] == 0
    registration = register(faces.landmarks_at(64), size=64)
    found = endpoint(predictor, faces, registration, method="saliency")
    assert np.allclose(found["undefined"], 2 / 7)
    assert np.isnan(found["influence"][lost.numpy()]).all()


@pytest.fixture
def rows():
    """Forty faces of twenty people; saliency is better than the centre, LRP is worse."""
    rng = np.random.default_rng(0)
    shift = {"saliency": 0.2, "gradcam": 0.0, "lrp": -0.2, "centre": 0.0, "random": -0.1}
    face = rng.normal(size=40)
    return pd.DataFrame(
        {
            "id": f"f{i}",
            "model": "net",
            "method": method,
            "metric": metric,
            "value": sign * (move + face[i]) + 0.05 * rng.normal(),
        }
        for metric, sign in (("insertion", 1), ("deletion", -1), ("aopc", 1))
        for method, move in shift.items()
        for i in range(40)
    )


CLUSTERS = pd.Series({f"f{i}": i // 2 for i in range(40)})
SPECS = {name: METRICS[name] for name in ("insertion", "deletion", "aopc")}
METHODS = ("saliency", "gradcam", "lrp")


def test_gains_are_paired_by_face_and_turned_so_that_more_is_better(rows):
    table = tables.method_table(rows, CLUSTERS, SPECS).set_index(["metric", "method"])
    for metric, turn in (("insertion", 1), ("deletion", -1)):
        wide = rows[rows["metric"] == metric].pivot_table(
            index="id", columns="method", values="value"
        )
        gain = turn * (wide["saliency"] - wide["centre"])
        row = table.loc[metric, "saliency"]
        assert row["over centre"] == pytest.approx(gain.mean())
        assert row["over centre low"] > 0
        units = gain.groupby(CLUSTERS).mean()
        assert row["units"] == 20
        assert row["units better"] == (units > 0).mean()
        p = [
            stats.wilcoxon(turn * (wide[m] - wide["centre"]).groupby(CLUSTERS).mean()).pvalue
            for m in METHODS
        ]
        assert row["p (Holm)"] == pytest.approx(min(1, sorted(p).index(p[0]) + 1 and p[0] * 3))
        assert table.loc[metric, "lrp"]["over centre high"] < 0
    assert table["p (Holm)"].isna().groupby(level=1).all()["random"]


def test_undefined_scores_are_counted_and_left_out(rows):
    rows.loc[(rows["method"] == "lrp") & (rows["id"] == "f3"), "value"] = np.nan
    table = tables.method_table(rows, CLUSTERS, SPECS).set_index(["metric", "method"])
    assert table.loc["insertion", "lrp"]["undefined"] == 1 / 40
    assert np.isfinite(table.loc["insertion", "lrp"]["over centre"])


def test_metrics_that_agree_have_alpha_one(rows):
    table = tables.disagreement_table(rows, CLUSTERS, SPECS, METHODS)
    row = table.iloc[0]
    assert row["metrics"] == 2  # aopc is a sum of deletion's curve
    assert row["Krippendorff α"] == pytest.approx(1)
    assert row["Kendall W, least"] > 0.8
    assert row["units"] == 20


def test_alpha_is_krippendorffs_of_ranks():
    ratings = np.random.default_rng(0).normal(size=(4, 9)) + np.arange(9)
    ranks = stats.rankdata(ratings, axis=1)
    reference = krippendorff.alpha(reliability_data=ranks, level_of_measurement="ordinal")
    assert krippendorff_alpha(ratings) == reference
    assert krippendorff_alpha([[1, 2, 3], [3, 2, 1]]) < 0
    assert np.isnan(krippendorff_alpha([[1, 2, 3]]))
    assert np.isnan(krippendorff_alpha(np.ones((2, 3))))


def test_alpha_is_over_the_units_that_all_raters_have():
    """Ranks of five units and of four are not of one scale."""
    nan = np.nan
    assert krippendorff_alpha([[1, 2, 3, 4, 5], [nan, 2, 3, 4, 5]]) == pytest.approx(1)
    some = krippendorff_alpha([[1, 4, 2, 3, 5], [nan, 2, 3, 4, 5]])
    assert some == krippendorff_alpha([[4, 2, 3, 5], [2, 3, 4, 5]])
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3], [nan, nan, nan]]) == pytest.approx(1)
    assert np.isnan(krippendorff_alpha([[1, nan, 3], [nan, 2, 3]]))


def test_friedman_is_scipys_and_nemenyi_follows_demsar(rows):
    test = tables.rank_test(rows, CLUSTERS, SPECS, "insertion", METHODS)
    assert test.n == 20
    assert test.ranks.argmin() == 0
    q = abs(test.ranks[0] - test.ranks[2]) / np.sqrt(3 * 4 / (6 * 20)) * np.sqrt(2)
    assert test.pairs[0, 2] == pytest.approx(stats.studentized_range.sf(q, 3, np.inf), abs=1e-3)
    assert np.isnan(friedman_nemenyi(np.ones((5, 3))).p_value)
    assert np.isnan(friedman_nemenyi(np.full((5, 3), np.nan)).p_value)


def test_signed_ranks_and_their_effect_size():
    gains = np.array([0.1, 0.2, -0.05, 0.4, np.nan, 0.0])
    assert rank_biserial(gains) == pytest.approx((3 + 4 + 5 - 2) / 14)  # the zero has rank 1
    assert wilcoxon_p(gains) == stats.wilcoxon([*gains[:4], 0], zero_method="pratt").pvalue
    assert np.isnan(wilcoxon_p([0, 0, np.nan]))
    assert np.isnan(rank_biserial([0.0]))


def test_the_answer_names_what_beats_the_floor(rows):
    made = content(
        rows, CLUSTERS, SPECS, methods=METHODS, primary="insertion", refused={"net": {"rise": "no"}}
    )
    assert made.answer.startswith(
        "net: by insertion, 1 of 3 methods beat the centre control (saliency +0.2"
    )
    assert made.answer.endswith("and 1 does worse than it.")
    assert {"scores_net", "metrics_net", "ranks_net"} == {p.name for p in made.pictures}
    assert all(len(png(picture.figure)) > 5000 for picture in made.pictures)
    for kept in (METHODS, ("centre", "random")):  # no floor, or nothing to hold against it
        table = tables.method_table(rows[rows["method"].isin(kept)], CLUSTERS, SPECS)
        assert "can be held against" in answer(table, SPECS["insertion"])


def test_what_the_gate_stops_has_no_rank_and_no_say(rows):
    more = rows[rows["method"] == "gradcam"].assign(method="occlusion")
    every = pd.concat([rows, more.assign(value=more["value"] + 0.05)])
    methods = (*METHODS, "occlusion")
    verdicts = dict.fromkeys(methods, "passes") | {"saliency": "fails", "centre": "fails"}
    made = content(
        every,
        CLUSTERS,
        SPECS,
        methods=methods,
        primary="insertion",
        refused={},
        gates={"net": verdicts},
    )
    assert "saliency" not in made.answer
    assert "of 3 methods that pass the gate beat" in made.answer
    table = made.methods.set_index(["metric", "method"])["gate"]
    assert table["insertion"].to_dict() == verdicts | {"random": ""}
    (disagreement,) = (t for t in made.tables if t.name == "disagreement")
    assert disagreement.frame["methods"].tolist() == [3]
    captions = {p.name: p.caption for p in made.pictures}
    assert "give 3 methods. Without methods that the gate does not pass" in captions["metrics_net"]
    assert "Without methods that the gate does not pass" in captions["ranks_net"]
    (ranks,) = (p.figure for p in made.pictures if p.name == "ranks_net")
    drawn = " ".join(text.get_text() for text in ranks.axes[0].texts)
    assert all(name in drawn for name in ("gradcam", "lrp", "occlusion"))
    assert "saliency" not in drawn
    none = content(
        rows,
        CLUSTERS,
        SPECS,
        methods=METHODS,
        primary="insertion",
        refused={},
        gates={"net": dict.fromkeys(METHODS, "fails")},
    )
    assert {p.name for p in none.pictures} == {"scores_net"}
    assert "0 of 0 methods that pass the gate" in none.answer


def test_only_faithfulness_is_held_against_a_control_that_ignores_the_network(rows):
    """The centre's mprt is 1 and its sensitivity 0, whatever the network."""
    some = rows[rows["metric"] != "aopc"].replace({"metric": {"deletion": "mprt_last"}})
    specs = {name: METRICS[name] for name in ("insertion", "mprt_last")}
    table = tables.method_table(some, CLUSTERS, specs).set_index(["metric", "method"])
    gains = ["over centre", "units better", "rank-biserial", "p (Holm)"]
    assert table.loc["mprt_last", gains].isna().all(axis=None)
    assert table.loc["insertion", gains].loc["lrp"].notna().all()
    made = content(some, CLUSTERS, specs, methods=METHODS, primary="mprt_last", refused={})
    assert made.answer.startswith("mprt_last is not held against the centre control")
    alone = tables.method_table(some[some["metric"] == "mprt_last"], CLUSTERS, specs)
    assert not set(gains) & set(alone)


@pytest.mark.parametrize("turn", [1, -1])
def test_a_claim_needs_mean_and_ranks_of_one_sign(turn):
    """Most faces are slightly worse, a few much better: neither is the method."""
    gain = turn * np.where(np.arange(128) < 16, 1.0, -0.01 - np.arange(128) / 1e5)
    face = np.linspace(0.1, 0.2, 128)
    split = pd.DataFrame(
        {"id": f"f{i}", "model": "net", "method": method, "metric": "insertion", "value": value}
        for method, values in (("gradcam", face + gain), ("centre", face))
        for i, value in enumerate(values)
    )
    clusters = pd.Series(range(128), index=[f"f{i}" for i in range(128)])
    table = tables.method_table(split, clusters, SPECS)
    (row,) = (row for _, row in table.iterrows() if row["method"] == "gradcam")
    assert row["p (Holm)"] < 1e-5
    assert row["over centre"] * row["rank-biserial"] < 0
    assert "0 of 1 methods beat the centre control, and 0 do worse" in answer(
        table, SPECS["insertion"]
    )


def test_too_few_faces_are_told_instead_of_counted(rows):
    few = rows[rows["id"].isin([f"f{i}" for i in range(12)])]  # six people
    table = tables.method_table(few, CLUSTERS, SPECS)
    assert answer(table, SPECS["insertion"]) == (
        "net: by insertion, 6 units are too few to tell 3 methods from the centre control: no "
        "corrected p can be below 0.094."
    )
    enough = rows[rows["id"].isin([f"f{i}" for i in range(14)])]
    table = tables.method_table(enough, CLUSTERS, SPECS)
    assert "1 of 3 methods beat" in answer(table, SPECS["insertion"])


def test_captions_say_how_many_units_are_complete(rows):
    gone = (rows["method"] == "lrp") & rows["id"].isin(["f3", "f4", "f5"])
    rows.loc[gone, "value"] = np.nan  # f4 and f5 are one person
    made = content(rows, CLUSTERS, SPECS, methods=METHODS, primary="insertion", refused={})
    (ranks,) = (p.caption for p in made.pictures if p.name == "ranks_net")
    assert "over the 19 units that have a score of every method" in ranks
    assert ranks.endswith("Unit: the person or group of copies (20 of 40).")
    (disagreement,) = (t.frame for t in made.tables if t.name == "disagreement")
    assert disagreement["units"].tolist() == [19]


def test_scores_do_not_depend_on_the_order_of_faces(predictor, faces):
    turned = faces.subset(list(range(len(faces)))[::-1])
    controls = ("centre", "random", "edges")
    one, two = (scored(board(controls=controls), predictor, some) for some in (faces, turned))
    merged = one.merge(two, on=["id", "method", "metric"])
    assert torch.allclose(
        torch.tensor(merged["value_x"]), torch.tensor(merged["value_y"]), atol=1e-4
    )
