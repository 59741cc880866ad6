"""Scores of many explanations, a chunk of faces at a time."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from fer_xai.errors import InputError
from metrics.core.registry import METRICS, MetricSpec
from studies.engine import explained as targets_module
from studies.scoreboard.report import content
from studies.scoreboard.scores import CHANCE
from tests.studies.scoreboard.boards import board, scored

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


def test_regions_ask_for_landmarks(predictor, faces):
    bare = dataclasses.replace(faces, landmarks=None)
    with pytest.raises(InputError, match="Expected landmarks for synthetic.* naopc are made of"):
        scored(board(), predictor, bare)


def test_a_fill_that_is_made_of_regions_asks_for_landmarks(predictor, faces):
    skin = board(metrics=["average_drop", "deletion_skin"])
    assert skin.needs_regions() == ["deletion_skin"]
    bare = dataclasses.replace(faces, landmarks=None)
    with pytest.raises(InputError, match="which the regions of deletion_skin are made of"):
        scored(skin, predictor, bare)


def test_what_is_explained_by_another_rule_is_refused(predictor, faces):
    with pytest.raises(InputError, match=r"by the board's own rule and seed \(true, 0\), got pred"):
        board(targets="true").scores(board().explained(predictor, faces))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"methods": ["gradcm"]}, "Unknown attribution 'gradcm': did you mean"),
        ({"controls": ["center"]}, "Unknown control"),
        ({"methods": []}, "Expected at least one attribution"),
        ({"targets": "best"}, "Expected targets predicted or true"),
        ({"metrics": []}, "Expected at least one metric"),
    ],
)
def test_bad_input_is_one_sentence(options, sentence):
    with pytest.raises(InputError, match=sentence):
        board(**options)


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


def test_scores_do_not_depend_on_the_order_of_faces(predictor, faces):
    turned = faces.subset(list(range(len(faces)))[::-1])
    controls = ("centre", "random", "edges")
    one, two = (scored(board(controls=controls), predictor, some) for some in (faces, turned))
    merged = one.merge(two, on=["id", "method", "metric"])
    assert torch.allclose(
        torch.tensor(merged["value_x"]), torch.tensor(merged["value_y"]), atol=1e-4
    )
