"""Do maps lie where the emotion is shown? On a tiny net, and on one whose reasons are known."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import metrics
from fer_xai.attributions import CONTROLS
from fer_xai.emotions import EMOTIONS, SIX
from fer_xai.errors import InputError
from fer_xai.landmarks import REGIONS, canonical_landmarks, emotion_areas, face_regions
from studies.questions.landmark_alignment import chance
from studies.questions.landmark_alignment import study as module
from studies.questions.landmark_alignment.areas import (
    WITHOUT_RELU,
    EmotionAreas,
    choices,
    emotions_of,
)
from studies.questions.landmark_alignment.maps import Job
from studies.questions.landmark_alignment.scores import (
    SCORES,
    contrasts,
    own_scores,
    similarities,
)
from studies.questions.landmark_alignment.study import LandmarkAlignment

ROWS = ("contrasts", "scores", "other_faces", "matrix", "regions", "agreement", "units_at_rest")


@pytest.fixture(scope="module", autouse=True)
def _few_calibration_faces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CALIBRATION", 12)  # faces are slow to draw
        yield


def study(out, weights, **options):
    settings = {
        "limit": 8,
        "untrained": 2,
        "causes": 3,
        "batch_size": 8,
        "methods": ("gradcam", "saliency", "attention_rollout"),
    } | options
    return LandmarkAlignment(
        models=(f"tiny={weights}",), device="cpu", progress=False, out=out, **settings
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    return study(tmp_path_factory.mktemp("alignment"), weights).run()


def table(run, name):
    return pd.read_csv(run / "tables" / f"{name}.csv")


def test_a_run_leaves_rows_tables_figures_and_a_report(run):
    for name in ROWS:
        assert len(pd.read_parquet(run / f"{name}.parquet")), name
    for name in ("endpoint", "faces", "matrix", "choices", "regions", "units_at_rest"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 5_000, name
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert set(manifest["config"]["endpoint"]) >= {"quantity", "unit", "family", "interval"}
    refused = table(run, "refused")
    assert set(refused["attribution"]) == {"attention_rollout"}
    said = (run / "answer.txt").read_text()
    assert "without an interval, which takes five untrained networks" in said
    shown = (run / "tables" / "endpoint.md").read_text()
    assert "nan" not in said + shown
    assert "Endpoint, declared before there were rows" in (run / "report.html").read_text()


def test_signed_maps_are_a_sensitivity_of_gradcam_and_no_method(run):
    rows = pd.read_parquet(run / "contrasts.parquet")
    assert set(rows.loc[rows["choice"] == WITHOUT_RELU, "method"]) == {"gradcam"}
    here = rows[(rows["method"] == "gradcam") & rows["trained"]]
    wide = here.pivot_table(index="id", columns="choice", values="value")
    assert not np.allclose(wide[WITHOUT_RELU], wide["Pearson"])
    for name in ("endpoint", "scores", "choices"):
        assert "gradcam_signed" not in set(table(run, name)["method"])
    assert WITHOUT_RELU in set(table(run, "choices")["choice"])


def test_maps_that_ignore_the_target_have_no_contrast_and_a_uniform_map_its_chance(run):
    rows = pd.read_parquet(run / "contrasts.parquet")
    for name in ("uniform", "centre", "edges"):
        values = rows.loc[(rows["method"] == name) & (rows["choice"] == "as declared"), "value"]
        assert (values.abs() < 1e-12).all()
        assert len(values) == 8
    scores = pd.read_parquet(run / "scores.parquet")
    uniform = scores[scores["method"] == "uniform"].pivot_table(
        index="id", columns="metric", values="value"
    )
    assert np.allclose(uniform["au_cosine"], np.sqrt(uniform["region_mass"]))  # √f
    assert np.allclose(uniform["energy_gain"], 1)
    assert np.allclose(uniform["pixel_auc"], 0.5)
    shown = table(run, "scores").set_index(["method", "metric"])[["mean low", "mean high"]]
    fixed = shown.loc[[("uniform", "energy_gain"), ("uniform", "pixel_auc")]]
    others = shown.loc[[("uniform", "region_mass"), ("centre", "pixel_auc")]]
    assert fixed.isna().all(axis=None)
    assert others.notna().all(axis=None)
    bounded = shown[shown.index.get_level_values("metric") != "energy_gain"]
    assert bounded.min().min() >= 0
    assert bounded.max().max() <= 1 + 1e-6  # but for the rounding of scores


def test_contrasts_are_those_of_the_metric(run):
    points = np.stack([canonical_landmarks(), canonical_landmarks() + 1.5])
    areas = EmotionAreas(points, SIX, choices("fer_xai", "emfacs", SIX))
    maps = torch.rand(2, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    maps[0, 2] = 0
    found = similarities(maps, areas, slice(None))
    for choice, likeness in zip(areas.choices, found, strict=True):
        expected = metrics.emotion_contrast(
            maps,
            emotion_areas(
                points,
                size=64,
                edition=choice.edition,
                codebook=choice.codebook,
                without_shared=choice.without_shared,
            ),
            similarity=choice.similarity,
        )
        assert torch.allclose(likeness, expected.similarities, equal_nan=True)
        if not choice.without_pair:
            assert np.allclose(contrasts(likeness), expected.values, atol=1e-6)
    declared = found[0]
    pairs = metrics.emotion_contrast(maps, areas.of(areas.choices[0])).pairs
    without = contrasts(declared[1:], SIX, without_pair=True)
    own = contrasts(declared[1:])
    s, f = SIX.index("surprise"), SIX.index("fear")
    pair = contrasts(declared[1:][:, [s, f]][:, :, [s, f]])
    assert np.isclose(without[0], (15 * own[0] - pair[0]) / 14)
    assert pairs.shape == (6, 6)


def test_a_run_is_continued_and_another_batch_size_changes_nothing(run, weights, monkeypatch):
    monkeypatch.setattr(module, "write_report", lambda *_, **__: "none")  # figures take time
    before = {name: pd.read_parquet(run / f"{name}.parquet") for name in ROWS}
    shards = sorted((run / "shards").rglob("*.npz"))
    kept = shards[0].read_bytes()
    for file in shards[1::3]:
        file.unlink()
    assert study(run.parents[1], weights, batch_size=3).run() == run
    assert shards[0].read_bytes() == kept
    for name, rows in before.items():
        again = pd.read_parquet(run / f"{name}.parquet")
        pd.testing.assert_frame_equal(again, rows, atol=1e-4, rtol=1e-4)
    networks = json.loads((run / "manifest.json").read_text())["networks"]
    assert networks["tiny"]["predictor"]["batch_size"] == "8, 3"


def test_a_complete_run_is_read_and_nothing_is_scored_again(run, weights, monkeypatch):
    monkeypatch.setattr(module, "write_report", lambda *_, **__: "none")
    before = {name: pd.read_parquet(run / f"{name}.parquet") for name in ROWS}
    files = {file: file.stat().st_mtime_ns for file in (run / "shards").rglob("*.npz")}
    assert {f"{name}-000000.npz" for name in CONTROLS} <= {
        file.name for file in files if file.parts[-3:-1] == ("tiny", "controls")
    }

    def again(*_, **__):
        raise AssertionError("scored again")

    monkeypatch.setattr(Job, "scored", again)
    monkeypatch.setattr(chance, "control_maps", again)
    monkeypatch.setattr(Job, "loaded", again)
    assert study(run.parents[1], weights).run() == run
    for name, rows in before.items():
        pd.testing.assert_frame_equal(pd.read_parquet(run / f"{name}.parquet"), rows)
    assert files == {file: file.stat().st_mtime_ns for file in (run / "shards").rglob("*.npz")}


def test_shards_of_other_controls_are_refused(run, weights, monkeypatch):
    monkeypatch.setattr(chance, "CONTROLS", {"uniform": CONTROLS["centre"]})
    with pytest.raises(InputError, match="differ in controls"):
        study(run.parents[1], weights).run()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"untrained": 1}, "Expected at least 2 untrained networks, got 1"),
        ({"methods": ("gradcm",)}, "Unknown attribution 'gradcm'"),
        ({"edition": "py-feat"}, "Expected an edition of action units"),
        ({"codebook": "facs"}, "Expected a codebook"),
        ({"codebook": "none.toml"}, "cannot be read"),
        ({"limit": 0}, "Expected --limit as a whole number of 1 or more, got 0"),
        ({"limit": 4}, "Expected 5 or more faces with landmarks, got 4 of 4"),
        ({"causes": -1}, "Expected --causes from 0, got -1"),
        ({"targets": "shown"}, "Expected targets predicted or true"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, weights, options, sentence):
    with pytest.raises(InputError, match=sentence):
        study(tmp_path, weights, **options).run()
    assert not list(tmp_path.iterdir())


def test_a_codebook_of_one_emotion_is_refused():
    with pytest.raises(InputError, match="Expected a codebook of two or more of happiness"):
        emotions_of({"fear": [1]})


def test_maps_on_the_mouth_the_brows_and_the_background_are_told_apart():
    points = np.repeat(canonical_landmarks()[None], 2, axis=0)
    regions = face_regions(points, size=64)
    areas = emotion_areas(
        points, size=64, emotions=["happiness"], codebook={"happiness": [12, 25]}
    )[:, 0]
    found = {
        name: dict(
            zip(
                SCORES,
                own_scores(regions[:, REGIONS.index(name)].float(), areas, regions)[0].tolist(),
                strict=True,
            )
        )
        for name in ("mouth", "brows", "off_face")
    }
    for metric in SCORES:
        mouth, brows, ground = (found[name][metric] for name in ("mouth", "brows", "off_face"))
        if metric == "off_face_mass":
            assert mouth == brows == 0 < ground == 1
        else:
            assert mouth > max(brows, ground) + 0.05, metric


def test_emotions_are_canonical(run):
    assert set(table(run, "regions")["emotion"]) <= set(EMOTIONS)
